"""Figures of the report: DET curves and latencies, drawn with matplotlib."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_sal.evaluation.plots import draw_band, draw_frr, label_det_axes
from keras_sal.evaluation.report.themes import Theme
from keras_sal.extras import import_package
from keras_sal.typing import ArrayLike

LONGEST_LABEL = 30
DOTS_PER_INCH = 160
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_PATH_DATA = re.compile(r' d="[^"]*"')
_TENTHS = re.compile(r"(\.\d)\d+")
_LINE_BREAK = re.compile(r"\s*\n\s*")


class Artist:
    """Draws figures in one theme.

    Args:
        theme: `LIGHT` or `DARK` of `keras_sal.evaluation.report.themes`.

    Raises:
        ImportError: If matplotlib is missing.
    """

    def __init__(self, theme: Theme) -> None:
        self.matplotlib = import_package("matplotlib", "draw a report", extra="report")
        self.theme = theme

    def draw(
        self,
        plot: Callable[..., None],
        *arguments: Any,
        size: tuple[float, float] = (6.0, 4.2),
        kind: str = "svg",
        rows: Sequence[float] | None = None,
        **keywords: Any,
    ) -> bytes:
        """Call `plot(artist, axes, ...)` with new axes, and return the image.

        Args:
            plot: A function that draws, such as `draw_det`.
            *arguments: Further arguments for it.
            size: Width and height in inches. Defaults to `(6.0, 4.2)`.
            kind: `"svg"` or `"png"`. Defaults to `"svg"`.
            rows: Relative heights of several axes above each other, which `plot` then gets as a
                list. Defaults to `None`, for single axes.
            **keywords: Further keyword arguments for `plot`.

        Returns:
            The content of an image file. The same figure gives the same bytes every time.
        """
        with self.matplotlib.rc_context(self.theme.style):
            from matplotlib.figure import Figure

            figure = Figure(size, layout="constrained")
            axes = figure.subplots(
                len(rows or [1]), sharex=bool(rows), height_ratios=rows, squeeze=False
            )[:, 0]
            plot(self, list(axes) if rows else axes[0], *arguments, **keywords)
            image = io.BytesIO()
            metadata = {"Date": None} if kind == "svg" else {}
            figure.savefig(image, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)
        return compact(image.getvalue()) if kind == "svg" else image.getvalue()


def compact(svg: bytes) -> bytes:
    r"""Leave out of an SVG what isn't seen: metadata, indents, digits beyond a tenth of a point.

    Args:
        svg: The content of an SVG file.

    Returns:
        The content of one that looks the same.

    Example:

    >>> compact(b'<path d="M 0.1234 2.0071\nL 3 4"/>\n  <text x="0.25">a</text>')
    b'<path d="M 0.1 2.0 L 3 4"/> <text x="0.25">a</text>'
    """
    text = _METADATA.sub("", svg.decode("utf-8"))
    text = _PATH_DATA.sub(lambda path: _TENTHS.sub(r"\1", path[0]), text)
    return _LINE_BREAK.sub(" ", text).encode("utf-8")


def draw_det(artist: Artist, axes: Any, results: Mapping[str, Any], condition: str) -> None:
    """Draw FRR against false alarms an hour, with the budget and the chosen thresholds.

    Args:
        artist: An `Artist`.
        axes: Axes of matplotlib.
        results: Results of an evaluation.
        condition: Condition of the test split.
    """
    theme, budget = artist.theme, results["fa_per_hour"]
    hours = results["systems"][0]["conditions"][condition]["at_budget"]["hours"]
    highest = 0.0
    for index, system in enumerate(results["systems"]):
        scored = system["conditions"][condition]
        band = {key: np.array(values or [], "float64") for key, values in scored["band"].items()}
        x, y, low, high = (band[key][1:] for key in ("fa_per_hour", "frr", "low", "high"))
        draw_frr(axes, x, y, label=plain(system["name"]), zorder=3, **theme.line(index))
        if len(low):
            draw_band(axes, x, low, high, color=theme.line(index)["color"])
            highest = max(highest, *high[x >= budget], 0)
        highest = max(highest, y.max(initial=0))
        if point := scored["at_threshold"]:
            rate = max(point["fa_per_hour"], x[0])
            if rate <= x[-1]:
                axes.plot([rate], [point["frr"]], zorder=4, **theme.marker(index))
    label_det_axes(axes, (x[0], x[-1]), highest)
    _vertical_line(theme, axes, budget, f"budget {budget:g}/h", "--", "bottom")
    if hours and x[0] < 3 / hours < x[-1]:
        _vertical_line(theme, axes, 3 / hours, f"3/H = {3 / hours:.2g}/h", ":", "top")
    axes.set_title(f"Misses and false alarms: {plain(condition)}")
    axes.legend(loc="upper right")


def draw_latency(
    artist: Artist,
    axes: Any,
    latencies_s: Mapping[str, ArrayLike],
    points: Mapping[str, Mapping[str, Any]],
    condition: str,
) -> None:
    """Draw the share of the hits that came within a time after the anchor, with P50 and P90.

    Args:
        artist: An `Artist`.
        axes: Axes of matplotlib.
        latencies_s: By system, the latencies of its hits in seconds, sorted.
        points: By system, the operating point of the results at which they were measured.
        condition: Condition of the test split, for the title.
    """
    theme = artist.theme
    for index, (name, late_s) in enumerate(latencies_s.items()):
        late_ms = 1000 * np.asarray(late_s)
        point = points[name]
        if not len(late_ms):
            axes.plot([], [], label=f"{plain(name)}: no hits", **theme.line(index))
            continue
        share = 100 * np.arange(1, len(late_ms) + 1) / len(late_ms)
        quantiles = [1000 * point["latency_p50_s"], 1000 * point["latency_p90_s"]]
        axes.step(
            [late_ms[0], *late_ms],
            [0, *share],
            where="post",
            label=f"{plain(name)}: P50 {quantiles[0]:.0f}, P90 {quantiles[1]:.0f} ms, "
            f"{100 * point['frr']:.1f} % missed",
            **theme.line(index),
        )
        axes.plot(quantiles, [50, 90], zorder=4, **theme.marker(index))
    for level in (50, 90):
        axes.axhline(level, color=theme.faint, linewidth=0.8, linestyle=":")
    axes.set_ylim(0, 101)
    axes.set_xlabel("detection - anchor, ms")
    axes.set_ylabel("share of the hits, %")
    axes.set_title(f"Latency: {plain(condition)}")
    add_legend_below(axes)


def plain(text: str) -> str:
    """Return a short label that matplotlib neither hides nor reads as mathematics.

    Args:
        text: Any text.

    Returns:
        At most `LONGEST_LABEL` characters of it, escaped.
    """
    short = text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"
    return "\u200b" + short.replace("$", r"\$")


def add_legend_below(axes: Any) -> None:
    """Add the legend below the axes, in three columns where its labels are short."""
    labels = axes.get_legend_handles_labels()[1]
    columns = 1 if max(map(len, labels)) > 16 else 3
    axes.figure.legend(loc="outside lower left", ncols=columns)


def _vertical_line(
    theme: Theme, axes: Any, x: float, label: str, style: str, label_at: str
) -> None:
    axes.axvline(x, color=theme.faint, linestyle=style, linewidth=1.0)
    axes.annotate(
        label,
        (x, 0.98 if label_at == "top" else 0.02),
        xytext=(-3, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        fontsize=8,
        color=theme.ink,
        rotation=90,
        ha="right",
        va=label_at,
    )
