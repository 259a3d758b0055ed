"""`keras-sal export`: a trained model for microcontrollers, ESPHome, LiteRT or ONNX."""

import tempfile
from pathlib import Path

from keras_sal.cli import feature_streams
from keras_sal.cli.arguments import TIMES, TRIGGER, add_numbers, add_recordings, positive

BUDGET = 0.5
MAX_FA_PER_HOUR = 100.0
FIRMWARE = ("micro", "esphome")
SCORING = TIMES | TRIGGER
TARGETS = ("micro", "esphome", "litert", "onnx")
QUANTIZATIONS = {
    "micro": ("int8", "int16x8", "float32"),
    "esphome": ("int8",),
    "litert": ("float32", "float16", "int8"),
    "onnx": ("float32",),
}


def add(commands):
    """Adds the parser of the command."""
    parser = commands.add_parser(
        "export",
        help="a trained model for microcontrollers, ESPHome, LiteRT or ONNX",
        description="Converts a trained model. For microcontrollers OUT is a folder with the "
        "quantised model, C++ sources, README and manifest, and a threshold that was chosen with "
        "that model on dev streams, or given; for ESPHome's micro_wake_word a folder with model "
        "and JSON; for LiteRT and ONNX it is a file.",
        epilog="example: keras-sal export model.keras firmware --to micro --recordings "
        "my_recordings --word computer --fa-per-hour 0.5",
    )
    parser.add_argument("model", metavar="MODEL", help=".keras file")
    parser.add_argument("output", metavar="OUT", help="folder, or .tflite or .onnx file, to write")
    parser.add_argument("--to", choices=TARGETS, default="micro", help="(%(default)s)")
    parser.add_argument(
        "--quantization",
        choices=sorted({kind for kinds in QUANTIZATIONS.values() for kind in kinds}),
        help="micro: int8, int16x8, float32; litert: float32, float16, int8 (the first of these)",
    )
    parser.add_argument(
        "--state",
        choices=("explicit", "internal"),
        default="explicit",
        help="micro: carried by the C++ detector, or kept by the interpreter (%(default)s)",
    )
    add_recordings(parser)
    parser.add_argument(
        "--calibration",
        metavar="NPZ",
        help="feature streams (frames, features) to calibrate with, positives among them, instead "
        "of the train split of --recordings",
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--fa-per-hour",
        type=positive(float),
        default=BUDGET,
        metavar="F",
        help="choose the threshold on dev for so many false alarms (%(default)s)",
    )
    chosen.add_argument("--threshold", type=float, metavar="P", help="set it by hand")
    parser.add_argument(
        "--class-names", nargs="+", metavar="NAME", help="names of the outputs (the wake word)"
    )
    parser.add_argument(
        "--frontend",
        choices=("micro", "none"),
        help="what computes the features (micro with --recordings, else none)",
    )
    parser.add_argument("--author", default="", metavar="NAME", help="esphome: who made it")
    trigger = parser.add_argument_group("trigger")
    add_numbers(trigger, TIMES, given=True)
    add_numbers(trigger, TRIGGER)
    parser.set_defaults(command=run)


def run(model, output, to, quantization, **options):
    """Runs `keras-sal export`."""
    from keras_sal.cli.console import Console
    from keras_sal.runtime import open_runner

    kinds = QUANTIZATIONS[to]
    quantization = quantization or kinds[0]
    if quantization not in kinds:
        raise ValueError(
            f"`--quantization` must be one of {kinds} for `--to {to}`. "
            f"Received: --quantization {quantization}."
        )
    console, output = Console(), Path(output)
    options["recordings"] = _folder(to, quantization, options)
    if to in FIRMWARE:
        _check_threshold(options)
    trained = feature_streams.load_model(model)
    runner = open_runner(trained)
    options |= feature_streams.answer_times(runner, options)
    found = _recordings(options)
    calibration = _calibration(runner, found, options, console) if "int" in quantization else None
    if to in FIRMWARE:
        write = {"micro": _bundle, "esphome": _esphome}[to]
        summary = _firmware(
            trained, output, quantization, calibration, found, options, console, write
        )
        console.say(f"{output}: {summary}")
    else:
        file = _file(trained, output, to, quantization, calibration, console)
        console.say(f"{file.path}: {file.flash_bytes:,} bytes, {quantization}")
    if to != "esphome":
        console.say(f"Check it with: keras-sal verify {model} {output}")
    return 0


