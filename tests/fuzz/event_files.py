"""Event files of all formats: those that are whole against the events written, and damaged ones."""

from __future__ import annotations

import math
from collections import Counter

from event_texts import JUNK, WHOLE
from messages import check_message

from keras_sal.data.alignment import FORMATS, find_events, read_events
from keras_sal.data.alignment.events import Event

WORDS = ("hey", "Robot", "on & off", "zwölf", "x\u2028y", "it's", 'no, "yes"', "[a]", "7")
PLAIN = ("hey", "Robot", "zwölf", "it's", "7")
TABLES = ("csv", "tsv")
ONE_WORD = ("ctm", "rttm")
SUBTITLES = ("vtt", "srt")
ENDS = ("\n", "\r\n", "\r")
MOST_EDITS = 6


def attempt(random, folder):
    """Read a file that is whole, damaged, or of any bytes."""
    name = random.choice(sorted(FORMATS))
    path = folder / "events.txt"
    what = random.random()
    if what < 0.4:
        events = _random_events(random, name)
        text = globals()[f"_{name}"](random, events)
        path.write_bytes(text.encode(random.choice(("utf-8", "utf-8-sig"))))
        read = read_events(path, format=name, overlaps="keep", strict=True, unit="s")
        rounded = [each._replace(offset_s=round(each.offset_s, 9)) for each in read]
        assert rounded == events, (name, text, list(read), events)
        return Counter(agreed=1)
    if what < 0.95:
        path.write_bytes(_damaged(random, name).encode(errors="surrogatepass"))
    else:
        path.write_bytes(random.randbytes(random.randint(0, 60)))
    return _read_or_refuse(path, name)


def _read_or_refuse(path, name):
    """Events must be possible; an error must name the file and what was received."""
    try:
        events = read_events(path, format=name)
        find_events(events, "hey you")
    except ValueError as error:
        check_message(error, path)
        return Counter(refused=1)
    assert all(0 <= event.onset_s <= event.offset_s < math.inf for event in events), events
    assert events == sorted(events, key=lambda event: (event.recording, event)), events
    return Counter(agreed=1)


def _damaged(random, name):
    text = WHOLE[name]
    for _ in range(random.randint(0, MOST_EDITS)):
        at, cut = random.randint(0, len(text)), random.randint(0, 30)
        character = chr(random.choice((random.randint(1, 127), random.randint(1, 0xD7FF))))
        put = random.choice(("", random.choice(JUNK), character, text[at : at + cut] * 2))
        text = text[:at] + put + text[at + cut :]
    return text


def _random_events(random, name):
    """Events in order, of whole milliseconds, some of which touch."""
    recording = "r 1" if name in TABLES else "r1" if name in ONE_WORD else ""
    words = PLAIN if name in ONE_WORD or name in SUBTITLES else WORDS
    if name in ("textgrid", "audacity", *TABLES):
        words = (*PLAIN, *(word for word in WORDS if name != "audacity" or '"' not in word))
    events, now_ms = [], 0
    for _ in range(random.randint(1, 6)):
        onset_ms = now_ms + random.choice((0, 1, random.randint(1, 5000)))
        now_ms = onset_ms + random.randint(1, 9000)
        events.append(Event(onset_ms / 1000, now_ms / 1000, random.choice(words), recording))
    return events


def _number(random, value):
    """A number as one of the programs writes it."""
    exact = f"{value:.3f}"
    return random.choice(
        (
            exact,
            exact + "00",
            repr(value),
            f"{value:.17g}",
            f"{value:.3e}0"[:-1] if float(f"{value:.3e}") == value else exact,
        )
    )


def _csv(random, events, separator=None):
    separator = separator or random.choice(",;\t|")
    columns = ["file", "onset_s", "offset_s", "text", "note"]
    random.shuffle(columns)
    lines = [separator.join(columns)]
    for event in events:
        row = {
            "file": event.recording,
            "onset_s": _number(random, event.onset_s),
            "offset_s": _number(random, event.offset_s),
            "text": event.text,
            "note": random.choice(("", "1", "a b")),
        }
        fields = []
        for name in columns:
            value = row[name]
            quoted = any(mark in value for mark in f'"{separator}') or random.random() < 0.1
            fields.append('"' + value.replace('"', '""') + '"' if quoted else value)
        lines.append(separator.join(fields))
    end = random.choice(ENDS[:2])
    return end.join(lines) + random.choice(("", end))


