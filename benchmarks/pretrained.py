"""The detectors of `keras_sal.pretrained`: trained, measured, stored, and described on cards.

    python benchmarks/negatives.py NEGATIVES                        hours of further negatives
    python benchmarks/pretrained.py --negatives NEGATIVES           all four words
    python benchmarks/pretrained.py --negatives NEGATIVES --words jarvis

Each word is trained by the command `keras-sal train` as it is shipped, on JAX, unless it was
before: trained detectors are kept in `--build`. Of seeds 0 and 1 it is the one that missed less on
dev in `shipped_detectors.py` (`dev_mean_frr`). The threshold is chosen on dev, with the int8 file
in LiteRT, and stored with the model in `keras_sal/pretrained/`. The figures are of test, at the
threshold, in LiteRT and in TensorFlow Lite Micro. They are written to
`benchmarks/results/pretrained.json`, and from there to the cards in `docs/pretrained/`, word by
word, with those of the other words kept.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pretrained_cards
import shipped_detectors
import shipped_figures
from kept_posteriors import Detector, collect
from utterances import test_utterances

from keras_sal.cli.console import Console
from keras_sal.data import require_recordings
from keras_sal.data.wake_words import folder_name
from keras_sal.evaluation import evaluate
from keras_sal.export import bundle
from keras_sal.export.manifest import sealed
from keras_sal.files import atomic_folder, file_sha256, write_json
from keras_sal.provenance import machine, versions

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "keras_sal" / "pretrained"
RESULT = ROOT / "benchmarks" / "results" / "pretrained.json"
SEEDS = {"alexa": 0, "computer": 1, "jarvis": 0, "smart mirror": 1}
BUILD = ROOT / "build" / "pretrained"
COMMAND = "python benchmarks/pretrained.py --negatives NEGATIVES"
MICRO = "TensorFlow Lite Micro"
DATA = "dev, int8 model in LiteRT"
PROVENANCE = ("options", "backend", "versions", "machine")


def train(*arguments):
    """Run `keras-sal train` on JAX."""
    program = [sys.executable, "-m", "keras_sal_program", "train", *arguments]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": path}
    subprocess.run(program, check=True, env=environment)


def store(firmware, folder, threshold):
    """Store the model of a firmware and its manifest with a threshold, without the C++.

    Args:
        firmware: Folder of the firmware. Its C++ can be written again.
        folder: Folder to write to.
        threshold: Record of the threshold, for the trigger of the firmware.
    """
    manifest = dict(bundle.read_manifest(firmware))
    scoring = manifest["threshold"]["scoring"]
    manifest["threshold"] = threshold | {"scoring": scoring}
    manifest["trigger"] = manifest["trigger"] | {"threshold": threshold["threshold"]}
    model = manifest["model"]
    manifest["sha256"] = {model: manifest["sha256"][model]}
    with atomic_folder(folder) as unfinished:
        shutil.copyfile(firmware / model, unfinished / model)
        write_json(unfinished / "manifest.json", sealed(manifest))


def training_data(path):
    """Return recordings and hours of the train split by folder, from a record of splits.

    Of recordings from elsewhere, the further negatives, it knows the name of the file alone.
    """
    found = defaultdict(lambda: {"recordings": 0, "hours": 0.0})
    for each in json.loads(path.read_text(encoding="utf-8"))["recordings"]:
        if each["split"] == "train":
            *folders, _ = Path(each["file"]).parts
            first = folders[0] if folders else shipped_detectors.FURTHER
            folder = found["/".join(folders[:2]) if first == "keywords" else first]
            folder["recordings"] += 1
            folder["hours"] += each["duration_s"] / 3600
    return {name: {**each, "hours": round(each["hours"], 3)} for name, each in found.items()}


def at_threshold(test):
    """Return what a system does on test at its threshold, by condition."""
    return {
        condition: each["at_threshold"] | {"triggered_by": each["triggered_by"]}
        for condition, each in test.items()
    }


def in_micro(shipped, material, threshold, arguments, console):
    """Return the figures of a detector in TensorFlow Lite Micro, without further negatives.

    That interpreter is slow: it hears the streams of the word alone.

    Args:
        shipped: The `shipped_detectors.Shipped`.
        material: From `shipped_detectors.word_streams`.
        threshold: Record of its threshold.
        arguments: Arguments of the command line.
        console: Shows the progress.
    """
    root, system = require_recordings(arguments.recordings), Detector(MICRO, shipped.bundle)
    of_word = {
        key: [stream for stream in streams if not stream.placed[0].recording.apart]
        for key, streams in material.items()
        if key[0] == "test"
    }
    predictions = collect(
        [system], shipped.word, of_word, arguments.cache, root=root, console=console
    )
    trigger = {"scoring": shipped.trigger["scoring"], "threshold": threshold}
    results = evaluate(predictions, shipped_detectors.protocol(root), shipped={MICRO: trigger})
    utterances = test_utterances(shipped.word, root)
    return shipped_figures.of_system(results, MICRO, predictions, utterances)


def made(word, arguments, console):
    """Train, measure and store the detector of a word, and return what is known of it."""
    output, folder = arguments.build / folder_name(word), PACKAGE / folder_name(word)
    if not (output / "firmware").is_dir():
        given = ["--recordings", arguments.recordings] if arguments.recordings else []
        given += ["--negatives", str(arguments.negatives)]
        seed = str(SEEDS[word])
        train("--word", word, "--seed", seed, "--output", str(output), *given, "--resume")
    shipped = shipped_detectors.Shipped(output)
    material = shipped_detectors.word_streams(word, arguments, console, records=shipped.records)
    found = shipped_detectors.scored(shipped, material, arguments, console)
    micro = in_micro(shipped, material, found["threshold"], arguments, console)
    store(output / "firmware", folder, found["threshold"] | {"data": DATA})
    manifest = bundle.read(folder).manifest
    trained = json.loads((output / "results.json").read_text(encoding="utf-8"))["provenance"]
    return {
        "train": f'KERAS_BACKEND=jax keras-sal train DIR --word "{word}" --seed {SEEDS[word]} '
        "--negatives NEGATIVES",
        "sha256": {each.name: file_sha256(each) for each in sorted(folder.iterdir())},
        "bytes": {each.name: each.stat().st_size for each in sorted(folder.iterdir())},
        **{name: manifest[name] for name in ("flash_bytes", "arena_bytes", "macs")},
        "threshold": manifest["threshold"],
        "training_data": training_data(output / "splits.json"),
        "streams": found["streams"],
        "test_utterances": found["utterances"],
        "test": {"LiteRT": at_threshold(found["test"]["int8"]), MICRO: at_threshold(micro)},
        **{name: trained[name] for name in PROVENANCE},
        "measured_with": {"versions": versions(), "machine": machine()},
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--words", nargs="+", choices=SEEDS, default=list(SEEDS))
    parser.add_argument("--recordings", metavar="DIR", help="default: that of `keras-sal train`")
    parser.add_argument(
        "--negatives", type=Path, metavar="DIR", required=True, help="what negatives.py gathered"
    )
    parser.add_argument("--build", type=Path, default=BUILD, metavar="DIR")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="features and posteriors (cache in --build)"
    )
    arguments = parser.parse_args()
    arguments.cache = arguments.cache or arguments.build / "cache"
    arguments.cache.mkdir(parents=True, exist_ok=True)
    arguments.choose, console = True, Console()
    for word in arguments.words:
        found = made(word, arguments, console)
        words = json.loads(RESULT.read_text(encoding="utf-8"))["words"] if RESULT.exists() else {}
        words = dict(sorted((words | {word: found}).items()))
        write_json(RESULT, {"command": COMMAND, "words": words})
        pretrained_cards.write(words)


if __name__ == "__main__":
    main()
