"""Plots of curves and posteriors from anywhere, drawn into axes of matplotlib.

Each function takes the axes to draw into, `ax`, or makes new ones, and returns them, so that
titles, limits and files are yours. The report draws its own figures with the same lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_sal.checks import positive, require
from keras_sal.detection import DetCurve, Scoring, bootstrap, detect
from keras_sal.detection.validation import without_class_axis
from keras_sal.extras import import_package
from keras_sal.typing import Array, ArrayLike

DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)), (0, (4, 1.5, 1, 1.5, 1, 1.5)))
BAND_POINTS = 100
NO_NAME = ""


def plot_det(
    curves: DetCurve | Mapping[str, DetCurve],
    *,
    fa_per_hour: float | None = None,
    replicates: int = 0,
    level: float = 0.95,
    ax: Any = None,
) -> Any:
    """Draw DET curves: the share of missed events against false alarms an hour.

    A line holds every operating point of its curve; nothing is sampled. The axis of false alarms is
    logarithmic, and begins below the rate of a single false alarm, so what a system misses without
    any is where its line begins. Lines differ in dashes as well as in colour.

    Args:
        curves: a `keras_sal.detection.DetCurve`, or a dict of them by the name of the system.
        fa_per_hour: float > 0, the false-alarm budget, drawn as a vertical line. Defaults to
            `None`: none is drawn.
        replicates: int >= 0, replicates of the bootstrap over recordings from which a band is
            drawn around each curve; 1000 for a paper. Defaults to 0: no bands.
        level: float in (0, 1), confidence level of the bands. Defaults to 0.95.
        ax: `matplotlib.axes.Axes` to draw into. Defaults to `None`: those of a new figure.

    Returns:
        `matplotlib.axes.Axes`.

    Raises:
        ImportError: If matplotlib is missing.
        ValueError: If there is no curve, or one has no events or no negative audio.

    Example:

    >>> from keras_sal.detection import det_curve
    >>> posterior = np.zeros(3600)
    >>> posterior[[1001, 2000, 3000]] = [0.9, 0.4, 0.6]
    >>> curve = det_curve([posterior], [[1000.0, 2000.0]], frame_step_s=1.0)
    >>> ax = plot_det({"ours": curve}, fa_per_hour=2)
    >>> ax.get_xlabel(), ax.get_ylabel(), [text.get_text() for text in ax.get_legend().get_texts()]
    ('False alarms per hour', 'Missed events', ['ours'])
    """
    named = _by_name(curves)
    _require_drawable(named)
    if fa_per_hour is not None:
        positive("fa_per_hour", fa_per_hour)
    ax = _axes(ax)
    least = min(0.5 / curve.hours for curve in named.values())
    most = max(2 * least, *(_last_rate(curve) for curve in named.values()))
    highest = 0.0
    for index, (name, curve) in enumerate(named.items()):
        last = _last_rate(curve) if np.isfinite(curve.max_fa_per_hour) else most
        rates = np.unique([least, *np.clip(curve.fa_per_hour, least, last), last])
        line = draw_frr(ax, rates, curve.frr_over(rates), label=name, linestyle=_dashes(index))
        highest = max(highest, curve.frr_over([least])[0])
        if replicates:
            budgets = np.geomspace(least, last, BAND_POINTS)
            ends = _band(curve, budgets, replicates, level)
            draw_band(ax, budgets, *ends, color=line.get_color())
    if fa_per_hour is not None:
        ax.axvline(fa_per_hour, color="gray", linestyle="--", linewidth=1.0)
    label_det_axes(ax, (least, most), highest)
    if NO_NAME not in named:
        ax.legend()
    return ax


def _by_name(curves: Any) -> dict[str, DetCurve]:
    """The curves by name; one alone has the name that is not shown."""
    named = {NO_NAME: curves} if isinstance(curves, DetCurve) else curves
    require(
        isinstance(named, Mapping) and all(isinstance(x, DetCurve) for x in named.values()),
        "`curves` must be a `DetCurve`, or a dict of them by name. Received: a value of type "
        f'{type(curves).__name__}. Give {{"ours": det_curve(...)}}.',
    )
    return dict(named)


def plot_posteriors(
    posteriors: ArrayLike | Mapping[str, ArrayLike],
    *,
    anchors_s: ArrayLike = (),
    threshold: float | Mapping[str, float] | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    ax: Any = None,
    **scoring: Any,
) -> Any:
    """Draw the scores of one stream over time, with anchors, hit windows and detections.

    A score is the posterior after smoothing, what the threshold is compared with. An anchor is a
    vertical line and its hit window a grey area; with a threshold, detections are marks.

    Args:
        posteriors: array `(frames,)` or `(frames, 1)` in [0, 1], or a dict of them by the name of
            the system.
        anchors_s: array `(events,)`, seconds from the start of the stream. Defaults to none.
        threshold: float in [0, 1], or a dict by system. Defaults to `None`: neither thresholds nor
            detections are drawn.
        start_s: float, where the axis of time begins, in seconds. Defaults to 0.
        end_s: float, where it ends. Defaults to `None`: the end of the stream. The trigger runs
            over the whole stream in any case.
        ax: `matplotlib.axes.Axes` to draw into. Defaults to `None`: those of a new figure.
        **scoring: fields of `keras_sal.detection.Scoring`; `frame_step_s` is required.

    Returns:
        `matplotlib.axes.Axes`.

    Raises:
        ImportError: If matplotlib is missing.
        ValueError: If there are several classes, or a field is out of range.

    Example:

    >>> posterior = np.zeros(300)
    >>> posterior[105:130] = 0.9
    >>> ax = plot_posteriors(posterior, anchors_s=[1.0], threshold=0.5, frame_step_s=0.01)
    >>> ax.get_xlabel(), [line.get_label() for line in ax.lines if line.get_label()[0] != "_"]
    ('Time, s', ['score', 'threshold', 'detection', 'anchor'])
    """
    rule = Scoring(**scoring)
    named = posteriors if isinstance(posteriors, Mapping) else {NO_NAME: posteriors}
    arrays = {name: _one_class(name, each) for name, each in named.items()}
    ax = _axes(ax)
    for index, (name, posterior) in enumerate(arrays.items()):
        times_s = rule.time_s(np.arange(len(posterior)))
        scores = rule.scores(posterior)[0]
        (line,) = ax.plot(times_s, scores, label=name or "score", linestyle=_dashes(index))
        limit = threshold.get(name) if isinstance(threshold, Mapping) else threshold
        if limit is not None:
            _draw_trigger(ax, posterior, limit, rule, line.get_color(), name)
    for index, anchor_s in enumerate(np.ravel(np.asarray(anchors_s, "float64"))):
        ax.axvspan(
            *(anchor_s - rule.early_s, anchor_s + rule.max_delay_s),
            color="gray",
            alpha=0.15,
            linewidth=0,
        )
        ax.axvline(anchor_s, color="black", linewidth=1.0, label="" if index else "anchor")
    last_s = max(rule.time_s(len(posterior)) for posterior in arrays.values())
    ax.set(xlabel="Time, s", ylabel="Score", ylim=(0, 1.02))
    ax.set_xlim(start_s, last_s if end_s is None else end_s)
    ax.legend()
    return ax


def draw_frr(ax: Any, fa_per_hour: Array, frr: Array, **line: Any) -> Any:
    """Draw FRR over false alarms an hour as the step function that it is.

    Args:
        ax: Axes of matplotlib.
        fa_per_hour: array `(points,)`, rising.
        frr: array `(points,)`.
        **line: Properties of the line.

    Returns:
        `matplotlib.lines.Line2D`.
    """
    (drawn,) = ax.step(fa_per_hour, frr, where="post", **line)
    return drawn


def draw_band(ax: Any, fa_per_hour: Array, low: Array, high: Array, *, color: Any) -> None:
    """Draw the band around a curve that `draw_frr` draws.

    Args:
        ax: Axes of matplotlib.
        fa_per_hour: array `(points,)`, rising.
        low: array `(points,)`.
        high: array `(points,)`.
        color: Colour of the line.
    """
    ax.fill_between(fa_per_hour, low, high, step="post", color=color, alpha=0.15, linewidth=0)


def label_det_axes(ax: Any, ends: Sequence[float], highest: float) -> None:
    """Set scales, limits and labels of axes with DET curves.

    Args:
        ax: Axes of matplotlib.
        ends: First and last rate of false alarms.
        highest: The largest FRR to be shown, in [0, 1].
    """
    ticker = import_package("matplotlib.ticker", "draw DET curves", extra="report")
    ax.set_xscale("log")
    ax.set_xlim(*ends)
    ax.set_ylim(0, min(1.0, 1.15 * highest) or 1.0)
    ax.set_xlabel("False alarms per hour")
    ax.set_ylabel("Missed events")
    ax.xaxis.set_major_formatter(ticker.FuncFormatter(lambda rate, _: f"{rate:g}"))
    ax.yaxis.set_major_formatter(ticker.PercentFormatter(1.0))


def _axes(ax: Any) -> Any:
    if ax is not None:
        require(
            hasattr(ax, "axvline"),
            "`ax` must be axes of matplotlib, into which lines are drawn. Received: a value of "
            f"type {type(ax).__name__}. Give what `matplotlib.pyplot.subplots` returns second.",
        )
        return ax
    pyplot = import_package("matplotlib.pyplot", "draw a plot", extra="report")
    return pyplot.subplots(layout="constrained")[1]


def _require_drawable(curves: Mapping[str, DetCurve]) -> None:
    require(
        bool(curves) and all(curve.events and curve.hours for curve in curves.values()),
        "`curves` must hold at least one curve, each with events and with audio outside the hit "
        "windows; else there are no misses or no false alarms to draw. Received: "
        f"{dict(curves) or 'none'}. Score streams that have both.",
    )


def _band(curve: DetCurve, budgets: Array, replicates: int, level: float) -> tuple[Array, Array]:
    """The ends of the interval of the FRR at each budget."""
    interval: Any = bootstrap(
        curve, lambda resampled: resampled.frr_over(budgets), replicates=replicates, level=level
    )
    return interval.low, interval.high


def _last_rate(curve: DetCurve) -> float:
    finite = np.isfinite(curve.max_fa_per_hour)
    return float(curve.max_fa_per_hour if finite else curve.fa_per_hour.max())


def _dashes(index: int) -> Any:
    return DASHES[index % len(DASHES)]


def _one_class(name: str, posterior: ArrayLike) -> Array:
    posterior = without_class_axis(np.asarray(posterior, "float64"))
    require(
        posterior.ndim == 1,
        "`posteriors` must be (frames,) or (frames, 1), the posterior of one class in one stream. "
        f"Received: shape {posterior.shape}{f' of {name!r}' if name else ''}. Take one stream, and "
        "put the classes of it into a dict by name.",
    )
    return posterior


def _draw_trigger(
    ax: Any, posterior: Array, threshold: float, rule: Scoring, color: Any, name: str
) -> None:
    label = {} if name else {"label": "threshold"}
    ax.axhline(threshold, color=color, linestyle=":", linewidth=1.0, **label)
    found = detect(posterior, threshold, **vars(rule))
    ax.plot(
        [each.time_s for each in found],
        [each.score for each in found],
        "o",
        color=color,
        **({} if name else {"label": "detection"}),
    )
