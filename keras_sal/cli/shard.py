"""`keras-sal shard`: training streams of many hours, made on many cores."""

from __future__ import annotations

import argparse
from pathlib import Path

from keras_sal.cli.arguments import (
    add_negatives,
    add_seed,
    add_word,
    add_workers,
    positive,
    values,
)
from keras_sal.cli.command_parser import Commands, add_command
from keras_sal.cli.console import Console, says_warnings
from keras_sal.cli.paths import check_path
from keras_sal.cli.wake_word import list_recorded

SHARDS = dict.fromkeys(("hours", "shard_hours", "seed", "workers", "address"))


def add_parser(commands: Commands) -> None:
    """Add the parser of the command."""
    parser = add_command(
        commands,
        "shard",
        run,
        summary="training streams of many hours, made on many cores, kept in files",
        description="Lays augmented recordings of the train split into streams, computes their "
        "features on worker processes of Ray, and writes them into shards in OUT, with a table "
        "shards.csv of their hashes. The same command goes on where it was interrupted. "
        "`keras-sal train --shards OUT` and keras_sal.data.shards.load_shards read them.",
        examples=[
            'shard my_recordings --word "hey robot" --hours 1000 --output shards',
            "shard DIR --word computer --negatives speech tv --hours 10000 --output shards "
            "--address head:6379",
        ],
        notes="A worker that is killed is replaced, and its shard is made again. The shards are "
        "the same, to the byte, however many workers there are.",
        check=check,
    )
    parser.add_argument("folder", metavar="DIR", help="folder of recordings")
    add_word(parser, "none; it must be given", several=True)
    parser.add_argument("--output", metavar="OUT", required=True, help="folder to write to")
    parser.add_argument(
        "--hours",
        type=positive(float),
        required=True,
        metavar="H",
        help="length of all streams together",
    )
    parser.add_argument(
        "--shard-hours",
        type=positive(float),
        default=0.5,
        metavar="H",
        help="approximate length of a shard, which one worker holds in memory",
    )
    add_negatives(parser)
    add_seed(parser, "streams")
    add_workers(parser, "one a core")


def check(options: argparse.Namespace) -> None:
    """Refuse a folder that is not there, and a word that is not given.

    Args:
        options: Parsed arguments.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there is no word.
    """
    check_path("DIR", options.folder)
    if options.word is None:
        raise ValueError(
            "`--word` must be given; its recordings are the events. Received: none."
            f"{list_recorded(options.folder)} Choose one, or several."
        )


@says_warnings
def run(options: argparse.Namespace, console: Console) -> int:
    """Run the command.

    Args:
        options: Parsed arguments.
        console: Shows the progress.

    Returns:
        The exit status, 0.
    """
    from keras_sal.data import load_word_recordings
    from keras_sal.data.shards import write_shards
    from keras_sal.data.shards.shard_table import TABLE, totals
    from keras_sal.extras import require_packages

    require_packages(("ray", "array_record", "soundfile", "soxr"), "make shards", "scale")
    recordings = load_word_recordings(
        options.folder, options.word, negatives=options.negatives, say=console.say
    )
    with console.stage("Make shards") as stage:
        shards = write_shards(
            recordings,
            options.word,
            options.output,
            progress=stage.progress,
            **values(options, SHARDS),
        )
    streams, hours, events, size = totals(shards)
    console.say(
        f"{_counted(len(shards), 'shard')} of {_counted(streams, 'stream')}, {hours:,.2f} hours, "
        f"{_counted(events, 'event')}, "
        f"{size / 1e6:,.1f} MB, in {Path(options.output) / TABLE}"
    )
    return 0


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
