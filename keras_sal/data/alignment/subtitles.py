"""Readers of subtitles, WebVTT and SubRip, with the times of words where WebVTT gives them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from keras_sal.checks import require
from keras_sal.data.alignment.validation import Entry
from keras_sal.data.fields import split_lines
from keras_sal.extras import import_package

ARROW = "-->"
VTT_TIME = r"((?:[0-9]{1,5}:)?[0-5][0-9]:[0-5][0-9]\.[0-9]{3})"
SRT_TIME = r"([0-9]{1,5}:[0-5][0-9]:[0-5][0-9][,.][0-9]{3})"
TIMES = r"[ \t\f]*{0}[ \t\f]*-->[ \t\f]*{0}(?![^ \t\f])"
REPEATED_FOR_S = 0.05  # length up to which a cue may repeat the one before it, in live captions


class Format(NamedTuple):
    """What differs between the two formats.

    Args:
        times: Pattern of a line with the times of a cue; its groups are the times.
        tag: Pattern of a tag; its first group is what stands in it.
        example: A line with times, for messages.
    """

    times: re.Pattern[str]
    tag: re.Pattern[str]
    example: str


VTT = Format(
    re.compile(TIMES.format(VTT_TIME)),
    re.compile(r"<([^>]*)(?:>|\Z)"),
    "00:01:02.500 --> 00:01:03.250",
)
SRT = Format(
    re.compile(TIMES.format(SRT_TIME)),
    re.compile(r"</?([a-zA-Z][^<>]*)>"),
    "00:01:02,500 --> 00:01:03,250",
)
SRT_OVERRIDE = re.compile(r"\{\\[^{}]*\}")
WORD_TIME = re.compile(VTT_TIME)
LINE_BREAKING_TAG = re.compile(r"(?:/?v|/?rt|br)\b")


def read_vtt(text: str, path: Path) -> Iterator[Entry]:
    """Read WebVTT subtitles.

    Args:
        text: Text of the file.
        path: Path of the file, for messages.

    Yields:
        An `Entry` for each subtitle; where there are times in its text, one for each stretch of
        words between two of them.

    Raises:
        ValueError: If the file is no WebVTT.
        ImportError: If `webvtt-py` is missing.
    """
    lines = split_lines(text)
    require(
        not text.strip() or re.match(r"WEBVTT(?![^ \t])", lines[0]),
        "`path` must be subtitles; WebVTT begins with the word WEBVTT. Received: "
        f"{str(path)!r}, read as vtt. Is it another format?",
    )
    return _entries(enumerate(lines[1:], 2), VTT, path)


def read_srt(text: str, path: Path) -> Iterator[Entry]:
    """Read SubRip subtitles.

    Args:
        text: Text of the file.
        path: Path of the file, for messages.

    Yields:
        An `Entry` for each subtitle.

    Raises:
        ValueError: If the file holds no subtitles.
        ImportError: If `webvtt-py` is missing.
    """
    lines = [(place, line) for place, line in enumerate(split_lines(text), 1) if line.strip()]
    timed = [index for index, (_, line) in enumerate(lines) if ARROW in line]
    require(
        bool(timed) or not lines,
        "`path` must be subtitles; there is no --> between times in it. Received: "
        f"{str(path)!r}, read as srt. Is it another format?",
    )
    numbers = {index - 1 for index in timed if index and lines[index - 1][1].strip().isdecimal()}
    if not timed or timed[0] - 1 not in numbers:
        numbers = set()  # the cues have no numbers, so that a number is the text of one
    kept = (line for index, line in enumerate(lines) if index not in numbers)
    return _entries(kept, SRT, path)


def _entries(lines: Iterable[tuple[int, str]], format: Format, path: Path) -> Iterator[Entry]:
    """Yield the entries of numbered lines; a line whose times can't be read is one of them."""
    webvtt = import_package("webvtt", "read subtitles", "align")
    places, readable = [], ["WEBVTT", ""]
    for place, line in lines:
        times = format.times.match(line)
        if times:
            places.append(f"line {place}")
            readable.append(" --> ".join(times.groups()).replace(",", "."))
        elif ARROW in line:
            wrong = f"its times can't be read: write {format.example}, from 00:00:00 on"
            yield Entry(f"line {place}", error=wrong)
            readable.append(ARROW)
        else:
            readable.append(line if format is VTT else SRT_OVERRIDE.sub("", line))
    cues = [_Cue(caption, format.tag) for caption in webvtt.from_string("\n".join(readable))]
    require(
        len(cues) == len(places),
        f"`path` must be subtitles; {len(places)} lines have times, and {len(cues)} subtitles are "
        f"found. Received: {str(path)!r}. Put an empty line between the subtitles.",
    )
    if format is VTT and any(cue.has_word_times() for cue in cues):
        _drop_repeats(cues)
    for timed, cue in zip(places, cues, strict=True):
        yield from cue.entries(timed)


