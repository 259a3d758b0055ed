"""A process that imports packages once and runs each worker in a fork of itself.

TensorFlow takes eight times as long to import as a small model takes to convert. The server imports
it once. A worker that crashes or hangs still ends alone: it is a process of its own.

This file is also the program of the server, which imports nothing of this package.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence


class ForkServer:
    """The caller's side of a fork server. The process starts on first use and ends with `close`.

    Args:
        packages: Names of the packages that the server imports.
        environment: Environment variables of the server and its workers.
    """

    def __init__(self, packages: Sequence[str], environment: Mapping[str, str]) -> None:
        self._packages = packages
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None

    def run(self, module: str, folder: str, log: str, *, timeout_s: float) -> int | None:
        """Run a module as a program in a fork of the server.

        Args:
            module: Name of the module.
            folder: The program's only argument.
            log: Path of the file that its output is written to.
            timeout_s: Seconds until the fork is stopped.

        Returns:
            The exit status, the negative number of a signal that ended the fork, or `None` if it
            was stopped.

        Raises:
            ExportError: If the server itself has ended.
        """
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps([module, folder, log, timeout_s, sys.path]) + "\n")
            process.stdin.flush()
            status = process.stdout.readline()
        except BrokenPipeError:
            status = ""
        if not status:
            from keras_sal.export.errors import ExportError

            raise ExportError(
                "The shared process must run for as long as it is used. Received: it has ended "
                f"(exit status {process.wait()}). Convert without it to see why."
            )
        return None if int(status) == -signal.SIGALRM else int(status)

    def close(self) -> None:
        """End the server."""
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", __file__, *self._packages],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(self._environment),
            text=True,
        )


def serve() -> None:
    """Run the modules named on standard input, and print the exit status of each."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # whatever a package prints is no answer
        for package in sys.argv[1:]:
            importlib.import_module(package)
        gc.collect()
        gc.freeze()  # collections in a fork then leave these objects, hence the pages, as they are
        for line in sys.stdin:
            worker = os.fork()
            if not worker:
                _work(*json.loads(line))
                return
            _, status = os.waitpid(worker, 0)
            print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def _work(module: str, folder: str, log: str, timeout_s: float, path: list[str]) -> None:
    """Run a module as a program, in this process, which ends with it."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    sys.path[:] = path
    sys.argv = [module, folder]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve()
