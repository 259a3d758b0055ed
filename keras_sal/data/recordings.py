"""Recordings on disk: a table, the sound files it lists, and what is said in them when.

A folder of recordings holds a table `recordings.csv` with one row per sound file and the columns

| column | what |
|---|---|
| `file` | path of the sound file, relative to the folder |
| `split` | `train`, `dev` or `test` |
| `text` | what is said, lower case; empty if unknown or nothing |
| `onset_s`, `offset_s` | when the text begins and ends, in seconds; both empty if unknown |
| `corpus`, `speaker` | where it comes from and who speaks (may be left out) |
| `duration_s` | length of the file, to notice files that were cut short (may be left out) |
| `noise` | `yes` for noise: played under the streams, and negative (may be left out) |

Files below a folder `noise/` (or `Noise/`) are noise too.
"""

import math
import unicodedata
import warnings
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from keras_sal import audio
from keras_sal.audio import SAMPLE_RATE
from keras_sal.augmentation import amplify_to_unit, speech_level_db
from keras_sal.data.alignment import energy_events
from keras_sal.data.alignment.events import words_of
from keras_sal.data.alignment.folder import LabelTimes, NoLabelsError, NoTimesError
from keras_sal.data.recordings_table import (
    COLUMNS,
    SPLITS,
    TABLE,
    check_duration,
    check_fields,
    check_split,
    checked_times,
    is_noise,
    read_table,
)

NAMED_IN_WARNING = 5


@dataclass(frozen=True)
class Recording:
    """A sound file and what is known about it.

    Args:
        path: The sound file.
        split: `"train"`, `"dev"` or `"test"`.
        text: What is said, in lower case with single spaces; `""` if unknown or nothing.
        duration_s: Its length in seconds.
        onset_s: When the text begins, in seconds from the start; `nan` if unknown.
        offset_s: When it ends; `nan` if unknown.
        corpus: Where it comes from.
        speaker: Who speaks; `""` if unknown.
        noise: Whether it is noise to be played under other recordings.
    """

    path: Path
    split: str
    text: str
    duration_s: float
    onset_s: float = math.nan
    offset_s: float = math.nan
    corpus: str = ""
    speaker: str = ""
    noise: bool = False

    def samples(self):
        """The sound: `float32 (samples,)` in `[-1, 1]`, mono at 16 kHz."""
        return audio.read_audio(self.path)


def load_recordings(directory, *, layout=None, events=None, convert=True, encoding=None, **reading):
    r"""Read a folder's table and check every row against its file's header.

    Nothing is decoded yet, so this takes well under a millisecond per recording. A bad row among
    good ones is left out and named in a warning, and so is how many files have to be converted.

    Args:
        directory: The folder that holds `recordings.csv`; see the module's description.
        layout: What the subfolders mean, for a folder without a table: `"words"` (each is named by
            what is said in it, `noise` has noise) or another layout of
            `keras_sal.data.downloads.tabulate`, which writes the table down. Default `None`: there is
            a table.
        events: Event times that go before those of the table: a file for
            `keras_sal.data.alignment.read_events` that names the recordings, or a folder with a file
            for each. Default `None`.
        convert: Accept any sample rate and channel count, converted on reading. `False` leaves out
            what is not 16 kHz mono. Default `True`.
        encoding: Of the table. `None` (default) reads UTF-8, and UTF-16 with a byte-order mark.
        **reading: Options of `read_events`, for `events`.

    Returns:
        A list of `Recording`, in the order of the table.

    Raises:
        FileNotFoundError: If there is no such folder, or no table in it.
        ValueError: If the table lacks columns or rows, or every row is bad.

    Example:
        >>> import pathlib, tempfile, soundfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> soundfile.write(folder / "a.wav", [0.0] * 16_000, 16_000)
        >>> _ = (folder / "recordings.csv").write_text(
        ...     "file,split,text,onset_s,offset_s\na.wav,test,computer,0.2,0.8\n"
        ... )
        >>> [recording] = load_recordings(folder)
        >>> recording.text, recording.duration_s, recording.offset_s
        ('computer', 1.0, 0.8)
    """
    directory = Path(directory)
    rows = _rows(directory, layout, encoding)
    times = None if events is None else LabelTimes(directory, rows, Path(events), reading)
    recordings, refused, seen, formats = [], {}, set(), Counter()
    for number, row in enumerate(rows, 2):
        try:
            recording, kind = _check_row(directory, row, seen, convert)
            recordings.append(_timed(recording, row["file"], times))
            formats[kind] += 1
        except (OSError, ValueError) as error:
            refused[row["file"] or f"row {number}"] = error
    if not recordings:
        name, error = next(iter(refused.items()))
        raise ValueError(
            f"`directory` must hold usable recordings; all {len(refused)} of them were refused. "
            f"Received: directory={str(directory)!r}. The first, {name}: {error}"
        )
    _warn_of(refused, len(recordings) + len(refused))
    _warn_of_formats(formats)
    _warn_of_shared_speakers(recordings)
    return recordings


