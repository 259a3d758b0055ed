"""Shipped detectors over hours of negatives: false alarms, misses and latency of their files.

    python benchmarks/negatives.py NEGATIVES
    python benchmarks/shipped_detectors.py alexa computer --negatives NEGATIVES
    python benchmarks/shipped_detectors.py build/pretrained/* --negatives NEGATIVES --peers PEERS

A detector is a folder that `keras-sal train` wrote, a bundle, or the name of a pretrained one. Its
int8 file runs in LiteRT over the test split, clean and at 10 dB, and so does the float model beside
it, if there is one, in Keras. `--choose` chooses thresholds on dev with these negatives, clean and
noisy together, in the place of those that the detectors ship with.

`--peers` names a folder of the wheels that `peers.py` tells. The models of others for the same word
are run over the same streams and scored by the same rules, each with the trigger and the threshold
of its package.

Features and posteriors are kept in `--cache`. The figures are written in one go at the end.
"""

import argparse
import json
from pathlib import Path

import peers
import shipped_figures
from kept_posteriors import Detector, collect
from runs import BUDGET
from utterances import spoken_lengths, test_utterances

from keras_sal import files, provenance
from keras_sal.cli.console import Console
from keras_sal.cli.model_path import model_path
from keras_sal.cli.systems import SPLITS, shipped_trigger
from keras_sal.data import (
    SplitRecord,
    evaluation_streams,
    find_split_record,
    load_word_recordings,
    require_recordings,
)
from keras_sal.evaluation import ScoringProtocol, evaluate, read_word_times
from keras_sal.export import bundle
from keras_sal.training import recipe

HERE = Path(__file__).parent
CONDITIONS = {"clean": None, "10 dB": 10.0}
REPLICATES = 300  # of the bootstrap, over 10,000 recordings
FLOAT, INT8 = "float32", "int8"
FURTHER = "further negatives"


class Shipped:
    """A detector as it ships, and what is beside it.

    Args:
        name: Folder of `keras-sal train`, bundle, or name of a pretrained detector.
    """

    def __init__(self, name):
        folder = model_path(name)
        self.bundle = folder / "firmware" if (folder / "firmware").is_dir() else folder
        self.manifest = bundle.read(self.bundle).manifest
        [self.word] = self.manifest["classes"]
        self.trigger, _ = shipped_trigger(self.bundle, word=self.word)
        self.model = folder / "model.keras"
        record = find_split_record(self.bundle)
        self.records = [SplitRecord.read(record)] if record else []
        results = folder / "results.json"
        found = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {}
        options = found.get("provenance", {}).get("options", {})
        self.options = {key: options.get(key) for key in ("network", "size", "seed")}
        self.options["further_negatives_hours"] = further_negatives_hours(record)

    def systems(self):
        """Return the float model, if it is there, and the int8 file."""
        floating = [Detector(FLOAT, self.model)] if self.model.is_file() else []
        return [*floating, Detector(INT8, self.bundle, "litert")]


def further_negatives_hours(record):
    """Return the hours of further negatives that a detector was trained on.

    Args:
        record: Path of the record of its splits, or `None`. Of recordings that are not in the
            folder of the others, it has the name alone.
    """
    if record is None:
        return None
    listed = json.loads(Path(record).read_text(encoding="utf-8"))["recordings"]
    further = [r for r in listed if r["split"] == "train" and len(Path(r["file"]).parts) == 1]
    return sum(each["duration_s"] for each in further) / 3600


def word_streams(word, arguments, console, *, splits=SPLITS, records=()):
    """Return the streams of a word with further negatives, by `(split, condition)`."""
    recordings = load_word_recordings(
        require_recordings(arguments.recordings),
        word,
        negatives=[arguments.negatives],
        records=records,
        say=console.say,
    )
    found = {}
    with console.stage(f"Make streams of {word!r}") as stage:
        for split in splits:
            for condition, snr_db in CONDITIONS.items():
                found[split, condition] = evaluation_streams(
                    recordings,
                    word,
                    split,
                    snr_db=snr_db,
                    cache=arguments.cache,
                    progress=lambda done, total, part=f"{split}, {condition}": stage.named_progress(
                        part, done, total
                    ),
                )
    return found


def protocol(root):
    """Return the rules by which all systems are scored.

    Args:
        root: Folder of the recordings, in which the times of words are.
    """
    return ScoringProtocol(
        BUDGET,
        scoring=recipe.TRIGGER_OPTIONS,
        replicates=REPLICATES,
        word_times=read_word_times(root),
    )


