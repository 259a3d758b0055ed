"""Tables of recordings from the folders of public data sets, or of your own.

A layout tells the split, the text and the speaker of a sound file, and whether it is noise, from
its path and from the lists beside it. `keras_sal.data.recordings` describes the table. Event times
are left out; `keras-sal align` finds them.
"""

from __future__ import annotations

import csv
import io
import os
import re
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import TypeAlias

from keras_sal.audio.reading import UNSUPPORTED, audio_info
from keras_sal.checks import require
from keras_sal.data.recordings_table import TABLE, names_noise
from keras_sal.files import write_atomically
from keras_sal.typing import PathLike

SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
COLUMNS = ("file", "corpus", "split", "speaker", "text", "onset_s", "offset_s", "noise")
SPLITS_BY_PERCENT = (("train", 80), ("dev", 90), ("test", 100))  # each ends below this percentage
ESC_FOLDS = {"4": "dev", "5": "test"}
MAX_LISTED = 5
SPEAKER = re.compile(r"(.+?)(?:_nohash_|-)")

Row: TypeAlias = dict[str, str]
"""A row of a table of recordings, by column."""


def tabulate(
    folder: PathLike,
    layout: str = "words",
    *,
    corpus: str | None = None,
    replace: bool = False,
    readable: bool = False,
) -> int:
    """Write the `recordings.csv` of a folder of sound files.

    Args:
        folder: The folder.
        layout: `"words"`: a subfolder for each word, `smart_mirror/1.wav` (`smart mirror` is
            said), and `noise` (or `background_noise`) for noise, which may have subfolders;
            files elsewhere are left out and named in a warning. Files are assigned to splits by a
            hash of their speaker or path, 80, 10 and 10 %. A file `ann-1.wav`, or
            `ann_nohash_1.wav` as in Speech Commands, is taken to be of the speaker `ann`; the
            splits share speakers if the names don't tell them apart. Or the name of a data set:
            `"speech-commands"`, `"picovoice-wake-words"`, `"librispeech"`,
            `"musan"`, `"demand"` or `"esc-50"`, with the splits of their authors where there are
            any.
        corpus: Value of the column `corpus`. Default: the name of the layout.
        replace: Replace a table that exists, with the times in it. Default `False`.
        readable: Refuse sound files that can't be read, all of them at once. It needs `soundfile`,
            and well under a millisecond a file. Default `False`: files are listed by their names;
            `load_recordings` leaves out what can't be read.

    Returns:
        The number of recordings in the table.

    Raises:
        ValueError: If there is no such layout, no recording in it, a table already, or sound that
            can't be read.
        FileNotFoundError: If a list of the recordings of a split is missing.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "smart_mirror").mkdir()
        >>> (folder / "smart_mirror" / "ann-1.wav").touch()
        >>> tabulate(folder)
        1
        >>> print((folder / "recordings.csv").read_text().splitlines()[1])
        smart_mirror/ann-1.wav,words,train,ann,smart mirror,,,
    """
    folder = Path(folder)
    rows = rows_of(folder, layout)
    path = folder / TABLE
    require(
        replace or not path.exists(),
        f"`folder` must have no {TABLE} yet; it would be lost, with the times in it. Received: "
        f"folder={str(folder)!r}. Set replace=True to replace it.",
    )
    if readable:
        _require_readable(folder, rows)
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({"corpus": corpus or layout} | row for row in rows)
    write_atomically(path, table.getvalue().encode())
    return len(rows)


