"""Readers of tables, labels, CTM and RTTM; each yields entries that are not checked yet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from keras_sal.checks import require
from keras_sal.data.alignment.row_filter import RowFilter
from keras_sal.data.alignment.validation import Entry
from keras_sal.data.fields import is_number, number, split_lines

DELIMITERS = ",;\t|"
COLUMNS = ("onset_s", "offset_s", "text", "file")
DURATION = "duration_s"
WORD_TYPES = ("LEXEME", "NON-LEX")
OTHER_TYPES = (
    *("SEGMENT", "NOSCORE", "NO_RT_METADATA", "NON-SPEECH", "FILLER", "EDIT", "SU", "IP", "CB"),
    *("A/P", "SPKR-INFO"),
)
RTTM_TYPES = ("SPEAKER", *WORD_TYPES, *OTHER_TYPES)
RTTM_COLUMNS = ("type", "file", "channel", "subtype", "speaker")
RTTM_SUBTYPES = (
    *("lex", "fp", "frag", "un-lex", "for-lex", "alpha", "acronym", "interjection"),
    *("propernoun", "laugh", "breath", "lipsmack", "cough", "sneeze", "other"),
)
NOT_AVAILABLE = "<NA>"
UNKNOWN = (NOT_AVAILABLE, "NA", "-")
SPACES_IN_NAME = "names must have no spaces in them"


def read_csv(
    text: str,
    path: Path,
    columns: Mapping[str, str] | None = None,
    where: Mapping[str, str] | None = None,
) -> Iterator[Entry]:
    """Read a table whose first row holds the names of its columns.

    Args:
        text: Text of the file.
        path: Path of the file, for messages.
        columns: Dict from `"onset_s"`, `"offset_s"`, `"duration_s"`, `"text"`, `"file"` to the
            names of these columns in the file, where they differ.
        where: Dict from the names of columns in the file to the values that the wanted rows have
            there. `None` (default) reads all rows.

    Yields:
        An `Entry` for each row.

    Raises:
        ValueError: If the file is no table, lacks columns, or has no wanted row.
    """
    header, *lines = _fields(text, path)
    present = [name.strip() for name in header[1]]
    names = _column_names(columns or {}, present, path)
    wanted = RowFilter(where, present, path)
    for place, fields in lines:
        if len(fields) != len(present):
            yield Entry(
                f"line {place}",
                error=f"it has {len(fields)} fields, the first line {len(present)}: put quotes "
                "round a text that holds the separator",
            )
            continue
        row = dict(zip(present, fields, strict=True))
        if not wanted(row):
            continue
        onset, end, said, recording = (
            row.get(names.get(column, ""), "") for column in ("onset_s", "end", "text", "file")
        )
        if "duration_s" in names and onset.strip() and end.strip():
            entry = _entry_from_duration(f"line {place}", onset, end, said, recording.strip())
        else:
            entry = Entry(f"line {place}", onset, end, said, recording.strip())
        yield entry
    wanted.check()


def read_audacity(text: str, path: Path) -> Iterator[Entry]:
    """Read labels of Audacity; lines that begin with a backslash hold frequencies.

    Args:
        text: Text of the file.
        path: Path of the file, for messages.

    Yields:
        An `Entry` for each label.
    """
    for place, line in enumerate(split_lines(text), 1):
        if not line.strip() or line.startswith("\\"):
            continue
        onset, *rest = line.split("\t", 2)
        if not rest:
            yield Entry(f"line {place}", error="it has no tabs between onset, offset and text")
            continue
        yield Entry(f"line {place}", onset, *rest)


def read_ctm(text: str, path: Path, channel: str | int | None = None) -> list[Entry]:
    """Read lines of recording, channel, onset, duration and word.

    Args:
        text: Text of the file.
        path: Path of the file, for messages.
        channel: Channel to read. `None` (default) reads recordings of one channel only.

    Returns:
        A list of `Entry`, one for each word.

    Raises:
        ValueError: If a recording has several channels, and none is chosen, or if no recording has
            the chosen one.
    """
    entries = []
    for place, fields in _lines(text):
        if fields[0].startswith("#") and not all(map(is_number, fields[2:4] or ["#"])):
            continue
        error = _error_in_ctm(fields)
        if error:
            entries.append(Entry(place, error=error))
            continue
        recording, own_channel, onset, duration, word = fields[:5]
        entries.append(_entry_from_duration(place, onset, duration, word, recording, own_channel))
    return _of_channel(entries, channel, path)


def read_rttm(
    text: str,
    path: Path,
    channel: str | int | None = None,
    where: Mapping[str, str] | None = None,
) -> list[Entry]:
    """Read lines of type, recording, channel, onset, duration, word, subtype and speaker.

    Args:
        text: Text of the file.
        path: Path of the file, for messages.
        channel: Channel to read. `None` (default) reads recordings of one channel only.
        where: Dict from `"type"`, `"file"`, `"channel"`, `"subtype"`, `"speaker"` to the values
            that the wanted rows have there. `None` (default) reads all rows.

    Returns:
        A list of `Entry`, one for each turn of a speaker and each word.

    Raises:
        ValueError: If a recording has several channels, and none is chosen, if no recording has
            the chosen one, or if there is no wanted row.
    """
    entries = []
    wanted = RowFilter(where, RTTM_COLUMNS, path)
    for place, (kind, *fields) in _lines(text):
        if kind.startswith("#") or kind.upper() in OTHER_TYPES:
            continue
        error = _error_in_rttm(kind.upper(), fields)
        if error:
            entries.append(Entry(place, error=error))
            continue
        recording, own_channel, onset, duration, word, subtype, speaker = fields[:7]
        values = (kind.upper(), recording, own_channel, subtype, speaker)
        if wanted(dict(zip(RTTM_COLUMNS, values, strict=True))):
            said = word if kind.upper() in WORD_TYPES else speaker
            said = "" if said == NOT_AVAILABLE else said
            entries.append(
                _entry_from_duration(place, onset, duration, said, recording, own_channel)
            )
    wanted.check()
    return _of_channel(entries, channel, path)


def _column_names(columns: Mapping[str, str], present: list[str], path: Path) -> dict[str, str]:
    """Return the name in the file of each column; `"end"` is that of the offset or duration."""
    unknown = sorted(set(columns) - {*COLUMNS, DURATION})
    require(
        not unknown,
        f"`columns` must give names for {', '.join((*COLUMNS, DURATION))}; no other columns are "
        f"read. Received: {', '.join(unknown)}. Write {{'onset_s': 'start'}} where the file calls "
        "the onset 'start'.",
    )
    require(
        not {"offset_s", DURATION} <= set(columns),
        "`columns` must name the offsets or the durations; one of them is enough. Received: "
        f"columns={dict(columns)}. Leave one out.",
    )
    end = DURATION if DURATION in columns else "offset_s"
    names = {column: columns.get(column, column) for column in ("onset_s", end, "text", "file")}
    needed = [names[column] for column in names if column in ("onset_s", end, *columns)]
    require(
        set(needed) <= set(present) and len(set(present)) == len(present),
        f"`path` must have the columns {', '.join(needed)}, each once; they are the times. "
        f"Received: {str(path)!r} with the columns {', '.join(present) or 'none'}. Give their "
        "names in the file: columns={'onset_s': 'start', 'offset_s': 'end'}, or 'duration_s' "
        "instead of 'offset_s' (keras-sal align --columns onset_s=start).",
    )
    return names | {"end": names[end]}


def _fields(text, path):
    """Return `(line number, fields)` of each row; the first line tells the separator."""
    first = next(iter(split_lines(text)), "")
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = [(0, [])]
    try:
        rows = [(reader.line_num, row) for row in reader if row] or rows
    except csv.Error as error:
        raise ValueError(
            f"`path` must be a table; it can't be taken apart. Received: {str(path)!r}, line "
            f"{reader.line_num}: {error}. Is a quotation mark missing?"
        ) from error
    return rows


def _lines(text):
    """Yield the place and the fields of each line that is no comment."""
    for place, line in enumerate(split_lines(text), 1):
        fields = [field for field in re.split("[ \t]+", line) if field]
        if fields and not fields[0].startswith(";;"):
            yield f"line {place}", fields


def _error_in_ctm(fields):
    """Say what is wrong with a row of a CTM, or nothing."""
    if len(fields) >= 8 and fields[0].upper() in RTTM_TYPES:
        return f"{fields[0]!r} is a type of RTTM: is it one?"
    if len(fields) < 5:
        return f"it has {len(fields)} of 5 fields"
    word, *confidence = fields[4:6]
    if confidence and not _is_confidence(confidence[0]):
        return f"{confidence[0]!r} is no confidence: {SPACES_IN_NAME}"
    # With a space in the name, all fields move on by one: the word is a duration then.
    moved = len(fields) > 6 and is_number(fields[6])
    if is_number(word) and (moved or (confidence and _is_above_one(confidence[0]))):
        return f"{confidence[0]!r} is no confidence of a word {word!r}: {SPACES_IN_NAME}"
    return ""


def _error_in_rttm(kind, fields):
    """Say what is wrong with a row of an RTTM, or nothing."""
    if kind not in RTTM_TYPES:
        return f"{kind!r} is no type of RTTM, such as SPEAKER or LEXEME: is it one?"
    if len(fields) < 7:
        return f"it has {len(fields) + 1} of at least 8 fields"
    if len(fields) > 9:
        return f"it has {len(fields) + 1} of at most 10 fields: {SPACES_IN_NAME}"
    for confidence in fields[7:]:
        if not _is_confidence(confidence):
            return f"{confidence!r} is no confidence: {SPACES_IN_NAME}"
    word, subtype = fields[4:6]
    # With a space in the name, all fields move on by one: the word is a duration then.
    known = kind in WORD_TYPES and subtype.lower() in (*RTTM_SUBTYPES, NOT_AVAILABLE.lower())
    if is_number(word) and not known:
        wanted = "a word" if kind in WORD_TYPES else NOT_AVAILABLE
        return f"there is a number, {word!r}, where {wanted} should be: {SPACES_IN_NAME}"
    return ""


def _entry_from_duration(place, onset, duration, said, recording, channel=""):
    try:
        offset = number(onset) + number(duration)
    except ValueError:
        error = f"the onset, {onset!r}, or the duration, {duration!r}, is no number"
        return Entry(place, error=error)
    return Entry(place, number(onset), offset, said, recording, channel)


def _is_confidence(text):
    return is_number(text) or text in UNKNOWN


def _is_above_one(text):
    return is_number(text) and number(text) > 1


def _of_channel(entries: Iterable[Entry], channel: str | int | None, path: Path) -> list[Entry]:
    """Keep the entries of a channel, and those that can't be read."""
    found: dict[str, set[str]] = {}
    for entry in entries:
        if not entry.error:
            found.setdefault(entry.recording, set()).add(entry.channel)
    several = {name: sorted(channels) for name, channels in found.items() if len(channels) > 1}
    if channel is None and several:
        name, channels = next(iter(several.items()))
        raise ValueError(
            "`channel` must be given where a recording has several; a detector hears one. "
            f"Received: {str(path)!r}, in which {name!r} has the channels {', '.join(channels)}. "
            f"Choose one: channel={channels[0]!r} (keras-sal align --channel {channels[0]})."
        )
    every = sorted(set().union(*found.values()))
    require(
        channel is None or not every or str(channel) in every,
        "`channel` must be one of the channels of the file, as it is written; no event is left. "
        f"Received: channel={channel!r} for {str(path)!r} with the channels {', '.join(every)}. "
        "Choose one of them.",
    )
    return [e for e in entries if e.error or channel is None or e.channel == str(channel)]
