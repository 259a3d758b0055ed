"""Systems under evaluation: models and bundles that are run over the dev and test streams."""

from __future__ import annotations

import argparse
import hashlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from keras_sal.cli.arguments import (
    TRIGGER,
    Parser,
    add_cache,
    add_negatives,
    add_recordings,
    add_runtime,
    add_splits,
    add_word,
    at_least,
    finite,
)
from keras_sal.cli.console import Console
from keras_sal.cli.recordings import load_recordings_of
from keras_sal.cli.wake_word import THAT_OF_THE_MODEL

if TYPE_CHECKING:
    from keras_sal.data import Recording, Stream
    from keras_sal.evaluation.labels import WordTimes
    from keras_sal.evaluation.predictions import Predictions

SPLITS = ("dev", "test")
SHIPPED = "shipped with the model"
SNR_DB = 10.0
STREAM_ARGUMENTS = (  # names of those of `add_stream_arguments`
    *("recordings", "negatives", "word", "splits", "cache", "snr_db", "class_index", "runtime"),
)
OWN_RUNTIMES = {".keras": "keras", ".onnx": "onnx"}
RUNTIMES = {  # class of a runner: what the results call its runtime
    "MicroModel": "TensorFlow Lite Micro",
    "LiteModel": "LiteRT",
    "OnnxModel": "ONNX Runtime",
}


class SystemPredictions(NamedTuple):
    """Predictions of systems that were opened, and what is known of these.

    Args:
        predictions: Predictions for the dev and test streams.
        streams: By condition, the streams of the test split.
        word_times: Times of words in the recordings.
        details: By system, what its results say of its file.
        shipped: By system, the scoring and the threshold that a bundle ships with.
    """

    predictions: Predictions
    streams: dict[str, list[Stream]]
    word_times: WordTimes
    details: dict[str, dict[str, Any]]
    shipped: dict[str, dict[str, Any]]


def add_stream_arguments(parser: Parser, *, several_words: bool = False) -> None:
    """Add the arguments that say over which streams, and in which runtime, systems are run.

    Args:
        parser: A parser or a group of one.
        several_words: Whether `--word` may be repeated. Defaults to `False`.
    """
    add_recordings(parser)
    add_negatives(parser)
    add_word(parser, THAT_OF_THE_MODEL, several=several_words)
    add_splits(parser)
    add_cache(parser)
    parser.add_argument(
        "--snr-db",
        type=finite,
        nargs="*",
        default=[SNR_DB],
        metavar="DB",
        help=f"signal-to-noise ratios to score at, besides clean streams (default: {SNR_DB:g})",
    )
    parser.add_argument(
        "--class-index",
        type=at_least(0, int),
        default=0,
        metavar="N",
        help="index of the word (of several, the first) among the classes of the outputs",
    )
    add_runtime(parser)


def predict_streams(
    console: Console,
    models: Sequence[str],
    bundles: Sequence[str],
    options: argparse.Namespace,
    names: Sequence[str] | None = None,
    others: Sequence[str] = (),
) -> SystemPredictions:
    """Run systems over the streams of one word; see `predict_word_streams`."""
    [found] = predict_word_streams(console, models, bundles, options, names, others)
    return found


