"""Worker processes, for work that may crash, hang or need another Keras backend.

The TensorFlow converter segfaults on some graphs, and a TensorFlow Lite Micro interpreter may do so
in a small arena. In a worker process such an end is an exception for the caller. Caller and worker
share one folder: the caller writes `job.json`, the worker writes `report.json` beside the files
that the job names. The worker rewrites its report at every stage, so that after a crash the report
tells the last stage.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_sal.export.errors import ExportError
from keras_sal.export.fork_server import ForkServer
from keras_sal.typing import PathLike

TAIL_LINES = 25


class WorkerReport:
    """The worker's access to the shared folder: the job to read, and the report to write.

    Args:
        folder: The shared folder.

    Attributes:
        folder: The shared folder.
        job: Content of `job.json`.
        content: What has been reported so far.
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder)
        self.job: dict[str, Any] = json.loads((self.folder / "job.json").read_text())
        self.content: dict[str, Any] = {}

    def write(self, **entries: Any) -> None:
        """Add entries to the report and save it at once, since the next line may crash.

        Args:
            **entries: JSON values. `stage` says what is done next, as a verb phrase; `suspects` and
                `advice` are shown if the worker fails.
        """
        self.content.update(entries)
        temporary = self.folder / "report.tmp"
        temporary.write_text(json.dumps(self.content))
        temporary.replace(self.folder / "report.json")


def run(
    name: str,
    program: Sequence[str],
    folder: PathLike,
    job: dict[str, Any],
    *,
    timeout_s: float,
    server: ForkServer | None = None,
) -> dict[str, Any]:
    """Run a worker process on a shared folder.

    Args:
        name: Name of the worker, for error messages.
        program: Arguments of Python that start the worker, such as `["-m", "module"]`. The folder
            is appended to them.
        folder: The folder shared with the worker. The caller makes and removes it.
        job: What to do, as a JSON object.
        timeout_s: Seconds until the worker is stopped.
        server: Runs the worker, whose program must be a module. Defaults to `None`: a new Python
            process runs it.

    Returns:
        The worker's report.

    Raises:
        ExportError: If the worker crashes, fails or doesn't end in time.
    """
    folder = Path(folder)
    (folder / "job.json").write_text(json.dumps(job))
    if server is None:
        status = _run_process([sys.executable, *program, str(folder)], folder, timeout_s)
    else:
        log = str(folder / "log.txt")
        status = server.run(program[-1], str(folder), log, timeout_s=timeout_s)
    if status is None:
        raise ExportError(_failure_message(name, folder, f"did not end within {timeout_s:g} s"))
    if status:
        raise ExportError(_failure_message(name, folder, _describe_status(status)))
    return _read_report(folder)


def _run_process(command: list[str], folder: Path, timeout_s: float) -> int | None:
    """Return the exit status of a new process, or `None` if it was stopped."""
    try:
        with (folder / "log.txt").open("wb") as log:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(),
                timeout=timeout_s,
                check=False,
            ).returncode
    except subprocess.TimeoutExpired:
        return None


def environment() -> dict[str, str]:
    """Return the environment variables of a worker process: Keras on TensorFlow, no GPU."""
    return os.environ | {
        "KERAS_BACKEND": "tensorflow",
        "PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path),
        "PYTHONHASHSEED": "0",
        "CUDA_VISIBLE_DEVICES": "-1",  # a GRU traced beside a GPU becomes an op only cuDNN has
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_ENABLE_ONEDNN_OPTS": "0",  # the same calibration, hence the same bytes, on every CPU
    }


def _read_report(folder: Path) -> dict[str, Any]:
    path = folder / "report.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _describe_status(status: int) -> str:
    if status > 0:
        return f"failed (exit status {status})"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"crashed ({name})"


def _failure_message(name: str, folder: Path, failure: str) -> str:
    report = _read_report(folder)
    lines = [f"The {name} {failure} when it was to {report.get('stage', 'start')}."]
    if suspects := report.get("suspects"):
        lines.append(f"Most likely at fault: {suspects}.")
    if advice := report.get("advice"):
        lines.append(advice)
    tail = (folder / "log.txt").read_text(errors="replace").strip().splitlines()[-TAIL_LINES:]
    lines += ["The end of its output:", *(f"    {line}" for line in tail or ["(nothing)"])]
    return "\n".join(lines)