class _Cue:
    """A subtitle: its times, and the lines of its text with their tags."""

    def __init__(self, caption: Any, tag: re.Pattern[str]) -> None:
        self.onset_s = caption.start_time.in_milliseconds() / 1000
        self.offset_s = caption.end_time.in_milliseconds() / 1000
        self.lines = caption.lines
        self.is_repeat = False
        self._tag = tag

    def has_word_times(self):
        return any(WORD_TIME.fullmatch(tag) for tag in self._tag.findall("\n".join(self.lines)))

    def words(self, line: str) -> str:
        """Return what is said in a line, without tags."""
        return " ".join(said for _, said in self._stretches(line) if said)

    def entries(self, place: str) -> Iterator[Entry]:
        """Yield an entry for the cue, or one for each stretch of words that has times."""
        if self.is_repeat:
            return
        stretches = self._stretches("\n".join(self.lines))
        onsets_s = [self.onset_s, *(onset_s for onset_s, _ in stretches[1:])]
        bounds_s = [*onsets_s, self.offset_s]
        if len(stretches) > 1 and bounds_s != sorted(bounds_s):
            yield Entry(place, error="the times of its words are not in order")
            return
        for onset_s, offset_s, (_, said) in zip(onsets_s, bounds_s[1:], stretches, strict=True):
            if said or len(stretches) == 1:
                yield Entry(place, onset_s, offset_s, said)

    def _stretches(self, text: str) -> list[tuple[float, str]]:
        """Split a text into pairs `(onset_s, what is said)`; the first onset is that of the cue."""
        onsets_s, texts = [self.onset_s], [""]
        plain, *rest = self._tag.split(text)
        texts[-1] += plain
        for tag, plain in zip(rest[::2], rest[1::2], strict=True):
            if WORD_TIME.fullmatch(tag):
                onsets_s.append(_seconds(tag))
                texts.append("")
            elif LINE_BREAKING_TAG.match(tag):
                texts[-1] += " "
            texts[-1] += plain
        said = [" ".join(html.unescape(text).split()) for text in texts]
        return list(zip(onsets_s, said, strict=True))


def _drop_repeats(cues: Iterable[_Cue]) -> None:
    """Drop lines that a cue repeats from the one before it.

    Live captions roll up: each cue shows the line of the one before it again, and short cues
    without any new words stand between them. Only new lines have times of words.
    """
    last = ""
    for cue in cues:
        said = [(line, cue.words(line)) for line in cue.lines]
        said = [(line, words) for line, words in said if words]
        short = cue.offset_s - cue.onset_s <= REPEATED_FOR_S
        if said and said[0][1] == last and (len(said) > 1 or short):
            cue.lines = [line for line, _ in said[1:]]
            cue.is_repeat = not cue.lines
        last = said[-1][1] if said else last


def _seconds(time: str) -> float:
    *hours, minutes, seconds = time.replace(".", "").split(":")
    whole_ms = int(hours[0] if hours else 0) * 3_600_000 + int(minutes) * 60_000 + int(seconds)
    return whole_ms / 1000
