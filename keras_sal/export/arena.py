"""The smallest tensor arena in which a model runs.

The interpreter has no getter for it, its allocation log leaves out what planning needs temporarily,
and an arena that is too small may segfault instead of failing. So this file is also the program of
a worker process, which tries every candidate size in a fork of itself and survives whatever happens
to the fork. As a worker it imports nothing of this package, hence no Keras, and takes a second.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

GRAIN_BYTES = 16
UPPER_BYTES = (1 << 16, 1 << 20, 1 << 24, 1 << 28)
PROBE_TIMEOUT_S = 30
WORKER_TIMEOUT_S = 300


def measure(content: bytes) -> dict[str, Any]:
    """Load and invoke a model in TensorFlow Lite Micro, in smaller and smaller arenas.

    Args:
        content: Bytes of the `.tflite` file.

    Returns:
        A dict with `arena_bytes`, the smallest multiple of 16 bytes in which the model allocates
        and invokes; or with `failure`, the message of the interpreter, if it runs in none.
    """
    from keras_sal.export import worker

    with tempfile.TemporaryDirectory(prefix="keras_sal_arena_") as folder:
        (Path(folder) / "model.tflite").write_bytes(content)
        return worker.run(
            "search for the arena", ["-P", __file__], folder, {}, timeout_s=WORKER_TIMEOUT_S
        )


def bisect(runs_in: Callable[[int], bool], upper: int) -> int:
    """Return the smallest size that suffices, a multiple of 16.

    Args:
        runs_in: Whether a size suffices. Every larger size does too.
        upper: A size that suffices.

    Example:
        >>> bisect(lambda size: size >= 1000, 65536)
        1008
    """
    low, high = 0, -(-upper // GRAIN_BYTES)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if runs_in(middle * GRAIN_BYTES) else (middle, high)
    return high * GRAIN_BYTES


def _measure(content: bytes) -> dict[str, Any]:
    for upper in UPPER_BYTES:
        failure = _probe(content, upper)
        if failure is None:
            return {"arena_bytes": bisect(lambda size: _probe(content, size) is None, upper)}
        if "Didn't find op" in failure:
            break
    return {"failure": failure}


def _probe(content: bytes, size: int) -> str | None:
    """Return `None` if the model runs in `size` bytes, else the message it failed with."""
    from tflite_micro import runtime

    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if not child:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            signal.alarm(PROBE_TIMEOUT_S)
            code = 1
            try:
                runtime.Interpreter.from_bytes(content, arena_size=size).invoke()
                code = 0
            except (RuntimeError, ValueError) as error:
                os.write(2, str(error).encode())
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        if status == 0:
            return None
        output.seek(0)
        text = output.read().decode(errors="replace").strip()
        if os.WIFSIGNALED(status):
            text += f"\nThe interpreter died of {signal.Signals(os.WTERMSIG(status)).name}."
        return text


if __name__ == "__main__":
    shared = Path(sys.argv[1])
    found = _measure((shared / "model.tflite").read_bytes())
    (shared / "report.json").write_text(json.dumps(found))
