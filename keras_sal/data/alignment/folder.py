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
from keras_sal.data.alignment.label_lookup import LabelLookup
from keras_sal.data.alignment.pieces import align_pieces, forget_pieces
from keras_sal.data.alignment.sound_aligner import SoundAligner, find_times
from keras_sal.data.cluster import Cluster
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
    workers: int | None = None,
    address: str | None = None,
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
        workers: Number of worker processes that listen, for many recordings; see
            `keras_sal.data.cluster.Cluster`. After an interruption, the same call goes on where it
            was. Defaults to `None`: this process alone, if there is no `address`.
        address: Address of a Ray cluster. Defaults to `None`: this machine.
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
    on_workers = not (workers is None and address is None)
    require(
        not (on_workers and labels is not None),
        "`workers` and `address` must be left out with `labels`; these are read, and nothing is "
        f"listened to. Received: workers={workers}, address={address!r}. Leave them out.",
    )
    columns, rows, newline = _read(folder)
    with_text = [row for row in rows if row["text"].strip()]
    wanted = [row for row in with_text if overwrite or not _has_times(row)]
    asked = [(row["file"], row["text"]) for row in wanted]
    if labels is not None:
        lookup = LabelLookup(folder, rows, Path(labels), read_options)
        outcomes = _find_all(lookup, asked, progress)
        lookup.warn_of_missing()
    else:
        aligner = SoundAligner(folder.absolute(), method, pronunciations)
        outcomes = (
            align_pieces(aligner, asked, Cluster(workers, address), progress)
            if on_workers and asked
            else _find_all(aligner, asked, progress)
        )
    summary = AlignmentSummary(
        kept=len(with_text) - len(wanted), without_text=len(rows) - len(with_text)
    )
    for row, outcome in zip(wanted, outcomes, strict=True):
        _enter(row, outcome, summary)
    if summary.found:
        _write(folder, columns, rows, newline)
    forget_pieces(folder)
    return summary


def _find_all(find, asked, progress):
    """The outcome of each row, one after another."""
    outcomes = []
    for number, row in enumerate(asked):
        if progress:
            progress(number, len(asked))
        outcomes.append(find_times(find, *row))
    if progress:
        progress(len(asked), len(asked))
    return outcomes


def _enter(row, outcome, summary):
    """Enter the times of a row into it, and count what happened."""
    if isinstance(outcome, str):
        summary.failures[outcome].append(row["file"])
        summary.kept += _has_times(row)
        return
    row.update(zip(TIME_COLUMNS, (str(round(time, 3)) for time in outcome), strict=True))
    summary.found += 1


def _has_times(row):
    return all((row.get(name) or "").strip() for name in TIME_COLUMNS)


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
