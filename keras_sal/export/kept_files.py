"""Kept files: those in a folder that stay when an export is written to it again.

An export replaces what it wrote. What it did not write stays, and so does what the README of a
bundle names as yours to edit, once that was edited: its hash is another one than the manifest's.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from keras_sal.checks import require
from keras_sal.files import file_sha256


def kept_files(folder: Path, manifest: Mapping[str, Any], own: Collection[str]) -> list[str]:
    """Return what stays in a folder when the export in it is written again.

    Args:
        folder: The folder.
        manifest: The manifest of the bundle in it, unchecked; empty if there is none.
        own: Names of other files that were written, such as that of the manifest.

    Returns:
        The paths of files, links and empty folders, relative to `folder`.
    """
    checked, yours = (_hashes(manifest.get(field)) for field in ("sha256", "yours"))
    return [
        name
        for name in _entries(folder)
        if name not in checked
        and name not in own
        and not (name in yours and _has_hash(folder / name, yours[name]))
    ]


def check_places(folder: Path, kept: Collection[str], written: Collection[str]) -> None:
    """Check that no file to be written has the place of one that stays.

    Args:
        folder: The folder.
        kept: What stays in it.
        written: Paths of the files to be written that may not be others.

    Raises:
        ValueError: If there is such a file.
    """
    folders = {parent for name in written for parent in _parents(name)}
    taken = [
        name
        for name in kept
        if name in written
        or not {*_parents(name)}.isdisjoint(written)
        or (name in folders and not _is_folder(folder / name))
    ]
    require(
        not taken,
        "`folder` must have the places of the exported files free; files that the export did "
        f"not write are never replaced. Received: {taken} in {str(folder)!r}. Move them, or name "
        "another folder.",
    )


def copy_files(names: Collection[str], folder: Path, target: Path) -> None:
    """Copy files with their times, links as links, and empty folders.

    Args:
        names: Their paths, relative to both folders.
        folder: Where they are.
        target: Where they go to.
    """
    for name in names:
        if _is_folder(folder / name):
            (target / name).mkdir(parents=True, exist_ok=True)
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / name, target / name, follow_symlinks=False)


def _entries(folder: Path) -> Iterator[str]:
    """The files, links and empty folders below a folder, by their paths in it."""
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        inside = list(_entries(entry)) if _is_folder(entry) else []
        yield from (f"{entry.name}/{name}" for name in inside)
        if not inside:
            yield entry.name


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _has_hash(path: Path, expected: object) -> bool:
    return path.is_file() and file_sha256(path) == expected


def _hashes(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _parents(name: str) -> list[str]:
    return [parent.as_posix() for parent in PurePosixPath(name).parents]