def predict_word_streams(
    console: Console,
    models: Sequence[str],
    bundles: Sequence[str],
    options: argparse.Namespace,
    names: Sequence[str] | None = None,
    others: Sequence[str] = (),
) -> list[SystemPredictions]:
    """Open models and bundles, make the streams, and run every system over them.

    Args:
        console: Shows progress.
        models: Paths of models.
        bundles: Folders of bundles.
        options: Parsed arguments, those of `add_stream_arguments`.
        names: Names of the models, then of the bundles. Defaults to those of their files.
        others: Paths of systems that these are compared with; what those were trained on is not
            tested on either. Defaults to none.

    Returns:
        What is found for each word of `options.word`, in their order.

    Raises:
        ValueError: If a bundle has other frame times than the recordings, or a name is missing.
    """
    from keras_sal.data import require_recordings
    from keras_sal.data.wake_words import list_words
    from keras_sal.evaluation.collection import collect_word_predictions
    from keras_sal.evaluation.labels import read_word_times

    paths = [Path(path) for path in (*models, *bundles)]
    named = dict(zip(system_names(paths, names), paths, strict=True))
    runners, details = {}, {}
    for name, path in named.items():
        with console.stage(f"Open {name}"):
            runners[name], details[name] = _open(path, options.runtime)
    words = list_words(options.word)
    shipped = [
        {
            name: shipped_trigger(named[name], options.class_index + index, word)
            for name in list(named)[len(models) :]
        }
        for index, word in enumerate(words)
    ]
    folder = require_recordings(options.recordings)
    recordings = load_recordings_of([*paths, *others], folder, options, console)
    streams = _make_streams(console, recordings, options)
    with console.stage("Predict") as stage:
        predictions = collect_word_predictions(
            runners,
            words,
            streams,
            class_index=options.class_index,
            root=folder,
            progress=lambda name, done, total: stage.named_progress(
                f"Predict: {name}", done, total
            ),
        )
    found = []
    for index, (of_word, triggers) in enumerate(zip(predictions, shipped, strict=True)):
        for name, (_, bundle_times) in triggers.items():
            check_frame_times(name, bundle_times, of_word.times[name])
        test = {
            condition: [stream.only_class(index) for stream in each]
            for (split, condition), each in streams.items()
            if split == "test"
        }
        own = {name: trigger for name, (trigger, _) in triggers.items()}
        found.append(SystemPredictions(of_word, test, read_word_times(folder), details, own))
    return found


def check_runtime(systems: Sequence[str], runtime: str | None) -> None:
    """Refuse a runtime that none of the systems would run in; each that has one keeps its own.

    Args:
        systems: Paths of models and bundles.
        runtime: The runtime that was asked for, or `None`.

    Raises:
        ValueError: If it would have no effect.
    """
    paths = list(map(Path, systems))
    taken = any(
        path.is_dir() or OWN_RUNTIMES.get(path.suffix, runtime) == runtime for path in paths
    )
    if runtime is not None and not taken:
        raise ValueError(
            "`--runtime` must be left out for .keras and .onnx files, which have one runtime each; "
            f"it would have no effect. Received: --runtime {runtime} for "
            f"{', '.join(map(str, paths))}. Name a .tflite file or a bundle."
        )


def system_names(paths: Sequence[Path], names: Sequence[str] | None = None) -> list[str]:
    """Return a name for each system, different from those before it.

    Args:
        paths: Paths of models and bundles.
        names: Names that are given. Defaults to `None`: those of the files, with their folders
            where files have the same name.

    Raises:
        ValueError: If there is not a name for each path.
    """
    from keras_sal.evaluation.predictions import unused_name

    if names and len(names) != len(paths):
        raise ValueError(
            "`--names` must name every model, then every bundle. "
            f"Received: {len(names)} names for {len(paths)} systems."
        )
    files = [path.absolute().name for path in paths]
    chosen = names or [
        path.name if files.count(path.name) == 1 else f"{path.parent.name}/{path.name}"
        for path in paths
    ]
    unique: list[str] = []
    for name in chosen:
        unique.append(unused_name(name, unique))
    return unique


