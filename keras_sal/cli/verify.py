"""`keras-sal verify`: exported files against the model they came from, over the same streams."""

from pathlib import Path

from keras_sal.cli import feature_streams
from keras_sal.cli.arguments import TIMES, TRIGGER, add_numbers, add_recordings, positive

SCORING = TIMES | TRIGGER


def add(commands):
    """Adds the parser of the command."""
    parser = commands.add_parser(
        "verify",
        help="exported files against the model they came from, over the same streams",
        description="Runs files and bundles frame by frame in their runtimes, and compares their "
        "posteriors, their detections and what they cost on a device with the Keras model's. The "
        "exit status is 1 if one is out of bounds. Detections are those of the first bundle's "
        "trigger, or of the one given.",
        epilog="example: keras-sal verify model.keras firmware model.onnx --recordings "
        "my_recordings --word computer",
    )
    parser.add_argument("model", metavar="MODEL", help=".keras file they were made from")
    parser.add_argument(
        "exports", nargs="+", metavar="FILE", help=".tflite or .onnx file, or a bundle"
    )
    add_recordings(parser)
    parser.add_argument(
        "--split", choices=("dev", "test"), default="test", help="of the recordings (%(default)s)"
    )
    parser.add_argument(
        "--streams",
        metavar="NPZ",
        help="feature streams (frames, features) instead; with NAME.anchors_s, times of events",
    )
    parser.add_argument(
        "--fa-per-hour",
        type=positive(float),
        default=1.0,
        metavar="F",
        help="false alarms at which misses are compared (%(default)s)",
    )
    parser.add_argument("--json", metavar="FILE", help="write all figures to it")
    trigger = parser.add_argument_group("trigger")
    add_numbers(trigger, TIMES, given=True)
    add_numbers(trigger, TRIGGER)
    parser.set_defaults(command=run)


def run(model, exports, json, **options):
    """Runs `keras-sal verify`."""
    from keras_sal.cli.console import Console
    from keras_sal.export.verify import verify
    from keras_sal.runtime import open_runner

    console = Console()
    trained = feature_streams.load_model(model)
    runner = open_runner(trained)
    options |= feature_streams.answer_times(runner, options)
    streams = _streams(runner, options, console)
    scoring = _scoring(exports, options)
    with console.stage("Run the files"):
        report = verify(
            trained,
            [Path(export) for export in exports],
            streams.features,
            anchors_s=streams.anchors_s,
            fa_per_hour=options["fa_per_hour"],
            must_pass=False,
            **(scoring if streams.anchors_s is not None else {}),
        )
    if json:
        report.write_json(json)
    console.say(str(report))
    return 1 if report.failures else 0


def _scoring(exports, options):
    """The trigger of the first bundle, else that of the options."""
    from keras_sal.export.bundle import read

    for folder in filter(Path.is_dir, map(Path, exports)):
        return read(folder).scoring
    return {name: options[name] for name in SCORING}


def _streams(runner, options, console):
    if options["streams"] and options["recordings"]:
        raise ValueError(
            "`--recordings` or `--streams` must be given, one of them: what the files are to hear. "
            f"Received: --recordings {options['recordings']}, --streams {options['streams']}."
        )
    if options["streams"]:
        return feature_streams.read_features(options["streams"])
    from keras_sal.data import load_recordings, require_recordings

    folder = require_recordings(options["recordings"])
    with console.stage(f"Make {options['split']} streams") as stage:
        return feature_streams.held_out_streams(
            runner,
            load_recordings(folder),
            options["word"],
            options["split"],
            cache=options["cache"],
            progress=stage.progress,
        )
