"""The detectors of `keras_sal.pretrained`: trained, measured, stored, and described on cards.

    python benchmarks/pretrained.py                          all four words
    python benchmarks/pretrained.py --words jarvis           one of them

Each word is trained by the command `keras-sal train` as it is shipped, on JAX. The model and the
manifest of its firmware are stored in `keras_sal/pretrained/`, and `keras-sal evaluate` measures
the stored detector on test, in LiteRT. The figures are written to
`benchmarks/results/pretrained.json`, and from there to the cards in `docs/pretrained/`, word by
word, with those of the other words kept. Trained detectors are kept in `--build`, so that a run
that was interrupted is taken up again.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean

import pretrained_cards

from keras_sal.data import group_duplicates, load_word_recordings, require_recordings
from keras_sal.data.wake_words import folder_name
from keras_sal.export import bundle
from keras_sal.export.manifest import sealed
from keras_sal.files import atomic_folder, file_sha256, write_json

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "keras_sal" / "pretrained"
RESULT = ROOT / "benchmarks" / "results" / "pretrained.json"
WORDS = ("alexa", "computer", "jarvis", "smart mirror")
BUILD = ROOT / "build" / "pretrained"
POINT = ("misses", "events", "frr", "false_alarms", "hours", "fa_per_hour")
LATENCY = ("latency_p50_s", "latency_p90_s")
PROVENANCE = ("options", "backend", "versions", "machine")


def command(name, *arguments):
    """Run a command of `keras-sal` on JAX, and return it as a user would type it."""
    program = [sys.executable, "-m", "keras_sal_program", name, *arguments]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": path}
    subprocess.run(program, check=True, env=environment)
    return f"KERAS_BACKEND=jax {shlex.join(['keras-sal', name, *arguments])}"


def store(firmware, folder):
    """Store the model of a firmware and its manifest, without the C++ that can be written again."""
    manifest = dict(bundle.read_manifest(firmware))
    model = manifest["model"]
    manifest["sha256"] = {model: manifest["sha256"][model]}
    with atomic_folder(folder) as unfinished:
        shutil.copyfile(firmware / model, unfinished / model)
        write_json(unfinished / "manifest.json", sealed(manifest))


def training_data(path):
    """Return recordings and hours of the train split by folder, from a record of splits."""
    found = defaultdict(lambda: {"recordings": 0, "hours": 0.0})
    for each in json.loads(path.read_text(encoding="utf-8"))["recordings"]:
        if each["split"] == "train":
            first, second, *_ = Path(each["file"]).parts
            folder = found[f"{first}/{second}" if first == "keywords" else first]
            folder["recordings"] += 1
            folder["hours"] += each["duration_s"] / 3600
    return {name: {**each, "hours": round(each["hours"], 3)} for name, each in found.items()}


def test_utterances(word, recordings):
    """Return the utterances of a word in the test split, each as the files that hold it."""
    folder = require_recordings(recordings)
    words = [
        each
        for each in load_word_recordings(folder, word, say=lambda text: None)
        if each.split == "test" and each.text == word
    ]
    return [
        {copy.path.relative_to(folder).as_posix() for copy in copies}
        for copies in group_duplicates(words)
    ]


def figures(results, name, utterances):
    """Return what a system does on test at its threshold, by condition."""
    [system] = [each for each in results["systems"] if each["name"] == name]
    found = {}
    for condition, of_system in system["conditions"].items():
        point = of_system["at_threshold"]
        missed = {each["file"] for each in of_system["misses"]}
        found[condition] = {
            **{figure: point[figure] for figure in (*POINT, *LATENCY)},
            "frr_of_utterances": mean(len(missed & copies) / len(copies) for copies in utterances),
            "frr_95_exact": point["intervals"]["frr"]["exact"],
            "frr_95_by_voice": point["intervals"]["frr"]["speakers"],
            "fa_per_hour_95_exact": point["intervals"]["fa_per_hour"]["exact"],
            "latency_p50_95_by_voice": point["intervals"]["latency_p50_s"]["speakers"],
            "triggered_by": of_system["triggered_by"][:3],
        }
    return found


def made(word, build, recordings):
    """Train, store and measure the detector of a word, and return what is known of it."""
    output, folder = build / folder_name(word), PACKAGE / folder_name(word)
    given = ["--recordings", recordings] if recordings else []
    training = ["--word", word, "--output", str(output), *given]
    command("train", *training, "--resume")
    store(output / "firmware", folder)
    trained = json.loads((output / "results.json").read_text(encoding="utf-8"))
    evaluation = ["--bundle", str(folder), "--runtime", "litert", "--word", word, *given]
    evaluation += ["--fa-per-hour", f"{trained['fa_per_hour']:g}"]
    evaluation += ["--splits", str(output / "splits.json"), "--cache", str(output / "cache")]
    command("evaluate", *evaluation, "--output", str(output / "evaluation"))
    path = output / "evaluation" / "results.json"
    evaluated = json.loads(path.read_text(encoding="utf-8"))
    manifest, utterances = bundle.read(folder).manifest, test_utterances(word, recordings)
    return {
        "train": f'KERAS_BACKEND=jax keras-sal train DIR --word "{word}"',
        "sha256": {each.name: file_sha256(each) for each in sorted(folder.iterdir())},
        "bytes": {each.name: each.stat().st_size for each in sorted(folder.iterdir())},
        **{name: manifest[name] for name in ("flash_bytes", "arena_bytes", "macs")},
        "threshold": manifest["threshold"],
        "training_data": training_data(output / "splits.json"),
        "streams": evaluated["stream_sets"],
        "test_utterances": len(utterances),
        "test": {
            "LiteRT": figures(evaluated, evaluated["systems"][0]["name"], utterances),
            "TensorFlow Lite Micro": figures(trained, trained["systems"][-1]["name"], utterances),
        },
        **{name: trained["provenance"][name] for name in PROVENANCE},
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--words", nargs="+", choices=WORDS, default=WORDS)
    parser.add_argument("--recordings", metavar="DIR", help="default: that of `keras-sal train`")
    parser.add_argument("--build", type=Path, default=BUILD, metavar="DIR")
    arguments = parser.parse_args()
    for word in arguments.words:
        found = made(word, arguments.build, arguments.recordings)
        words = json.loads(RESULT.read_text(encoding="utf-8"))["words"] if RESULT.exists() else {}
        words = dict(sorted((words | {word: found}).items()))
        write_json(RESULT, {"command": "python benchmarks/pretrained.py", "words": words})
        pretrained_cards.write(words)


if __name__ == "__main__":
    main()
