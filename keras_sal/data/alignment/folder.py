"""Alignment of a folder of recordings: event times, written into its table."""

from __future__ import annotations

import csv
import io
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_sal.checks import require
from keras_sal.data.alignment.energy import energy_events
from keras_sal.data.alignment.forced import AlignmentError, align_words
from keras_sal.data.alignment.label_lookup import LabelLookup, NoTimesError
from keras_sal.data.alignment.voice_activity import speech_events
from keras_sal.data.recordings_table import TABLE, read_table
from keras_sal.files import write_atomically
from keras_sal.typing import PathLike, Progress

REQUIRED_COLUMNS = ("file", "text")
TIME_COLUMNS = ("onset_s", "offset_s")
METHODS = ("pocketsphinx", "vad", "energy", "labels")


@dataclass
class AlignmentSummary:
    """Counts of the rows of a table by what happened to them.

    Args:
        found: Rows that got new times.
        kept: Rows that keep the times they had.
        without_text: Rows without a text, and so without an event.
        failures: Rows for which no times were found: a dict from the reason to a list of files.
    """

    found: int = 0
    kept: int = 0
    without_text: int = 0
    failures: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def align_folder(
    folder: PathLike,
    method: str = "pocketsphinx",
    *,
    labels: PathLike | None = None,
    overwrite: bool = False,
    pronunciations: Mapping[str, str | Iterable[str]] | None = None,
    progress: Progress | None = None,
    **read_options: Any,
) -> AlignmentSummary:
    r"""Find event times for the recordings of a folder and write them into its `recordings.csv`.

    The table is written atomically at the end; the former one is kept as `recordings.csv.bak`.
    Other columns stay as they are. A row for which no times are found keeps those it had.

    Args:
        folder: The folder, see `keras_sal.data.recordings`; of the columns of its table, only
            `file` and `text` are needed.
        method: `"pocketsphinx"` (the text is aligned with the sound), `"vad"` or `"energy"` (the
            text is the only thing to be heard), or `"labels"`. Defaults to `"pocketsphinx"`.
        labels: For `"labels"`: a file for `read_events` that names its recordings, or a folder with
            one file for each recording, of the same name but for the suffix.
        overwrite: Find times for all rows, and not only for those that have none. Defaults to
            `False`.
        pronunciations: For `"pocketsphinx"`, see `align_words`.
        progress: Called as `progress(done, total)`, or `None`.
        **read_options: For `"labels"`: options of `read_events`.

    Returns:
        An `AlignmentSummary`.

    Raises:
        FileNotFoundError: If there is no table, or no `labels`.
        ValueError: If the table or an argument doesn't fit.
        ImportError: If the package of the method is missing.

    Example:
        >>> import tempfile, numpy as np, soundfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> tone = np.r_[np.zeros(4800), np.sin(np.arange(8000)), np.zeros(4800)] / 2
        >>> soundfile.write(folder / "a.wav", tone, 16_000)
        >>> _ = (folder / TABLE).write_text("file,text\na.wav,computer\n")
        >>> summary = align_folder(folder, "energy")
        >>> summary.found, dict(summary.failures)
        (1, {})
        >>> print((folder / TABLE).read_text().splitlines()[1])
        a.wav,computer,0.263,0.843
    """
    folder = Path(folder)
    require(
        method in METHODS and (method == "labels") == (labels is not None),
        f"`method` must be one of {', '.join(METHODS)}, the last together with `labels`. "
        f"Received: method={method!r}, labels={labels!r}. Name the file with the labels, or "
        "leave it out.",
    )
    columns, rows, newline = _read(folder)
    lookup = None if labels is None else LabelLookup(folder, rows, Path(labels), read_options)
    find = lookup or _SoundAligner(folder, method, pronunciations)
    summary = AlignmentSummary()
    for number, row in enumerate(rows):
        if progress:
            progress(number, len(rows))
        _align_row(row, find, overwrite, summary)
    if progress:
        progress(len(rows), len(rows))
    if lookup:
        lookup.warn_of_missing()
    if summary.found:
        _write(folder, columns, rows, newline)
    return summary


def _align_row(row, find, overwrite, summary):
    """Find the times of a row, put them into it, and count what happened."""
    has_times = all((row.get(name) or "").strip() for name in TIME_COLUMNS)
    if not row["text"].strip():
        summary.without_text += 1
    elif has_times and not overwrite:
        summary.kept += 1
    else:
        try:
            times = find(row["file"], row["text"])
        except NoTimesError as error:
            summary.failures[str(error)].append(row["file"])
            summary.kept += has_times
            return
        row.update(zip(TIME_COLUMNS, (str(round(time, 3)) for time in times), strict=True))
        summary.found += 1


class _SoundAligner:
    """A function from a recording and its text to the times of the text, found in the sound."""

    def __init__(self, folder, method, pronunciations):
        self._folder = folder
        self._find = getattr(self, f"_by_{method}")
        self._pronunciations = pronunciations

    def __call__(self, file: str, text: str) -> tuple[float, float]:
        from keras_sal.audio import SAMPLE_RATE, read_audio

        try:
            samples = read_audio(self._folder / file, convert=True)
        except FileNotFoundError as error:
            raise NoTimesError("there is no such file") from error
        except (OSError, ValueError) as error:
            raise NoTimesError("the sound is unreadable") from error
        return self._find(samples, SAMPLE_RATE, text)

    def _by_pocketsphinx(self, samples, rate, text):
        try:
            words = align_words(samples, rate, text, pronunciations=self._pronunciations)
        except AlignmentError as error:
            raise NoTimesError("the aligner doesn't find the text in the sound") from error
        except ValueError as error:
            raise NoTimesError(f"{text!r} can't be pronounced: give pronunciations") from error
        return words[0].onset_s, words[-1].offset_s

    def _by_vad(self, samples, rate, text):
        events = speech_events(samples, rate)
        if len(events) != 1:
            raise NoTimesError("there is speech in several places" if events else "no speech")
        return events[0]

    def _by_energy(self, samples, rate, text):
        try:
            onset_s, offset_s = energy_events(samples, rate)
        except ValueError as error:
            raise NoTimesError("it is too short") from error
        if not onset_s < offset_s:
            raise NoTimesError("nothing stands out in its energy, or several things do")
        return onset_s, offset_s


def _read(folder):
    columns, rows, newline = read_table(folder, REQUIRED_COLUMNS)
    too_long = next((number for number, row in enumerate(rows, 2) if None in row), None)
    require(
        too_long is None,
        f"{TABLE} must have no row with more fields than columns. Received: "
        f"{str(folder / TABLE)!r} with too many fields in row {too_long}. Put quotes round a "
        "text that holds a comma.",
    )
    return columns, [{name: row[name] or "" for name in columns} for row in rows], newline


def _write(folder, columns, rows, newline):
    path = folder / TABLE
    columns = [*columns, *(name for name in TIME_COLUMNS if name not in columns)]
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, columns, lineterminator=newline, restval="")
    writer.writeheader()
    writer.writerows(rows)
    backup = path.with_name(f"{TABLE}.bak")
    write_atomically(backup, lambda temporary: shutil.copy2(path, temporary))
    write_atomically(path, table.getvalue().encode())
