"""Public data sets by name: downloaded once, checked, unpacked safely, with their licence said.

>>> from keras_sal.data import downloads
>>> sorted(downloads.CATALOGUE)[:3]
['demand', 'esc-50', 'librispeech-dev-clean']
>>> downloads.CATALOGUE["musan"].page
'https://www.openslr.org/17'

`download("speech-commands", "data")` makes `data/speech-commands`, with a table of recordings for
`keras_sal.data.load_recordings` and `keras-sal align`. An interrupted download goes on where
it was; what is complete is not downloaded again; a damaged or forged file is removed. `tabulate`
makes the table of folders of your own.
"""

import json
import zipfile
from pathlib import Path

from keras_sal.data.downloads.catalogue import CATALOGUE, Archive, DataSet
from keras_sal.data.downloads.fetching import fetch
from keras_sal.data.downloads.layouts import LAYOUTS, TABLE, tabulate
from keras_sal.data.downloads.unpacking import unpack
from keras_sal.files import write_json

__all__ = ["CATALOGUE", "Archive", "DataSet", "download", "fetch", "tabulate", "unpack"]

RECORD = "dataset.json"


def download(name, folder, *, keep_archives=False, say=print, progress=None, **fetching):
    """Download a public data set and unpack it.

    Its licence is said before anything is downloaded: whoever uses the data accepts it.

    Args:
        name: A name of `CATALOGUE`, or a `DataSet` of your own.
        folder: Where to make the data set's folder; it must exist.
        keep_archives: Keep the archives beside the folder. Default `False`: they are removed once
            they are unpacked.
        say: Called with each line of text. Default `print`.
        progress: Called as `progress(what, done, total)` in bytes, `total` being `None` where it
            is unknown; or `None`.
        **fetching: `attempts` and `pause_s` of `fetch`.

    Returns:
        The folder `folder/name`, a `pathlib.Path`. Its `recordings.csv` lists the recordings of a
        set of the catalogue; `dataset.json` says where it is from, under which licence, and how
        its archives were checked.

    Raises:
        ValueError: If there is no such data set, or what arrived isn't it.
        OSError: If it can't be had or put down.
    """
    data_set = _find(name)
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(
            f"`folder` must be a folder that exists; the data set's is made in it. Received: "
            f"folder={str(folder)!r}. Make it first."
        )
    target = folder / data_set.name
    say(f"{data_set.name}: {data_set.about}")
    say(f"Licence: {data_set.licence}; see {data_set.page}")
    say(f"Cite: {data_set.citation}")
    if _is_complete(target, data_set):
        say(f"It is in {target} already.")
        return target
    below = [archive.below for archive in data_set.archives]
    if len(below) > 1 and not all(below):
        raise ValueError(
            "`name` must be a data set whose archives are unpacked to folders of their own if "
            f"there are several. Received: below={below}. Give each a folder."
        )
    target.mkdir(exist_ok=True)
    for archive in data_set.archives:
        _bring(archive, data_set, folder, target, keep_archives, say, progress, fetching)
    layout = next((name for name in LAYOUTS if data_set.name.startswith(name)), None)
    if layout:
        count = tabulate(target, layout, corpus=data_set.name, replace=True)
        say(f"{count:,} recordings are listed in {target / TABLE}")
    write_json(target / RECORD, _record(data_set))
    return target


def _find(name):
    if isinstance(name, DataSet):
        return name
    if name not in CATALOGUE:
        raise ValueError(
            f"`name` must be one of {', '.join(CATALOGUE)}; these are known. Received: "
            f"name={name!r}. Describe others as a `DataSet`."
        )
    return CATALOGUE[name]


def _bring(archive, data_set, folder, target, keep, say, progress, fetching):
    """Download, check and unpack an archive, unless that was done before."""
    place = target / archive.below if archive.below else target
    mark = target / f".{archive.name}.done"
    if mark.exists():
        return
    path = folder / archive.name
    fetch(
        archive.url,
        path,
        sha256=archive.sha256,
        md5=archive.md5,
        size_bytes=archive.size_bytes,
        most_bytes=archive.most_bytes,
        progress=progress and (lambda done, total: progress(archive.name, done, total)),
        **fetching,
    )
    _check_commit(path, archive)
    say(f"{archive.name}: {_how_checked(archive)}")
    unpack(
        path,
        place,
        most_bytes=data_set.unpacked_bytes,
        progress=progress and (lambda done, total: progress(f"unpack {path.name}", done, total)),
    )
    mark.touch()
    if not keep:
        path.unlink()


def _check_commit(path, archive):
    """An archive made by GitHub says in its comment which revision it is of."""
    if archive.commit is None:
        return
    comment = b""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as opened:
            comment = opened.comment
    if comment.decode("latin-1") != archive.commit:
        path.unlink()
        raise ValueError(
            f"{archive.url} must be an archive of revision {archive.commit}; what arrived is "
            f"another one, and was removed. Received: {comment[:60]!r}. Try again, or look at what "
            "is there now."
        )


def _how_checked(archive):
    if archive.sha256:
        return f"its SHA-256 is right ({archive.source})"
    if archive.md5:
        return f"its MD5 is right, which finds damage but not forgery ({archive.source})"
    if archive.commit:
        return "no checksum is published; it says that it is of the right revision"
    if archive.size_bytes:
        return "no checksum is published; its size is right"
    return "no checksum is published; it was not checked"


def _record(data_set):
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
                "checked": _how_checked(archive),
            }
            for archive in data_set.archives
        ],
    }


def _is_complete(target, data_set):
    try:
        return json.loads((target / RECORD).read_text(encoding="utf-8")) == _record(data_set)
    except (OSError, ValueError):
        return False
