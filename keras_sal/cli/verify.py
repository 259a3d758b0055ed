"""`keras-sal verify`: exported files compared with the model they came from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from keras_sal.cli import feature_streams
from keras_sal.cli.arguments import (
    FRAME_TIMES,
    TRIGGER,
    add_cache,
    add_false_alarm_budget,
    add_numbers,
    add_recordings,
    add_splits,
    add_word,
    at_least,
    values,
)
from keras_sal.cli.budget import choose_stream_budget
from keras_sal.cli.command_parser import GIVEN, Commands, add_command, refuse_given
from keras_sal.cli.console import Console, says_warnings
from keras_sal.cli.model_path import model_path
from keras_sal.cli.paths import check_path
from keras_sal.cli.recordings import load_recordings_of
from keras_sal.cli.trained_model import load_trained_model
from keras_sal.cli.wake_word import THAT_OF_THE_MODEL, fill_in_word

SCORING = FRAME_TIMES | TRIGGER


def add_parser(commands: Commands) -> None:
    """Add the parser of the command."""
    parser = add_command(
        commands,
        "verify",
        run,
        summary="exported files compared with the model they came from, on the same streams",
        description="Runs files and bundles frame by frame in their runtimes, and compares their "
        "posteriors, their detections and what they cost on a device with the Keras model's. The "
        "exit status is 1 if one is out of bounds. Detections are those of the trigger of the "
        "first bundle or .json file beside a file, or of the one given. Files that take samples "
        "are compared from sound, apart from bundles and files that take features.",
        examples=[
            "verify model.keras firmware --recordings my_recordings",
            "verify model.keras detector.tflite detector.onnx --recordings my_recordings",
        ],
        check=check,
    )
    parser.add_argument("model", metavar="MODEL", help=".keras file they were made from")
    parser.add_argument(
        "exports", nargs="+", metavar="FILE", help=".tflite or .onnx file, or a bundle"
    )
    add_recordings(parser)
    add_word(parser, THAT_OF_THE_MODEL)
    add_splits(parser)
    add_cache(parser)
    parser.add_argument(
        "--split", choices=("dev", "test"), default="test", help="split of the recordings"
    )
    parser.add_argument(
        "--streams",
        metavar="NPZ",
        help="feature streams (frames, features) instead of recordings, or sounds (samples,) for "
        "files that take samples; with NAME.anchors_s, times of events (default: those of the "
        "recordings)",
    )
    parser.add_argument(
        "--class-index",
        type=at_least(0, int),
        default=0,
        metavar="N",
        help="index of the word among the classes of the outputs",
    )
    add_false_alarm_budget(parser)
    parser.add_argument("--json", metavar="FILE", help="file for all figures (default: none)")
    trigger = parser.add_argument_group("trigger")
    add_numbers(trigger, FRAME_TIMES, unset="those of frames of 10 ms")
    add_numbers(trigger, TRIGGER)


def check(options: argparse.Namespace) -> None:
    """Refuse two sources of streams, and options of recordings for other streams.

    Args:
        options: Parsed arguments.

    Raises:
        ValueError: If they don't go together.
    """
    if options.streams and options.recordings:
        raise ValueError(
            "`--recordings` or `--streams` must be given, one of them: the files are run over it. "
            f"Received: --recordings {options.recordings}, --streams {options.streams}."
        )
    if options.streams:
        names, remedy = ("word", "splits", "cache", "split"), "Give --recordings instead."
        refuse_given(options, names, "with --streams; no recordings are read", remedy=remedy)


@says_warnings
def run(options: argparse.Namespace, console: Console) -> int:
    """Run the command.

    Args:
        options: Parsed arguments.
        console: Shows the progress.

    Returns:
        The exit status: 1 if a file is out of bounds.
    """
    from keras_sal import files
    from keras_sal.detection import Scoring
    from keras_sal.export.verify import check_channel, verify
    from keras_sal.runtime import open_runner

    exports: list[Any] = [model_path(export) for export in options.exports]
    for export in exports:
        check_path("FILE", str(export), "file or bundle")
    model = load_trained_model(options.model)
    check_channel(model, options.class_index)
    runner = open_runner(model)
    vars(options).update(feature_streams.output_times(runner, options))
    scoring = _scoring(exports, options)
    if not options.streams:
        Scoring(**scoring)  # checks it before streams are made
    if options.json:
        files.check_path(options.json)
    sound = _take_samples(exports)
    streams = _streams(runner, exports, sound, options, console)
    if streams.anchors_s is None:
        where = "for streams without events; only posteriors are compared"
        remedy = "Put NAME.anchors_s into the file of the streams."
        refuse_given(options, ("fa_per_hour", *TRIGGER), where, remedy=remedy)
    else:
        budget = options.fa_per_hour
        if not options.streams:
            budget = choose_stream_budget(streams, options.split, options, console)
        scoring |= {} if budget is None else {"fa_per_hour": budget}
    with console.stage("Run the files"):
        report = verify(
            model,
            exports,
            streams.features,
            anchors_s=streams.anchors_s,
            channel=options.class_index,
            must_pass=False,
            **(scoring if streams.anchors_s is not None else {}),
        )
    if options.json:
        report.write_json(options.json)
    console.say(str(report))
    return 1 if report.failures else 0


def _scoring(exports: list[Path], options: argparse.Namespace) -> dict[str, Any]:
    """The trigger of the first bundle or description, with what options say; else theirs."""
    from keras_sal.export import bundle, detector_file

    given = {name: getattr(options, name) for name in SCORING if name in getattr(options, GIVEN)}
    for export in exports:
        if export.is_dir():
            return bundle.read(export).scoring | given
        if detector_file.find(export):
            return detector_file.read(export).scoring | given
    return values(options, SCORING)


def _take_samples(exports: list[Path]) -> bool:
    """Whether the descriptions beside the files say that they take samples; bundles don't."""
    from keras_sal.export import detector_file

    takes = {export: False for export in exports if export.is_dir()}
    for export in exports:
        description = detector_file.find(export) if export.is_file() else None
        if description:
            takes[export] = detector_file.read(description).samples_per_step is not None
    if len(set(takes.values())) > 1:
        sounds, others = (
            [str(export) for export in takes if takes[export] == kind] for kind in (True, False)
        )
        raise ValueError(
            "`FILE` must all take samples or all take features, from which they are compared. "
            f"Received: {', '.join(sounds)} with the front-end inside, and {', '.join(others)} "
            "without. Verify them apart."
        )
    return any(takes.values())


def _streams(
    runner: Any,
    exports: list[Path],
    sound: bool,
    options: argparse.Namespace,
    console: Console,
) -> feature_streams.FeatureStreams:
    if options.streams:
        return feature_streams.read_feature_streams(options.streams)
    from keras_sal.data import require_recordings

    folder = require_recordings(options.recordings)
    systems = [options.model, *exports]
    fill_in_word(options, systems, console)
    recordings = load_recordings_of(systems, folder, options, console)
    with console.stage(f"Make {options.split} streams") as stage:
        return feature_streams.held_out_streams(
            *(runner, recordings, options.word, options.split),
            cache=options.cache,
            progress=stage.progress,
            sound=sound,
        )
