"""The runtime of the page of `export --to web`, downloaded once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from keras_sal.export.web.runtime import Package

Progress: TypeAlias = Callable[[int, int | None], object]


def download(*, attempts: int = 5, progress: Progress | None = None) -> dict[str, Path]:
    """Download the archives of the runtime to the cache of this user, if they are not there.

    Args:
        attempts: Number of attempts. Defaults to 5.
        progress: Called as `progress(done_bytes, total_bytes)` of an archive, or `None`.

    Returns:
        Paths of the archives, by the names of `keras_sal.export.web.PACKAGES`.

    Raises:
        ImportError: If `pooch` is missing.
        OSError: If they can't be downloaded.
    """
    from keras_sal.export.web import PACKAGES
    from keras_sal.extras import import_package

    pooch = import_package("pooch", "download the runtime of the page", "download")
    cache = Path(pooch.os_cache("keras_sal"))
    cache.mkdir(parents=True, exist_ok=True)
    return {package.name: _fetch(package, cache, attempts, progress) for package in PACKAGES}


def _fetch(package: Package, folder: Path, attempts: int, progress: Progress | None) -> Path:
    from keras_sal.data.downloads import fetch

    try:
        return fetch(
            package.url,
            folder / package.archive,
            sha256=package.sha256,
            size_bytes=package.size_bytes,
            attempts=attempts,
            progress=progress,
        )
    except OSError as error:
        raise OSError(
            f"{error} `--runtime-url` names an address from which the page loads it instead."
        ) from error
