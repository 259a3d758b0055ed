"""Arguments of the job of training a detector, which `train` and `tune` take."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from keras_sal.cli.arguments import RECORDINGS, Parser, positive
from keras_sal.cli.paths import check_recordings
from keras_sal.cli.wake_word import list_recorded

FOLDERS = {
    "positives": "folders of recordings of the word alone, ann-1.wav said by ann",
    "negatives": "folders of other speech; a folder inside is named after what is said in it. "
    "Beside DIR: folders with recordings.csv of further negatives, in the splits of their tables",
    "noise": "folders of noise",
}
NETWORKS = ("gru", "conv", "conv-gru")
SIZES = ("nano", "micro", "small")
LOSSES = ("sal", "sa+fl", "safl", "cross-entropy", "focal")


def add_recordings_of_job(parser: argparse.ArgumentParser) -> None:
    """Add `DIR`, or several folders instead, and `--resplit`.

    Args:
        parser: The parser of the command.
    """
    parser.add_argument(
        "folder",
        nargs="?",
        metavar="DIR",
        help=f"folder of recordings (default: {RECORDINGS}, else all speech is synthesised)",
    )
    parser.add_argument(
        "--recordings", metavar="DIR", help="another way to give DIR (default: DIR)"
    )
    parser.add_argument(
        "--resplit",
        action="store_true",
        help="deal the speakers out to train, dev and test, whatever the table says",
    )
    group = parser.add_argument_group(
        "recordings in several folders, instead of DIR or added to it"
    )
    for name, text in FOLDERS.items():
        group.add_argument(
            f"--{name}", nargs="+", action="extend", default=[], metavar="DIR", help=text
        )


def add_scale(group: Parser) -> None:
    """Add `--refine`, `--steps`, `--hours`, `--batch-size` and `--crop-frames`.

    Args:
        group: A parser or a group of one.
    """
    group.add_argument(
        "--refine",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="first move the times of the words to where a small model finds them",
    )
    for name, kind, default, metavar, what in (
        ("--steps", int, 18_000, "N", "train steps, in 20 epochs"),
        ("--hours", float, 8.0, "H", "hours of training streams"),
        ("--batch-size", int, 32, "N", "crops in a batch"),
        ("--crop-frames", int, 400, "N", "length of a crop in frames of 10 ms"),
    ):
        group.add_argument(name, type=positive(kind), default=default, metavar=metavar, help=what)


def check_job(options: argparse.Namespace) -> None:
    """Refuse folders that are not there or do not go together.

    Args:
        options: Parsed arguments.

    Raises:
        ValueError: If they don't go together.
        FileNotFoundError: If one is not there.
    """
    if options.folder and options.recordings:
        raise ValueError(
            "`DIR` must be given once. Received: "
            f"{options.folder!r} and --recordings {options.recordings!r}. Leave one out."
        )
    if not options.positives:
        check_recordings(options)
    if options.word is None:
        listed = list_recorded(options.folder or options.recordings)
        raise ValueError(
            f"`--word` must be given; the detector learns it. Received: none.{listed} Choose one, "
            "or several."
        )
    _check_folders(options)


def words_of_job(options: argparse.Namespace) -> list[str]:
    """Return the words, in lower case.

    Args:
        options: Parsed arguments.
    """
    from keras_sal.data.wake_words import list_words

    return [" ".join(word.casefold().split()) for word in list_words(options.word)]


def output_of_job(options: argparse.Namespace) -> Path:
    """Return the folder that is written to: the one that is named, or one named after the words.

    Args:
        options: Parsed arguments.
    """
    return Path(options.output or f"keras_sal_{'_'.join(words_of_job(options)).replace(' ', '_')}")


def recordings_of_job(options: argparse.Namespace, output: Path) -> dict[str, Any]:
    """Return the words and the recordings of a `keras_sal.training.WakeWordJob`.

    For folders of each kind one table is written.

    Args:
        options: Parsed arguments.
        output: Folder to write to.
    """
    words = words_of_job(options)
    folder, negatives = options.folder or options.recordings, options.negatives
    if options.positives:
        from keras_sal.data import tabulate_folders

        folders = (getattr(options, name) for name in FOLDERS)
        folder, negatives = tabulate_folders(output / "recordings", words[0], *folders), ()
    return {
        "word": words[0] if len(words) == 1 else words,
        "recordings": folder,
        "negatives": negatives,
        "resplit": options.resplit,
    }


def _check_folders(options: argparse.Namespace) -> None:
    """Refuse folders of a kind without those of the other, or beside a folder of all.

    Negatives alone are added to the folder of all.
    """
    given = [name for name in FOLDERS if getattr(options, name)]
    if given == ["negatives"]:
        return
    if given and not isinstance(options.word, str):
        raise ValueError(
            f"`--{given[0]}` must be left out for several words; it holds one. Received: "
            f"{len(options.word)} words. Give `DIR`, with a folder for each word and the others."
        )
    if given and (options.folder or options.recordings):
        raise ValueError(
            f"`--{given[0]}` must be given instead of a folder of all recordings. Received: "
            f"{options.folder or options.recordings!r} too. Leave one out."
        )
    lacking = [name for name in ("positives", "negatives") if name not in given]
    if given and lacking:
        raise ValueError(
            f"`--{lacking[0]}` must be given with `--{given[0]}`; a detector learns the word from "
            "its recordings and from others. Received: none. Name a folder."
        )
