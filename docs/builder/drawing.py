"""Drawing of the package: its rooms on their floors, from `FLOORS` in `tests/test_package.py`.

MkDocs calls `on_page_markdown`, which puts the drawing where a page says `<!-- floors -->`.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MARK = "<!-- floors -->"
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


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Put the drawing where the page asks for it.

    Args:
        markdown: Text of the page.
        page: The page.
        config: Configuration of MkDocs.
        files: Files of the site.
    """
    return markdown.replace(MARK, draw_floors(read_floors())) if MARK in markdown else markdown
