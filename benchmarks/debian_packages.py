"""Debian packages: pinned, downloaded by apt or from a mirror, read without being installed.

They are read on any system: a package is an `ar` archive with a tar of its files in it (`man 5
deb`).
"""

import email
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from keras_sal.data.downloads import fetch
from keras_sal.files import file_sha256

MIRROR = "http://deb.debian.org/debian"
MAGIC = b"!<arch>\n"
HEADER_BYTES = 60  # of a member of an ar archive
NAME, SIZE = slice(0, 16), slice(48, 58)  # fields of it
FILES = "data.tar"
COMMON_LICENCE = re.compile(r"/usr/share/common-licenses/([\w.+-]*[\w+])")


class Package(NamedTuple):
    """One package, whose contents are known by their checksum wherever they come from.

    Args:
        name: Name of the package.
        version: Its version, an epoch included.
        pool: Path of the archive on a mirror.
        size_bytes: Size of the archive.
        sha256: SHA-256 of the archive.
    """

    name: str
    version: str
    pool: str
    size_bytes: int
    sha256: str


class Terms(NamedTuple):
    """Terms of some files of a package.

    Args:
        files: Which files: patterns of the source package.
        holders: Holders of the copyright; empty where they are told in prose only.
        licence: Name of the licence, or of several.
    """

    files: str
    holders: str
    licence: str


def download(package: Package, folder: Path, mirror: str = MIRROR) -> Path:
    """Return the archive of a package in a folder, where it is downloaded to if it is not there.

    `apt-get` downloads it where there is one that knows this version, and else `mirror` is asked.

    Args:
        package: The package.
        folder: Folder of the archives.
        mirror: Address of a mirror of Debian.

    Raises:
        OSError: If neither has it.
        ValueError: If the archive has another checksum.
    """
    path = folder / Path(package.pool).name
    if path.is_file() and file_sha256(path) == package.sha256:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    if not _download_by_apt(package, path):
        fetch(
            f"{mirror}/{package.pool}",
            path,
            sha256=package.sha256,
            size_bytes=package.size_bytes,
        )
    return path


def _download_by_apt(package: Package, path: Path) -> bool:
    """Whether apt has the archive; it is moved to `path` then."""
    if not shutil.which("apt-get"):
        return False
    with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
        subprocess.run(
            ["apt-get", "download", f"{package.name}={package.version}"],
            cwd=temporary,
            capture_output=True,
            check=False,
        )
        found = list(Path(temporary).glob("*.deb"))
        if len(found) != 1 or file_sha256(found[0]) != package.sha256:
            return False
        found[0].replace(path)
    return True


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """Unpack a package into a temporary folder.

    Args:
        archive: Path of the archive.

    Yields:
        The folder, with `usr` in it.

    Raises:
        ValueError: If the file is no Debian package.
    """
    with tempfile.TemporaryDirectory() as folder, archive.open("rb") as file:
        _seek_files(file, archive)
        with tarfile.open(fileobj=file, mode="r|*") as members:
            members.extractall(folder, filter="data")
        yield Path(folder)


def _seek_files(file: IO[bytes], archive: Path) -> None:
    """Go to the tar of the files in a package."""
    if file.read(len(MAGIC)) == MAGIC:
        while len(header := file.read(HEADER_BYTES)) == HEADER_BYTES:
            if header[NAME].decode().startswith(FILES):
                return
            size = int(header[SIZE])
            file.seek(size + size % 2, os.SEEK_CUR)
    raise ValueError(
        f"`archive` must be a Debian package; it holds the files. Received: {archive}, which has "
        f"no {FILES}. Download it again."
    )


def read_terms(text: str) -> list[Terms]:
    """Read who holds the copyright of what, and under which licence, in a file `copyright`.

    The packaging itself, `debian/*`, is left out. Of a file in prose, without the fields of the
    machine-readable format, only the licences that it points to are told.

    Args:
        text: Text of the file.
    """
    paragraphs = [email.message_from_string(each.strip()) for each in re.split(r"\n\s*\n", text)]
    if "Format" not in paragraphs[0]:
        return [Terms("*", "", ", ".join(sorted({*COMMON_LICENCE.findall(text)})))]
    return [
        Terms(
            " ".join(each["Files"].split()),
            "; ".join(line.strip(" ,") for line in each["Copyright"].splitlines()),
            (each["License"] or "").partition("\n")[0],
        )
        for each in paragraphs
        if each["Files"] and each["Files"] != "debian/*"
    ]
