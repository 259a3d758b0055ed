"""Download of a data set: from its archives to a folder of recordings with a table."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from keras_sal.checks import require
from keras_sal.data.downloads.catalogue import CATALOGUE, Archive, PublicDataset
from keras_sal.data.downloads.layouts import LAYOUTS, tabulate
from keras_sal.data.downloads.transfer import fetch
from keras_sal.data.downloads.unpacking import unpack
from keras_sal.data.recordings_table import TABLE
from keras_sal.files import TEMPORARY, write_json
from keras_sal.typing import PathLike

RECORD = "dataset.json"

NamedProgress: TypeAlias = Callable[[str, int, int | None], object]


def download(
    name: str | PublicDataset,
    folder: PathLike,
    *,
    keep_archives: bool = False,
    log: Callable[[str], object] = print,
    progress: NamedProgress | None = None,
    **fetch_options: Any,
) -> Path:
    """Download a public data set and unpack it.

    Its licence is printed before anything is downloaded: whoever uses the data accepts it. An
    interrupted download is resumed by the next call, and a complete one is not repeated. A folder
    that it didn't make is left alone, and so is a table in one that was unpacked before.

    Args:
        name: A name of `CATALOGUE`, or a `PublicDataset` of your own.
        folder: Folder that exists, in which the folder of the data set is made.
        keep_archives: Keep the archives beside the folder. Default `False`: they are removed once
            they are unpacked.
        log: Called with each line of text. Default `print`.
        progress: Called as `progress(what, done, total)` in bytes, where `total` is `None` if it is
            unknown; or `None`.
        **fetch_options: `attempts` and `pause_s` of `fetch`.

    Returns:
        The folder `folder/name`, a `pathlib.Path`. Its `recordings.csv` lists the recordings of a
        set of the catalogue; `dataset.json` names its source, its licence, and how its archives
        were checked.

    Raises:
        ValueError: If there is no such data set, another or a damaged archive arrived, or something
            else has the name of the folder.
        OSError: If an archive can't be downloaded or stored.
        ImportError: If `pooch` is missing.

    Example:

    ```python
    folder = download("speech-commands", "data")
    recordings = keras_sal.data.load_recordings(folder)
    ```
    """
    data_set = name if isinstance(name, PublicDataset) else _find(name)
    folder = Path(folder)
    require(
        folder.is_dir(),
        "`folder` must be a folder that exists; the data set's is made in it. Received: "
        f"folder={str(folder)!r}. Make it first.",
    )
    target = folder / data_set.name
    log(f"{data_set.name}: {data_set.description}")
    log(f"Licence: {data_set.licence}; see {data_set.page}")
    log(f"Cite: {data_set.citation}")
    if _is_complete(target, data_set):
        log(f"It is in {target} already.")
        return target
    subfolders = [archive.subfolder for archive in data_set.archives]
    require(
        len(subfolders) == 1 or all(subfolders),
        "`name` must be a data set whose archives are unpacked to folders of their own if "
        f"there are several. Received: subfolder={subfolders}. Give each a folder.",
    )
    marks = [target / archive.subfolder / f".{archive.name}.done" for archive in data_set.archives]
    begun = any(mark.exists() for mark in marks)
    require(
        begun or _is_free(target),
        f"`folder` must have no {data_set.name} that `download` didn't make; it would be replaced. "
        f"Received: folder={str(folder)!r}, which has one. Rename it, or give another folder.",
    )
    target.mkdir(exist_ok=True)
    for archive, mark in zip(data_set.archives, marks, strict=True):
        if mark.exists():
            continue
        path = _fetch_archive(archive, folder, log, progress, fetch_options)
        _unpack_archive(path, mark, data_set, progress)
        if not keep_archives:
            path.unlink()
    layout = next((layout for layout in LAYOUTS if data_set.name.startswith(layout)), None)
    if begun and (target / TABLE).exists():
        log(f"{target / TABLE} stays as it is; `keras-sal tabulate --replace` makes it anew")
    elif layout:
        count = tabulate(target, layout, corpus=data_set.name, replace=True)
        log(f"{count:,} recordings are listed in {target / TABLE}")
    write_json(target / RECORD, _record(data_set))
    return target


def _find(name: str) -> PublicDataset:
    require(
        name in CATALOGUE,
        f"`name` must be one of {', '.join(CATALOGUE)}; these are known. Received: "
        f"name={name!r}. Describe others as a `PublicDataset`.",
    )
    return CATALOGUE[name]


def _fetch_archive(
    archive: Archive,
    folder: Path,
    log: Callable[[str], object],
    progress: NamedProgress | None,
    options: dict[str, Any],
) -> Path:
    path = fetch(
        archive.url,
        folder / archive.name,
        sha256=archive.sha256,
        md5=archive.md5,
        size_bytes=archive.size_bytes,
        max_bytes=archive.max_bytes,
        progress=progress and (lambda done, total: progress(archive.name, done, total)),
        **options,
    )
    _check_commit(path, archive)
    log(f"{archive.name}: {_verification(archive)}")
    return path


def _unpack_archive(
    path: Path, mark: Path, data_set: PublicDataset, progress: NamedProgress | None
) -> None:
    """Unpack an archive to the folder of its mark, which appears with it."""
    unpack(
        path,
        mark.parent,
        max_bytes=data_set.max_unpacked_bytes,
        mark=mark.name,
        progress=progress and (lambda done, total: progress(f"unpack {path.name}", done, total)),
    )


def _check_commit(path: Path, archive: Archive) -> None:
    """Compare the revision in the comment of an archive made by GitHub with the expected one."""
    if archive.commit is None:
        return
    comment = b""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as opened:
            comment = opened.comment
    if comment.decode("latin-1") != archive.commit:
        path.unlink()
        raise ValueError(
            f"{archive.url} must be an archive of revision {archive.commit}; another one arrived, "
            f"and was removed. Received: {comment[:60]!r}. Try again, or look at what is there now."
        )


def _verification(archive: Archive) -> str:
    """Return how an archive was checked, as a sentence."""
    if archive.sha256:
        return f"its SHA-256 is right ({archive.source})"
    if archive.md5:
        return f"its MD5 is right, which finds damage but not forgery ({archive.source})"
    if archive.commit:
        return "no checksum is published; it says that it is of the right revision"
    if archive.size_bytes:
        return "no checksum is published; its size is right"
    return "no checksum is published; it was not checked"


def _record(data_set: PublicDataset) -> dict[str, Any]:
    return {
        "name": data_set.name,
        "licence": data_set.licence,
        "page": data_set.page,
        "citation": data_set.citation,
        "archives": [
            {
                "url": archive.url,
                "sha256": archive.sha256,
                "md5": archive.md5,
                "commit": archive.commit,
                "checked": _verification(archive),
            }
            for archive in data_set.archives
        ],
    }


def _is_free(folder: Path) -> bool:
    """Whether nothing is lost if a folder is made here; killed processes leave unfinished ones."""
    return not folder.exists() or (
        folder.is_dir() and all(TEMPORARY.match(each.name) for each in folder.iterdir())
    )


def _is_complete(target: Path, data_set: PublicDataset) -> bool:
    try:
        return json.loads((target / RECORD).read_text(encoding="utf-8")) == _record(data_set)
    except (OSError, ValueError):
        return False
