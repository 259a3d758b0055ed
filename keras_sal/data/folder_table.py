"""A table of recordings made from a folder of positives and folders of negatives."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from keras_sal.checks import require
from keras_sal.data.downloads.layouts import COLUMNS, SOUND_SUFFIXES, sound_files, speaker_of
from keras_sal.data.recordings import warn_of_refused
from keras_sal.data.recordings_table import (
    TABLE,
    check_fields,
    is_noise,
    names_noise,
    read_table,
)
from keras_sal.files import write_atomically
from keras_sal.typing import PathLike

TIMES = ("onset_s", "offset_s")
SPOKEN = re.compile(r"[^\W\d]+(?:[ _'-][^\W\d]+)*")


def tabulate_folders(
    folder: PathLike,
    word: str,
    positives: Sequence[PathLike],
    negatives: Sequence[PathLike],
    noise: Sequence[PathLike] = (),
) -> Path:
    """Write a table `recordings.csv` that lists the sound files of several folders where they are.

    Use it for recordings of a word in one folder, and other sound in others. Folders inside them
    are searched too. What stands before the dash, or before `_nohash_`, of the name of a file is
    its speaker. A folder that has a `recordings.csv` is listed as it says, times, noise and all; a
    row that can't be read is left out and named in a warning. So are files whose names are not
    UTF-8. All recordings are in one split, so that `load_word_recordings` splits them by speaker.
    Times that a former table of this folder has are kept.

    Args:
        folder: Folder to write the table to.
        word: The wake word, the text of the positives.
        positives: Folders of recordings of the word alone.
        negatives: Folders of other speech and sound. A folder inside one is taken for the text of
            what it holds, as in Speech Commands, and as noise if it is named `noise`.
        noise: Folders of noise, which is played under the streams, and is negative. Defaults to
            none.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: If one of them is no folder.
        ValueError: If one holds no sound file, or a file is in two of them.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> for name in ("mine/ann-1.wav", "others/yes/bob_nohash_0.wav"):
        ...     (root / name).parent.mkdir(parents=True)
        ...     (root / name).touch()
        >>> folder = tabulate_folders(root / "all", "hey robot", [root / "mine"], [root / "others"])
        >>> rows = read_table(folder)[1]
        >>> [(Path(row["file"]).name, row["speaker"], row["text"]) for row in rows]
        [('ann-1.wav', 'ann', 'hey robot'), ('bob_nohash_0.wav', 'bob', 'yes')]
    """
    folder = Path(folder)
    rows = [
        row
        for kind, folders in (("positives", positives), ("negatives", negatives), ("noise", noise))
        for each in folders
        for row in _rows(kind, Path(each), word)
    ]
    _require_distinct(rows)
    times = _times(folder)
    rows = [times.get(row["file"], {}) | {k: v for k, v in row.items() if v} for row in rows]
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / TABLE, table.getvalue().encode())
    return folder


def _rows(kind: str, folder: Path, word: str) -> Iterator[dict[str, Any]]:
    """The rows of one folder, with absolute paths and one split."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"`{kind}` must be folders of sound files. Received: {folder}, which is none. Give "
            "another one."
        )
    root = folder.resolve()
    if (root / TABLE).is_file():
        yield from _listed(root)
        return
    files = sound_files(root)
    require(
        bool(files),
        f"`{kind}` must hold sound files ({', '.join(SOUND_SUFFIXES)}). Received: {folder}, with "
        "none. Is it the right folder?",
    )
    for file in files:
        inside = file.relative_to(root).parts[:-1]
        sounds = kind == "noise" or any(map(names_noise, inside))
        said = word if kind == "positives" else _text(inside)
        yield {
            "file": str(file),
            "split": "train",
            "speaker": "" if sounds else speaker_of(file.stem),
            "text": "" if sounds else said,
            "noise": "yes" if sounds else "",
        }


def _listed(root: Path) -> Iterator[dict[str, Any]]:
    """The rows of the table of a folder, but for those that can't be read."""
    rows = read_table(root)[1]
    refused: dict[str, Exception] = {}
    for number, row in enumerate(rows, 2):
        try:
            check_fields(row)
            noise = "yes" if is_noise(row.get("noise") or "", row["file"]) else ""
        except ValueError as error:
            refused[f"{root / TABLE}, row {number}"] = error
        else:
            yield row | {"file": str(root / row["file"]), "split": "train", "noise": noise}
    warn_of_refused(refused, len(rows))


def _text(inside: Sequence[str]) -> str:
    """What a folder inside the negatives says by its name; nothing for a number."""
    name = inside[-1] if inside else ""
    return re.sub("[_-]", " ", name).lower() if SPOKEN.fullmatch(name) else ""


def _require_distinct(rows: Iterable[dict[str, Any]]) -> None:
    seen = set()
    for row in rows:
        require(
            row["file"] not in seen,
            "`positives`, `negatives` and `noise` must be folders apart; a recording is one of "
            f"them. Received: {row['file']} in two of them. Move it, or leave a folder out.",
        )
        seen.add(row["file"])


def _times(folder: Path) -> dict[str, dict[str, str]]:
    """The times in the former table, by file."""
    if not (folder / TABLE).is_file():
        return {}
    rows = read_table(folder)[1]
    return {row["file"]: {name: row[name] for name in TIMES} for row in rows}
