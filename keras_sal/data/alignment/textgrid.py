"""Reader of TextGrids of Praat, by the rules of Praat's own text files.

Only strings in quotes, numbers and flags (`<exists>`) count, and only where whitespace stands
before them; all other words (`xmin =`, `intervals [3]:`) are passed over, and so is the rest of a
line from a word that begins with `!`. The long and the short form are the same then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from keras_sal.checks import require
from keras_sal.data.alignment.validation import Entry
from keras_sal.data.fields import number

TOKEN = re.compile(
    r"""(?P<comment>![^\r\n]*)|"(?P<string>[^"]*(?:""[^"]*)*)"|(?P<flag><[^<>\s]*>)|(?P<word>\S+)"""
)
NUMBER = re.compile(r"[+-]?\.?[0-9]")
WIDTHS = {"IntervalTier": 2, "TextTier": 1}


class Tier(NamedTuple):
    """A tier of a TextGrid.

    Args:
        name: Its name.
        entries: Its entries: tuples of onset, offset and label, or of a time and a label.
    """

    name: str
    entries: list[tuple[str | float, ...]]


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
    """
    try:
        tiers = parse_textgrid(text)
    except ValueError as error:
        raise ValueError(
            "`path` must be a complete TextGrid, long or short; it can't be taken apart. "
            f"Received: {str(path)!r}: {error}. Save it again with Praat."
        ) from error
    chosen = _chosen_tier(tiers, tier, path)
    for position, (*times, said) in enumerate(chosen.entries, 1):
        label = str(said)
        if label.strip() or len(times) == 1:
            place = f"entry {position} of tier {chosen.name!r}"
            yield Entry(place, times[0], times[-1], label)


def parse_textgrid(text: str) -> list[Tier]:
    r"""Parse all tiers of a TextGrid.

    Args:
        text: Text of the file.

    Returns:
        The tiers, in the order of the file.

    Raises:
        ValueError: If it is no complete TextGrid; the message says where.

    Example:
        >>> text = '"ooTextFile" "TextGrid" 0 1 <exists> 1 "TextTier" "a" 0 1 1 time = 0.5 "x"'
        >>> parse_textgrid(text)
        [Tier(name='a', entries=[(0.5, 'x')])]
    """
    values = _Values(text)
    kind = (values.string(), values.string())
    require(kind == ("ooTextFile", "TextGrid"), f"it begins with {kind}")
    values.number(), values.number()
    count = values.count() if values.exists() else 0
    tiers = [_parse_tier(values) for _ in range(count)]
    require(values.at_end(), "something follows its last tier")
    return tiers


def _parse_tier(values):
    kind, name = values.string(), values.string()
    require(kind in WIDTHS, f"a tier is of the kind {kind!r}")
    values.number(), values.number()
    entries = []
    for _ in range(values.count()):
        times = [values.number() for _ in range(WIDTHS[kind])]
        entries.append((*times, values.string()))
    return Tier(name, entries)


class _Values:
    """The strings, numbers and flags of a text file of Praat, taken one after the other."""

    def __init__(self, text):
        self._values = _values(text)
        self._next = next(self._values, None)

    def at_end(self):
        return self._next is None

    def string(self):
        return self._take("string", "a text in quotes")

    def number(self):
        value = self._take("number", "a number")
        try:
            return number(value)
        except ValueError as error:
            raise ValueError(f"{value!r} is no number") from error

    def count(self):
        value = self.number()
        require(value >= 0 and value.is_integer(), f"{value:g} is no number of entries")
        return int(value)

    def exists(self):
        return self._take("flag", "a flag, <exists> or <absent>") == "<exists>"

    def _take(self, kind, wanted):
        require(self._next is not None, f"{wanted} is missing at its end")
        found, value = self._next
        require(found == kind, f"where {wanted} should be, there is {value!r}")
        self._next = next(self._values, None)
        return value


def _values(text):
    for match in TOKEN.finditer(text):
        value = match[0]
        if match["string"] is not None:
            yield "string", match["string"].replace('""', '"')
        elif match["flag"]:
            yield "flag", value
        elif match["word"] and (NUMBER.match(value) or value == "--undefined--"):
            yield "number", value
        elif match["word"] and value.startswith('"'):
            raise ValueError(f"the text {value[:20]!r} has no end")


def _chosen_tier(tiers, name, path):
    names = [tier.name for tier in tiers]
    wanted = name
    if name is None:
        wanted = names[0] if len(names) == 1 else "words"
    chosen = [tier for tier in tiers if tier.name == wanted]
    require(
        len(chosen) == 1,
        "`tier` must name one of the tiers; events are read from one. Received: "
        f"tier={name!r} for {str(path)!r} with the tiers {', '.join(map(repr, names)) or 'none'}. "
        "Choose one of them.",
    )
    return chosen[0]
