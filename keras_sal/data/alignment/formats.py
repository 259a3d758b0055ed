"""The formats of event times, each to entries that are checked elsewhere."""

import csv
import io
import re

from keras_sal.data.alignment.validation import Entry
from keras_sal.extras import import_package

DELIMITERS = ",;\t|"
COLUMNS = ("onset_s", "offset_s", "text", "file")
LEXICAL = ("LEXEME", "NON-LEX")
NOT_AVAILABLE = "<NA>"
NO_CONFIDENCE = (NOT_AVAILABLE, "NA", "-")
NEGATIVE = re.compile(r"^\s*-\d[\d:.,]*\s*-->|-->\s*-\d", re.MULTILINE)


def read_csv(text, path, columns=None):
    """A table with a row of column names."""
    columns = columns or {}
    unknown = sorted(set(columns) - set(COLUMNS))
    if unknown:
        raise ValueError(
            f"`columns` must give names for {', '.join(COLUMNS)}; a table is read for nothing "
            f"else. Received: {', '.join(unknown)}. Write {{'onset_s': 'start'}} where the file "
            "calls the onset 'start'."
        )
    header, *lines = _fields(text, path)
    named = [name.strip() for name in header[1]]
    where = {column: columns.get(column, column) for column in COLUMNS}
    needed = {*COLUMNS[:2], *columns}
    missing = [
        where[column] for column in COLUMNS if column in needed if where[column] not in named
    ]
    if missing or len(set(named)) < len(named):
        raise ValueError(
            f"`path` must have the columns {', '.join(where[c] for c in COLUMNS if c in needed)}, "
            f"each once; they are the times. Received: {str(path)!r} with the columns "
            f"{', '.join(named) or 'none'}. Say what they are called in the file: "
            "columns={'onset_s': 'start', 'offset_s': 'end'}."
        )
    for number, fields in lines:
        if len(fields) != len(named):
            yield Entry(
                f"line {number}",
                fault=f"it has {len(fields)} fields, the first line {len(named)}: put quotes round "
                "a text that holds the separator",
            )
            continue
        row = dict(zip(named, fields, strict=True))
        onset, offset, said, recording = (row.get(where[column], "") for column in COLUMNS)
        yield Entry(f"line {number}", onset, offset, said, recording.strip())


