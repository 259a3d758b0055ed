"""Readers of the formats of event files; each yields entries that are not checked yet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from keras_sal.checks import require
from keras_sal.data.alignment.validation import Entry
from keras_sal.extras import import_package

DELIMITERS = ",;\t|"
COLUMNS = ("onset_s", "offset_s", "text", "file")
WORD_TYPES = ("LEXEME", "NON-LEX")
NOT_AVAILABLE = "<NA>"
CONFIDENCE_UNKNOWN = (NOT_AVAILABLE, "NA", "-")
NEGATIVE_TIME = re.compile(r"^\s*-\d[\d:.,]*\s*-->|-->\s*-\d", re.MULTILINE)


def read_csv(text: str, path: Path, columns: dict[str, str] | None = None) -> Iterator[Entry]:
    """Read a table whose first row holds the names of its columns.

    Args:
        text: Text of the file.
        path: Path of the file, for messages.
        columns: Dict from `"onset_s"`, `"offset_s"`, `"text"`, `"file"` to the names of these
            columns in the file, where they differ.

    Yields:
        An `Entry` for each row.

    Raises:
        ValueError: If the file is no table, or lacks columns.
    """
    columns = columns or {}
    unknown = sorted(set(columns) - set(COLUMNS))
    require(
        not unknown,
        f"`columns` must give names for {', '.join(COLUMNS)}; no other columns are read. Received: "
        f"{', '.join(unknown)}. Write {{'onset_s': 'start'}} where the file calls the onset "
        "'start'.",
    )
    header, *lines = _fields(text, path)
    present = [name.strip() for name in header[1]]
    names = {column: columns.get(column, column) for column in COLUMNS}
    needed = [names[column] for column in COLUMNS if column in (*COLUMNS[:2], *columns)]
    require(
        set(needed) <= set(present) and len(set(present)) == len(present),
        f"`path` must have the columns {', '.join(needed)}, each once; they are the times. "
        f"Received: {str(path)!r} with the columns {', '.join(present) or 'none'}. Give their "
        "names in the file: columns={'onset_s': 'start', 'offset_s': 'end'}.",
    )
    for number, fields in lines:
        if len(fields) != len(present):
            yield Entry(
                f"line {number}",
                error=f"it has {len(fields)} fields, the first line {len(present)}: put quotes "
                "round a text that holds the separator",
            )
            continue
        row = dict(zip(present, fields, strict=True))
        onset, offset, said, recording = (row.get(names[column], "") for column in COLUMNS)
        yield Entry(f"line {number}", onset, offset, said, recording.strip())


def read_audacity(text: str, path: Path) -> Iterator[Entry]:
    """Read labels of Audacity; lines that begin with a backslash hold frequencies.

    Args:
        text: Text of the file.
        path: Path of the file, for messages.

    Yields:
        An `Entry` for each label.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("\\"):
            continue
        onset, *rest = line.split("\t", 2)
        if not rest:
            yield Entry(f"line {number}", error="it has no tabs between onset, offset and text")
            continue
        yield Entry(f"line {number}", onset, *rest)


def read_ctm(text: str, path: Path, channel: str | int | None = None) -> list[Entry]:
    """Read lines of recording, channel, onset, duration and word.

    Args:
        text: Text of the file.
        path: Path of the file, for messages.
        channel: Channel to read. `None` (default) reads recordings of one channel only.

    Returns:
        A list of `Entry`, one for each word.

    Raises:
        ValueError: If a recording has several channels, and none is chosen.
    """
    entries = []
    for place, fields in _lines(text):
        if len(fields) < 5:
            entries.append(Entry(place, error=f"it has {len(fields)} of 5 fields"))
            continue
        if len(fields) > 5 and not _is_confidence(fields[5]):
            error = f"{fields[5]!r} is no confidence: names must have no spaces in them"
            entries.append(Entry(place, error=error))
            continue
        recording, own_channel, onset, duration, word = fields[:5]
        entries.append(_entry_from_duration(place, onset, duration, word, recording, own_channel))
    return _of_channel(entries, channel, path)


def read_rttm(text: str, path: Path, channel: str | int | None = None) -> list[Entry]:
    """Read lines of type, recording, channel, onset, duration, word, a subtype and speaker.

    Args:
        text: Text of the file.
        path: Path of the file, for messages.
        channel: Channel to read. `None` (default) reads recordings of one channel only.

    Returns:
        A list of `Entry`, one for each turn of a speaker and each word.

    Raises:
        ValueError: If a recording has several channels, and none is chosen.
    """
    entries = []
    for place, fields in _lines(text):
        kind = fields[0]
        if kind not in ("SPEAKER", *WORD_TYPES):
            continue
        if len(fields) < 8:
            entries.append(Entry(place, error=f"it has {len(fields)} of at least 8 fields"))
            continue
        _, recording, own_channel, onset, duration, word, _, speaker = fields[:8]
        said = word if kind in WORD_TYPES else speaker
        said = "" if said == NOT_AVAILABLE else said
        entries.append(_entry_from_duration(place, onset, duration, said, recording, own_channel))
    return _of_channel(entries, channel, path)


