"""`keras-sal evaluate`: models scored side by side on recordings, with a report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from keras_sal.cli.arguments import (
    HIT_WINDOW,
    TRIGGER,
    add_bootstrap,
    add_false_alarm_budget,
    add_numbers,
    positive,
    values,
)
from keras_sal.cli.budget import choose_budget
from keras_sal.cli.command_parser import Commands, add_command, refuse_given
from keras_sal.cli.console import Console, says_warnings
from keras_sal.cli.model_path import model_path
from keras_sal.cli.results_table import print_results
from keras_sal.cli.systems import (
    SystemPredictions,
    add_stream_arguments,
    check_runtime,
    predict_word_streams,
)
from keras_sal.cli.wake_word import fill_in_word

SCORING = TRIGGER | HIT_WINDOW
TUNED = ("smooth_frames", "on_frames")
PACKAGES = ("soundfile", "soxr", "pymicro_features", "matplotlib", "jinja2")


def add_parser(commands: Commands) -> None:
    """Add the parser of the command."""
    parser = add_command(
        commands,
        "evaluate",
        run,
        summary="score models on recordings, with a report to look at and to listen to",
        description="Scores models and bundles side by side on the same streams: the threshold is "
        "chosen on dev for the false-alarm budget, the figures come from test. Writes report.html, "
        "its figures, results.json and posteriors.npz.",
        examples=[
            "evaluate model.keras model.tflite --recordings my_recordings",
            "evaluate --bundle firmware --fa-per-hour 0.5 --output out",
            'evaluate mine.keras --word "lights on" --word "lights off"',
        ],
        notes="Of several words, each is scored like the only one of a detector, to which the "
        "others are negatives, and has a report in a folder of its own below that of --output.",
        check=check,
    )
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help=".keras, .tflite or .onnx file, or the name of a pretrained detector; the others are "
        "compared with the first",
    )
    parser.add_argument(
        "--bundle",
        dest="bundles",
        action="append",
        default=[],
        metavar="DIR",
        help="bundle, or the name of a pretrained detector, scored with the trigger it ships with; "
        "may be repeated",
    )
    parser.add_argument(
        "--names",
        nargs="+",
        metavar="NAME",
        help="names of the models, then of the bundles (default: those of the files)",
    )
    add_stream_arguments(parser, several_words=True)
    add_false_alarm_budget(parser)
    add_bootstrap(parser)
    parser.add_argument(
        "--tune",
        action="store_true",
        help="choose --smooth-frames and --on-frames on dev for each system",
    )
    parser.add_argument(
        "--examples",
        type=positive(int),
        default=4,
        metavar="N",
        help="misses, and false alarms, shown of each condition",
    )
    parser.add_argument(
        "--output", default="keras_sal_report", metavar="OUT", help="folder to write to"
    )
    add_numbers(parser.add_argument_group("trigger, not for bundles, and hit window"), SCORING)


def check(options: argparse.Namespace) -> None:
    """Refuse to score nothing, and options that would have no effect.

    Args:
        options: Parsed arguments.

    Raises:
        ValueError: If neither a model nor a bundle is given, or options don't go together.
    """
    if not options.models and not options.bundles:
        raise ValueError("`MODEL` must name at least one model or `--bundle`. Received neither.")
    if not options.models:
        shipped = "for bundles alone, which are scored with the trigger they ship with"
        refuse_given(options, [*TRIGGER, "tune"], shipped, remedy="Score the model itself.")
    if options.tune:
        remedy = "Leave out one of the two."
        refuse_given(options, TUNED, "with --tune, which chooses it on dev", remedy=remedy)


@says_warnings
def run(options: argparse.Namespace, console: Console) -> int:
    """Run the command.

    Args:
        options: Parsed arguments.
        console: Shows the progress.

    Returns:
        The exit status, 0.
    """
    from keras_sal.data.wake_words import compared_words, folder_name, list_words
    from keras_sal.detection import Scoring
    from keras_sal.extras import require_packages

    options.models, options.bundles = (
        [str(model_path(path)) for path in paths] for paths in (options.models, options.bundles)
    )
    systems = [*options.models, *options.bundles]
    check_runtime(systems, options.runtime)
    fill_in_word(options, systems, console, several=True)
    compared_words(options.word)
    require_packages(PACKAGES, "evaluate detectors and write a report", extra="train")
    scoring = values(options, SCORING)
    if options.tune:
        scoring = {name: value for name, value in scoring.items() if name not in TUNED}
    Scoring(frame_step_s=1.0, **scoring)
    output = Path(options.output)
    folders = [output]
    if not isinstance(options.word, str):
        folders = [output / folder_name(word) for word in list_words(options.word)]
    for folder in folders:
        _check_folder(folder, console)
    found = predict_word_streams(
        console, options.models, options.bundles, options, names=options.names
    )
    for folder, of_word in zip(folders, found, strict=True):
        _score(console, folder, of_word, scoring, options)
    return 0


def _check_folder(folder: Path, console: Console) -> None:
    """Refuse a folder that no report can be written to, and say which report is replaced."""
    from keras_sal.evaluation.report import report

    report.check_folder(folder)
    former = report.read_provenance(folder)
    if "options" in former:  # those of a training
        raise ValueError(
            "`--output` must not be the folder of a training, whose report has the figures of its "
            f"firmware. Received: {str(folder)!r}, by {former.get('command', 'train')!r}. Name "
            "another folder."
        )
    if report.is_report(folder):
        made = ", ".join(str(former[key]) for key in ("command", "date") if key in former)
        console.say(f"The report in {folder} will be replaced{': ' * bool(made)}{made}")


def _score(
    console: Console,
    folder: Path,
    systems: SystemPredictions,
    scoring: dict[str, Any],
    options: argparse.Namespace,
) -> None:
    """Score the systems on one word, write the report and print the results."""
    from keras_sal.evaluation.protocol import ScoringProtocol
    from keras_sal.evaluation.results import evaluate

    protocol = ScoringProtocol(
        choose_budget(systems.predictions, options, console),
        scoring,
        options.tune,
        replicates=options.replicates,
        seed=options.seed,
        word_times=systems.word_times,
    )
    with console.stage("Score") as stage:
        results = evaluate(
            systems.predictions,
            protocol,
            shipped=systems.shipped,
            details=systems.details,
            provenance=_provenance(options),
            progress=stage.progress,
        )
    page = _write(console, folder, systems, results, options.examples)
    print_results(results, console)
    console.say(f"Report: {page.resolve()}")


def _write(
    console: Console, folder: Path, systems: SystemPredictions, results: dict[str, Any], most: int
) -> Path:
    """Write results, predictions and report to a folder."""
    from keras_sal.evaluation import report

    with console.stage("Draw the report") as stage:
        return report.write(
            folder,
            systems.predictions,
            results,
            streams=systems.streams,
            word_times=systems.word_times,
            most=most,
            progress=stage.progress,
        )


def _provenance(options: argparse.Namespace) -> dict[str, Any]:
    """What the results say of where they come from."""
    from datetime import UTC, datetime

    import keras

    from keras_sal.data import find_recordings
    from keras_sal.provenance import machine, versions

    found = find_recordings(options.recordings)
    return {
        "command": options.command_line,
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "recordings": str(found.resolve()) if found else "",
        "stream_seed": 0,
        "machine": machine(),
        "backend": keras.backend.backend(),
        "versions": versions(),
    }