def scored(shipped, material, arguments, console):
    """Return the figures of a detector.

    Args:
        shipped: The `Shipped`.
        material: From `word_streams`.
        arguments: Arguments of the command line.
        console: Shows the progress.
    """
    root, systems = require_recordings(arguments.recordings), shipped.systems()
    predictions = collect(
        systems, shipped.word, material, arguments.cache, root=root, console=console
    )
    trigger = dict(shipped.trigger)
    if arguments.choose:
        del trigger["threshold"]
    with console.stage("Score"):
        results = evaluate(
            predictions, protocol(root), shipped={each.name: trigger for each in systems}
        )
    utterances = test_utterances(shipped.word, root)
    lengths = spoken_lengths(shipped.word, root)
    test = {
        each.name: shipped_figures.of_system(results, each.name, predictions, utterances)
        for each in systems
    }
    int8 = results["systems"][-1]
    return {
        "word": shipped.word,
        **shipped.options,
        "bytes": shipped.manifest["flash_bytes"],
        "sha256": shipped.manifest["sha256"][shipped.manifest["model"]],
        "threshold": int8["threshold"],
        "dev_mean_frr": shipped_figures.dev_mean_frr(predictions, INT8)
        if arguments.choose
        else None,
        "streams": results["stream_sets"],
        "utterances": len(utterances),
        "test": test,
        "int8_minus_float32": shipped_figures.differences(results, INT8),
        "false_alarms_over_conditions": shipped_figures.over_conditions(test[INT8]),
        "bars": shipped_figures.bars(test[INT8]),
        "missed": shipped_figures.misses(int8, utterances, lengths, root),
        "all_utterances": shipped_figures.typical(utterances, lengths, root),
    }


def compared(shipped, threshold, material, arguments, console):
    """Return the figures of the peers that know the word of a detector, beside its own.

    Args:
        shipped: The `Shipped`.
        threshold: Record of its threshold.
        material: From `word_streams`.
        arguments: Arguments of the command line.
        console: Shows the progress.
    """
    root, others = (
        require_recordings(arguments.recordings),
        peers.load(arguments.peers, shipped.word),
    )
    if not others:
        return []
    systems = [shipped.systems()[-1], *others]
    test = {key: streams for key, streams in material.items() if key[0] == "test"}
    predictions = collect(systems, shipped.word, test, arguments.cache, root=root, console=console)
    triggers = {INT8: shipped.trigger | {"threshold": threshold}} | {
        each.name: {"scoring": each.trigger, "threshold": {"threshold": each.threshold}}
        for each in others
    }
    with console.stage("Score"):
        results = evaluate(predictions, protocol(root), shipped=triggers)
    utterances = test_utterances(shipped.word, root)
    return [
        {
            "word": shipped.word,
            "name": each.name,
            "package": each.package,
            "bytes": {name: len(content) for name, content in each.files.items()},
            "trigger": each.trigger,
            "test": shipped_figures.of_system(results, each.name, predictions, utterances),
            "minus_ours": shipped_figures.differences(results, each.name),
            "ours": shipped.manifest["sha256"][shipped.manifest["model"]],
        }
        for each in others
    ]


def detectors_parser(description):
    """Return the parser of a command over detectors, with the streams that they are heard on.

    Args:
        description: What the command does.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("detectors", nargs="+", metavar="DETECTOR")
    parser.add_argument("--negatives", type=Path, required=True, metavar="DIR")
    parser.add_argument("--recordings", metavar="DIR", help="default: that of `keras-sal train`")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR")
    return parser


def main():
    parser = detectors_parser(__doc__)
    parser.add_argument("--peers", type=Path, metavar="DIR", help="wheels of peers (none)")
    parser.add_argument("--choose", action="store_true", help="choose thresholds on dev")
    parser.add_argument("--result", type=Path, default=HERE / "results" / "shipped_detectors.json")
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    console, found, others = Console(), [], []
    for shipped in map(Shipped, arguments.detectors):
        material = word_streams(
            shipped.word,
            arguments,
            console,
            splits=SPLITS if arguments.choose else ("test",),
            records=shipped.records,
        )
        found.append(scored(shipped, material, arguments, console))
        if arguments.peers and shipped.word not in {each["word"] for each in others}:
            others += compared(shipped, found[-1]["threshold"], material, arguments, console)
    write(arguments.result, found, others, choose=arguments.choose)
    console.say(f"Figures in {arguments.result}")


def write(path, found, others, *, choose):
    """Write the figures.

    Args:
        path: The file.
        found: From `scored`, for each detector.
        others: From `compared`.
        choose: Whether thresholds were chosen on dev, in the place of the shipped ones.
    """
    options = "--choose --negatives NEGATIVES" if choose else "--negatives NEGATIVES"
    options += " --peers PEERS" if others else ""
    options += " --cache CACHE"
    content = {
        "command": f"python benchmarks/shipped_detectors.py DETECTOR ... {options}",
        "fa_per_hour": BUDGET,
        "replicates": REPLICATES,
        "thresholds": "chosen on dev" if choose else "shipped",
        "detectors": found,
        "peers": others,
        "versions": provenance.versions(),
        "machine": provenance.machine(),
    }
    files.write_json(path, files.json_ready(content))


if __name__ == "__main__":
    main()
