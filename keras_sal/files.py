"""Atomic writes of files and folders: what appears under a name is complete."""

from __future__ import annotations

import ctypes
import errno
import glob
import hashlib
import json
import math
import os
import platform
import re
import shutil
import sys
import time
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from keras_sal.checks import require
from keras_sal.typing import PathLike

DAMAGED_ARRAYS = (
    *(OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, MemoryError),
    *(ValueError, TypeError, LookupError, AttributeError),
)
"""What NumPy raises for `.npz` files that are damaged."""

ABANDONED_S = 24 * 3600.0  # age of what another machine left unfinished
UNWRITABLE = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),  # no space
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR),  # no such place
)
NOT_PLAIN = r"[\x00-\x1f\x7f\ud800-\udfff\"'`;:#$\\|\[\]<>*?]"  # in a name, for build tools
EXCHANGE = 2  # RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS
HERE = -100  # AT_FDCWD of Linux
TEMPORARY = re.compile(r"\.(\d+)-([0-9a-f]{4})-[0-9a-f]{8}\.")  # before the name of the final one

_unfinished: set[str] = set()  # names that this process is writing to


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


def check_parent(folder: PathLike) -> Path:
    """Check that a folder can be made at a path.

    Args:
        folder: Path of the folder.

    Returns:
        The path, as a `pathlib.Path`.

    Raises:
        ValueError: If the folder that it is to lie in doesn't exist, or the path ends in no name.
    """
    folder = Path(folder)
    require(
        folder.name not in ("", ".."),
        "`folder` must end in a name; it is replaced as a whole, and the current folder can't be "
        f"while it is in use. Received: folder={str(folder)!r}. Go up, and name it from there.",
    )
    require(
        folder.absolute().parent.is_dir(),
        "`folder` must be in a folder that exists. "
        f"Received: folder={str(folder)!r}. Make its parent first.",
    )
    return folder


def check_plain_name(folder: PathLike) -> None:
    """Check that build tools can handle the name of a folder.

    Args:
        folder: Path of the folder.

    Raises:
        ValueError: If a character of the name means something else to CMake, Make, Kconfig or a
            shell, or can't be written as UTF-8.
    """
    name = Path(folder).absolute().name
    found = sorted({*re.findall(NOT_PLAIN, name)})
    require(
        not found,
        "`folder` must have a name without control characters, lone surrogates and any "
        "of \" ' ` ; : # $ \\ | [ ] < > * ?; CMake, Make, Kconfig and shells take names apart at "
        f"them. Received: folder={str(folder)!r}, with {found}. Use letters, digits, - and _.",
    )


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
    with temporary_sibling(path) as temporary:
        if callable(content):
            content(temporary)
        elif isinstance(content, str):
            temporary.write_text(content, encoding="utf-8")
        else:
            temporary.write_bytes(content)
        temporary.replace(path)


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
    with temporary_sibling(path) as temporary:
        temporary.mkdir()
        yield temporary
        if path.exists() and not _exchange(temporary, path):
            with temporary_sibling(path) as former:
                path.replace(former)
                try:
                    temporary.replace(path)
                except OSError:
                    former.replace(path)
                    raise
        elif not path.exists():
            temporary.replace(path)


@contextmanager
def temporary_sibling(path: Path) -> Iterator[Path]:
    """Name a file or folder beside `path` to write to, and remove what is left there in the end.

    What killed processes left beside `path` is removed first.

    Args:
        path: Path of what is to be written.

    Yields:
        A path that nothing exists at, and that no other thread or process uses.

    Raises:
        OSError: If the disk is full, or the folder can't be written to; the message names `path`.
    """
    sweep(path)
    name = f".{os.getpid()}-{_machine()}-{uuid.uuid4().hex[:8]}.{path.name}"
    _unfinished.add(name)
    temporary = path.with_name(name)
    try:
        yield temporary
    except OSError as error:
        if error.errno in UNWRITABLE and temporary.name in str(error.filename or temporary):
            raise _unwritable(path, error) from error
        raise
    finally:
        _remove(temporary)
        _unfinished.discard(name)


def sweep(path: Path) -> None:
    """Remove what killed processes left unfinished beside a path.

    Args:
        path: Path of the file or folder that they were writing.
    """
    for left in path.parent.glob(f".*-*-*.{glob.escape(path.name)}"):
        made = TEMPORARY.fullmatch(left.name.removesuffix(path.name))
        if not made or left.name in _unfinished:
            continue
        pid, machine = made.groups()
        try:
            old = time.time() - left.stat().st_mtime > ABANDONED_S
        except OSError:
            continue  # another process was quicker
        if old or (machine == _machine() and not _is_running(int(pid))):
            _remove(left)


def _unwritable(path: Path, error: OSError) -> OSError:
    """The same error about a path, not about a temporary one that is gone."""
    return OSError(
        error.errno,
        f"`path` must be a place that can be written to; {error.strerror}. Received: "
        f"path={str(path)!r}, which stays as it was. Free space there, or choose another folder.",
    )


def _is_running(pid: int) -> bool:
    """Whether a process that is writing has this number. On Windows it can't be asked safely."""
    if pid == os.getpid():
        return False  # this process would know of it
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _machine() -> str:
    """Four hexadecimal digits for this machine, whose process numbers mean nothing elsewhere."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:4]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step, so that there is no time without either.

    Returns:
        Whether it was done; some systems can't.
    """
    names = os.fsencode(one), os.fsencode(other)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            return bool(library.renamex_np(*names, EXCHANGE) == 0)
        return bool(library.renameat2(HERE, names[0], HERE, names[1], EXCHANGE) == 0)
    except (OSError, AttributeError, TypeError):
        return False


def is_new_or_empty(folder: Path) -> bool:
    """Whether nothing is lost if a folder is written.

    Args:
        folder: Path of the folder.
    """
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def file_identity(path: Path) -> tuple[int, int]:
    """Return what is the same for a file under any of its names.

    Args:
        path: Path of the file.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    status = path.stat()
    return status.st_dev, status.st_ino


def file_state(path: Path) -> tuple[int, int]:
    """Return the size and the modification time of a file, by which a cache knows its content.

    Args:
        path: Path of the file.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def file_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file.

    Args:
        path: Path of the file.

    Returns:
        64 hexadecimal digits.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
