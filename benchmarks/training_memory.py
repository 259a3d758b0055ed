"""Peak memory of `keras-sal train` at its default settings, for several hours of training streams.

    python benchmarks/training_memory.py [--hours 2 8 16] [--steps 1000] [--recordings DIR]

The steps are few, as memory does not depend on them, and the budget is high, as a detector of few
steps has no threshold for a low one. Each training and the processes that it
starts, such as the converter's, are looked at twice a second: their memory together is the sum of
the proportional shares (`Pss` of Linux), so that what they share counts once. A row holds the
peak of each stage, and the peak of the largest process. Writes
`benchmarks/results/training_memory.json`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from keras_sal import files, provenance
from keras_sal.data import require_recordings

RESULT = Path(__file__).parent / "results" / "training_memory.json"
INTERVAL_S = 0.5
BUDGET = 60.0  # false alarms an hour


def field_kb(path, name):
    """Return a field of a file of `/proc`, in kB; 0 where the process has ended."""
    try:
        lines = Path(path).read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def family(pid):
    """Return a process and all that it has started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [each for child in task.read_text().split() for each in family(int(child))]
        except OSError:
            continue
    return found


def measured(command, environment):
    """Run a command and return its peaks, by stage."""
    peaks, stage = {}, ["start"]

    def watch(process):
        while process.poll() is None:
            pids = family(process.pid)
            together = sum(field_kb(f"/proc/{each}/smaps_rollup", "Pss") for each in pids)
            largest = max(field_kb(f"/proc/{each}/status", "VmHWM") for each in pids)
            peak = peaks.setdefault(stage[0], {"together_mb": 0, "largest_process_mb": 0})
            peak["together_mb"] = max(peak["together_mb"], round(together / 1024))
            peak["largest_process_mb"] = max(peak["largest_process_mb"], round(largest / 1024))
            time.sleep(INTERVAL_S)

    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        threading.Thread(target=watch, args=(process,), daemon=True).start()
        last = []
        for line in process.stdout:
            last = [*last[-20:], line]
            if line.rstrip().endswith(" ..."):
                stage[0] = line.strip().removesuffix(" ...")
    if process.returncode:
        sys.exit("".join(last))
    return peaks


def row(hours, arguments):
    """Train with a number of hours of streams, and return what is stored of it."""
    root = str(require_recordings(arguments.recordings))
    options = ["--word", "computer", "--hours", str(hours), "--steps", str(arguments.steps)]
    options += ["--fa-per-hour", str(BUDGET)]
    with tempfile.TemporaryDirectory() as folder:
        output = ["--output", str(Path(folder) / "out")]
        command = [sys.executable, "-m", "keras_sal_program", "train", root, *options, *output]
        stages = measured(command, os.environ | {"KERAS_BACKEND": arguments.backend})
    return {
        "hours": hours,
        "peak_together_mb": max(each["together_mb"] for each in stages.values()),
        "peak_largest_process_mb": max(each["largest_process_mb"] for each in stages.values()),
        "stages": stages,
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", nargs="+", type=float, default=[2.0, 8.0, 16.0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--backend", default="jax")
    parser.add_argument("--recordings", metavar="DIR", help="default: that of `keras-sal train`")
    parser.add_argument("--result", type=Path, default=RESULT)
    arguments = parser.parse_args()
    rows = []
    for hours in arguments.hours:
        rows.append(row(hours, arguments))
        print(f"{hours:g} h: {rows[-1]['peak_together_mb']} MB", flush=True)
    files.write_json(
        arguments.result,
        {
            "command": f"python benchmarks/training_memory.py --hours "
            f"{' '.join(f'{each:g}' for each in arguments.hours)} --steps {arguments.steps}",
            "backend": arguments.backend,
            "rows": rows,
            "versions": provenance.versions(),
            "machine": provenance.machine(),
        },
    )


if __name__ == "__main__":
    main()
