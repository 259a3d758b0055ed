"""Figures: what the report draws, with matplotlib, for light and for dark pages.

Systems differ in line style and marker as well as in colour (Okabe and Ito's, which people with any
colour vision can tell apart).
"""

import io
from dataclasses import dataclass

import numpy as np

from keras_sal.extras import need

DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)), (0, (4, 1.5, 1, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D", "v")
BEFORE_S = AFTER_S = 1.5
LOGIT_ENDS = (1e-4, 1 - 1e-4)
LOGIT_TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
FEATURE_COLORS = "magma"
LETTERS_A_SECOND = 21
LONGEST_LABEL = 36


@dataclass(frozen=True)
class Theme:
    """Colours of a page."""

    name: str
    ink: str
    faint: str
    grid: str
    paper: str
    lines: tuple

    @property
    def style(self) -> dict:
        """The matplotlib settings."""
        return {
            "font.family": "DejaVu Sans",
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
            "svg.hashsalt": "keras_sal",
            "text.color": self.ink,
            "xtick.color": self.faint,
            "xtick.labelcolor": self.ink,
            "ytick.color": self.faint,
            "ytick.labelcolor": self.ink,
            "lines.linewidth": 1.8,
        }


LIGHT = Theme(
    *("light", "#1b1f24", "#6e7781", "#e4e8ec", "#ffffff"),
    lines=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7a5c00"),
)
DARK = Theme(
    *("dark", "#e6edf3", "#8b949e", "#30363d", "#161b22"),
    lines=("#56b4e9", "#e69f00", "#2ec49a", "#e29cc4", "#f0e442"),
)


class Artist:
    """Draws in one theme.

    Args:
        theme: `LIGHT` or `DARK`.
    """

    def __init__(self, theme: Theme):
        self.matplotlib = need("matplotlib", "draw a report", extra="report")
        need("matplotlib.patheffects", "draw a report", extra="report")
        self.theme = theme

    def line(self, place: int) -> dict:
        """How the line of the system at a place looks."""
        return {
            "color": self.theme.lines[place % len(self.theme.lines)],
            "linestyle": DASHES[place % len(DASHES)],
        }

    def mark(self, place: int) -> dict:
        """How the marks of the system at a place look."""
        return {
            "color": self.theme.lines[place % len(self.theme.lines)],
            "marker": MARKERS[place % len(MARKERS)],
            "linestyle": "none",
            "markersize": 7,
            "markeredgecolor": self.theme.paper,
            "markeredgewidth": 1.0,
        }

    def draw(self, plot, *arguments, size=(6.0, 4.2), kind="svg", rows=None, **keywords) -> bytes:
        """Lets `plot(artist, axes, ...)` draw on fresh axes, and returns the image.

        Args:
            plot: One of the functions of this module.
            *arguments: For it.
            size: Inches.
            kind: `"svg"` or `"png"`.
            rows: Heights of several axes above each other, which `plot` then gets as a list.
            **keywords: For it.
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
            figure.savefig(image, format=kind, dpi=160, metadata=metadata)
        return image.getvalue()


def det(artist: Artist, axes, results: dict, condition: str):
    """FRR against false alarms an hour, with bands, the budget and the chosen thresholds."""
    budget = results["fa_per_hour"]
    [hours] = {s["conditions"][condition]["at_budget"]["hours"] for s in results["systems"][:1]}
    highest = 0.0
    for place, system in enumerate(results["systems"]):
        found = system["conditions"][condition]
        band = {name: np.array(found["band"][name] or [], "float64") for name in found["band"]}
        x, y = band["fa_per_hour"][1:], 100 * band["frr"][1:]
        axes.step(x, y, where="post", label=plain(system["name"]), zorder=3, **artist.line(place))
        if len(band["low"]):
            low, high = 100 * band["low"][1:], 100 * band["high"][1:]
            color = artist.line(place)["color"]
            axes.fill_between(x, low, high, step="post", color=color, alpha=0.15, linewidth=0)
        highest = max(highest, y.max(initial=0), *(100 * band["high"][1:][x >= budget]), 0)
        if point := found["at_threshold"]:
            rate = max(point["fa_per_hour"], x[0])
            if rate <= x[-1]:
                axes.plot([rate], [100 * point["frr"]], zorder=4, **artist.mark(place))
    axes.set_xscale("log")
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(0, min(100, 1.08 * highest) or 100)
    axes.set_xlabel("false alarms an hour")
    axes.set_ylabel("missed words, %")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _upright(artist, axes, budget, f"budget {budget:g}/h", "--", "bottom")
    if hours and x[0] < 3 / hours < x[-1]:
        _upright(artist, axes, 3 / hours, f"3/H = {3 / hours:.2g}/h", ":", "top")
    axes.set_title(f"Misses and false alarms: {plain(condition)}")
    axes.legend(loc="upper right")


def latency(artist: Artist, axes, latencies_s: dict, points: dict, condition: str):
    """The share of the hits that came within a time after the anchor, with P50 and P90."""
    for place, (name, late_s) in enumerate(latencies_s.items()):
        late_ms = 1000 * np.asarray(late_s)
        point = points[name]
        if not len(late_ms):
            axes.plot([], [], label=f"{plain(name)}: no hits", **artist.line(place))
            continue
        share = 100 * np.arange(1, len(late_ms) + 1) / len(late_ms)
        quantiles = [1000 * point["latency_p50_s"], 1000 * point["latency_p90_s"]]
        axes.step(
            [late_ms[0], *late_ms],
            [0, *share],
            where="post",
            label=f"{plain(name)}: P50 {quantiles[0]:.0f}, P90 {quantiles[1]:.0f} ms, "
            f"{100 * point['frr']:.1f} % missed",
            **artist.line(place),
        )
        axes.plot(quantiles, [50, 90], zorder=4, **artist.mark(place))
    for level in (50, 90):
        axes.axhline(level, color=artist.theme.faint, linewidth=0.8, linestyle=":")
    axes.set_ylim(0, 101)
    axes.set_xlabel("detection - anchor, ms")
    axes.set_ylabel("share of the hits, %")
    axes.set_title(f"Latency: {plain(condition)}")
    _legend(axes)


def moment(artist: Artist, axes, here, traces: list, features=None, kernel=None, said=()):
    """Posteriors around a moment, with its anchor, kernel, hit window and detections.

    Args:
        artist: An `Artist`.
        axes: The axes, or with `features` two of them.
        here: The `keras_sal.evaluation.report.examples.Moment`.
        traces: For each system a dict: `name`, `time_s` and `score` arrays, `threshold`,
            `detections` (list of `(time_s, score)`), `early_s`, `max_delay_s`.
        features: `(times_s, (frames, channels))` to show above, or `None`.
        kernel: `(times_s, values, label)` of the anchor kernel, or `None`.
        said: List of `(text, start_s, end_s)`.
    """
    theme = artist.theme
    if features is not None:
        above, axes = axes
        times, values = features
        ends = (times[0] - here.time_s, times[-1] - here.time_s, 0, values.shape[1])
        above.imshow(
            values.T,
            interpolation="none",
            aspect="auto",
            origin="lower",
            extent=ends,
            cmap=FEATURE_COLORS,
        )
        above.grid(visible=False)
        above.set_yticks([])
        above.set_ylabel("features")
        _write(artist, above, said, here)
    if here.anchor_s is not None:
        anchor = here.anchor_s - here.time_s
        early, late = (max(t[name] for t in traces) for name in ("early_s", "max_delay_s"))
        axes.axvspan(anchor - early, anchor + late, color=theme.faint, alpha=0.12, linewidth=0)
        axes.axvline(anchor, color=theme.ink, linewidth=1.2)
        axes.annotate(
            " anchor", (anchor, 0.02), xycoords=("data", "axes fraction"), fontsize=8, zorder=5
        )
    if kernel is not None:
        times, values, label = kernel
        axes.fill_between(
            times - here.time_s,
            0.45 * values,
            transform=axes.get_xaxis_transform(),
            color=theme.faint,
            alpha=0.3,
            linewidth=0,
            label=label,
        )
    for place, trace in enumerate(traces):
        score = np.clip(trace["score"], *LOGIT_ENDS)
        axes.plot(
            trace["time_s"] - here.time_s, score, label=plain(trace["name"]), **artist.line(place)
        )
        if trace["threshold"] is not None:
            level = np.clip(trace["threshold"], *LOGIT_ENDS)
            axes.axhline(level, linewidth=0.9, alpha=0.8, **artist.line(place))
        for time_s, score in trace["detections"]:
            height = np.clip(score, *LOGIT_ENDS)
            axes.plot([time_s - here.time_s], [height], zorder=5, **artist.mark(place))
    axes.set_yscale("logit")
    axes.set_ylim(*LOGIT_ENDS)
    axes.set_yticks(LOGIT_TICKS, [f"{tick:g}" for tick in LOGIT_TICKS])
    axes.yaxis.set_minor_locator(artist.matplotlib.ticker.NullLocator())
    axes.set_xlim(-BEFORE_S, AFTER_S)
    axes.set_ylabel("score")
    zero = "the false alarm" if here.anchor_s is None else "the anchor"
    axes.set_xlabel(f"seconds from {zero}")
    _legend(axes)


def plain(text: str) -> str:
    """A label that matplotlib neither hides nor reads as mathematics, of bounded length."""
    short = text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"
    return "\u200b" + short.replace("$", r"\$")


def _legend(axes):
    """The legend below the axes, in as many columns as there is room for."""
    labels = axes.get_legend_handles_labels()[1]
    columns = 1 if max(map(len, labels)) > 16 else 3
    axes.figure.legend(loc="outside lower left", ncols=columns)


def _write(artist, axes, said, here):
    """What is said, where it is said, on the features."""
    outline = artist.matplotlib.patheffects.withStroke(linewidth=2, foreground="black")
    for text, start_s, end_s in said:
        start, end = max(start_s - here.time_s, -BEFORE_S), min(end_s - here.time_s, AFTER_S)
        axes.axvline(start, color="white", linewidth=0.6, alpha=0.6)
        room = int((end - start) * LETTERS_A_SECOND)
        if room < min(3, len(text)):
            continue
        axes.annotate(
            text if len(text) <= room else f"{text[: room - 1]}…",
            (start, 0.97),
            xytext=(2, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=7.5,
            color="white",
            va="top",
            parse_math=False,
            path_effects=[outline],
        )


def _upright(artist, axes, x, label, style, end):
    """A vertical line, labelled at its top or bottom."""
    axes.axvline(x, color=artist.theme.faint, linestyle=style, linewidth=1.0)
    axes.annotate(
        label,
        (x, 0.98 if end == "top" else 0.02),
        xytext=(-3, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        fontsize=8,
        color=artist.theme.ink,
        rotation=90,
        ha="right",
        va=end,
    )
