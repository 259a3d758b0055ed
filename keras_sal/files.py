"""Files and folders that appear complete or not at all."""

import json
import math
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np


def check_path(path):
    """Returns `path` as a `Path`, refused where no file can be written."""
    path = Path(path)
    if not path.parent.is_dir() or path.is_dir():
        raise ValueError(
            "`path` must name a file in a folder that exists. "
            f"Received: path={str(path)!r}. Make the folder first, and give a file name."
        )
    return path


def write_atomically(path, content):
    """Writes a file beside `path` and moves it there in one step.

    Args:
        path: A `pathlib.Path`.
        content: Bytes, text, or a function that writes the file it is given the path of, which
            has the same suffix as `path`.
    """
    temporary = _beside(path)
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
def atomic_folder(path):
    """Makes a folder beside `path` to fill, and moves it there if all went well.

    A folder that stood at `path` is replaced only then; a file is not.

    Args:
        path: A `pathlib.Path`.

    Yields:
        The folder to write to.
    """
    if path.exists() and not path.is_dir():
        raise ValueError(
            "`path` must be free or a folder; a file is in its place. Received: "
            f"path={str(path)!r}. Give another name, or move the file away."
        )
    temporary, former = _beside(path), _beside(path.with_name(f"{path.name}.former"))
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


def write_json(path, value):
    """Writes `value` as JSON, with null for what isn't finite."""
    write_atomically(path, json.dumps(json_ready(value), indent=1, ensure_ascii=False) + "\n")


def json_ready(value):
    """Replaces what JSON can't hold (nan, inf) by `None`, and NumPy's numbers by Python's."""
    if isinstance(value, dict):
        return {key: json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [json_ready(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def _beside(path):
    return path.with_name(f".{os.getpid()}.{path.name}")