def _tsv(random, events):
    return _csv(random, events, "\t")


def _audacity(random, events):
    end = random.choice(ENDS)
    lines = []
    for event in events:
        times = _number(random, event.onset_s), _number(random, event.offset_s)
        lines.append("\t".join((*times, event.text)))
        if random.random() < 0.2:
            lines.append("\\\t100.0\t200.0")
    return end.join(lines) + random.choice(("", end))


def _textgrid(random, events):
    """An interval tier in which silences fill the gaps, in the long or the short form."""
    end_s, intervals = 0.0, []
    for event in events:
        if event.onset_s > end_s:
            intervals.append((end_s, event.onset_s, None))
        intervals.append(event[:3])
        end_s = event.offset_s
    is_short = random.random() < 0.5

    def line(name, value):
        return f"{value}" if is_short else f"{'    ' * random.randint(0, 3)}{name} = {value}"

    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    lines += [line("xmin", 0), line("xmax", end_s)]
    lines += ["<exists>" if is_short else "tiers? <exists>", line("size", 1)]
    lines += [] if is_short else ["item []:", "    item [1]:"]
    lines += [line("class", '"IntervalTier"'), line("name", '"words"')]
    lines += [line("xmin", 0), line("xmax", end_s)]
    lines += [f"{len(intervals)}" if is_short else f"intervals: size = {len(intervals)}"]
    for index, (onset_s, offset_s, text) in enumerate(intervals, 1):
        lines += [] if is_short else [f"        intervals [{index}]:"]
        quoted = '"' + (text or "").replace('"', '""') + '"'
        lines += [line("xmin", repr(onset_s)), line("xmax", repr(offset_s)), line("text", quoted)]
    end = random.choice(ENDS)
    return end.join(lines) + end


def _ctm(random, events):
    end = random.choice(ENDS)
    lines = [random.choice(("## comment", "# r1 comment"))] if random.random() < 0.2 else []
    for event in events:
        confidence = random.choice(((), ("0.9",)))
        lines.append(" ".join(("r1", "1", *_duration(event), event.text, *confidence)))
    return end.join(lines) + random.choice(("", end))


def _rttm(random, events):
    end = random.choice(ENDS)
    lines = [
        " ".join(("LEXEME", "r1", "1", *_duration(event), event.text, "lex", "ann", "<NA>", "<NA>"))
        for event in events
    ]
    return end.join(lines) + random.choice(("", end))


def _duration(event):
    """Onset and duration, in as many digits as it takes to get the offset back."""
    onset_ms, offset_ms = round(event.onset_s * 1000), round(event.offset_s * 1000)
    return f"{event.onset_s:.3f}", f"{(offset_ms - onset_ms) / 1000:.3f}"


def _vtt(random, events):
    cues = []
    for index, event in enumerate(events):
        identifier = [random.choice(("intro", f"{index}"))] if random.random() < 0.3 else []
        setting = random.choice(("", " align:start", " line:0"))
        times = f"{_clock(random, event.onset_s, '.')} --> {_clock(random, event.offset_s, '.')}"
        text = event.text.replace("&", "&amp;")
        text = random.choice((text, f"<v Ann>{text}", f"<i>{text}</i>"))
        cues.append([*identifier, times + setting, text])
        if random.random() < 0.1:
            cues.append(["NOTE said twice", "or more"])
    end = random.choice(ENDS)
    blocks = [[random.choice(("WEBVTT", "WEBVTT - title"))], *cues]
    return (end + end).join(end.join(block) for block in blocks) + end


def _srt(random, events):
    cues = []
    for index, event in enumerate(events, 1):
        onset, offset = (_clock(random, time_s, ",", True) for time_s in event[:2])
        text = random.choice((event.text, f"<i>{event.text}</i>", f"{{\\an8}}{event.text}"))
        cues.append([str(index), f"{onset} --> {offset}", text])
    end = random.choice(ENDS)
    return (end + end).join(end.join(cue) for cue in cues) + end


def _clock(random, time_s, point, hours=False):
    whole_ms = round(time_s * 1000)
    hour, rest = divmod(whole_ms, 3_600_000)
    minute, rest = divmod(rest, 60_000)
    second, ms = divmod(rest, 1000)
    with_hours = hours or hour or random.random() < 0.5
    return (f"{hour:02}:" if with_hours else "") + f"{minute:02}:{second:02}{point}{ms:03}"