def partition(recordings, word):
    """The recordings that are the wake word, and those in which it is not said.

    Recordings that hold the word among others are neither: calling them negatives would be wrong,
    and when the word is said in them is unknown. Recordings without text are negatives. Texts are
    compared by their words: case, punctuation and hyphens don't matter.

    Args:
        recordings: A sequence of `Recording`.
        word: The wake word (or words, as in `"smart mirror"`), in any case.

    Returns:
        `(positives, negatives)`, lists of `Recording`.

    Raises:
        ValueError: If no recording's text is `word`.

    Example:
        >>> said = ["computer", "turn on the computer", "alexa", ""]
        >>> recordings = [Recording(Path("a.wav"), "test", text, 1.0) for text in said]
        >>> positives, negatives = partition(recordings, "Computer")
        >>> [r.text for r in positives], [r.text for r in negatives]
        (['computer'], ['alexa', ''])
    """
    heard = [" ".join(words_of(recording.text)) for recording in recordings]
    word = " ".join(words_of(word))
    positives = [r for r, text in zip(recordings, heard, strict=True) if text == word]
    if not positives or not word:
        words = Counter(recording.text for recording in recordings if recording.text)
        available = ", ".join(f"{text!r} ({count})" for text, count in words.most_common(10))
        raise ValueError(
            f"`word` must be the whole text of some recordings; these are the positives. Received: "
            f"word={word!r}. Choose one of: {available or 'none, no recording has a text'}."
        )
    said = _apart(word)
    return positives, [r for r, t in zip(recordings, heard, strict=True) if said not in _apart(t)]


def select(recordings, word, split, *, workers=2):
    """What a split has to offer, every recording of it decoded once to be sure.

    Positives without event times get them from their energy (`alignment.energy_events`). What is
    unreadable, too short, or has no times to be found is left out and named in a warning.

    Args:
        recordings: A sequence of `Recording`.
        word: The wake word; see `partition`.
        split: `"train"`, `"dev"` or `"test"`.
        workers: Threads that read, at least 1. Default 2.

    Returns:
        `(positives, negatives, noise)`, lists of `Recording`; the noise is among the negatives.

    Raises:
        ValueError: If there are no positives or no negatives.
    """
    if split not in SPLITS:
        raise ValueError(
            f"`split` must be one of {', '.join(SPLITS)}; it says which recordings to use. "
            f"Received: split={split!r}. Choose one of them."
        )
    positives, negatives = (
        [r for r in part if r.split == split] for part in partition(recordings, word)
    )
    with ThreadPoolExecutor(workers) as pool:
        positives = _usable(positives, pool.map(_with_times, positives), "positives", split)
        negatives = _usable(negatives, pool.map(_with_level, negatives), "negatives", split)
    return positives, negatives, [recording for recording in negatives if recording.noise]


def _rows(directory, layout, encoding):
    """What is known about each file, from the table or from the names of the folders."""
    if layout is not None:
        from keras_sal.data.downloads.layouts import rows_of

        return [dict.fromkeys(COLUMNS, "") | row for row in rows_of(directory, layout)]
    _, rows, _ = read_table(directory, encoding=encoding)
    if not rows:
        raise ValueError(
            f"{TABLE} must list at least one recording; it has no rows. Received: "
            f"{str(directory / TABLE)!r}. Add a row for each sound file."
        )
    return rows


def _check_row(directory, row, seen, convert):
    """The recording of a row, and `(channels, sample_rate)` of its file."""
    check_fields(row)
    name, path = row["file"], directory / row["file"]
    if not name:
        raise ValueError(
            "`file` must name a sound file; a row is about one. Received: file=''. Remove the row."
        )
    check_split(row["split"])
    frames, sample_rate, channels = audio.audio_info(path)
    if not convert:
        audio.check_format(path, sample_rate, channels)
    _check_new(path, name, seen)
    duration_s = round(frames * SAMPLE_RATE / sample_rate) / SAMPLE_RATE
    check_duration(row.get("duration_s") or "", duration_s)
    recording = Recording(
        path,
        row["split"],
        _normalise(row["text"]),
        duration_s,
        *checked_times(row["onset_s"], row["offset_s"], duration_s),
        row.get("corpus") or "",
        row.get("speaker") or "",
        noise=is_noise(row.get("noise") or "", name),
    )
    return recording, (channels, sample_rate)


