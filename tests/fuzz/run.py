"""Try random inputs of a kind, and count what happens to them.

    python tests/fuzz/run.py --kind targets clips detection --inputs 100000
    KERAS_BACKEND=torch python tests/fuzz/run.py --kind stacks --inputs 300

Each kind is a module beside this one with a function `attempt(random, folder)`, which tries one
input or a batch of them and returns a `Counter` of the outcomes: "agreed" with the independent
oracle, or "refused" by a `ValueError`. Its `prepare()`, if it has one, makes what all attempts
need. An `AssertionError` is a difference from the oracle, any other exception a crash.
Attempts run in a process of their own: one that takes more than 5 s (of processor time) is a hang,
one that ends the process is a death, and another process goes on behind it. `--seed` and the number
of an attempt make its inputs again: `--first NUMBER --inputs 1`.

Writes `benchmarks/results/fuzz.json`, an entry for each kind, backend and seed; the exit status is
1 if there was any failure.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
RESULT = HERE.parents[1] / "benchmarks" / "results" / "fuzz.json"
KINDS = (
    *("event_files", "manifests", "sounds", "archives", "tflite"),
    *("targets", "clips", "detection", "stacks"),
)
SECONDS = 5  # of processor time, for an attempt
SECONDS_OF = {"stacks": 240}  # programs are compiled for each
WAITING_FACTOR = 12  # how many times as long an attempt may wait
MEMORY_BYTES = 8 << 30  # of addresses, for files that declare too much
UNBOUNDED = ("stacks", "tflite")  # programs and runtimes reserve more addresses
FAILURES = ("difference", "crash", "hang", "death")
MOST_FAILURES = 50
FIELDS = ("next", "inputs", "agreed", "refused", "longest_s")


def try_inputs(kind: str, seed: int, first: int, inputs: int, folder: Path) -> None:
    """Run attempts in this process, from a number on, until so many inputs were tried.

    Args:
        kind: Name of the kind.
        seed: The seed.
        first: Number of the first attempt.
        inputs: Number of inputs, over all processes.
        folder: Folder of the progress and the failures.
    """
    module = importlib.import_module(kind)
    if hasattr(module, "prepare"):
        module.prepare()
    if kind not in UNBOUNDED:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    progress = open_progress(folder)
    counts = dict(zip(FIELDS, range(len(FIELDS)), strict=True))
    work = folder / "work"
    work.mkdir(exist_ok=True)
    limit = SECONDS_OF.get(kind, SECONDS)
    warnings.simplefilter("ignore")
    number = first
    while progress[counts["inputs"]] < inputs:
        progress[counts["next"]] = number
        signal.setitimer(signal.ITIMER_PROF, limit)
        signal.setitimer(signal.ITIMER_REAL, limit * WAITING_FACTOR)
        started = time.process_time()
        try:
            outcomes = module.attempt(random.Random(f"{kind} {seed} {number}"), work)
        except Exception as error:  # which is what is looked for
            outcomes = {}
            what = "difference" if isinstance(error, AssertionError) else "crash"
            report(folder, what, number, traceback.format_exc(limit=-3))
        seconds = time.process_time() - started
        progress[counts["inputs"]] += max(1, sum(outcomes.values()))
        for outcome, count in outcomes.items():
            progress[counts[outcome]] += count
        progress[counts["longest_s"]] = max(progress[counts["longest_s"]], seconds)
        number += 1
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)


def open_progress(folder: Path) -> np.memmap:
    """Return the numbers of `FIELDS`, which outlive the process that writes them."""
    path = folder / "progress"
    mode = "r+" if path.exists() else "w+"
    return np.memmap(path, "float64", mode, shape=len(FIELDS))


def report(folder: Path, what: str, number: int, reason: str) -> None:
    """Add a failure to the list of a folder, and print it."""
    with (folder / "failures").open("a") as file:
        file.write(json.dumps({"failure": what, "attempt": number, "reason": reason}) + "\n")
    print(f"attempt {number}: {what}\n{reason}", flush=True)


def failures_in(folder: Path) -> list[dict]:
    """Return the failures in a folder."""
    path = folder / "failures"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run_kind(kind: str, inputs: int, seed: int, first: int) -> dict:
    """Try inputs of a kind in processes that are replaced when they die; return what happened."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        progress = open_progress(folder)
        progress[0] = first
        while progress[1] < inputs and len(failures_in(folder)) < MOST_FAILURES:
            arguments = [kind, seed, int(progress[0]), inputs, folder]
            command = [sys.executable, __file__, "--worker", *map(str, arguments)]
            code = subprocess.run(command, check=False).returncode
            if code == 0:
                break
            stopped = -code in (signal.SIGPROF, signal.SIGALRM)
            died = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            report(folder, "hang" if stopped else "death", int(progress[0]), died)
            progress[0] += 1
            progress[1] += 1
        found = failures_in(folder)
        counts = Counter(failure["failure"] for failure in found)
        numbers = dict(zip(FIELDS, progress.tolist(), strict=True))
    return {
        "kind": kind,
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow") if kind == "stacks" else None,
        "seed": seed,
        "first": first,
        **{name: int(numbers[name]) for name in ("inputs", "agreed", "refused")},
        **{each: counts[each] for each in FAILURES},
        "longest_s": round(numbers["longest_s"], 3),
        "seconds": round(time.monotonic() - started, 1),
        "failures": found,
    }


def store(path: Path, entry: dict) -> None:
    """Put an entry in the place of the one of its kind, backend and seed."""
    from keras_sal import files, provenance

    stored = json.loads(path.read_text())["kinds"] if path.exists() else []
    key = ("kind", "backend", "seed")
    others = [each for each in stored if any(each[name] != entry[name] for name in key)]
    entry |= {"versions": provenance.versions(), "machine": provenance.machine()}
    kinds = sorted([*others, entry], key=lambda each: [str(each[name]) for name in key])
    total = {name: sum(each[name] for each in kinds) for name in ("inputs", *FAILURES)}
    command = "python tests/fuzz/run.py"
    files.write_json(path, {"command": command, "total": total, "kinds": kinds})


def main() -> int:
    """Run the command."""
    if sys.argv[1:2] == ["--worker"]:
        kind, seed, first, inputs, folder = sys.argv[2:]
        try_inputs(kind, int(seed), int(first), int(inputs), Path(folder))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--inputs", type=int, default=1000, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first attempt")
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    failed = False
    for kind in options.kind:
        entry = run_kind(kind, options.inputs, options.seed, options.first)
        shown = ("inputs", "agreed", "refused", *FAILURES, "longest_s", "seconds")
        print(kind, *(f"{name} {entry[name]}" for name in shown), flush=True)
        store(options.output, entry)
        failed |= any(entry[each] for each in FAILURES)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.path.append(str(HERE.parent / "support"))
    sys.exit(main())
