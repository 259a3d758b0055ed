"""Archives of strangers, unpacked so that they can't reach beyond their folder."""

import os
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from keras_sal.files import atomic_folder

BLOCK = 1 << 20
MOST_FILES = 1_000_000
SYMLINK = 0o120000
KIND = 0o170000


def unpack(archive, folder, *, most_bytes, most_files=MOST_FILES, progress=None):
    """Unpack a `.zip` or a `.tar` (also compressed) into a new folder.

    Nothing of the archive is trusted: names that lead out of the folder, absolute names, links,
    devices, files twice and more bytes than expected are refused. No permissions, owners or times
    are taken over. The folder appears only once everything is in it.

    Args:
        archive: The file.
        folder: The folder to make; one that exists is replaced.
        most_bytes: What may be unpacked at most, together. A small archive can hold a disk full.
        most_files: How many files and folders at most. Default a million.
        progress: Called as `progress(done, total)` in bytes of the archive, or `None`.

    Returns:
        The folder.

    Raises:
        ValueError: If the archive is damaged, or holds what no data set should.
        OSError: If the disk is full.

    Example:
        >>> import tempfile, zipfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with zipfile.ZipFile(folder / "a.zip", "w") as made:
        ...     made.writestr("yes/1.wav", b"sound")
        >>> unpacked = unpack(folder / "a.zip", folder / "a", most_bytes=1000)
        >>> (unpacked / "yes" / "1.wav").read_bytes()
        b'sound'
    """
    archive, folder = Path(archive), Path(folder)
    with atomic_folder(folder) as temporary:
        try:
            _unpack(archive, temporary, most_bytes, most_files, progress)
        except _UnsafeError as error:
            raise _unsafe(archive, error) from error
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise _damaged(archive, error) from error
        except (FileExistsError, NotADirectoryError) as error:
            raise _unsafe(archive, "a name in it is both a file and a folder") from error
        except (OSError, RuntimeError, ValueError, zlib.error) as error:
            if getattr(error, "errno", None):
                raise
            raise _damaged(archive, error) from error  # gzip, lzma, zlib, an encrypted zip
    return folder


class _UnsafeError(Exception):
    """An archive holds what no data set should."""


def _unsafe(archive, reason):
    return ValueError(
        f"`archive` must hold plain files for one folder; {reason}. Received: "
        f"archive={str(archive)!r}. Nothing was unpacked; don't trust it."
    )


def _damaged(archive, error):
    return ValueError(
        f"`archive` must be a whole .zip or .tar; it can't be unpacked. Received: "
        f"archive={str(archive)!r}: {error}. Download it again."
    )


def _unpack(archive, folder, most_bytes, most_files, progress):
    total, count, size = 0, 0, archive.stat().st_size
    with archive.open("rb") as file:
        for name, is_folder, is_file, open_member in _members(file):
            count += 1
            if count > most_files:
                raise _UnsafeError(f"it has more than {most_files:,} files")
            target = folder.joinpath(*_parts(name))
            if is_folder:
                target.mkdir(parents=True, exist_ok=True)
                continue
            if not is_file:
                raise _UnsafeError(f"{name!r} is a link or a device")
            if target == folder or target.exists():
                raise _UnsafeError(f"{name!r} is in it twice, or the folder itself")
            target.parent.mkdir(parents=True, exist_ok=True)
            with open_member() as source, target.open("xb") as sink:
                while block := source.read(BLOCK):
                    total += len(block)
                    if total > most_bytes:
                        raise _UnsafeError(f"it unpacks to more than {most_bytes:,} bytes")
                    sink.write(block)
            if progress:
                progress(file.tell(), size)


def _members(file):
    """`(name, is a folder, is a plain file, how to open it)` of each member, in their order."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as opened:
            for info in opened.infolist():
                kind = (info.external_attr >> 16) & KIND
                plain = kind in (0, 0o100000) and not info.is_dir()
                folder = info.is_dir() and kind != SYMLINK
                yield info.filename, folder, plain, lambda info=info: opened.open(info)
        return
    file.seek(0)
    with tarfile.open(fileobj=file) as opened:
        for info in opened:
            yield (
                info.name,
                info.isdir(),
                info.isreg() and not info.issparse(),
                lambda info=info: opened.extractfile(info),
            )
        while opened.fileobj.read(BLOCK):
            pass  # the checksum of a compressed archive is at its end


def _parts(name):
    """The parts of a name that stays inside its folder, on any system."""
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    unsafe = any(
        part == ".." or "\\" in part or ":" in part or "\0" in part or part == "/" for part in parts
    )
    if unsafe or name.startswith("/") or os.path.isabs(name):  # noqa: PTH117, a string
        raise _UnsafeError(f"the name {name!r} leads out of the folder")
    return parts
