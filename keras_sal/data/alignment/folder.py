"""Event times for a whole folder of recordings, written into its table."""

import csv
import io
import shutil
import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from keras_sal.data.alignment.energy import energy_events
from keras_sal.data.alignment.event_files import SUFFIXES, read_events
from keras_sal.data.alignment.events import NAMED_IN_WARNING, find_events
from keras_sal.data.alignment.forced import AlignmentError, align_words
from keras_sal.data.alignment.voice_activity import speech_events
from keras_sal.data.recordings_table import TABLE, read_table
from keras_sal.files import write_atomically

NEEDED = ("file", "text")
TIMES = ("onset_s", "offset_s")
METHODS = ("pocketsphinx", "vad", "energy", "labels")


@dataclass
class FolderTimes:
    """What became of the rows of a table.

    Args:
        found: How many rows got new times.
        kept: How many keep the times they had.
        without_text: How many have no text, and so no event.
        failures: The rows that have no times for a reason: a dict from the reason to their files.
    """

    found: int = 0
    kept: int = 0
    without_text: int = 0
    failures: dict = field(default_factory=lambda: defaultdict(list))


def align_folder(
    directory,
    method="pocketsphinx",
    *,
    labels=None,
    everything=False,
    pronunciations=None,
    progress=None,
    **reading,
):
    r"""Find event times for the recordings of a folder and write them into its `recordings.csv`.

    The table is written whole, once all is done; the one before is kept as `recordings.csv.bak`.
    Other columns stay as they are. A row for which no times can be found keeps what it had.

    Args:
        directory: The folder, see `keras_sal.data.recordings`; of its table's columns, only `file` and
            `text` are needed.
        method: `"pocketsphinx"` (the text is aligned with the sound), `"vad"` or `"energy"` (the
            text is the only thing to be heard), or `"labels"`.
        labels: For `"labels"`: a file of `read_events` that names its recordings, or a folder with
            one file for each recording, of the same name but for the suffix.
        everything: Find times for all rows, and not only for those that have none. Default
            `False`.
        pronunciations: For `"pocketsphinx"`, see `align_words`.
        progress: Called as `progress(done, total)`, or `None`.
        **reading: For `"labels"`: options of `read_events`.

    Returns:
        A `FolderTimes`.

    Raises:
        FileNotFoundError: If there is no table, or no `labels`.
        ValueError: If the table or an argument doesn't fit.
        ImportError: If the method's package is missing.

    Example:
        >>> import tempfile, numpy as np, soundfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> tone = np.r_[np.zeros(4800), np.sin(np.arange(8000)), np.zeros(4800)] / 2
        >>> soundfile.write(folder / "a.wav", tone, 16_000)
        >>> _ = (folder / TABLE).write_text("file,text\na.wav,computer\n")
        >>> times = align_folder(folder, "energy")
        >>> times.found, dict(times.failures)
        (1, {})
        >>> print((folder / TABLE).read_text().splitlines()[1])
        a.wav,computer,0.263,0.843
    """
    directory = Path(directory)
    if method not in METHODS or (method == "labels") != (labels is not None):
        raise ValueError(
            f"`method` must be one of {', '.join(METHODS)}, the last together with `labels`. "
            f"Received: method={method!r}, labels={labels!r}. Name the file with the labels, or "
            "leave it out."
        )
    columns, rows, newline = _read(directory)
    if method == "labels":
        find = LabelTimes(directory, rows, Path(labels), reading)
    else:
        find = _Sound(directory, method, pronunciations)
    times = FolderTimes()
    for number, row in enumerate(rows):
        if progress:
            progress(number, len(rows))
        timed = all((row.get(name) or "").strip() for name in TIMES)
        if not row["text"].strip():
            times.without_text += 1
        elif timed and not everything:
            times.kept += 1
        else:
            try:
                found = find(row["file"], row["text"])
            except NoTimesError as error:
                times.failures[str(error)].append(row["file"])
                times.kept += timed
                continue
            row.update((name, str(round(time, 3))) for name, time in zip(TIMES, found, strict=True))
            times.found += 1
    if progress:
        progress(len(rows), len(rows))
    if times.found:
        _write(directory, columns, rows, newline)
    return times


class NoTimesError(Exception):
    """No times can be found for a row, and this is why."""


class NoLabelsError(NoTimesError):
    """No labels are about it."""


class _Sound:
    """Finds the times of a text in the sound itself."""

    def __init__(self, directory, method, pronunciations):
        self._directory = directory
        self._find = getattr(self, f"_{method}")
        self._pronunciations = pronunciations

    def __call__(self, file, text):
        from keras_sal.audio import SAMPLE_RATE, read_audio

        try:
            samples = read_audio(self._directory / file, convert=True)
        except FileNotFoundError as error:
            raise NoTimesError("there is no such file") from error
        except (OSError, ValueError) as error:
            raise NoTimesError("the sound is unreadable") from error
        return self._find(samples, SAMPLE_RATE, text)

    def _pocketsphinx(self, samples, rate, text):
        try:
            words = align_words(samples, rate, text, pronunciations=self._pronunciations)
        except AlignmentError as error:
            raise NoTimesError("the aligner doesn't find the text in the sound") from error
        except ValueError as error:
            raise NoTimesError(f"{text!r} can't be pronounced: give pronunciations") from error
        return words[0].onset_s, words[-1].offset_s

    def _vad(self, samples, rate, text):
        events = speech_events(samples, rate)
        if len(events) != 1:
            raise NoTimesError("there is speech in several places" if events else "no speech")
        return events[0]

    def _energy(self, samples, rate, text):
        try:
            onset_s, offset_s = energy_events(samples, rate)
        except ValueError as error:
            raise NoTimesError("it is too short") from error
        if not onset_s < offset_s:
            raise NoTimesError("nothing stands out in its energy, or several things do")
        return onset_s, offset_s


