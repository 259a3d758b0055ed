"""The table of a folder of recordings, and checks of its rows."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_sal.data.fields import number
from keras_sal.data.text_files import read_text

TABLE = "recordings.csv"
COLUMNS = ("file", "split", "text", "onset_s", "offset_s")
SPLITS = ("train", "dev", "test")
NOISE = {  # names of folders
    f"{kind}{plural}"
    for kind in ("noise", "background noise", "background", "background sound")
    for plural in ("", "s")
}
SLACK_S = 0.05  # tolerance of a duration


def read_table(
    folder: Path, needed: Sequence[str] = COLUMNS, *, encoding: str | None = None
) -> tuple[list[str], list[dict[Any, Any]], str]:
    """Read the table of a folder, unchecked but for its columns.

    Args:
        folder: The folder.
        needed: Columns it must have. Defaults to `COLUMNS`.
        encoding: Encoding of the table; `None` (default) reads UTF-8, and UTF-16 with a byte-order
            mark.

    Returns:
        `(columns, rows, newline)`: names, one dict for each row, and the line break. A row with
        more fields than columns has the rest under `None`; one with fewer has `None` for the last
        ones.

    Raises:
        FileNotFoundError: If there is no table.
        ValueError: If the file is no table, or lacks columns.
    """
    path = folder / TABLE
    if not path.is_file():
        found = "has none" if folder.is_dir() else "is no folder"
        advice = (
            "If it holds a folder for each word, make the table with `keras-sal tabulate DIR`, or "
            'load it with layout="words".'
        )
        if not folder.exists():
            found, advice = "is not there", "Check the path."
        raise FileNotFoundError(
            f"`folder` must hold a table {TABLE}; it lists the recordings. Received: "
            f"folder={str(folder)!r}, which {found}. {advice}"
        )
    text = read_text(path, encoding)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise ValueError(
            f"{TABLE} must be a table; it can't be taken apart. Received: {str(path)!r}, line "
            f"{reader.line_num}: {error}. Is a quotation mark missing?"
        ) from error
    columns = list(reader.fieldnames or ())
    missing = [column for column in needed if column not in columns]
    if missing or len(set(columns)) < len(columns):
        raise ValueError(
            f"{TABLE} must have the columns {', '.join(needed)}, each once; "
            f"{', '.join(missing) or 'none'} not found. Received: {str(path)!r} with the columns "
            f"{', '.join(columns) or 'none'}. Name them in the first row, separated by commas."
        )
    return columns, rows, "\r\n" if "\r\n" in text else "\n"


def check_fields(row: Mapping[Any, Any], needed: Sequence[str] = COLUMNS) -> None:
    """Refuse a row with more or fewer fields than columns: the fields are in the wrong columns.

    Args:
        row: The row, as `read_table` returns it.
        needed: Columns that must have a field. Defaults to `COLUMNS`.

    Raises:
        ValueError: If fields are missing or left over.
    """
    if None in row or any(row[column] is None for column in needed):
        raise ValueError(
            "`row` must have a field for each column; else fields are in the wrong ones. Received: "
            f"{'too many' if None in row else 'too few'} fields in {list(row.values())}. Put "
            "quotes round a text that holds a comma."
        )


def check_split(split: str) -> None:
    """Refuse an unknown split.

    Args:
        split: Name of the split.

    Raises:
        ValueError: If it is none of `SPLITS`.
    """
    if split not in SPLITS:
        raise ValueError(
            f"`split` must be one of {', '.join(SPLITS)}; it says what a recording is for. "
            f"Received: split={split!r}. Rename it in {TABLE}."
        )


def check_duration(given: str, duration_s: float) -> None:
    """Refuse a file of another length than the table says: it may have been cut short.

    Args:
        given: Duration in the table, in seconds; may be empty.
        duration_s: Duration of the file.

    Raises:
        ValueError: If they differ by more than 0.05 s.
    """
    try:
        fits = not given.strip() or abs(number(given) - duration_s) <= SLACK_S
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"`duration_s` must be the length of the file, {duration_s:.3f} s; else the file was "
            f"cut short or is another one. Received: duration_s={given}. Copy the file again, or "
            "empty the field."
        )


def parse_times(onset: str, offset: str, duration_s: float) -> tuple[float, float]:
    """Return the event times of a row as numbers.

    Args:
        onset: Onset in the table, in seconds; may be empty.
        offset: Offset in the table, in seconds; may be empty.
        duration_s: Duration of the file.

    Returns:
        `(onset_s, offset_s)`, both `nan` if they are empty.

    Raises:
        ValueError: If they are no times of an event within the file.
    """
    received = f"Received: onset_s={onset}, offset_s={offset}"
    try:
        onset_s, offset_s = (number(time) if time.strip() else math.nan for time in (onset, offset))
    except ValueError as error:
        raise ValueError(
            f"`onset_s` and `offset_s` must be numbers or empty; they are seconds. {received}. "
            "Write 1.5, not 1,5 or 00:01.5."
        ) from error
    if math.isnan(onset_s) and math.isnan(offset_s):
        return math.nan, math.nan
    if math.isnan(onset_s) or math.isnan(offset_s):
        raise ValueError(
            f"`onset_s` and `offset_s` must both be given or both be empty; one time is no event. "
            f"{received}. Add the other or remove both."
        )
    if not 0 <= onset_s < offset_s:
        raise ValueError(
            f"`onset_s` must be at least 0 and before `offset_s`; an event begins before it ends. "
            f"{received}. Were the columns swapped?"
        )
    if offset_s > duration_s + SLACK_S or onset_s >= duration_s:
        guess = "Did you give milliseconds?" if offset_s > 10 * duration_s else "Is it this file?"
        raise ValueError(
            "`onset_s` and `offset_s` must lie within the recording; it lasts "
            f"{duration_s:.3f} s. {received}. {guess}"
        )
    return onset_s, min(offset_s, duration_s)


def is_noise(given: str, name: str) -> bool:
    """Tell whether a row is about noise, by its field `noise` or by the folder of its file.

    Args:
        given: The field: `"yes"`, `"no"` or empty.
        name: Path of the file relative to the folder.

    Returns:
        `True` for noise.

    Raises:
        ValueError: If the field holds something else.
    """
    if given.strip().casefold() not in ("", "yes", "no"):
        raise ValueError(
            "`noise` must be yes, no or empty; noise is played under speech. Received: "
            f"noise={given}. Write yes."
        )
    return given.strip().casefold() == "yes" or any(map(names_noise, Path(name).parts[:1]))


def names_noise(folder: str) -> bool:
    """Tell whether a folder holds noise, by its name.

    Args:
        folder: Name of the folder.

    Returns:
        `True` for the names that people give it, such as `noise`, `Noises`, `background` and
        `_background_noise_`.

    Example:
        >>> [names_noise(name) for name in ("_background_noise_", "noise", "noisy_computer")]
        [True, True, False]
    """
    return " ".join(folder.casefold().replace("_", " ").replace("-", " ").split()) in NOISE