def rows_of(folder: Path, layout: str) -> list[Row]:
    """Return the rows of the table of a folder, without writing it.

    Args:
        folder: The folder.
        layout: As in `tabulate`.

    Returns:
        A list of dicts, for each recording `file`, `split`, `speaker`, `text` and `noise`.

    Raises:
        ValueError: If there is no such layout, or no recording in it.
        FileNotFoundError: If a list of the recordings of a split is missing.
    """
    require(
        layout in LAYOUTS,
        f"`layout` must be one of {', '.join(LAYOUTS)}; it says what the folders mean. "
        f"Received: layout={layout!r}. Put your recordings in a folder for each word.",
    )
    found = _listable(path.relative_to(folder) for path in _files(folder))
    files = [path for path in found if path.suffix.lower() in SOUND_SUFFIXES]
    foreign = [path for path in found if path.suffix.lower() in UNSUPPORTED]
    rows = list(LAYOUTS[layout](folder, files))
    require(
        bool(rows),
        f"{str(folder)!r} must hold sound files ({', '.join(SOUND_SUFFIXES)}) in this layout; "
        f"none fits. Received: {len(files)} sound files and {len(foreign)} to be converted "
        f"({', '.join(UNSUPPORTED)}), layout={layout!r}. Is it the right folder?",
    )
    _warn_of(foreign, "convert them, for example with `ffmpeg -i in.m4a out.flac`")
    if layout == "words":
        listed = {row["file"] for row in rows}
        _warn_of(
            [file for file in files if file.as_posix() not in listed],
            "a file must be in a folder that is named after its text, hey_robot/ann-1.wav",
        )
    return rows


def sound_files(folder: Path) -> list[Path]:
    """Return the sound files in a folder and in those inside it, as `tabulate` finds them.

    Args:
        folder: The folder.
    """
    return _listable(path for path in _files(folder) if path.suffix.lower() in SOUND_SUFFIXES)


def speaker_of(name: str) -> str:
    """Return the speaker of a recording: what stands before a dash, or before `_nohash_`.

    Args:
        name: Name of the file, without its suffix.

    Returns:
        The name of the speaker; `""` without either of them.

    Example:
        >>> speaker_of("ann-1"), speaker_of("0a7c2a8d_nohash_0"), speaker_of("noise")
        ('ann', '0a7c2a8d', '')
    """
    found = SPEAKER.match(name)
    return found[1] if found else ""


