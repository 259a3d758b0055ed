"""The runtime of the page: the files of LiteRT.js, taken from checked archives of npm.

LiteRT.js runs a step of a detector more than twice as fast as ONNX Runtime Web, starts faster, and
is two thirds of its size. Of its builds, the page has the one that runs in every browser with SIMD
and computes the same in all of them.
"""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from keras_sal.checks import require
from keras_sal.files import file_sha256
from keras_sal.typing import PathLike

REGISTRY = "https://registry.npmjs.org"
FOLDER = "runtime"


class Package(NamedTuple):
    """A package of npm, and those of its files that the page loads.

    Attributes:
        name: Its name, with its scope.
        version: Its version.
        sha256: SHA-256 of its archive.
        size_bytes: Size of its archive.
        files: Files of it, by their paths in the archive without `package/`.
    """

    name: str
    version: str
    sha256: str
    size_bytes: int
    files: tuple[str, ...]

    @property
    def url(self) -> str:
        """Address of the archive."""
        return f"{REGISTRY}/{self.name}/-/{self.archive}"

    @property
    def archive(self) -> str:
        """Name of the archive."""
        return f"{self.name.rpartition('/')[2]}-{self.version}.tgz"

    @property
    def folder(self) -> str:
        """Folder of its files below `FOLDER` and below a mirror of npm: name and version."""
        return f"{self.name}@{self.version}"


WASM = "wasm/litert_wasm_compat_internal"
PACKAGES = (
    Package(
        "@litertjs/core",
        "2.5.3",
        "a97660833e9e7e1063c95e12016718881240b14f7438728a2f62785e912d30fd",
        11_817_097,
        ("package.json", "dist/index.js", f"{WASM}.js", f"{WASM}.wasm"),
    ),
    Package(
        "@litertjs/wasm-utils",
        "2.5.3",
        "ce2a1f8379c067be49e59752e5a7f40db6be09f6e497f0f11e59f17b515366a7",
        4698,
        ("package.json", "dist/index.js"),
    ),
)


def unpack(archives: Mapping[str, PathLike], folder: Path) -> None:
    """Write the files of the runtime to a folder.

    Args:
        archives: Path of the archive of each of `PACKAGES`, by `Package.name`.
        folder: A folder, to which a folder for each package is written.

    Raises:
        ValueError: If an archive is not that of the package.
    """
    for package in PACKAGES:
        path = Path(archives[package.name])
        found = file_sha256(path)
        require(
            found == package.sha256,
            f"`archives` must hold {package.name} {package.version}, the runtime that the page was "
            f"tested with. Received: {str(path)!r} with the SHA-256 {found} instead of "
            f"{package.sha256}. Download it again from {package.url}",
        )
        with tarfile.open(path) as archive:
            for name in package.files:
                content = archive.extractfile(f"package/{name}")
                target = folder / package.folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.read() if content else b"")


def import_map(base: str) -> dict[str, dict[str, str]]:
    """Return the import map by which the scripts of the page find the runtime.

    Args:
        base: Address of the folder that holds those of the packages, without a slash at its end.

    Example:
        >>> import_map("./runtime")["imports"]["@litertjs/wasm-utils"]
        './runtime/@litertjs/wasm-utils@2.5.3/dist/index.js'
    """
    imports = {}
    for package in PACKAGES:
        imports[package.name] = f"{base}/{package.folder}/dist/index.js"
        imports[f"{package.name}/"] = f"{base}/{package.folder}/"
    return {"imports": imports}
