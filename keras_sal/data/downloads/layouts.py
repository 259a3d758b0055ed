"""From the folders of public data sets, or your own, to a table of recordings.

Each layout says of a sound file which split it belongs to, what is said in it, by whom, and whether
it is noise. `keras_sal.data.recordings` describes the table; times are left out, `keras-sal align` finds
them.
"""

import csv
import io
import warnings
import zlib
from pathlib import Path

from keras_sal.audio.reading import FOREIGN
from keras_sal.files import write_atomically

SOUNDS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
TABLE = "recordings.csv"
COLUMNS = ("file", "corpus", "split", "speaker", "text", "onset_s", "offset_s", "noise")
SHARES = (("train", 80), ("dev", 90), ("test", 100))  # percent, cumulated
ESC_FOLDS = {"4": "dev", "5": "test"}
NAMED_IN_WARNING = 5


def tabulate(folder, layout="words", *, corpus=None, replace=False):
    """Write the `recordings.csv` of a folder of sound files.

    Args:
        folder: The folder.
        layout: `"words"`: a subfolder for each word, `smart_mirror/1.wav` (`smart mirror` is
            said), and `noise` for noise, which may have subfolders; files elsewhere are left out
            and named in a warning. Files are put in splits by a hash of their names, 80, 10 and
            10 %, so the splits share speakers if your names don't tell them apart: a name
            `ann-1.wav` is taken to be of the speaker `ann`. Or the name of a downloaded set:
            `"speech-commands"`, `"picovoice-wake-words"`, `"librispeech"`, `"musan"`, `"demand"`
            or `"esc-50"`, with the splits of their authors where there are any.
        corpus: What to call it. Default: the name of the layout.
        replace: Replace a table that exists, with the times in it. Default `False`.

    Returns:
        How many recordings are in the table.

    Raises:
        ValueError: If there is no such layout, no recording in it, or a table already.
        FileNotFoundError: If a file is missing that says which split a recording is of.

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
    if path.exists() and not replace:
        raise ValueError(
            f"`folder` must have no {TABLE} yet; it would be lost, with the times in it. Received: "
            f"folder={str(folder)!r}. Say replace=True if it may."
        )
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({"corpus": corpus or layout} | row for row in rows)
    write_atomically(path, table.getvalue().encode())
    return len(rows)


def rows_of(folder, layout):
    """What a layout says of the sound files in a folder.

    Args:
        folder: A `pathlib.Path`.
        layout: As in `tabulate`.

    Returns:
        A list of dicts, for each recording `file`, `split`, `speaker`, `text` and `noise`.

    Raises:
        ValueError: If there is no such layout, or no recording in it.
        FileNotFoundError: If a file is missing that says which split a recording is of.
    """
    if layout not in LAYOUTS:
        raise ValueError(
            f"`layout` must be one of {', '.join(LAYOUTS)}; it says what the folders mean. "
            f"Received: layout={layout!r}. Put your recordings in a folder for each word."
        )
    found = sorted(path.relative_to(folder) for path in _files(folder))
    files = [path for path in found if path.suffix.lower() in SOUNDS]
    foreign = [path for path in found if path.suffix.lower() in FOREIGN]
    rows = list(LAYOUTS[layout](folder, files))
    if not rows:
        raise ValueError(
            f"{str(folder)!r} must hold sound files ({', '.join(SOUNDS)}) in this layout; none "
            f"fits. Received: {len(files)} sound files and {len(foreign)} to be converted "
            f"({', '.join(FOREIGN)}), layout={layout!r}. Is it the right folder?"
        )
    _warn_of(foreign, "convert them, for example with `ffmpeg -i in.m4a out.flac`")
    if layout == "words":
        listed = {row["file"] for row in rows}
        _warn_of(
            [file for file in files if file.as_posix() not in listed],
            "a file must lie in a folder that is named by what is said in it, hey_robot/ann-1.wav",
        )
    return rows


def _files(folder):
    """The files in a folder and in those it links to; none twice, whatever leads in a circle."""
    own, linked, seen = [folder] if folder.is_dir() else [], [], set()
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


def _warn_of(files, why):
    if files:
        named = ", ".join(file.as_posix() for file in files[:NAMED_IN_WARNING])
        more = len(files) - NAMED_IN_WARNING
        warnings.warn(
            f"{len(files)} sound files were left out: {named}"
            f"{f' and {more} more' if more > 0 else ''}; {why}.",
            stacklevel=4,
        )


def split_of(name):
    """A split by a hash of a name: always the same one, whatever else there is."""
    percent = zlib.crc32(name.encode()) % 100
    return next(split for split, below in SHARES if percent < below)


def _row(file, text="", speaker="", split=None, noise=False):
    return {
        "file": file.as_posix(),
        "split": split or split_of(speaker or file.as_posix()),
        "speaker": speaker,
        "text": text,
        "noise": "yes" if noise else "",
    }


def _words(folder, files):
    for file in files:
        if len(file.parts) > 1 and file.parts[0].casefold() == "noise":
            yield _row(file, noise=True)
        elif len(file.parts) == 2:
            speaker, dash, _ = file.stem.partition("-")
            yield _row(file, _spoken(file.parent.name), speaker if dash else "")


def _speech_commands(folder, files):
    lists = {}
    for split, name in (("dev", "validation_list.txt"), ("test", "testing_list.txt")):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"`folder` must hold {name}; it says which clips of the corpus are of {split}. "
                f"Received: {folder}, which has none. Unpack the archive again, or take the layout "
                "'words'."
            )
        lists[split] = set((folder / name).read_text(encoding="utf-8").split())
    for file in (file for file in files if len(file.parts) > 1):
        word, name = file.parts[-2:]
        if word == "_background_noise_":
            yield _row(file, noise=True)
            continue
        found = (split for split, listed in lists.items() if f"{word}/{name}" in listed)
        yield _row(file, word, name.partition("_nohash_")[0], next(found, "train"))


def _picovoice(folder, files):
    for file in files:
        if "audio" in file.parts[:-2]:
            yield _row(file, _spoken(file.parent.name))


def _librispeech(folder, files):
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


def _musan(folder, files):
    for file in files:
        yield _row(file, noise="noise" in file.parts or "music" in file.parts)


def _demand(folder, files):
    """One microphone of the sixteen; they hear the same, so a place is in one split."""
    for file in files:
        if file.stem == "ch01":
            yield _row(file, split=split_of(file.parent.name), noise=True)


def _esc50(folder, files):
    """The authors' folds keep clips of the same source together."""
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
