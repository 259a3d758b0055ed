"""Extraction of archives that are not trusted."""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from keras_sal.files import atomic_folder
from keras_sal.typing import PathLike, Progress

MAX_FILES = 1_000_000
BLOCK_BYTES = 1 << 20


def unpack(
    archive: PathLike,
    folder: PathLike,
    *,
    max_bytes: int,
    max_files: int = MAX_FILES,
    progress: Progress | None = None,
) -> Path:
    """Unpack a `.zip` or a `.tar` (also compressed) into a new folder.

    Nothing in the archive is trusted: names that lead out of the folder, absolute names, links,
    devices, duplicate files and more bytes than expected are refused. The folder appears only when
    everything is in it.

    Args:
        archive: Path of the archive.
        folder: Folder to make; one that exists is replaced.
        max_bytes: Greatest size of all files together. A small archive can fill a disk.
        max_files: Greatest number of files and folders. Default a million.
        progress: Called as `progress(done, total)` in bytes of the archive, or `None`.

    Returns:
        The folder.

    Raises:
        ValueError: If the archive is damaged, or holds what is refused.
        OSError: If the disk is full.

    Example:
        >>> import tempfile, zipfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with zipfile.ZipFile(folder / "a.zip", "w") as made:
        ...     made.writestr("yes/1.wav", b"sound")
        >>> unpacked = unpack(folder / "a.zip", folder / "a", max_bytes=1000)
        >>> (unpacked / "yes" / "1.wav").read_bytes()
        b'sound'
    """
    archive, folder = Path(archive), Path(folder)
    with atomic_folder(folder) as temporary:
        try:
            _unpack(archive, temporary, max_bytes, max_files, progress)
        except _UnsafeError as error:
            raise _unsafe(archive, error) from error
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise _damaged(archive, error) from error
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            raise _unsafe(archive, "a name in it is both a file and a folder") from error
        except (OSError, RuntimeError, ValueError, zlib.error) as error:
            if getattr(error, "errno", None):
                raise
            raise _damaged(archive, error) from error  # gzip, lzma, zlib, an encrypted zip
    return folder


class _UnsafeError(Exception):
    """An archive holds what is refused."""


class _Member(NamedTuple):
    """A file or folder in an archive, and the function that extracts it into a folder."""

    name: str
    size: int
    is_plain: bool
    extract: Callable[[Path], object]


def _unpack(archive, folder, max_bytes, max_files, progress):
    total = 0
    with archive.open("rb") as file:
        members = _zip_members(file) if zipfile.is_zipfile(file) else _tar_members(file)
        for count, member in enumerate(members, 1):
            total += max(member.size, 0)
            if count > max_files:
                raise _UnsafeError(f"it has more than {max_files:,} files")
            if total > max_bytes:
                raise _UnsafeError(f"it unpacks to more than {max_bytes:,} bytes")
            if not member.is_plain:
                raise _UnsafeError(f"{member.name!r} is a link or a device")
            target = folder.joinpath(*_safe_parts(member.name))
            if target.is_file():
                raise _UnsafeError(f"{member.name!r} is in it twice")
            member.extract(folder)
            if progress:
                progress(file.tell(), archive.stat().st_size)


def _zip_members(file: IO[bytes]) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            is_plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
            yield _Member(info.filename, info.file_size, is_plain, partial(archive.extract, info))


def _tar_members(file: IO[bytes]) -> Iterator[_Member]:
    file.seek(0)
    with tarfile.open(fileobj=file) as archive:
        for info in archive:
            extract = partial(archive.extract, info, filter="data")
            yield _Member(info.name, info.size, info.isreg() or info.isdir(), extract)
        while archive.fileobj and archive.fileobj.read(BLOCK_BYTES):
            pass  # the checksum of a compressed archive is at its end


def _safe_parts(name):
    """Return the parts of a name that stays inside its folder on any system."""
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    unsafe = any(part == ".." or set(part) & set("\\:\0") for part in parts)
    if unsafe or name.startswith("/") or os.path.isabs(name):  # noqa: PTH117, a string
        raise _UnsafeError(f"the name {name!r} leads out of the folder")
    return parts


def _unsafe(archive, reason):
    return ValueError(
        f"`archive` must hold plain files for one folder; {reason}. Received: "
        f"archive={str(archive)!r}. Nothing was unpacked; don't trust it."
    )


def _damaged(archive, error):
    return ValueError(
        f"`archive` must be a complete .zip or .tar; it can't be unpacked. Received: "
        f"archive={str(archive)!r}: {error}. Download it again."
    )
