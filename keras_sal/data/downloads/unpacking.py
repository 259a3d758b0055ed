"""Extraction of archives that are not trusted."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from keras_sal.files import atomic_folder
from keras_sal.typing import PathLike, Progress

MAX_FILES = 1_000_000
BLOCK_BYTES = 1 << 20
OVERHEAD_BYTES = 1 << 12  # of a tar: headers and padding of a file, without long names
PADDING_BYTES = 1 << 20  # of a tar: zeros at its end
COMPRESSIONS = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\0", lzma.open),
    (b"\x5d\0\0", lzma.open),
)
DAMAGES = (  # what the standard library raises for damaged and for encrypted archives
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, RuntimeError, ValueError, LookupError, OverflowError, MemoryError),
)
BAD_NAMES = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ELOOP)


def unpack(
    archive: PathLike,
    folder: PathLike,
    *,
    max_bytes: int,
    max_files: int = MAX_FILES,
    mark: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Unpack a `.zip` or a `.tar` (also compressed) into a new folder.

    Nothing in the archive is trusted: names that lead out of the folder, absolute names, links,
    devices, duplicate files and more bytes than expected are refused. The folder appears only when
    everything is in it.

    Args:
        archive: Path of the archive.
        folder: Folder to make; one that exists is replaced.
        max_bytes: Greatest size of all files together. A small archive can fill a disk. Headers and
            padding of a tar may have a megabyte more.
        max_files: Greatest number of files and folders. Default a million.
        mark: Name of an empty file that is added to the folder, to know it by. Default `None`: none
            is added.
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
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            raise _unsafe(archive, "a name in it is both a file and a folder") from error
        except OSError as error:
            if error.errno in BAD_NAMES:
                raise _unsafe(archive, f"a name in it can't be one here ({error})") from error
            if error.errno:
                raise
            raise _damaged(archive, error) from error
        except DAMAGES as error:
            raise _damaged(archive, error) from error
        if mark:
            (temporary / mark).touch()
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
        is_zip = zipfile.is_zipfile(file)
        members = _zip_members(file) if is_zip else _tar_members(file, max_bytes)
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


def _tar_members(file: IO[bytes], max_bytes: int) -> Iterator[_Member]:
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    opened = next((opener for mark, opener in COMPRESSIONS if start.startswith(mark)), None)
    content: Any = _BoundedReader(opened(file) if opened else file, max_bytes)
    with tarfile.open(fileobj=content, mode="r:") as archive:
        for info in archive:
            content.allow(OVERHEAD_BYTES)
            extract = partial(archive.extract, info, filter="data")
            yield _Member(info.name, info.size, info.isreg() or info.isdir(), extract)
        if any(content.last):
            raise tarfile.ReadError("one of its headers is damaged")
        while content.read(BLOCK_BYTES):
            pass  # the checksum of a compressed archive is at its end


class _BoundedReader:
    """The decompressed bytes of a tar, as a file that gives no more of them than expected."""

    def __init__(self, file: Any, max_bytes: int) -> None:
        self._file, self._limit = file, max_bytes + PADDING_BYTES
        self.last = b""  # what was read last

    def allow(self, count: int) -> None:
        """Allow more bytes."""
        self._limit += count

    def read(self, count: int) -> bytes:
        """Read at most so many bytes."""
        if count > BLOCK_BYTES:  # files and the end are read in blocks
            raise _UnsafeError(f"one of its headers has {count:,} bytes")
        self.last = self._file.read(count)
        if self.tell() > self._limit:
            raise _UnsafeError("it unpacks to more bytes than its files have")
        return self.last

    def seek(self, position: int) -> None:
        """Go to a later byte; those before it are read, and counted."""
        if position < self.tell():
            raise _UnsafeError("one of its headers leads back")
        while missing := position - self.tell():
            if not self.read(min(missing, BLOCK_BYTES)):
                raise EOFError("it ends within a file")

    def tell(self) -> int:
        """Return the number of the next byte."""
        return int(self._file.tell())


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
