"""Damage `.tflite` files, open and run every copy in a process of its own, and count what happens.

    python tests/fuzz/damaged_tflite.py model.tflite another.tflite --copies 1000

A copy has 1 to 8 changed bytes. It must be refused with a `ValueError` or `ExportError`, or run in
TensorFlow Lite Micro and in LiteRT. Anything else is a failure: another exception, a process that
dies, a copy that takes more than 5 s. The exit status is 1 if there was one; the seed of each is
printed, and `--keep` writes those copies to a folder.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import signal
import sys
import tempfile
from pathlib import Path

SECONDS = 5
COPIES_A_PROCESS = 50
FRAMES = 3


def damage(content: bytes, seed: str) -> bytes:
    """Return a copy with 1 to 8 changed bytes, half of them in the tables at the end."""
    random_ = random.Random(seed)
    changed = bytearray(content)
    for _ in range(random_.randint(1, 8)):
        low = random_.choice([0, 3 * len(content) // 4])
        at = random_.randrange(low, len(content))
        change = random_.choice(["bit", "byte", "extreme"])
        if change == "bit":
            changed[at] ^= 1 << random_.randrange(8)
        else:
            changed[at] = random_.choice([0, 127, 128, 255] if change == "extreme" else range(256))
    return bytes(changed)


def open_and_run(path: Path) -> str:
    """Run a file in both runtimes; return what happened."""
    import numpy as np

    from keras_sal.export import ExportError
    from keras_sal.export.internal_state import InternalLiteModel, InternalModel, is_internal
    from keras_sal.export.litert import LiteModel
    from keras_sal.export.micro import MicroModel

    outcomes = []
    try:
        internal = is_internal(path)
    except ValueError:
        return "refused"
    for kind in (InternalModel, InternalLiteModel) if internal else (MicroModel, LiteModel):
        try:
            runner = kind(path)
            frames = {
                info.name: np.ones((FRAMES, *info.shape[1:]), "float32")
                for info in runner.inputs
                if info.name in runner.signature.frames
            }
            runner.stream(frames)
            outcomes.append("ran")
        except (ValueError, ExportError):
            outcomes.append("refused")
        except Exception as error:  # which is what is looked for
            outcomes.append(f"raised {type(error).__name__}: {str(error)[:200]}")
    bad = [outcome for outcome in outcomes if outcome not in ("ran", "refused")]
    return bad[0] if bad else " and ".join(outcomes)


def run_copies(content: bytes, name: str, seeds: range, folder: Path) -> dict[int, str]:
    """Return what happened to each copy; processes that die are replaced."""
    outcomes: dict[int, str] = {}
    left = list(seeds)
    while left:
        log = folder / "log"
        child = os.fork()
        if not child:
            _work(content, name, left[:COPIES_A_PROCESS], folder, log)
        _, status = os.waitpid(child, 0)
        done = dict(line.split("\t", 1) for line in log.read_text().splitlines())
        outcomes |= {int(seed): outcome for seed, outcome in done.items()}
        code = os.waitstatus_to_exitcode(status)
        if code:
            died = next(seed for seed in left if seed not in outcomes)
            outcomes[died] = f"died: {signal.Signals(-code).name if code < 0 else code}"
        left = [seed for seed in left if seed not in outcomes]
    return outcomes


def _work(content: bytes, name: str, seeds: list[int], folder: Path, log: Path) -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    with log.open("w") as stream:
        for seed in seeds:
            path = folder / "damaged.tflite"
            path.write_bytes(damage(content, f"{name} {seed}"))
            signal.setitimer(signal.ITIMER_PROF, SECONDS)  # seconds of this process' own time
            print(seed, open_and_run(path).replace("\n", " "), sep="\t", file=stream, flush=True)
    os._exit(0)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--copies", type=int, default=100, help="of each file")
    parser.add_argument("--seed", type=int, default=0, help="of the first copy")
    parser.add_argument("--keep", type=Path, help="folder for the copies that failed")
    options = parser.parse_args()
    counts: collections.Counter[str] = collections.Counter()
    failed = 0
    import ai_edge_litert.interpreter  # noqa: F401
    import tflite_micro  # noqa: F401

    import keras_sal.export.micro  # noqa: F401, imported once for all processes

    with tempfile.TemporaryDirectory() as folder:
        for file in options.files:
            content = file.read_bytes()
            seeds = range(options.seed, options.seed + options.copies)
            for seed, outcome in run_copies(content, file.name, seeds, Path(folder)).items():
                kind = outcome.split(":")[0]
                counts[kind] += 1
                if kind.startswith(("died", "raised")):
                    failed += 1
                    print(f"{file.name} seed {seed}: {outcome}", flush=True)
                    if options.keep:
                        options.keep.mkdir(exist_ok=True)
                        copy = options.keep / f"{file.stem}_{seed}.tflite"
                        copy.write_bytes(damage(content, f"{file.name} {seed}"))
            print(f"{file.name}: so far {dict(counts)}", flush=True)
    print(f"{sum(counts.values())} copies: {dict(counts)}; {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
