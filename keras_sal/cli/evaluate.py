"""`keras-sal evaluate`: models scored side by side on recordings, and a page that shows it."""

from pathlib import Path

from keras_sal.cli import systems
from keras_sal.cli.arguments import TRIGGER, WINDOW, add_numbers, positive
from keras_sal.cli.results_table import show
from keras_sal.cli.systems import add_hearing, add_judgement

BUDGET = 0.5
SCORING = TRIGGER | WINDOW
TUNED = ("smooth_frames", "on_frames")


def add(commands):
    """Adds the parser of the command."""
    parser = commands.add_parser(
        "evaluate",
        help="score models on recordings, and write a page that shows and plays what they do",
        description="Scores models and bundles side by side on the same streams: the threshold is "
        "chosen on dev for the false-alarm budget, the figures come from test. Writes report.html, "
        "its figures, results.json and posteriors.npz.",
        epilog="example: keras-sal evaluate model.keras model.tflite --recordings my_recordings "
        "--word computer --fa-per-hour 0.5 --report out",
    )
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help=".keras, .tflite or .onnx; the first is the one the others are compared with",
    )
    parser.add_argument(
        "--bundle",
        action="append",
        default=[],
        metavar="DIR",
        help="a bundle, scored with the trigger it ships with; may be repeated",
    )
    parser.add_argument(
        "--names", nargs="+", metavar="NAME", help="what models, then bundles, are called"
    )
    add_hearing(parser)
    add_judgement(parser, BUDGET)
    parser.add_argument(
        "--tune",
        action="store_true",
        help="choose --smooth-frames and --on-frames on dev, for each",
    )
    parser.add_argument(
        "--moments",
        type=positive(int),
        default=4,
        metavar="N",
        help="misses and false alarms shown of each condition (%(default)s)",
    )
    parser.add_argument(
        "--report", default="keras_sal_report", metavar="DIR", help="folder to write (%(default)s)"
    )
    add_numbers(parser.add_argument_group("trigger and hit window, but for bundles"), SCORING)
    parser.set_defaults(command=run)


def run(models, bundle, report, names, moments, **options):
    """Runs `keras-sal evaluate`."""
    from keras_sal.cli.console import Console
    from keras_sal.detection import Scoring
    from keras_sal.evaluation.predictions import FILE
    from keras_sal.evaluation.protocol import Judge
    from keras_sal.evaluation.report import write
    from keras_sal.evaluation.results import evaluate
    from keras_sal.extras import require_package
    from keras_sal.files import write_json

    if not models and not bundle:
        raise ValueError("`MODEL` must name at least one model or `--bundle`. Received neither.")
    for package in ("matplotlib", "jinja2"):
        require_package(package, "write a report", extra="report")
    console, folder = Console(), Path(report)
    tuned, budget = options.pop("tune"), options.pop("fa_per_hour")
    scoring = {name: options.pop(name) for name in SCORING}
    scoring = {name: scoring[name] for name in scoring if not tuned or name not in TUNED}
    Scoring(frame_step_s=1.0, **scoring)
    resampling = {name: options.pop(name) for name in ("replicates", "seed")}
    heard = systems.hear(console, models, bundle, names=names, **options)
    judge = Judge(budget, scoring, tuned, **resampling, words=heard.words)
    with console.stage("Score") as stage:
        results = evaluate(
            heard.answers,
            judge,
            given=heard.given,
            about=heard.about,
            provenance=systems.provenance(options["recordings"]),
            progress=stage.progress,
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "results.json", results)
    heard.answers.save(folder / FILE)
    with console.stage("Draw the report") as stage:
        page = write(
            folder,
            heard.answers,
            results,
            streams=heard.streams,
            words=heard.words,
            most=moments,
            progress=stage.progress,
        )
    show(results, console)
    console.say(f"Report: {page.resolve()}")
    return 0