class LabelTimes:
    """Finds the times of a text in files that people or other programs wrote.

    Called as `times(file, text)`, it returns `(onset_s, offset_s)`, or raises `NoTimesError`.

    Args:
        directory: The folder of the recordings, a `pathlib.Path`.
        rows: Dicts whose `file` is the path of a recording in it.
        labels: The file, or the folder with a file for each recording, a `pathlib.Path`.
        reading: A dict of options of `read_events`.
    """

    def __init__(self, directory, rows, labels, reading):
        self._directory = directory
        self._reading = reading
        self._folder = labels if labels.is_dir() else None
        self._files = files = _by_name([row["file"] for row in rows])
        if self._folder is None:
            lengths = _lengths(directory, files)
            events = read_events(labels, duration_s=lengths, **reading)
            self._events = defaultdict(list)
            for name, found in events.by_recording().items():
                self._events[files.get(name or labels.stem)] += found
            if events and not set(self._events) - {None}:
                raise ValueError(
                    "`labels` must name recordings of the table. Received: "
                    f"{str(labels)!r} about {events[0].recording!r}. Give a file with their names, "
                    "or a folder with a file for each."
                )
            _warn_of_strangers(labels, {event.recording for event in events} - set(files) - {""})

    def __call__(self, file, text):
        """Returns `(onset_s, offset_s)` of the text in a recording, or raises `NoTimesError`."""
        events = self._events.get(file) if self._folder is None else self._beside(file)
        if not events:
            raise NoLabelsError("it has no labels")
        unnamed = len(events) == 1 and not events[0].text
        found = events if unnamed else find_events(events, text)
        if len(found) != 1:
            how_often = "several times" if found else "not"
            raise NoTimesError(f"its text is {how_often} among its labels")
        if found[0].offset_s <= found[0].onset_s:
            raise NoTimesError("its label marks a point in time, no stretch")
        return found[0][:2]

    def _beside(self, file):
        name = PurePosixPath(file)
        if not name.name:
            return []
        places = [name] + [PurePosixPath(name.name)] * (self._files.get(name.stem) == file)
        paths = [
            self._folder / place.with_suffix(suffix)
            for place in places
            for suffix in (*SUFFIXES, ".TextGrid")
        ]
        for path in paths:
            if path.is_file() and path != self._directory / TABLE:
                length_s = _lengths(self._directory, {file: file}).get(file)
                try:
                    events = read_events(path, duration_s=length_s, **self._reading)
                except ValueError as error:
                    raise NoTimesError(f"its label file is unusable: {error}") from error
                own = [e for e in events if self._files.get(e.recording, file) == file]
                if events and not own:
                    raise NoTimesError("its label file is about another recording")
                return own
        return []


def _by_name(files):
    """The files by all the names that a label file may give them and that fit only one."""
    named = defaultdict(set)
    for file in files:
        path = PurePosixPath(file)
        if not path.name:
            continue
        for name in (file, str(path.with_suffix("")), path.name, path.stem):
            named[name].add(file)
    return {name: next(iter(fits)) for name, fits in named.items() if len(fits) == 1}


def _warn_of_strangers(labels, names):
    if names:
        shown = ", ".join(sorted(names)[:NAMED_IN_WARNING])
        warnings.warn(
            f"{len(names)} names in {labels} are not those of one recording of the table, and what "
            f"is said of them is left out: {shown}",
            stacklevel=4,
        )


def _lengths(directory, files):
    """The length in seconds of each file that can be opened, by its names."""
    from keras_sal.audio import audio_info

    lengths = {}
    for file in set(files.values()):
        try:
            frames, rate, _ = audio_info(directory / file)
        except (OSError, ValueError):
            continue
        lengths[file] = frames / rate
    return {name: lengths[file] for name, file in files.items() if file in lengths}


def _read(directory):
    columns, rows, newline = read_table(directory, NEEDED)
    torn = next((number for number, row in enumerate(rows, 2) if None in row), None)
    if torn:
        raise ValueError(
            f"{TABLE} must have no row with more fields than columns. Received: "
            f"{str(directory / TABLE)!r} with too many fields in row {torn}. Put quotes round a "
            "text that holds a comma."
        )
    return columns, [{name: row[name] or "" for name in columns} for row in rows], newline


def _write(directory, columns, rows, newline):
    path = directory / TABLE
    columns += [name for name in TIMES if name not in columns]
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, columns, lineterminator=newline, restval="")
    writer.writeheader()
    writer.writerows(rows)
    backup = path.with_name(f"{TABLE}.bak")
    write_atomically(backup, lambda temporary: shutil.copy2(path, temporary))
    write_atomically(path, table.getvalue().encode())