def _require_readable(folder: Path, rows: Sequence[Row]) -> None:
    unreadable = []
    for row in rows:
        try:
            audio_info(folder / row["file"])
        except (OSError, ValueError) as error:
            unreadable.append(f"{row['file']}: {error}")
    require(
        not unreadable,
        f"{str(folder)!r} must hold sound files that can be read; a detector is trained on them. "
        f"Received: {len(unreadable)} of {len(rows)} that can't be. Repair them, or move them out "
        "of the folder:\n  " + "\n  ".join(unreadable),
    )


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and in the folders it links to, each once."""
    own = [folder] if folder.is_dir() else []
    linked: list[Path] = []
    seen = set()
    while own or linked:
        place = (own or linked).pop()
        if place.resolve() in seen:
            continue
        seen.add(place.resolve())
        try:
            inside = sorted(place.iterdir())
        except PermissionError as error:
            warnings.warn(f"A folder was left out: {error}", stacklevel=4)
            continue
        for path in inside:
            if path.name.startswith(".") or path.name == "__MACOSX":
                continue
            if path.is_dir():
                (linked if path.is_symlink() else own).append(path)
            else:
                yield path


def _listable(paths: Iterable[Path]) -> list[Path]:
    """The paths that a table can list, sorted; the others are named in a warning."""
    named = sorted(paths)
    _warn_of(
        [path for path in named if not _is_text(path)],
        "their names are not UTF-8, so that no table can list them: rename them",
    )
    return [path for path in named if _is_text(path)]


def _is_text(path: PurePath) -> bool:
    """Whether a path can be written to a table."""
    try:
        path.as_posix().encode()
    except UnicodeEncodeError:
        return False
    return True


def _warn_of(files, why):
    if files:
        names = (os.fsencode(file.as_posix()) for file in files[:MAX_LISTED])
        listed = ", ".join(name.decode("utf-8", "backslashreplace") for name in names)
        more = len(files) - MAX_LISTED
        warnings.warn(
            f"{len(files)} sound files were left out: {listed}"
            f"{f' and {more} more' if more > 0 else ''}; {why}.",
            stacklevel=4,
        )


def split_of(name: str) -> str:
    """Choose a split by a hash of a name, so that it doesn't depend on the other files.

    Args:
        name: Name of a speaker or path of a file.

    Returns:
        `"train"` (80 % of the names), `"dev"` or `"test"` (10 % each).

    Example:
        >>> split_of("ann")
        'train'
    """
    percent = zlib.crc32(name.encode()) % 100
    return next(split for split, end in SPLITS_BY_PERCENT if percent < end)


def _row(
    file: PurePath,
    text: str = "",
    speaker: str = "",
    split: str | None = None,
    noise: bool = False,
) -> Row:
    return {
        "file": file.as_posix(),
        "split": split or split_of(speaker or file.as_posix()),
        "speaker": speaker,
        "text": text,
        "noise": "yes" if noise else "",
    }


def _words(folder: Path, files: Sequence[Path]) -> Iterator[Row]:
    for file in files:
        if len(file.parts) > 1 and names_noise(file.parts[0]):
            yield _row(file, noise=True)
        elif len(file.parts) == 2:
            yield _row(file, _spoken(file.parent.name), speaker_of(file.stem))


def _speech_commands(folder: Path, files: Sequence[Path]) -> Iterator[Row]:
    lists = {}
    for split, name in (("dev", "validation_list.txt"), ("test", "testing_list.txt")):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"`folder` must hold {name}; it lists the recordings of {split}. Received: "
                f"{folder}, which has none. Unpack the archive again, or use the layout 'words'."
            )
        lists[split] = set((folder / name).read_text(encoding="utf-8").split())
    for file in (file for file in files if len(file.parts) > 1):
        word, name = file.parts[-2:]
        if word == "_background_noise_":
            yield _row(file, noise=True)
            continue
        found = (split for split, listed in lists.items() if f"{word}/{name}" in listed)
        yield _row(file, word, name.partition("_nohash_")[0], next(found, "train"))


def _picovoice(folder: Path, files: Sequence[Path]) -> Iterator[Row]:
    for file in files:
        if "audio" in file.parts[:-2]:
            yield _row(file, _spoken(file.parent.name))


def _librispeech(folder: Path, files: Sequence[Path]) -> Iterator[Row]:
    texts = {}
    for path in folder.rglob("*.trans.txt"):
        for line in path.read_text(encoding="utf-8").splitlines():
            name, _, text = line.partition(" ")
            texts[name] = text.lower()
    for file in files:
        if file.stem in texts:
            subset = next((p for p in file.parts if p.startswith(("train-", "dev-", "test-"))), "")
            split = subset.partition("-")[0] or None
            yield _row(file, texts[file.stem], file.stem.partition("-")[0], split)


def _musan(folder: Path, files: Sequence[Path]) -> Iterator[Row]:
    for file in files:
        yield _row(file, noise="noise" in file.parts or "music" in file.parts)


def _demand(folder: Path, files: Sequence[Path]) -> Iterator[Row]:
    """Take one of the sixteen microphones, which record the same; a place is in one split."""
    for file in files:
        if file.stem == "ch01":
            yield _row(file, split=split_of(file.parent.name), noise=True)


def _esc50(folder: Path, files: Sequence[Path]) -> Iterator[Row]:
    """Take the folds of the authors, which keep recordings of the same source together."""
    meta = next(folder.rglob("esc50.csv"), None)
    folds = {}
    if meta:
        with meta.open(newline="", encoding="utf-8") as table:
            folds = {row["filename"]: row["fold"] for row in csv.DictReader(table)}
    for file in files:
        if file.name in folds:
            yield _row(file, split=ESC_FOLDS.get(folds[file.name], "train"), noise=True)


def _spoken(name):
    return name.replace("_", " ").replace("-", " ").lower()


LAYOUTS = {
    "words": _words,
    "speech-commands": _speech_commands,
    "picovoice-wake-words": _picovoice,
    "librispeech": _librispeech,
    "musan": _musan,
    "demand": _demand,
    "esc-50": _esc50,
}