def read_audacity(text, path):
    """Labels of Audacity; the lines that begin with a backslash are their frequencies."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("\\"):
            continue
        onset, *rest = line.split("\t", 2)
        if not rest:
            yield Entry(f"line {number}", fault="it has no tabs between onset, offset and text")
            continue
        yield Entry(f"line {number}", onset, *rest)


def read_ctm(text, path, channel=None):
    """Lines of recording, channel, onset, duration, word."""
    entries = []
    for place, fields in _lines(text):
        if len(fields) < 5:
            entries.append(Entry(place, fault=f"it has {len(fields)} of 5 fields"))
            continue
        if len(fields) > 5 and not _is_confidence(fields[5]):
            fault = f"{fields[5]!r} is no confidence: names must have no spaces in them"
            entries.append(Entry(place, fault=fault))
            continue
        recording, heard_on, onset, duration, word = fields[:5]
        entries.append(_lasting(place, onset, duration, word, recording, heard_on))
    return _of_channel(entries, channel, path)


def read_rttm(text, path, channel=None):
    """Lines of type, recording, channel, onset, duration, word, ..., speaker."""
    entries = []
    for place, fields in _lines(text):
        kind = fields[0]
        if kind not in ("SPEAKER", *LEXICAL):
            continue
        if len(fields) < 8:
            entries.append(Entry(place, fault=f"it has {len(fields)} of at least 8 fields"))
            continue
        _, recording, heard_on, onset, duration, word, _, speaker = fields[:8]
        said = word if kind in LEXICAL else speaker
        said = "" if said == NOT_AVAILABLE else said
        entries.append(_lasting(place, onset, duration, said, recording, heard_on))
    return _of_channel(entries, channel, path)


def read_textgrid(text, path, tier=None):
    """A tier of a TextGrid, long or short, intervals or points; empty intervals are silence."""
    textgrid_io = import_package("praatio.utilities.textgrid_io", "read TextGrids", "align")
    unreadable = (
        "`path` must be a complete TextGrid, long or short, with times of at least 0. Received: "
        f"{str(path)!r}, {{}}. Save it again with Praat."
    )
    if re.search(r"(?<![\w.])-\s*(?:\d*[1-9]|0*\.\d*[1-9])", _unquoted(text)):
        raise ValueError(unreadable.format("in which there is a negative number"))
    try:
        tiers = textgrid_io.parseTextgridStr(text, includeEmptyIntervals=True)["tiers"]
    except Exception as error:  # whatever a parser of loose text stumbles over
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


def read_vtt(text, path):
    """WebVTT subtitles."""
    return _subtitles(text, path, "vtt")


def read_srt(text, path):
    """SubRip subtitles."""
    return _subtitles(text, path, "srt")


def _fields(text, path):
    """`(line, fields)` of the rows of a table, its separator told by the first one."""
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


def _subtitles(text, path, name):
    pysubs2 = import_package("pysubs2", "read subtitles", "align")
    arrows = sum("-->" in line for line in text.splitlines())
    if text.strip() and not arrows and not text.startswith("WEBVTT"):
        raise ValueError(
            "`path` must be subtitles; there is no --> between times in it. Received: "
            f"{str(path)!r}, read as {name}. Is it another format?"
        )
    if NEGATIVE.search(text):
        raise ValueError(
            "`path` must be subtitles with times of at least 0. Received: "
            f"{str(path)!r}, in which there is a negative time. Shift them to the recording."
        )
    lines = list(pysubs2.SSAFile.from_string(text, format_=name))
    for _ in range(arrows - len(lines)):
        yield Entry("a line", fault="its times can't be read: write 00:01:02.500 --> 00:01:03.250")
    for number, line in enumerate(lines, 1):
        said = " ".join(line.plaintext.split())
        yield Entry(f"subtitle {number}", line.start / 1000, line.end / 1000, said)


def _lines(text):
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith((";;", "#")):
            yield f"line {number}", line.split()


def _lasting(place, onset, duration, said, recording, channel):
    try:
        offset = float(onset) + float(duration)
    except ValueError:
        fault = f"the onset, {onset!r}, or the duration, {duration!r}, is no number"
        return Entry(place, fault=fault)
    return Entry(place, float(onset), offset, said, recording, channel)


def _is_confidence(text):
    try:
        float(text)
    except ValueError:
        return text in NO_CONFIDENCE
    return True


def _of_channel(entries, channel, path):
    found = {}
    for entry in entries:
        if not entry.fault:
            found.setdefault(entry.recording, set()).add(entry.channel)
    several = {name: sorted(channels) for name, channels in found.items() if len(channels) > 1}
    if channel is None and several:
        name, channels = next(iter(several.items()))
        raise ValueError(
            "`channel` must be given where a recording has several; a detector hears one. "
            f"Received: {str(path)!r}, in which {name!r} has the channels {', '.join(channels)}. "
            f"Say channel={channels[0]!r}."
        )
    return [e for e in entries if e.fault or channel is None or e.channel == str(channel)]


def _tier(tiers, name, path):
    names = [tier["name"] for tier in tiers]
    wanted = name
    if name is None:
        wanted = names[0] if len(names) == 1 else "words"
    chosen = [tier for tier in tiers if tier["name"] == wanted]
    if len(chosen) != 1:
        raise ValueError(
            "`tier` must name one of the tiers; events are read from one. Received: "
            f"tier={name!r} for {str(path)!r} with the tiers {', '.join(map(repr, names))}. "
            "Choose one of them."
        )
    return chosen[0]


def _unquoted(text):
    return re.sub(r'"(?:[^"]|"")*"', '""', text)


def _declared_sizes(text):
    """How many entries each tier says it has, in the long and in the short form."""
    string = r'"(?:[^"]|"")*"'
    size = re.findall(r"(?:intervals|points)\s*:\s*size\s*=\s*(\d+)", _unquoted(text))
    short = rf'"(?:IntervalTier|TextTier)"\s+{string}\s+\S+\s+\S+\s+(\d+)\s'
    return size or re.findall(short, text)
