"""Drawings of the pages: the rooms of the package on their floors, and what an anchor is.

MkDocs calls `on_page_markdown`, which puts a drawing where a page says `<!-- floors -->` or
`<!-- anchor -->`. The floors are those of `FLOORS` in `tests/test_package.py`.
"""

from __future__ import annotations

import ast
import math
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT, GAP = 112, 34, 8  # of a room, in pixels
MARGIN = 4


def read_floors(path: Path = ROOT / "tests" / "test_package.py") -> list[set[str]]:
    """Return the rooms of each floor, the lowest floor first.

    Args:
        path: The file that defines `FLOORS`.
    """
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FLOORS":
            return ast.literal_eval(node.value)
    raise ValueError(
        f"`path` must define FLOORS, which the drawing is made from. Received: path={str(path)!r}. "
        "Name the file that does."
    )


def draw_floors(floors: list[set[str]]) -> str:
    """Draw rooms as boxes, each floor a row, the highest floor on top.

    Args:
        floors: Names of the rooms of each floor, the lowest first.

    Returns:
        An SVG element that takes the colours of the page around it.
    """
    most = max(map(len, floors))
    width = most * (WIDTH + GAP) - GAP + 2 * MARGIN
    height = len(floors) * (HEIGHT + GAP) - GAP + 2 * MARGIN
    boxes = []
    for row, rooms in enumerate(reversed(floors)):
        names = sorted(rooms)
        left = (width - (len(names) * (WIDTH + GAP) - GAP)) / 2
        for column, name in enumerate(names):
            x, y = left + column * (WIDTH + GAP), MARGIN + row * (HEIGHT + GAP)
            boxes.append(
                f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="4"/>'
                f'<text x="{x + WIDTH / 2:g}" y="{y + HEIGHT / 2 + 5:g}">{name}</text>'
            )
    label = "The rooms of keras_sal on their floors; a room imports only from floors below it."
    return (
        f'<svg class="floors" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{label}">{"".join(boxes)}</svg>'
    )


def draw_anchor() -> str:
    """Draw a posterior around an event, the anchor, its kernel, the threshold and the detection.

    Returns:
        An SVG element that takes the colours of the page around it.
    """
    anchor, threshold, base, top, reach = 400, 0.6, 180, 150, 60

    def line(name: str, heights: list[float]) -> str:
        points = " ".join(f"{x},{base - top * y:.1f}" for x, y in zip(steps, heights, strict=True))
        return f'<polyline class="{name}" points="{points}"/>'

    steps = range(0, 721, 4)
    posterior = [
        0.03
        + 0.9 / (1 + math.exp(-(x - anchor - 6) / 9)) / (1 + math.exp((x - anchor - 120) / 12))
        + 0.25 * math.exp(-(((x - 170) / 22) ** 2))
        for x in steps
    ]
    kernel = [math.exp(-abs(x - anchor) / reach) for x in steps]
    crossing = next(x for x, y in zip(steps, posterior, strict=True) if y >= threshold)
    level = base - top * threshold
    parts = [
        f'<rect class="event" x="250" y="{base - top}" width="{anchor - 250}" height="{top}"/>',
        line("kernel", kernel),
        line("posterior", posterior),
        f'<path class="rule" d="M0 {level:g}H720M0 {base}H720M{anchor} {base - top - 8}V{base}"/>',
        f'<circle cx="{crossing}" cy="{level:g}" r="6"/>',
        '<text x="325" y="48">event</text>',
        f'<text x="{anchor}" y="16">anchor</text>',
        f'<text x="{anchor + 112}" y="{level - 38:g}" class="begin">detection</text>',
        f'<path class="rule" d="M{anchor + 108} {level - 42:g}L{crossing + 6} {level - 5:g}"/>',
        f'<text x="2" y="{level - 6:g}" class="begin">threshold</text>',
        f'<text x="170" y="{base - 58}">posterior</text>',
        f'<text x="{anchor + 150}" y="{base - 22}" class="begin">kernel</text>',
        f'<text x="718" y="{base + 20}" class="end">time</text>',
    ]
    label = "The posterior reaches the threshold just after the anchor, which ends the event."
    return (
        f'<svg class="anchor" viewBox="0 0 720 205" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Put drawings where a page asks for them.

    Args:
        markdown: Text of the page.
        page: The page.
        config: Configuration of MkDocs.
        files: Files of the site.
    """
    if "<!-- floors -->" in markdown:
        markdown = markdown.replace("<!-- floors -->", draw_floors(read_floors()))
    return markdown.replace("<!-- anchor -->", draw_anchor())
