"""Drawings of the pages: the rooms of the package on their floors, and what an anchor is.

MkDocs calls `on_page_markdown`, which puts a drawing where a page says `<!-- floors -->` or
`<!-- anchor -->`. The floors are those of `FLOORS` in `tests/test_package.py`.

    python docs/builder/drawing.py     # writes docs/anchor.svg, which README.md shows
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT, GAP = 112, 34, 8  # of a room, in pixels
MARGIN = 4
FRAMES, FRAME_WIDTH, STEP_S = 180, 4, 0.01  # of the drawing of an anchor
EVENT, THRESHOLD = (62, 100), 0.6
BASE, TOP = 180, 150  # where 0 is, and how far above it 1 is, in pixels
COLOURS = (
    "svg{--md-typeset-color:#1b1f24;--md-primary-fg-color:#00796b;--md-accent-fg-color:#00897b;"
    "font-family:sans-serif}@media(prefers-color-scheme:dark){svg{--md-typeset-color:#e6edf3;"
    "--md-primary-fg-color:#4db6ac;--md-accent-fg-color:#80cbc4}}"
)


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


def draw_anchor(style: str = "") -> str:
    """Draw a posterior around an event, the anchor, its kernel, the threshold and the detection.

    The posterior is made up. The package does the rest: `AnchorTargets` finds the anchor,
    `anchor_kernel` has the kernel of `StreamingAnchorLoss`, and `detect` the detection.

    Args:
        style: Style sheet of the drawing. Defaults to `""`: it takes that of the page around it.

    Returns:
        An SVG element.
    """
    import keras
    import numpy as np

    from keras_sal import AnchorTargets, StreamingAnchorLoss
    from keras_sal.anchors import anchor_kernel
    from keras_sal.detection import detect

    frame = np.arange(FRAMES)
    targets = AnchorTargets(FRAMES, anchor="offset")(np.array([[EVENT]]))[0]
    loss = StreamingAnchorLoss().get_config()
    kernel = anchor_kernel(targets[:, 1], loss["kernel"], loss["reach"])
    kernel = keras.ops.convert_to_numpy(kernel)
    rise = 1 / (1 + np.exp(-(frame - EVENT[1] - 1.5) / 2.2))
    fall = 1 / (1 + np.exp((frame - EVENT[1] - 30) / 3))
    posterior = 0.03 + 0.9 * rise * fall + 0.25 * np.exp(-(((frame - 42) / 5.5) ** 2))
    [detection] = detect(posterior, THRESHOLD, frame_step_s=STEP_S)

    def x(t: float) -> str:
        return f"{t * FRAME_WIDTH:.1f}"

    def y(value: float) -> str:
        return f"{BASE - TOP * value:.1f}"

    def line(name: str, heights: Any) -> str:
        points = " ".join(f"{x(t)},{y(value)}" for t, value in enumerate(heights))
        return f'<polyline class="{name}" points="{points}"/>'

    first, last = np.flatnonzero(targets[:, 0])[[0, -1]]
    anchor = int(np.flatnonzero(targets[:, 1] == 0)[0])
    level, end = y(THRESHOLD), x(FRAMES)
    found = x(detection.time_s / STEP_S), y(detection.score)
    parts = [
        f'<rect class="event" x="{x(first)}" y="{y(1)}" width="{x(last - first)}" height="{TOP}"/>',
        line("kernel", kernel),
        line("posterior", posterior),
        f'<path class="rule" d="M0 {level}H{end}M0 {BASE}H{end}M{x(anchor)} 22V{BASE}"/>',
        f'<circle cx="{found[0]}" cy="{found[1]}" r="6"/>',
        f'<text x="{x((first + last) / 2)}" y="48">event</text>',
        f'<text x="{x(anchor)}" y="16">anchor</text>',
        f'<text x="{x(anchor + 31)}" y="{y(0.92)}" class="begin">detection</text>',
        f'<path class="rule" d="M{x(anchor + 30)} {y(0.95)}L{found[0]} {found[1]}"/>',
        f'<text x="2" y="{y(THRESHOLD + 0.04)}" class="begin">threshold</text>',
        f'<text x="{x(42)}" y="{y(0.35)}">posterior</text>',
        f'<text x="{x(anchor + 40)}" y="{y(0.15)}" class="begin">kernel</text>',
        f'<text x="{x(FRAMES - 1)}" y="{BASE + 20}" class="end">time</text>',
    ]
    label = "The posterior reaches the threshold just after the anchor, which ends the event."
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="anchor" '
        f'viewBox="0 0 {end} {BASE + 25}" role="img" aria-label="{label}">'
        f"{style}{''.join(parts)}</svg>"
    )


def picture() -> str:
    """Return the drawing of an anchor as a file for light and dark pages, `docs/anchor.svg`."""
    rules = (ROOT / "docs" / "style.css").read_text(encoding="utf-8").splitlines()
    own = [rule for rule in rules if rule.startswith(".anchor")]
    return draw_anchor(f"<style>{COLOURS}{''.join(own)}</style>") + "\n"


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
    if "<!-- anchor -->" in markdown:
        markdown = markdown.replace("<!-- anchor -->", draw_anchor())
    return markdown


if __name__ == "__main__":
    (ROOT / "docs" / "anchor.svg").write_text(picture(), encoding="utf-8")
