"""`keras-sal detect`: detections in sound files, pipes or from the microphone, as they happen."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras_sal.cli import microphone, sound_blocks
from keras_sal.cli.arguments import (
    TRIGGER,
    add_class_names,
    add_numbers,
    add_runtime,
    positive,
    values,
)
from keras_sal.cli.command_parser import Commands, add_command
from keras_sal.cli.meter import meter
from keras_sal.cli.model_path import is_pretrained, model_path

if TYPE_CHECKING:
    from keras_sal.runtime import StreamingDetector

MODEL = ".tflite, .onnx or .keras file, a bundle, or the name of a pretrained detector"
STATED_OR = "of the bundle or the .json file, else"


def add_parser(commands: Commands) -> None:
    """Add the parser of the command."""
    parser = add_command(
        commands,
        "detect",
        run,
        summary="detections in sound files, a pipe or from the microphone, as they happen",
        description="Runs a detector over sound and prints detections as they happen, with the "
        "front-end of TensorFlow Lite Micro before it unless the file has it inside. Threshold "
        "and trigger are those of a bundle, or of the .json file beside a .tflite or .onnx file, "
        "unless they are given.",
        examples=[
            "detect computer --microphone",
            "detect firmware --microphone",
            "detect detector.tflite a.wav b.flac --threshold 0.9",
            "detect firmware - < recording.wav",
        ],
        check=check,
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="sound files of any length, each a stream; - for standard input",
    )
    parser.add_argument(
        "--microphone", action="store_true", help="listen to the microphone until Ctrl-C"
    )
    parser.add_argument(
        "--device", help="number of the microphone, or part of its name (default: the system's)"
    )
    parser.add_argument(
        "--channel",
        type=positive(int),
        metavar="N",
        help="channel of the microphone that is heard, from 1 on (default: 1)",
    )
    parser.add_argument(
        "--raw",
        type=positive(int),
        metavar="HZ",
        help="standard input has no header: 16-bit samples, one channel, so many a second "
        "(default: it has one)",
    )
    parser.add_argument(
        "--seconds",
        type=positive(float),
        metavar="S",
        help="seconds until it stops to listen (default: none)",
    )
    parser.add_argument(
        "--threshold",
        type=_thresholds,
        metavar="P[,P...]",
        help=f"threshold in [0, 1]; one for each class, with commas (default: {STATED_OR} 0.5)",
    )
    add_numbers(parser, TRIGGER, unset=f"{STATED_OR} that of a trigger")
    add_class_names(parser, unset=f"{STATED_OR} none")
    add_runtime(parser)
    parser.add_argument(
        "--json-lines", action="store_true", help="print each detection as a JSON object on a line"
    )


def check(options: argparse.Namespace) -> None:
    """Refuse two sources of sound, or none, and options that would have no effect.

    Args:
        options: Parsed arguments.

    Raises:
        ValueError: If they don't go together.
    """
    if bool(options.files) == options.microphone:
        raise ValueError(
            "`FILE` or --microphone must be given, and not both; one of them is the sound to run "
            f"over. Received: {len(options.files)} files, microphone={options.microphone}."
        )
    for name in ("device", "channel", "seconds"):
        value = getattr(options, name)
        if value is not None and not options.microphone:
            raise ValueError(
                f"`--{name}` must be given with --microphone; files are read as they are. "
                f"Received: --{name} {value}. Leave it out."
            )
    inputs = options.files.count(sound_blocks.STANDARD_INPUT)
    if inputs > 1 or (options.raw is not None and not inputs):
        raise ValueError(
            "`-` must be given once, for standard input, and `--raw` with it. "
            f"Received: {inputs} times, --raw {options.raw}. Files say their rate themselves."
        )


def run(options: argparse.Namespace) -> int:
    """Run the command.

    Args:
        options: Parsed arguments.

    Returns:
        The exit status: 1 if a file could not be read.
    """
    if is_pretrained(options.model) and options.runtime != "micro":
        _check_packages(options)
    sounddevice = microphone.import_sounddevice() if options.microphone else None
    detector = _open(options)
    print_detection = _print_json if options.json_lines else _print_text
    if sounddevice is None:
        return max(
            [
                _detect_in_file(detector, path, options.raw, print_detection)
                for path in options.files
            ]
        )
    shown = sys.stdout.isatty() and not options.json_lines
    names = detector.class_names or [f"class {index}" for index in range(detector.trigger.classes)]
    with contextlib.suppress(KeyboardInterrupt), meter(names, shown) as shown_meter:
        for chunk in microphone.record(
            sounddevice, options.device, options.seconds, options.channel or 1
        ):
            found = detector.process(chunk)
            for detection in found.detections:
                print_detection("microphone", detection, shown_meter.print)
            shown_meter.show(found.posteriors)
    return 0


def _check_packages(options: argparse.Namespace) -> None:
    """Refuse to begin if a package is missing that a pretrained detector needs; name all."""
    from keras_sal.extras import require_packages

    packages = ["ai_edge_litert", "pymicro_features", "soundfile", "soxr"]
    packages += ["sounddevice"] if options.microphone else []
    require_packages(packages, "run a pretrained detector over sound", extra="detect")


def _open(options: argparse.Namespace) -> StreamingDetector:
    from keras_sal.audio import MicroFrontend
    from keras_sal.export import detector_file
    from keras_sal.runtime import StreamingDetector

    model, runtime = model_path(options.model), options.runtime
    given = values(options, {"threshold": None, "class_names": None, **TRIGGER})
    given = {name: value for name, value in given.items() if value is not None}
    if is_pretrained(options.model):
        detector = StreamingDetector.pretrained(options.model, runtime, **given)
    elif model.is_dir():
        detector = StreamingDetector.from_bundle(model, runtime, **given)
    elif detector_file.find(model):
        detector = StreamingDetector.from_file(model, runtime, **given)
    else:
        return StreamingDetector(model, frontend=MicroFrontend(), runtime=runtime, **given)
    if detector.frontend is None:
        raise ValueError(
            "`model` must hear sound; this one takes features of your own. Received: "
            f"model={options.model!r}. Feed them to StreamingDetector.from_bundle(...)"
            ".process(features), or to that of StreamingDetector.from_file(...)."
        )
    return detector


def _detect_in_file(
    detector: StreamingDetector,
    path: str,
    raw_rate: int | None,
    print_detection: Callable[..., None],
) -> int:
    """Print the detections in a file or in standard input; return the exit status."""
    if path == sound_blocks.STANDARD_INPUT:
        blocks = sound_blocks.input_blocks(raw_rate)
    else:
        blocks = sound_blocks.file_blocks(path)
    detector.reset()
    while True:
        try:
            block = next(blocks, None)
        except (OSError, ValueError) as error:
            print(f"keras-sal: {error}", file=sys.stderr)
            return 1
        if block is None:
            return 0
        for detection in detector.process(block).detections:
            print_detection(path, detection)


def _print_text(source: str, detection: Any, print_line: Callable[[str], object] = print) -> None:
    name = detection.class_name or f"class {detection.class_index}"
    print_line(f"{source}  {detection.time_s:8.2f} s  {name}  {detection.score:.3f}")
    sys.stdout.flush()


def _print_json(source: str, detection: Any, print_line: Callable[[str], object] = print) -> None:
    line = {
        "source": source,
        "time_s": round(detection.time_s, 6),
        "class_index": detection.class_index,
        "class_name": detection.class_name,
        "score": detection.score,
    }
    print_line(json.dumps(line, ensure_ascii=False))
    sys.stdout.flush()


def _thresholds(text: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a number, or one for each class with commas: 0.5 or 0.5,0.8. Received: {text}"
        ) from None
