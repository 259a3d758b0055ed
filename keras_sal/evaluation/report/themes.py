"""Colours and line styles of the figures, for light and for dark pages.

Systems differ in line style and marker as well as in colour. The colours are those of Okabe and
Ito, which people with any colour vision can tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras_sal.evaluation.plots import DASHES

MARKERS = ("o", "s", "^", "D", "v")


@dataclass(frozen=True)
class Theme:
    """Colours of a page.

    Args:
        name: `"light"` or `"dark"`.
        ink: Colour of text.
        faint: Colour of axes and of auxiliary lines.
        grid: Colour of the grid.
        paper: Colour of the background.
        lines: Colours of the systems, in order; after the last the first comes again.
    """

    name: str
    ink: str
    faint: str
    grid: str
    paper: str
    lines: tuple[str, ...]

    @property
    def style(self) -> dict[str, Any]:
        """The settings of matplotlib."""
        return {
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
            "font.size": 9,
            "axes.edgecolor": self.faint,
            "axes.labelcolor": self.ink,
            "axes.facecolor": self.paper,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.titlesize": 10,
            "axes.titlelocation": "left",
            "axes.titleweight": "bold",
            "grid.color": self.grid,
            "grid.linewidth": 0.6,
            "figure.facecolor": self.paper,
            "legend.frameon": False,
            "legend.fontsize": 8.5,
            "legend.handlelength": 3.2,
            "savefig.facecolor": self.paper,
            "path.simplify_threshold": 0.5,
            "svg.fonttype": "none",
            "svg.hashsalt": "keras_sal",
            "text.color": self.ink,
            "xtick.color": self.faint,
            "xtick.labelcolor": self.ink,
            "ytick.color": self.faint,
            "ytick.labelcolor": self.ink,
            "lines.linewidth": 1.8,
        }

    def line(self, index: int) -> dict[str, Any]:
        """Return the matplotlib properties of the line of the system at an index."""
        return {
            "color": self.lines[index % len(self.lines)],
            "linestyle": DASHES[index % len(DASHES)],
        }

    def marker(self, index: int) -> dict[str, Any]:
        """Return the matplotlib properties of the markers of the system at an index."""
        return {
            "color": self.lines[index % len(self.lines)],
            "marker": MARKERS[index % len(MARKERS)],
            "linestyle": "none",
            "markersize": 7,
            "markeredgecolor": self.paper,
            "markeredgewidth": 1.0,
        }


LIGHT = Theme(
    *("light", "#1b1f24", "#6e7781", "#e4e8ec", "#ffffff"),
    lines=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7a5c00"),
)
DARK = Theme(
    *("dark", "#e6edf3", "#8b949e", "#30363d", "#161b22"),
    lines=("#56b4e9", "#e69f00", "#2ec49a", "#e29cc4", "#f0e442"),
)