def choose_threshold(model, streams, fa_per_hour, *, data, track=iter, **scoring):
    """The record of the threshold for a false-alarm budget, chosen with the model that ships.

    Args:
        model: A `StepRunner` with one class.
        streams: `material.Streams` with anchors.
        fa_per_hour: The budget.
        data: What the streams are.
        track: Iterates over a list.
        **scoring: The trigger.
    """
    from keras_sal.detection import det_curve, threshold_record
    from keras_sal.runtime import predict

    posteriors = [predict(model, [features])[0] for features in track(streams.features)]
    reach = max(MAX_FA_PER_HOUR, fa_per_hour)
    curve = det_curve(posteriors, streams.anchors_s, max_fa_per_hour=reach, **scoring)
    return threshold_record(curve, fa_per_hour, data=data)


def _check_threshold(options):
    if options["threshold"] is None and not options["recordings"]:
        raise ValueError(
            "`--threshold` must be given, or `--recordings` to choose it on: firmware needs one. "
            "Received neither."
        )


def _folder(to, quantization, options):
    """The folder of recordings, looked for where it was not named but is needed."""
    from keras_sal.data import find_recordings

    calibrated = options["calibration"] or "int" not in quantization
    chosen = options["threshold"] is not None or to not in FIRMWARE
    named = options["recordings"]
    return named if named or (calibrated and chosen) else find_recordings()


def _recordings(options):
    from keras_sal.data import load_recordings

    return load_recordings(options["recordings"]) if options["recordings"] else None


def _calibration(runner, found, options, console):
    if options["calibration"]:
        return feature_streams.read_features(options["calibration"]).features
    if found is None:
        raise ValueError(
            "`--calibration` or `--recordings` must be given for an integer model: its ranges come "
            "from real streams. Received neither. `--quantization float32` needs none."
        )
    with console.stage("Make train streams") as stage:
        return feature_streams.calibration_streams(
            runner, found, options["word"], cache=options["cache"], progress=stage.progress
        )


def _firmware(trained, output, quantization, calibration, found, options, console, write):
    """Converts, chooses the threshold with the converted model, and writes; returns a summary."""
    from keras_sal.export import internal_state, micro

    convert = {"explicit": micro.convert, "internal": internal_state.convert}[options["state"]]
    with tempfile.TemporaryDirectory(prefix="keras_sal_export_") as folder:
        with console.stage(f"Convert to {quantization} TensorFlow Lite Micro"):
            converted = convert(
                trained, Path(folder) / "model.tflite", calibration, quantization=quantization
            )
        threshold = options["threshold"]
        if threshold is None:
            with console.stage("Make dev streams") as stage:
                streams = feature_streams.held_out_streams(
                    converted,
                    found,
                    options["word"],
                    "dev",
                    cache=options["cache"],
                    progress=stage.progress,
                )
            with console.stage("Choose the threshold") as stage:
                threshold = choose_threshold(
                    converted,
                    streams,
                    options["fa_per_hour"],
                    data=f"dev, {quantization} model in TensorFlow Lite Micro",
                    track=stage.track,
                    **_scoring(options),
                )
        return write(converted, output, threshold, options)


def _scoring(options):
    return {name: options[name] for name in SCORING}


def _bundle(converted, output, threshold, options):
    from keras_sal.export import bundle

    heard = bool(options["recordings"])
    frontend = options["frontend"] or ("micro" if heard else "none")
    written = bundle.write(
        converted,
        output,
        threshold=threshold,
        class_names=options["class_names"] or ([options["word"]] if heard else None),
        frontend=None if frontend == "none" else frontend,
        **_scoring(options),
    )
    manifest = written.manifest
    return (
        f"{manifest['quantization']}, {manifest['flash_bytes']:,} bytes of flash, "
        f"{manifest['arena_bytes']:,} bytes of arena, threshold {written.threshold:.6g}"
    )


def _esphome(converted, output, threshold, options):
    from keras_sal.export import esphome

    level = threshold["threshold"] if isinstance(threshold, dict) else threshold
    written = esphome.write(
        converted,
        output,
        wake_word=(options["class_names"] or [options["word"]])[0],
        author=options["author"],
        threshold=level,
        smooth_frames=options["smooth_frames"],
    )
    return f"{written.flash_bytes:,} bytes of flash, threshold {level:.6g}"


def _file(trained, output, to, quantization, calibration, console):
    from keras_sal.export import litert, onnx

    with console.stage(f"Convert to {to}"):
        if to == "onnx":
            return onnx.convert(trained, output)
        return litert.convert(trained, output, calibration, quantization=quantization)
