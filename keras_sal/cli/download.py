"""`keras-sal download`: public data sets, checked, unpacked and tabulated."""

import argparse
import itertools
from pathlib import Path

EXAMPLES = """examples:
  keras-sal download --list
  keras-sal download speech-commands data

Makes data/speech-commands with a table recordings.csv. What was cut off goes on where it was; what
is there is not downloaded again."""


def add(commands):
    """Adds the parser of the command."""
    parser = commands.add_parser(
        "download",
        help="public data sets, with their licences",
        description="Downloads a public data set, checks it, unpacks it and lists its recordings.\n"
        "Whoever uses it accepts its licence, which is printed before.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the data set (lists them)")
    parser.add_argument(
        "directory",
        nargs="?",
        default=".",
        metavar="DIR",
        help="folder to make the data set's folder in (%(default)s)",
    )
    parser.add_argument("--list", action="store_true", dest="listed", help="list the data sets")
    parser.add_argument(
        "--keep-archives", action="store_true", help="keep the archives beside the folder"
    )
    parser.set_defaults(command=run)


def run(name, directory, listed, keep_archives):
    """Runs `keras-sal download`."""
    from keras_sal.cli.console import Console
    from keras_sal.data.downloads import CATALOGUE, download

    console = Console()
    if listed or name is None:
        show(CATALOGUE.values(), console)
        return 0
    with console.stage(f"Download {name}") as stage:
        folder = download(
            name,
            Path(directory),
            keep_archives=keep_archives,
            say=console.say,
            progress=lambda what, done, total: stage.named_progress(
                f"{what}, MB", done // 1_000_000, total and total // 1_000_000
            ),
        )
    console.say(f"{folder}: see dataset.json for licence and source")
    return 0


def show(data_sets, console):
    """Prints the catalogue."""
    console.table(
        "Public data sets",
        ["name", "download", "on disk", "licence"],
        [
            [each.name, _size(each), f"<= {each.unpacked_bytes / 1e9:.0f} GB", each.licence]
            for each in data_sets
        ],
    )
    for (about, page), some in itertools.groupby(data_sets, lambda each: (each.about, each.page)):
        console.say(f"{', '.join(each.name for each in some)}: {about}; {page}")


def _size(data_set):
    """What is downloaded: known, or known not to be exceeded."""
    known = all(archive.size_bytes for archive in data_set.archives)
    most = sum(archive.size_bytes or archive.most_bytes for archive in data_set.archives)
    return f"{'' if known else '<= '}{most / 1e9:.1f} GB"
