"""`keras-sal export`: a trained model for microcontrollers, phones, computers and browsers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from keras_sal.cli import feature_streams
from keras_sal.cli.arguments import (
    FRAME_TIMES,
    TRIGGER,
    add_cache,
    add_class_names,
    add_false_alarm_budget,
    add_numbers,
    add_recordings,
    add_splits,
    add_word,
    values,
)
from keras_sal.cli.bundle_export import BundleExport
from keras_sal.cli.command_parser import GIVEN, Commands, add_command, refuse_given
from keras_sal.cli.component_export import add_component
from keras_sal.cli.console import Console, says_warnings
from keras_sal.cli.export_target import Export, Target
from keras_sal.cli.export_targets import MICRO, TARGETS
from keras_sal.cli.model_path import model_path
from keras_sal.cli.recordings import load_recordings_of
from keras_sal.cli.trained_model import check_trained_model, load_trained_model
from keras_sal.cli.wake_word import THAT_OF_THE_MODEL, fill_in_word

if TYPE_CHECKING:
    import keras


def add_parser(commands: Commands) -> None:
    """Add the parser of the command."""
    parser = add_command(
        commands,
        "export",
        run,
        summary="a trained model for microcontrollers, ESPHome, LiteRT, ONNX, browsers or Android",
        description="Converts a trained model. For microcontrollers OUT is a folder with the "
        "quantised model, C++ sources, README and manifest; esp-idf, arduino, zephyr and cmake add "
        "build files and an example with a microphone; for ESPHome's micro_wake_word it is a "
        "folder with model and JSON; for LiteRT and ONNX it is a file from sound or features to "
        "posteriors, with a .json file beside it; for browsers it is a folder with a page, for "
        "`keras-sal serve` or any web server; for Android it is a project with an app that "
        "listens, for Android Studio. The threshold is given, or chosen with that model on dev "
        "streams; that of a bundle or a pretrained detector is known, and needs no recordings.",
        examples=[
            "export model.keras firmware --recordings my_recordings",
            "export model.keras firmware --to esp-idf --recordings my_recordings",
            "export model.keras detector.onnx --to onnx --recordings my_recordings",
            "export model.keras detector.tflite --to litert --threshold 0.8",
            'export mine.keras firmware --word "lights on" --word "lights off"',
            "export model.keras page --to web --recordings my_recordings",
            "export model.keras phone --to android --recordings my_recordings",
            "export computer page --to web",
        ],
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help=".keras file, or a bundle or the name of a pretrained detector for "
        "all but onnx and esphome",
    )
    parser.add_argument("output", metavar="OUT", help="folder, or .tflite or .onnx file, to write")
    parser.add_argument("--to", choices=tuple(TARGETS), default="micro", help="target")
    parser.add_argument(
        "--quantization",
        choices=sorted({kind for target in TARGETS.values() for kind in target.quantizations}),
        help=f"number format; {_list_quantizations()} (default: the first of these)",
    )
    parser.add_argument(
        "--state",
        choices=("explicit", "internal"),
        default="explicit",
        help="in C++: whether the detector or the interpreter carries the state",
    )
    add_recordings(parser)
    add_word(parser, THAT_OF_THE_MODEL, several=True)
    add_splits(parser)
    add_cache(parser)
    parser.add_argument(
        "--calibration",
        metavar="NPZ",
        help="feature streams (frames, features) to calibrate with, positives among them "
        "(default: the train split of --recordings)",
    )
    threshold = parser.add_mutually_exclusive_group()
    add_false_alarm_budget(threshold)
    threshold.add_argument(
        "--threshold", type=float, metavar="P", help="threshold (default: chosen on dev)"
    )
    add_class_names(parser, unset="the wake word, if it is known")
    parser.add_argument(
        "--frontend",
        choices=("micro", "none"),
        help="what computes the features: micro, the front-end of TensorFlow Lite Micro, which is "
        "put into the file for litert, onnx, web and android and beside the model for "
        "microcontrollers; none leaves it out (default: micro for a model of its 40 features, else "
        "none)",
    )
    add_component(parser.add_argument_group("esphome: what its JSON says of the model"))
    parser.add_argument(
        "--runtime-url",
        metavar="URL",
        help="web: address of a mirror of npm, such as https://cdn.jsdelivr.net/npm, from which "
        "the page loads its runtime (default: it is copied into OUT)",
    )
    trigger = parser.add_argument_group("trigger")
    add_numbers(trigger, FRAME_TIMES, unset="those of frames of 10 ms")
    add_numbers(trigger, TRIGGER)


@says_warnings
def run(options: argparse.Namespace, console: Console) -> int:
    """Run the command.

    Args:
        options: Parsed arguments.
        console: Shows the progress.

    Returns:
        The exit status, 0.
    """
    from keras_sal.data import copy_split_record

    target, path = TARGETS[options.to], model_path(options.model)
    _check_of_target(target, options)
    advice = target.advise(options)  # before recordings and word are filled in
    if not (target.may_be_published or target.one_word):  # their folders are no bundles
        _check_no_other_record(path, Path(options.output))
    if path.is_dir():
        export = _open_bundle(path, target, options, console)
    else:
        export = _open_model(target, options, console)
    output = Path(options.output)
    former = _model_hashes(output)
    console.say(f"{options.output}: {target.write(export)}")
    if not target.may_be_published:
        copy_split_record(path, output, same_model=_model_hashes(output) == former)
    if advice:
        console.say(advice)
    return 0


def _check_no_other_record(path: Path, output: Path) -> None:
    """Refuse a place where commands would take the splits of another model for its own."""
    from keras_sal.data import find_split_record
    from keras_sal.data.split_record import RECORD

    beside = output.absolute().parent / RECORD
    if beside.is_file() and find_split_record(path) is None:
        raise ValueError(
            f"`OUT` must not lie beside the {RECORD} of another model; commands would take it for "
            "its own, and test it on what it was trained on. Received: "
            f"{str(output)!r} beside {str(beside)!r}, and {str(path)!r}, which has none. Write it "
            "to another folder."
        )


def _model_hashes(output: Path) -> dict[str, str]:
    """Return the hashes of the models in a folder, or of a file, by their names."""
    from keras_sal.files import file_sha256

    models = output.glob("*.tflite") if output.is_dir() else [output]
    return {model.name: file_sha256(model) for model in models if model.is_file()}


def _list_quantizations() -> str:
    """Return the number formats for the help, last those of firmware."""
    names: dict[tuple[str, ...], list[str]] = {}
    for target in TARGETS.values():
        if target.quantizations != MICRO.quantizations:
            names.setdefault(target.quantizations, []).append(target.name)
    names[MICRO.quantizations] = ["others"]
    return "; ".join(f"{', '.join(names[kinds])}: {', '.join(kinds)}" for kinds in names)


def _open_bundle(
    folder: Path, target: Target, options: argparse.Namespace, console: Console
) -> Export:
    """Open a bundle, whose model, threshold and classes are there."""
    from keras_sal.export import bundle

    target.check_output(options.output)
    _check_made_of_bundle(target, options)
    target.check(options)
    export = BundleExport(target, options, console, bundle.read(folder))
    export.check()
    return export


def _open_model(target: Target, options: argparse.Namespace, console: Console) -> Export:
    """Open a trained model, and the recordings that it needs."""
    from keras_sal.runtime import open_runner

    options.quantization = target.quantization(options.quantization)
    target.check_output(options.output)
    target.check(options)
    check_trained_model(options.model)
    options.recordings = recordings_folder(options)
    if target.needs_threshold and options.threshold is None and not options.recordings:
        raise ValueError(
            "`--threshold` must be given, or `--recordings` to choose it on: firmware, a page and "
            "an app need one. Received neither."
        )
    if not options.recordings:
        remedy = "Give --recordings for it."
        where = "where no recordings are read"
        refuse_given(options, ("splits", "cache"), where, remedy=remedy)
        if options.threshold is None:
            where = "where there is neither --threshold nor --recordings; no .json file is written"
            names = ("fa_per_hour", "class_names", *FRAME_TIMES, *TRIGGER)
            refuse_given(options, names, where, remedy="Give one of the two.")
    names_word = target.one_word and not options.class_names
    needed = bool(options.recordings) or names_word
    fill_in_word(options, [options.model], console, several=not target.one_word, required=needed)
    model = load_trained_model(options.model)
    target.check_model(model)
    if options.threshold is None and options.recordings:
        _check_words(model, options.word)
    runner = open_runner(model)
    vars(options).update(feature_streams.output_times(runner, options))
    _check_settings(model, options)
    if options.calibration and "int" not in options.quantization:
        raise ValueError(
            f"`--calibration` must be left out for {options.quantization}; only integers are "
            f"calibrated. Received: {options.calibration!r}. Choose another `--quantization`."
        )
    recordings = None
    if options.recordings:
        recordings = load_recordings_of([options.model], options.recordings, options, console)
    return target.of_model(target, options, console, model, runner, recordings)


def recordings_folder(options: argparse.Namespace) -> Path | str | None:
    """Return the folder of recordings, found where it is needed and was not given.

    Args:
        options: Parsed arguments: `recordings`, `to`, `quantization`, `calibration`, `threshold`.

    Returns:
        The folder, or `None`. Recordings are needed for the threshold of firmware, a page or an
        app, and to calibrate an integer model.
    """
    from keras_sal.data import find_recordings

    to_calibrate = "int" in options.quantization and not options.calibration
    to_choose_threshold = TARGETS[options.to].needs_threshold and options.threshold is None
    if options.recordings or not (to_calibrate or to_choose_threshold):
        return options.recordings
    return find_recordings()


def _check_of_target(target: Target, options: argparse.Namespace) -> None:
    """Refuse options of other targets, which would have no effect."""
    for other in TARGETS.values():
        for name in other.own_options:
            if name in getattr(options, GIVEN) and name not in target.own_options:
                option = f"--{name.replace('_', '-')}"
                raise ValueError(
                    f"`{option}` must be left out for `--to {target.name}`; it is for `--to "
                    f"{other.name}` and has no effect here. Received: {option} "
                    f"{getattr(options, name)}."
                )


def _check_made_of_bundle(target: Target, options: argparse.Namespace) -> None:
    """Refuse what can't be made of a bundle."""
    made = [each.name for each in TARGETS.values() if each.of_bundle]
    if not target.of_bundle:
        raise ValueError(
            f"`MODEL` must be a .keras file for `--to {target.name}`; a bundle holds integers, "
            f"from which {', '.join(made)} can be made. Received: {options.model!r}. "
            "Choose one of them."
        )


def _check_words(model: keras.Model, word: str | list[str]) -> None:
    """Refuse words that are not the classes of the model, for which thresholds are chosen."""
    words, shape = [word] if isinstance(word, str) else word, model.output_shape
    if isinstance(shape, tuple) and shape[-1] != len(words):
        raise ValueError(
            "`--word` must be given for each class of the model, in their order; each has a "
            f"threshold of its own. Received: {words} for {shape[-1]} classes. Repeat it for the "
            "others, or give `--threshold`."
        )


def _check_settings(model: keras.Model, options: argparse.Namespace) -> None:
    """Refuse a threshold, names of classes or a trigger that no detector can have."""
    from keras_sal.export.detector_settings import DetectorSettings

    shape, names = model.output_shape, options.class_names
    DetectorSettings.checked(
        shape[-1] if isinstance(shape, tuple) else len(names or [""]),
        threshold=1.0 if options.threshold is None else options.threshold,
        class_names=names,
        delay_frames=0,
        scoring=values(options, FRAME_TIMES | TRIGGER),
    )