def _check_new(path, name, seen):
    """Refuses a file that was listed before, under whatever name or link."""
    status = path.stat()
    identity = status.st_dev, status.st_ino
    if identity in seen:
        raise ValueError(
            "`file` must name each sound file once; a file in two splits would be learned by heart "
            f"and then tested. Received: file={name!r} again. Remove the row."
        )
    seen.add(identity)


def _timed(recording, file, times):
    """The recording with the times of its labels; without labels, as it is."""
    if times is None or not recording.text:
        return recording
    try:
        onset_s, offset_s = times(file, recording.text)
    except NoLabelsError:
        return recording
    except NoTimesError as error:
        raise ValueError(f"{error}.") from error
    onset_s, offset_s = checked_times(str(onset_s), str(offset_s), recording.duration_s)
    return replace(recording, onset_s=onset_s, offset_s=offset_s)


def _warn_of(refused, total):
    if refused:
        named = [f"{name}: {error}" for name, error in list(refused.items())[:NAMED_IN_WARNING]]
        more = len(refused) - len(named)
        warnings.warn(
            f"{len(refused)} of {total} recordings were left out. {' | '.join(named)}"
            + (f" | and {more} more" if more else ""),
            stacklevel=3,
        )


def _warn_of_formats(formats):
    others = {kind: count for kind, count in formats.items() if kind != (1, SAMPLE_RATE)}
    if others:
        (channels, rate), _ = max(others.items(), key=lambda item: item[1])
        warnings.warn(
            f"{sum(others.values())} of {sum(formats.values())} recordings are not mono at "
            f"{SAMPLE_RATE} Hz (most: {channels} channel(s) at {rate} Hz) and are converted each "
            "time they are read.",
            stacklevel=3,
        )


def _warn_of_shared_speakers(recordings):
    splits = defaultdict(set)
    for recording in recordings:
        if recording.speaker:
            splits[recording.corpus, recording.speaker].add(recording.split)
    shared = sorted(speaker for (_, speaker), found in splits.items() if len(found) > 1)
    if shared:
        warnings.warn(
            f"{len(shared)} speakers are in more than one split, so a detector is tested on voices "
            f"it was trained on: {', '.join(shared[:NAMED_IN_WARNING])}",
            stacklevel=3,
        )


def _usable(recordings, results, kind, split):
    """The recordings that could be examined; the others are named in a warning."""
    results = list(results)
    usable = [result for result in results if isinstance(result, Recording)]
    refused = {
        str(recording.path): result
        for recording, result in zip(recordings, results, strict=True)
        if isinstance(result, Exception)
    }
    if not usable:
        name, error = next(iter(refused.items()), ("none", "there is nothing to read."))
        raise ValueError(
            f"`recordings` must hold {kind} in each split that is used; this one has no usable "
            f"ones. Received: split={split!r} with {len(refused)} {kind}, all refused. "
            f"The first, {name}: {error}"
        )
    _warn_of(refused, len(results))
    return usable


def _with_times(recording):
    """The recording with event times, found from its energy if it had none; or what is wrong."""
    try:
        samples = recording.samples()
        speech_level_db(samples)
        if not math.isnan(recording.offset_s):
            return recording
        onset_s, offset_s = energy_events(samples, SAMPLE_RATE)
    except (OSError, ValueError) as error:
        return error
    if math.isnan(offset_s):
        return ValueError(
            "it has no event times, and nothing stands out in its energy, or several things do."
        )
    return replace(recording, onset_s=onset_s, offset_s=offset_s)


def _with_level(recording):
    """The recording, if it has a level; or what is wrong."""
    try:
        samples = recording.samples()
        speech_level_db(samples)
        if recording.noise:
            amplify_to_unit(samples)
    except (OSError, ValueError) as error:
        return error
    return recording


def _normalise(text):
    return " ".join(unicodedata.normalize("NFC", text.casefold()).split())


def _apart(text):
    """A text with a space on both sides of each word; "robot's" has the word "robot" in it."""
    return f" {text} ".replace("'", " ")
