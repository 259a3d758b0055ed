"""Atomic writes of files and folders: what appears under a name is complete."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from keras_sal.checks import require
from keras_sal.typing import PathLike


def check_path(path: PathLike) -> Path:
    """Check that a file can be written at a path.

    Args:
        path: Path of the file to be written.

    Returns:
        The path, as a `pathlib.Path`.

    Raises:
        ValueError: If the folder of the file doesn't exist, or `path` is a folder.
    """
    path = Path(path)
    require(
        path.parent.is_dir() and not path.is_dir(),
        "`path` must name a file in a folder that exists. "
        f"Received: path={str(path)!r}. Make the folder first, and give a file name.",
    )
    return path


def write_atomically(path: Path, content: bytes | str | Callable[[Path], object]) -> None:
    """Write a file beside `path`, and move it there in one step.

    Args:
        path: Path of the file.
        content: Bytes, text (written as UTF-8), or a function that writes the file. The function
            is called with the path of a temporary file that has the same suffix as `path`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
        >>> write_atomically(path, "done")
        >>> path.read_text()
        'done'
    """
    temporary = _temporary_sibling(path)
    try:
        if callable(content):
            content(temporary)
        elif isinstance(content, str):
            temporary.write_text(content, encoding="utf-8")
        else:
            temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Make a folder beside `path` to fill, and move it there if nothing was raised.

    A folder that exists at `path` is replaced only then. A file at `path` is never replaced.

    Args:
        path: Path of the folder.

    Yields:
        The temporary folder to write to, a `pathlib.Path`.

    Raises:
        ValueError: If there is a file at `path`.
    """
    require(
        path.is_dir() or not path.exists(),
        "`path` must be free or a folder; a file is in its place. Received: "
        f"path={str(path)!r}. Give another name, or move the file away.",
    )
    temporary = _temporary_sibling(path)
    former = _temporary_sibling(path.with_name(f"{path.name}.former"))
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            path.replace(former)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if former.exists() and not path.exists():
            former.replace(path)
        shutil.rmtree(former, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value as a JSON file, atomically; see `json_ready` for what is converted.

    Args:
        path: Path of the file.
        value: Dicts, lists, tuples, arrays, strings, numbers, booleans and `None`, nested.
    """
    write_atomically(path, json.dumps(json_ready(value), indent=1, ensure_ascii=False) + "\n")


def json_ready(value: Any) -> Any:
    """Replace what JSON can't hold: NaN and infinity by `None`, NumPy's types by Python's.

    Args:
        value: Dicts, lists, tuples, arrays, strings, numbers, booleans and `None`, nested.

    Returns:
        The same with dicts, lists and Python's own scalars only.

    Example:
        >>> json_ready({"frr": float("nan"), "counts": np.array([1, 2])})
        {'frr': None, 'counts': [1, 2]}
    """
    if isinstance(value, dict):
        return {key: json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [json_ready(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def _temporary_sibling(path: Path) -> Path:
    return path.with_name(f".{os.getpid()}.{path.name}")
