"""Paths among the arguments of a command, which must be there before anything heavy is imported."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

RECORDINGS = "KERAS_SAL_RECORDINGS"
FOLDERS = {
    "recordings": "--recordings",
    "positives": "--positives",
    "negatives": "--negatives",
    "noise": "--noise",
    "shards": "--shards",
}
FILES = {
    "splits": "--splits",
    "calibration": "--calibration",
    "streams": "--streams",
    "voices": "--voice",
    "kokoro": "--kokoro",
}


def check_paths(options: argparse.Namespace) -> None:
    """Refuse folders and files that are read and are not there, and a file for the cache.

    Args:
        options: Parsed arguments of any command.

    Raises:
        FileNotFoundError: If one is not there.
        NotADirectoryError: If the cache is a file.
    """
    check_free("--cache", getattr(options, "cache", None))
    for kind, arguments in (("folder", FOLDERS), ("file", FILES)):
        for name, argument in arguments.items():
            given = getattr(options, name, None)
            for path in [given] if isinstance(given, str) else given or ():
                check_path(argument, path, kind)


def check_path(argument: str, path: str, kind: str = "folder") -> None:
    """Refuse a path that is not there, or a file in the place of a folder.

    Args:
        argument: Name of the argument, for the message.
        path: The path.
        kind: `"folder"` (default) or `"file"`.

    Raises:
        FileNotFoundError: If it is none.
    """
    there = Path(path).exists()
    if not there or (kind == "folder" and not Path(path).is_dir()):
        raise FileNotFoundError(
            f"`{argument}` must be a {kind}; it is read. Received: {path!r}, which is "
            f"{'none' if there else 'not there'}. Check the path."
        )


def check_free(argument: str, path: str | None) -> None:
    """Refuse a file in the place of a folder that is written to.

    Args:
        argument: Name of the argument, for the message.
        path: The path; `None` if none is given.

    Raises:
        NotADirectoryError: If it is a file.
    """
    if path is not None and Path(path).exists() and not Path(path).is_dir():
        raise NotADirectoryError(
            f"`{argument}` must be a folder, or nothing yet; it is written to. Received: {path!r}, "
            "a file. Name another one."
        )


def check_recordings(options: argparse.Namespace) -> None:
    """Refuse a folder of recordings that is not there.

    Args:
        options: Parsed arguments, `folder` and `recordings` among them.

    Raises:
        FileNotFoundError: If the folder that is given, or named by the environment, is none.
    """
    given = options.folder or options.recordings or os.environ.get(RECORDINGS)
    if given:
        check_path("DIR", given)