def shipped_trigger(
    folder: Path, class_index: int = 0, word: str = ""
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return what a bundle ships with.

    Args:
        folder: Folder of the bundle.
        class_index: Index of a class of it. Defaults to 0.
        word: The word that is scored by this class. Defaults to `""`, if it is unknown.

    Returns:
        Scoring and threshold, as `keras_sal.evaluation.results.evaluate` takes them; and the frame
        times of its outputs.

    Warns:
        UserWarning: If the class has the name of another word.

    Raises:
        ValueError: If the bundle lacks the class, or another of its classes has the word's name.
    """
    from keras_sal.export.bundle import Bundle, read_manifest
    from keras_sal.export.detector_settings import default_class_names

    manifest = read_manifest(folder)
    trigger = manifest["trigger"]
    thresholds = Bundle(folder, manifest).thresholds
    names = manifest["classes"] if word else [""] * len(thresholds)
    if class_index not in range(len(names)) or word in set(names) - {names[class_index]}:
        raise ValueError(
            "`--class-index` and `--word` must name the classes of the bundle in their order, as "
            f"each has a threshold of its own. Received: {word!r} as class {class_index} of "
            f"{names} in {str(folder)!r}. Give --class-index, or all words."
        )
    named = names[class_index]
    unnamed = default_class_names(len(names))[class_index]
    if named.casefold() not in (word.casefold(), unnamed):
        warnings.warn(
            f"{str(folder)!r} detects {named!r}, and {word!r} is scored. Give --word {named!r}.",
            stacklevel=2,
        )
    record = manifest["threshold"] or {}
    record = record["classes"][class_index] if "classes" in record else record
    record = {key: value for key, value in record.items() if key != "scoring"}
    shipped = {
        "scoring": {name: trigger[name] for name in TRIGGER},
        "threshold": {**record, "threshold": thresholds[class_index], "rule": SHIPPED},
    }
    return shipped, {name: manifest[name] for name in ("frame_step_s", "frame_offset_s")}


def check_frame_times(
    name: str, shipped: Mapping[str, float], predicted: Mapping[str, float]
) -> None:
    """Refuse a bundle whose frame times are not those of its predictions.

    Args:
        name: Name of the system.
        shipped: Frame times of the bundle.
        predicted: Frame times of its predictions for the recordings.

    Raises:
        ValueError: If they differ.
    """
    if any(abs(shipped[key] - time_s) > 1e-9 for key, time_s in predicted.items()):
        raise ValueError(
            f"`--bundle` must have the frame times of the recordings; {name!r} has others. "
            f"Received: {dict(shipped)} for frames at {dict(predicted)}. Export it again with "
            "these times."
        )


def _open(path: Path, runtime: str | None) -> tuple[Any, dict[str, Any]]:
    """A runner, and what the results say of its file."""
    import keras

    from keras_sal.runtime import open_runner, runner_steps
    from keras_sal.runtime.keras_file import load_keras_file

    if not path.exists():
        raise FileNotFoundError(
            f"`MODEL` must be a .keras, .tflite or .onnx file or a bundle. Received: {path}, which "
            "is not there."
        )
    model: Any = path
    details: dict[str, Any] = {"model": str(path)}
    if path.suffix == ".keras":
        model = load_keras_file(path)
        details["parameters"] = model.count_params()
    chosen = runtime if path.is_dir() or path.suffix == ".tflite" else None
    runner: Any = open_runner(model, chosen)
    if runner_steps.samples_per_step(runner):
        raise ValueError(
            "`MODEL` must take features, which are computed from the recordings once for all; this "
            f"one takes samples, as its front-end is inside. Received: {path}. Score the .keras "
            "file or the bundle of the same detector; `keras-sal verify` compares this file with "
            "it."
        )
    content = Path(getattr(runner, "path", path)).read_bytes()
    kind = type(runner).__name__
    details |= {
        "runtime": RUNTIMES.get(kind, f"Keras on {keras.backend.backend()}"),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    if kind == "MicroModel":
        details |= {
            "arena_bytes": runner.arena_bytes,
            "macs": runner.macs,
            "operators": list(runner.operators),
        }
    return runner, details


def _make_streams(
    console: Console, recordings: Sequence[Recording], options: argparse.Namespace
) -> dict[tuple[str, str], list[Stream]]:
    """The streams of both splits under all conditions."""
    from keras_sal.data import evaluation_streams

    conditions = {"clean": None} | {f"{snr_db:g} dB": snr_db for snr_db in options.snr_db}
    streams = {}
    with console.stage("Make streams") as stage:
        for split in SPLITS:
            for condition, snr_db in conditions.items():

                def progress(done: int, total: int, part: str = f"{split}, {condition}") -> None:
                    stage.named_progress(f"Make streams: {part}", done, total)

                streams[split, condition] = evaluation_streams(
                    recordings,
                    options.word,
                    split,
                    snr_db=snr_db,
                    cache=options.cache,
                    progress=progress,
                )
    return streams