def read_textgrid(text: str, path: Path, tier: str | None = None) -> Iterator[Entry]:
    """Read a tier of a TextGrid, long or short, of intervals or points.

    Args:
        text: Text of the file.
        path: Path of the file, for messages.
        tier: Name of the tier. `None` (default) reads the only one, or the one called "words".

    Yields:
        An `Entry` for each interval that has a text, or for each point.

    Raises:
        ValueError: If the file is no complete TextGrid, or has no such tier.
        ImportError: If `praatio` is missing.
    """
    textgrid_io = import_package("praatio.utilities.textgrid_io", "read TextGrids", "align")
    errors = import_package("praatio.utilities.errors", "read TextGrids", "align")
    unreadable = (
        "`path` must be a complete TextGrid, long or short, with times of at least 0. Received: "
        f"{str(path)!r}, {{}}. Save it again with Praat."
    )
    if re.search(r"(?<![\w.])-\s*(?:\d*[1-9]|0*\.\d*[1-9])", _unquoted(text)):
        raise ValueError(unreadable.format("in which there is a negative number"))
    try:
        tiers = textgrid_io.parseTextgridStr(text, includeEmptyIntervals=True)["tiers"]
    except (errors.PraatioException, ValueError, LookupError, AttributeError, TypeError) as error:
        raise ValueError(unreadable.format(f"which can't be taken apart: {error}")) from error
    declared = [int(size) for size in _declared_sizes(text)]
    found = [len(each["entries"]) for each in tiers]
    if declared and declared != found:
        raise ValueError(
            unreadable.format(f"whose tiers should have {declared} entries and have {found}")
        )
    chosen = _tier(tiers, tier, path)
    for number, entry in enumerate(chosen["entries"], 1):
        *times, said = entry
        if said.strip() or len(times) == 1:
            place = f"entry {number} of tier {chosen['name']!r}"
            yield Entry(place, str(times[0]), str(times[-1]), said)


def read_vtt(text: str, path: Path) -> Iterator[Entry]:
    """Read WebVTT subtitles.

    Args:
        text: Text of the file.
        path: Path of the file, for messages.

    Yields:
        An `Entry` for each subtitle.

    Raises:
        ValueError: If the file holds no subtitles, or a negative time.
        ImportError: If `pysubs2` is missing.
    """
    return _subtitles(text, path, "vtt")


def read_srt(text: str, path: Path) -> Iterator[Entry]:
    """Read SubRip subtitles.

    Args:
        text: Text of the file.
        path: Path of the file, for messages.

    Yields:
        An `Entry` for each subtitle.

    Raises:
        ValueError: If the file holds no subtitles, or a negative time.
        ImportError: If `pysubs2` is missing.
    """
    return _subtitles(text, path, "srt")


def _fields(text, path):
    """Return `(line number, fields)` of each row; the first line tells the separator."""
    delimiter = max(DELIMITERS, key=text.split("\n", 1)[0].count)
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


def _subtitles(text, path, format):
    pysubs2 = import_package("pysubs2", "read subtitles", "align")
    arrows = sum("-->" in line for line in text.splitlines())
    require(
        bool(arrows) or not text.strip() or text.startswith("WEBVTT"),
        "`path` must be subtitles; there is no --> between times in it. Received: "
        f"{str(path)!r}, read as {format}. Is it another format?",
    )
    require(
        not NEGATIVE_TIME.search(text),
        "`path` must be subtitles with times of at least 0. Received: "
        f"{str(path)!r}, in which there is a negative time. Shift them to the recording.",
    )
    lines = list(pysubs2.SSAFile.from_string(text, format_=format))
    for _ in range(arrows - len(lines)):
        yield Entry("a line", error="its times can't be read: write 00:01:02.500 --> 00:01:03.250")
    for number, line in enumerate(lines, 1):
        said = " ".join(line.plaintext.split())
        yield Entry(f"subtitle {number}", line.start / 1000, line.end / 1000, said)


def _lines(text):
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith((";;", "#")):
            yield f"line {number}", line.split()


def _entry_from_duration(place, onset, duration, said, recording, channel):
    try:
        offset = float(onset) + float(duration)
    except ValueError:
        error = f"the onset, {onset!r}, or the duration, {duration!r}, is no number"
        return Entry(place, error=error)
    return Entry(place, float(onset), offset, said, recording, channel)


def _is_confidence(text):
    try:
        float(text)
    except ValueError:
        return text in CONFIDENCE_UNKNOWN
    return True


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
            f"Choose one: channel={channels[0]!r}."
        )
    return [e for e in entries if e.error or channel is None or e.channel == str(channel)]


def _tier(tiers, name, path):
    names = [tier["name"] for tier in tiers]
    wanted = name
    if name is None:
        wanted = names[0] if len(names) == 1 else "words"
    chosen = [tier for tier in tiers if tier["name"] == wanted]
    require(
        len(chosen) == 1,
        "`tier` must name one of the tiers; events are read from one. Received: "
        f"tier={name!r} for {str(path)!r} with the tiers {', '.join(map(repr, names))}. "
        "Choose one of them.",
    )
    return chosen[0]


def _unquoted(text):
    """Empty the quoted strings of a TextGrid."""
    return re.sub(r'"(?:[^"]|"")*"', '""', text)


def _declared_sizes(text):
    """Return the number of entries that each tier declares, in the long or the short form."""
    string = r'"(?:[^"]|"")*"'
    size = re.findall(r"(?:intervals|points)\s*:\s*size\s*=\s*(\d+)", _unquoted(text))
    short = rf'"(?:IntervalTier|TextTier)"\s+{string}\s+\S+\s+\S+\s+(\d+)\s'
    return size or re.findall(short, text)
