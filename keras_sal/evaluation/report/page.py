"""The page: one HTML file that contains everything, and the parts that it is rendered from.

The template is rendered by jinja2 with escaping, so that no name of a file or a system can become
markup.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from keras_sal.extras import import_package

NOTHING = "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Args:
        text: What it shows.
        sort: Number or text by which rows are sorted. Defaults to `""`, which comes last.
        note: Lines below the text, in small letters. Defaults to `""`.
    """

    text: str
    sort: float | str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table whose columns can be sorted; the first column names the rows.

    Args:
        id: Identifier in the page.
        caption: Title above it.
        columns: Names of the columns.
        rows: Cells of each row.
        numeric: Indices of the columns that hold numbers.
        note: Explanation below it. Defaults to `""`.
    """

    id: str
    caption: str
    columns: list[str]
    rows: list[list[Cell]]
    numeric: frozenset[int] = frozenset()
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """An image for light and for dark pages.

    Args:
        light: Data URI of the image for light pages.
        dark: Data URI of the image for dark pages.
        alt: Text that stands for the picture.
        width: In CSS pixels.
        height: In CSS pixels.
    """

    light: str
    dark: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Args:
        id: Identifier in the page.
        title: Heading.
        text: Paragraph below the heading. Defaults to `""`.
        pictures: Pictures. Defaults to none.
        tables: Tables. Defaults to none.
        groups: Groups of cards of examples, each `{"title", "examples"}`. Defaults to none.
        command: A command line that is shown. Defaults to `""`.
    """

    id: str
    title: str
    text: str = ""
    pictures: list[Picture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    command: str = ""


def render(
    *,
    title: str,
    lead: str,
    cards: Sequence[dict[str, Any]],
    warnings: Sequence[str],
    sections: Sequence[Section],
) -> str:
    """Return the HTML of a page.

    Args:
        title: Heading of the page.
        lead: Paragraph below it.
        cards: A card of each system: `{"name", "conditions", "verdict"}`.
        warnings: Texts that say how far the figures can be trusted.
        sections: The sections, in order.

    Returns:
        The content of an HTML file.

    Raises:
        ImportError: If jinja2 is missing.
    """
    jinja2 = import_package("jinja2", "write a report", extra="report")
    markup = import_package("markupsafe", "write a report", extra="report").Markup
    folder = files(__package__)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string((folder / "page.html").read_text(encoding="utf-8"))
    style, script = (
        markup((folder / name).read_text(encoding="utf-8")) for name in ("page.css", "page.js")
    )
    return template.render(
        css=style,
        js=script,
        title=title,
        lead=lead,
        cards=cards,
        warnings=warnings,
        sections=sections,
    )


def data_uri(content: bytes, media_type: str) -> str:
    """Return a URI that contains the bytes themselves.

    Example:

    >>> data_uri(b"abc", "text/plain")
    'data:text/plain;base64,YWJj'
    """
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def text(value: object) -> Cell:
    """Return a cell of text."""
    return Cell(str(value), str(value))


def number(value: float | None, form: str = "{:g}", scale: float = 1, note: str = "") -> Cell:
    """Return a cell with a number, or with a dash where it is undefined.

    Args:
        value: The number, by which rows are sorted; `None` or nan where it is undefined.
        form: How it is formatted. Defaults to `"{:g}"`.
        scale: What it is multiplied by to be shown. Defaults to 1.
        note: Lines below it. Defaults to `""`.

    Example:

    >>> number(0.125, "{:.1f}", 100)
    Cell(text='12.5', sort=0.125, note='')
    """
    if value is None or not math.isfinite(value):
        return Cell(NOTHING, "", note)
    return Cell(_formatted(scale * value, form), float(value), note)


def short_number(value: float | None, form: str, scale: float = 1) -> str:
    """Return a number as text, or a dash where it is `None`.

    Args:
        value: The number, or `None`.
        form: How it is formatted, with its unit.
        scale: What it is multiplied by to be shown. Defaults to 1.
    """
    return NOTHING if value is None else form.format(scale * value)


def interval(ends: Sequence[float | None] | None, form: str = "{:.1f}", scale: float = 1) -> str:
    """Return `[low, high]` as text, or nothing where an end is undefined.

    Args:
        ends: The two ends, or `None`.
        form: How they are formatted. Defaults to `"{:.1f}"`.
        scale: What they are multiplied by to be shown. Defaults to 1.

    Example:

    >>> interval([0.1, 0.25], "{:.1f}", 100)
    '[10.0, 25.0]'
    """
    if not ends:
        return ""
    finite = [end for end in ends if end is not None and math.isfinite(end)]
    if len(finite) < len(ends):
        return ""
    return "[{}, {}]".format(*(_formatted(scale * end, form) for end in finite))


def _formatted(value: float, form: str) -> str:
    """A number without the minus sign where all its digits are 0."""
    text = form.format(value)
    return text if any(digit in text for digit in "123456789") else text.replace("-", "")
