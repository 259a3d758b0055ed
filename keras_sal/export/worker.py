"""A Python process of its own, for work that may crash, hang or need another Keras backend.

The TensorFlow converter segfaults on some graphs and a TFLM interpreter may on a small arena; in
a worker such an end is an exception for the caller, never the caller's own end. Caller and worker
talk through one folder: `job.json` in, `report.json` out, beside whatever files the job names. The
worker rewrites its report at every stage, so that a crash leaves behind how far it had come.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

TAIL_LINES = 25


class ExportError(RuntimeError):
    """A model that could not be exported: what failed, where, and what to do instead."""


class Report:
    """The worker's side of the folder: the job it got and the report it writes."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.job = json.loads((self.folder / "job.json").read_text())
        self.content = {}

    def write(self, **entries):
        """Adds entries and saves at once: the next line may be the one that crashes."""
        self.content.update(entries)
        temporary = self.folder / "report.tmp"
        temporary.write_text(json.dumps(self.content))
        temporary.replace(self.folder / "report.json")


def run(name, program, folder, job, *, timeout_s):
    """Runs a worker on a folder and returns its report.

    Args:
        name: What to call the worker in an error.
        program: Arguments for Python that start it, such as `["-m", "module"]`.
        folder: The folder shared with the worker; belongs to the caller.
        job: What to do, as JSON content.
        timeout_s: Seconds until the worker is stopped.

    Raises:
        ExportError: The worker crashed, failed or did not end in time.
    """
    folder = Path(folder)
    (folder / "job.json").write_text(json.dumps(job))
    log = folder / "log.txt"
    try:
        with log.open("wb") as output:
            code = subprocess.run(
                [sys.executable, *program, str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(),
                timeout=timeout_s,
                check=False,
            ).returncode
    except subprocess.TimeoutExpired:
        raise ExportError(_obituary(name, folder, f"did not end within {timeout_s:g} s")) from None
    if code:
        raise ExportError(_obituary(name, folder, _cause_of_death(code)))
    return _read_report(folder)


def _environment():
    return os.environ | {
        "KERAS_BACKEND": "tensorflow",
        "PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path),
        "PYTHONHASHSEED": "0",
        "CUDA_VISIBLE_DEVICES": "-1",  # a GRU traced beside a GPU becomes an op only cuDNN has
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_ENABLE_ONEDNN_OPTS": "0",  # the same calibration, hence the same bytes, on every CPU
    }


def _read_report(folder):
    path = folder / "report.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _cause_of_death(code):
    if code > 0:
        return f"failed (exit status {code})"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"crashed ({name})"


def _obituary(name, folder, what_happened):
    report = _read_report(folder)
    lines = [f"The {name} {what_happened} when it was to {report.get('stage', 'start')}."]
    if suspects := report.get("suspects"):
        lines.append(f"Most likely at fault: {suspects}.")
    if advice := report.get("advice"):
        lines.append(advice)
    tail = (folder / "log.txt").read_text(errors="replace").strip().splitlines()[-TAIL_LINES:]
    lines += ["The end of its output:", *(f"    {line}" for line in tail or ["(nothing)"])]
    return "\n".join(lines)
