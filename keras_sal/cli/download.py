"""`keras-sal download`: public data sets, checked, unpacked and tabulated."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from keras_sal.cli.command_parser import Commands, add_command
from keras_sal.cli.console import Console

if TYPE_CHECKING:
    from keras_sal.data.downloads import PublicDataset


def add_parser(commands: Commands) -> None:
    """Add the parser of the command."""
    parser = add_command(
        commands,
        "download",
        run,
        summary="public data sets, with their licences",
        description="Downloads a public data set, checks it, unpacks it and lists its recordings. "
        "Whoever uses it accepts its licence, which is printed before.",
        examples=["download --list", "download speech-commands data"],
        notes="The second makes data/speech-commands with a table recordings.csv. An interrupted "
        "download goes on where it ended; a data set that is complete is not downloaded again.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the data set (default: list them)")
    parser.add_argument(
        "folder",
        nargs="?",
        default=".",
        metavar="DIR",
        help="folder to make the data set's folder in",
    )
    parser.add_argument("--list", action="store_true", help="list the data sets")
    parser.add_argument(
        "--keep-archives", action="store_true", help="keep the archives beside the folder"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command.

    Args:
        options: Parsed arguments.

    Returns:
        The exit status, 0.
    """
    from keras_sal.data.downloads import CATALOGUE, download

    console = Console()
    if options.list or options.name is None:
        _print_catalogue(CATALOGUE.values(), console)
        return 0
    with console.stage(f"Download {options.name}") as stage:
        folder = download(
            options.name,
            Path(options.folder),
            keep_archives=options.keep_archives,
            log=console.say,
            progress=lambda what, done, total: stage.named_progress(
                f"{what}, MB", done // 1_000_000, total and total // 1_000_000
            ),
        )
    console.say(f"{folder}: see dataset.json for licence and source")
    return 0


def _print_catalogue(data_sets: Collection[PublicDataset], console: Console) -> None:
    console.table(
        "Public data sets",
        ["name", "download", "on disk", "licence"],
        [
            [each.name, _size(each), f"<= {each.max_unpacked_bytes / 1e9:.0f} GB", each.licence]
            for each in data_sets
        ],
    )
    for (about, page), some in itertools.groupby(
        data_sets, lambda each: (each.description, each.page)
    ):
        console.say(f"{', '.join(each.name for each in some)}: {about}; {page}")


def _size(data_set: PublicDataset) -> str:
    """The size of the download, or its upper bound."""
    known = None not in [archive.size_bytes for archive in data_set.archives]
    most = sum(archive.size_bytes or archive.max_bytes or 0 for archive in data_set.archives)
    return f"{'' if known else '<= '}{most / 1e9:.1f} GB"
