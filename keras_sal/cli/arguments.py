"""Arguments that several commands take.

Each `add_...` function adds some to a parser or to a group of one.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from keras_sal.cli.command_parser import RepeatedText

Parser: TypeAlias = "argparse._ActionsContainer"
"""A parser, or a group of its arguments."""

RUNTIMES = ("keras", "micro", "litert", "onnx")
RECORDINGS = "$KERAS_SAL_RECORDINGS, else ../shared/recordings beside the checkout"
BUDGET = "1, or the least that the hours of negatives can tell from none"


class Number(NamedTuple):
    """A numeric argument.

    Args:
        type: Function that converts its text.
        default: Its default.
        metavar: Its placeholder in the help.
        help: Its help.
    """

    type: Callable[[str], float]
    default: float | None
    metavar: str
    help: str


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """Return a converter of arguments that must be finite and greater than 0.

    Args:
        kind: `int` or `float`.

    Example:

    >>> positive(int)("3")
    3
    """

    def convert(text: str) -> float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"must be greater than 0. Received: {text}")
        return value

    convert.__name__ = kind.__name__
    return convert


def at_least(least: float, kind: Callable[[str], float]) -> Callable[[str], float]:
    """Return a converter of arguments that must be finite and no less than a number.

    Args:
        least: The number.
        kind: `int` or `float`.

    Example:

    >>> at_least(0, float)("0.5")
    0.5
    """

    def convert(text: str) -> float:
        value = kind(text)
        if not least <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"must be at least {least:g}. Received: {text}")
        return value

    convert.__name__ = kind.__name__
    return convert


def finite(text: str) -> float:
    """Convert the text of an argument that must be a finite number.

    Args:
        text: The text.

    Example:

    >>> finite("-5")
    -5.0
    """
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be finite. Received: {text}")
    return value


finite.__name__ = "float"  # for the message of what is no number


def pair(
    convert: Callable[[str], float], *, alone: bool = False
) -> Callable[[str], float | tuple[float, float]]:
    """Return a converter of arguments that are two numbers with a comma between them.

    Args:
        convert: Function that converts the text of each number.
        alone: Whether one number may stand alone, for both. Defaults to `False`.

    Example:

    >>> pair(int)("2,8"), pair(float, alone=True)("15")
    ((2, 8), 15.0)
    """

    def convert_pair(text: str) -> float | tuple[float, float]:
        numbers = [convert(number) for number in text.split(",")]
        if len(numbers) == 2:
            return numbers[0], numbers[1]
        if len(numbers) == 1 and alone:
            return numbers[0]
        raise argparse.ArgumentTypeError(
            f"must be two numbers with a comma between them{', or one' * alone}. Received: {text}"
        )

    convert_pair.__name__ = convert.__name__
    return convert_pair


FRAME_TIMES = {
    "frame_step_s": Number(positive(float), 0.01, "S", "seconds from one posterior to the next"),
    "frame_offset_s": Number(float, 0.03, "S", "seconds until the first posterior"),
}
TRIGGER = {
    "smooth_frames": Number(positive(int), 1, "N", "posteriors of which the mean is taken"),
    "on_frames": Number(positive(int), 1, "N", "frames that must reach the threshold in a row"),
    "hysteresis": Number(
        *(at_least(0, float), None, "P"),
        "fall below the threshold that arms the trigger again (default: off)",
    ),
    "refractory_s": Number(at_least(0, float), 1.0, "S", "seconds without another detection"),
}
HIT_WINDOW = {
    "early_s": Number(
        at_least(0, float), 0.5, "S", "seconds before its anchor from which a hit counts"
    ),
    "max_delay_s": Number(
        at_least(0, float), 1.0, "S", "seconds after its anchor until which a hit counts"
    ),
}


def add_numbers(parser: Parser, numbers: Mapping[str, Number], *, unset: str = "") -> None:
    """Add the arguments of a table.

    Args:
        parser: A parser or a group of one.
        numbers: `FRAME_TIMES`, `TRIGGER`, `HIT_WINDOW` or several of them together.
        unset: What the help names as the default, where arguments that are not given are `None`.
            Defaults to `""`: they have the defaults of the table.
    """
    for name, number in numbers.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=number.type,
            default=None if unset else number.default,
            metavar=number.metavar,
            help=f"{number.help.partition(' (')[0]} (default: {unset})" if unset else number.help,
        )


def add_recordings(parser: Parser, otherwise: str = "") -> None:
    """Add `--recordings`.

    Args:
        parser: A parser or a group of one.
        otherwise: What is used where no recordings are found. Defaults to `""`: nothing.
    """
    default = f"{RECORDINGS}, else {otherwise}" if otherwise else RECORDINGS
    parser.add_argument(
        "--recordings", metavar="DIR", help=f"folder with recordings.csv (default: {default})"
    )


def add_word(parser: Parser, unset: str, *, several: bool = False) -> None:
    """Add `--word`.

    Args:
        parser: A parser or a group of one.
        unset: What the help names as the default.
        several: Whether it may be repeated for a detector of several words. Defaults to `False`.
    """
    repeated = "; repeat it for a detector that tells several apart, in their order"
    parser.add_argument(
        "--word",
        action=RepeatedText if several else "store",
        help=f"the wake word, as in the column text{repeated if several else ''} "
        f"(default: {unset})",
    )


def add_negatives(parser: Parser) -> None:
    """Add `--negatives`."""
    parser.add_argument(
        "--negatives",
        nargs="+",
        action="extend",
        default=[],
        metavar="DIR",
        help="folders with recordings.csv of further negatives, in the splits of their tables; "
        "recordings in whose text the word is said are left out (default: none)",
    )


def add_splits(parser: Parser) -> None:
    """Add `--splits`."""
    parser.add_argument(
        "--splits",
        action="append",
        default=[],
        metavar="JSON",
        help="record of the splits that a model was made with, as `train` writes it; what it was "
        "trained on is not tested on; may be repeated (default: splits.json beside the model)",
    )


def add_cache(parser: Parser) -> None:
    """Add `--cache`."""
    parser.add_argument("--cache", metavar="DIR", help="folder to keep features in (default: none)")


def add_workers(parser: Parser, unset: str) -> None:
    """Add `--workers` and `--address`.

    Args:
        parser: A parser or a group of one.
        unset: What the help names as the default.
    """
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=positive(int),
        metavar="N",
        help=f"number of worker processes on this machine (default: {unset})",
    )
    where.add_argument(
        "--address",
        metavar="A",
        help="address of a Ray cluster, such as head:6379 or auto, which has the folders under "
        "the same paths (default: this machine)",
    )


def add_false_alarm_budget(parser: Parser, unset: str = BUDGET) -> None:
    """Add `--fa-per-hour`, the false-alarm budget.

    Args:
        parser: A parser or a group of one.
        unset: What the help names as the default. Defaults to the rule of
            `keras_sal.detection.choose_budget`.
    """
    parser.add_argument(
        "--fa-per-hour",
        type=positive(float),
        metavar="F",
        help="false-alarm budget: false alarms an hour that are allowed; H hours of negatives "
        f"without any show at most 3/H an hour (default: {unset})",
    )


def add_bootstrap(parser: Parser) -> None:
    """Add `--replicates` and `--seed` of the bootstrap."""
    parser.add_argument(
        "--replicates",
        type=positive(int),
        default=1000,
        metavar="N",
        help="replicates of the bootstrap",
    )
    add_seed(parser, "the bootstrap")


def add_seed(parser: Parser, purpose: str) -> None:
    """Add `--seed`.

    Args:
        parser: A parser or a group of one.
        purpose: What is drawn at random.
    """
    parser.add_argument(
        "--seed", type=at_least(0, int), default=0, metavar="N", help=f"seed of {purpose}"
    )


def add_resume(parser: Parser) -> None:
    """Add `--resume`."""
    parser.add_argument(
        "--resume",
        action="store_true",
        help="use what was trained in OUT with the same options, or go on with a training that was "
        "interrupted",
    )


def add_runtime(parser: Parser) -> None:
    """Add `--runtime`."""
    parser.add_argument(
        "--runtime",
        choices=RUNTIMES,
        help="runtime of .tflite files and bundles; .keras and .onnx files have one alone "
        "(default: by the kind of file)",
    )


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(
            f"must be names with commas between them, none of them empty. Received: {text!r}"
        )
    return names


def add_class_names(parser: Parser, unset: str) -> None:
    """Add `--class-names`.

    Args:
        parser: A parser or a group of one.
        unset: What the help names as the default.
    """
    parser.add_argument(
        "--class-names",
        type=_names,
        metavar="NAME[,NAME...]",
        help=f"names of the classes (default: {unset})",
    )


def add_speech_synthesis(parser: Parser) -> None:
    """Add `--near`, `--voice` and `--kokoro`."""
    parser.add_argument(
        "--near",
        action="append",
        default=[],
        metavar="PHRASE",
        help="phrase that is easily mistaken for the word, a negative; may be repeated",
    )
    parser.add_argument(
        "--voice",
        dest="voices",
        action="append",
        default=[],
        metavar="ONNX",
        help="voice of Piper that speaks too, its .onnx.json beside it; each speaker of a voice "
        "with many counts; may be repeated",
    )
    parser.add_argument(
        "--kokoro",
        nargs=2,
        metavar=("MODEL", "VOICES"),
        help="files of Kokoro, which speaks too; pip install kokoro-onnx (default: it doesn't)",
    )


def values(options: argparse.Namespace, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return some of the parsed arguments.

    Args:
        options: Parsed arguments.
        names: Names of arguments, such as the keys of `TRIGGER`.
    """
    return {name: getattr(options, name) for name in names}
