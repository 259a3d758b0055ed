"""The figure of an example: scores of all systems around a miss, a false alarm or a hit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from keras_sal.evaluation.report.examples import Example
from keras_sal.evaluation.report.figures import Artist, add_legend_below, plain
from keras_sal.evaluation.report.themes import Theme
from keras_sal.typing import Array

BEFORE_S = AFTER_S = 1.5
LOGIT_ENDS = (1e-4, 1 - 1e-4)
LOGIT_TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
FEATURE_COLORS = "magma"
LETTERS_PER_SECOND = 21
KERNEL_HEIGHT = 0.45  # of the axes


@dataclass(frozen=True)
class Trace:
    """Scores of one system around an example.

    Args:
        name: Name of the system.
        times_s: Times of the frames `(frames,)`, in seconds from the start of the stream.
        scores: Smoothed posteriors `(frames,)`, in [0, 1].
        threshold: Threshold of the system, or `None`.
        detections: Pairs of time in seconds and score.
        early_s: Seconds before the anchor at which the hit window opens.
        max_delay_s: Seconds after the anchor at which it closes.
    """

    name: str
    times_s: Array
    scores: Array
    threshold: float | None
    detections: list[tuple[float, float]]
    early_s: float
    max_delay_s: float


class FeatureImage(NamedTuple):
    """Features around an example.

    Args:
        ends_s: Times of the first frame and of the one after the last, in seconds.
        features: Array `(frames, channels)`.
    """

    ends_s: Array
    features: Array


class KernelCurve(NamedTuple):
    """The anchor kernel around the anchor of an example.

    Args:
        times_s: Times `(points,)` in seconds.
        values: Values of the kernel `(points,)`, in [0, 1].
    """

    times_s: Array
    values: Array


class SpokenText(NamedTuple):
    """A word, or the whole text of a recording, with its times in seconds."""

    text: str
    start_s: float
    end_s: float


def draw_example(
    artist: Artist,
    axes: Any,
    example: Example,
    traces: Sequence[Trace],
    *,
    image: FeatureImage | None = None,
    kernel: KernelCurve | None = None,
    spoken: Sequence[SpokenText] = (),
) -> None:
    """Draw the scores around an example, with its anchor, kernel, hit window and detections.

    Args:
        artist: An `Artist`.
        axes: Axes of matplotlib; with `image` a list of two, the upper one first.
        example: The example.
        traces: Scores of each system.
        image: Features to show above, or `None`.
        kernel: The anchor kernel, or `None`.
        spoken: Texts that are written on the features.
    """
    theme = artist.theme
    if image is not None:
        upper, axes = axes
        _draw_features(upper, image, example.time_s)
        _write_texts(upper, spoken, example.time_s)
    if example.anchor_s is not None:
        _draw_hit_window(theme, axes, example.anchor_s - example.time_s, traces)
    if kernel is not None:
        axes.fill_between(
            kernel.times_s - example.time_s,
            KERNEL_HEIGHT * kernel.values,
            transform=axes.get_xaxis_transform(),
            color=theme.faint,
            alpha=0.3,
            linewidth=0,
            label="anchor kernel",
        )
    for index, trace in enumerate(traces):
        _draw_trace(theme, axes, trace, example.time_s, index)
    axes.set_yscale("logit")
    axes.set_ylim(*LOGIT_ENDS)
    axes.set_yticks(LOGIT_TICKS, [f"{tick:g}" for tick in LOGIT_TICKS])
    axes.yaxis.set_minor_locator(artist.matplotlib.ticker.NullLocator())
    axes.set_xlim(-BEFORE_S, AFTER_S)
    axes.set_ylabel("score")
    zero = "the false alarm" if example.anchor_s is None else "the anchor"
    axes.set_xlabel(f"seconds from {zero}")
    add_legend_below(axes)


def _draw_features(axes: Any, image: FeatureImage, zero_s: float) -> None:
    start_s, end_s = image.ends_s
    axes.imshow(
        image.features.T,
        interpolation="none",
        aspect="auto",
        origin="lower",
        extent=(start_s - zero_s, end_s - zero_s, 0, image.features.shape[1]),
        cmap=FEATURE_COLORS,
    )
    axes.grid(visible=False)
    axes.set_yticks([])
    axes.set_ylabel("features")


def _write_texts(axes: Any, spoken: Sequence[SpokenText], zero_s: float) -> None:
    """Write each text where it begins, as much of it as there is room for."""
    for text, start_s, end_s in spoken:
        start, end = max(start_s - zero_s, -BEFORE_S), min(end_s - zero_s, AFTER_S)
        axes.axvline(start, color="white", linewidth=0.6, alpha=0.6)
        room = int((end - start) * LETTERS_PER_SECOND)
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
            bbox={"facecolor": "black", "alpha": 0.6, "linewidth": 0, "pad": 1},
        )


def _draw_hit_window(theme: Theme, axes: Any, anchor: float, traces: Sequence[Trace]) -> None:
    first = anchor - max(trace.early_s for trace in traces)
    last = anchor + max(trace.max_delay_s for trace in traces)
    axes.axvspan(first, last, color=theme.faint, alpha=0.12, linewidth=0)
    axes.axvline(anchor, color=theme.ink, linewidth=1.2)
    axes.annotate(
        " anchor", (anchor, 0.02), xycoords=("data", "axes fraction"), fontsize=8, zorder=5
    )


def _draw_trace(theme: Theme, axes: Any, trace: Trace, zero_s: float, index: int) -> None:
    line = theme.line(index)
    scores = np.clip(trace.scores, *LOGIT_ENDS)
    axes.plot(trace.times_s - zero_s, scores, label=plain(trace.name), **line)
    if trace.threshold is not None:
        axes.axhline(np.clip(trace.threshold, *LOGIT_ENDS), linewidth=0.9, alpha=0.8, **line)
    for time_s, score in trace.detections:
        height = np.clip(score, *LOGIT_ENDS)
        axes.plot([time_s - zero_s], [height], zorder=5, **theme.marker(index))
