"""The page: one HTML file with everything in it, from the parts of the report.

Templates are jinja2's with escaping on, so that no name of a file or a system can become markup.
"""

import base64
import math
from dataclasses import dataclass, field
from importlib.resources import files

from keras_sal.extras import need

NOTHING = "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """What a table shows, what it is sorted by, and lines below it."""

    text: str
    sort: object = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table that can be sorted; its first column names the rows."""

    id: str
    caption: str
    columns: list
    rows: list
    numeric: frozenset = frozenset()
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """An image for light and for dark pages, as data URIs, with its size in CSS pixels."""

    light: str
    dark: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    id: str
    title: str
    text: str = ""
    pictures: list = field(default_factory=list)
    tables: list = field(default_factory=list)
    groups: list = field(default_factory=list)
    command: str = ""


def render(**parts) -> str:
    """The HTML of a page.

    Args:
        **parts: `title`, `lead`, `cards`, `warnings`, `sections`.
    """
    jinja2 = need("jinja2", "write a report", extra="report")
    markup = need("markupsafe", "write a report", extra="report").Markup
    folder = files(__package__)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string((folder / "page.html").read_text(encoding="utf-8"))
    style, script = (
        markup((folder / name).read_text(encoding="utf-8")) for name in ("page.css", "page.js")
    )
    return template.render(css=style, js=script, **parts)


def data_uri(content: bytes, media_type: str) -> str:
    """Bytes as an address that holds them."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def text(value) -> Cell:
    """A cell of text."""
    return Cell(str(value), str(value))


def number(value, form: str = "{:g}", scale: float = 1, note: str = "") -> Cell:
    """A cell with a number; a dash where it is undefined."""
    if value is None or not math.isfinite(value):
        return Cell(NOTHING, "", note)
    return Cell(_written(scale * value, form), float(value), note)


def interval(ends, form: str = "{:.1f}", scale: float = 1) -> str:
    """`[low, high]`, or nothing where there is none."""
    if not ends or any(end is None or not math.isfinite(end) for end in ends):
        return ""
    return "[{}, {}]".format(*(_written(scale * end, form) for end in ends))


def _written(value, form) -> str:
    """A number that is not less than 0 unless it shows."""
    text = form.format(value)
    return text if any(digit in text for digit in "123456789") else text.replace("-", "")
