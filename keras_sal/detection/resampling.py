"""Bootstrap intervals of any figure of a DET curve, by resampling recordings or groups of them.

`bootstrap` draws recordings, or the speakers or rooms they belong to, with replacement, and reports
the middle 95 % of the values that the figure takes. It assumes no independence within a group.
`paired_bootstrap` draws the same recordings for two systems, so that what is hard for both cancels
out of their difference. Both need a good number of groups (twenty, say), and they say nothing about
speakers and noises that the recordings don't contain.

References: Efron (1979); Bisani and Ney (2004) for the paired bootstrap in speech recognition.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from keras_sal.checks import require
from keras_sal.detection.exact_intervals import Interval, check_level
from keras_sal.detection.false_alarm_budget import NegativeHoursWarning
from keras_sal.typing import Array

if TYPE_CHECKING:
    from keras_sal.detection.curve import DetCurve

ROUNDING_S = 1e-5
Figure: TypeAlias = Callable[["DetCurve"], Any]
"""A function from a `DetCurve` to a float or an array of floats."""


def bootstrap(
    curve: DetCurve,
    figure: Figure,
    *,
    groups: Sequence[Hashable] | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Compute the interval of a figure of a DET curve by resampling its recordings.

    The figure is computed anew on each replicate, the choice of its threshold included.

    Args:
        curve: `DetCurve`. Its `max_fa_per_hour` should be a few times the rate of the figure,
            since some replicates have fewer false alarms.
        figure: function `DetCurve -> float`; or `-> array`, whose intervals are found one by
            one from the same replicates, as the band around a curve is.
        groups: sequence, for each recording of the curve (a stream, or a part of one:
            `boundaries_s` of `det_curve`) the group it belongs to (speaker, room, session); whole
            groups are drawn. Defaults to every recording by itself.
        replicates: int >= 1. Defaults to 1000.
        level: float in (0, 1), confidence level. Defaults to 0.95.
        seed: int. The same seed gives the same interval. Defaults to 0.

    Returns:
        `Interval(estimate, low, high)`, quantiles of the replicates in which the figure is
        defined; arrays where the figure is one.

    Raises:
        ValueError: If there are not at least two groups, or an argument does not fit.

    Example:

    >>> from keras_sal.detection import det_curve
    >>> streams = [np.full(100, score) for score in (0.2, 0.4, 0.6, 0.8)]
    >>> curve = det_curve(streams, [[50.0]] * 4, frame_step_s=1.0, max_fa_per_hour=1e4)
    >>> bootstrap(curve, lambda curve: curve.frr_at(0.0)).estimate
    1.0
    """
    return _resample([curve], lambda only: figure(only), groups, replicates, level, seed)


def paired_bootstrap(
    first: DetCurve,
    second: DetCurve,
    figure: Figure | tuple[Figure, Figure],
    *,
    groups: Sequence[Hashable] | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Compute the interval of the difference of a figure between two systems on the same streams.

    Args:
        first: `DetCurve`.
        second: `DetCurve` of the same streams.
        figure: function `DetCurve -> float` or `-> array`; or a pair of them, one for each system,
            where thresholds differ.
        groups: as for `bootstrap`.
        replicates: int >= 1. Defaults to 1000.
        level: float in (0, 1), confidence level. Defaults to 0.95.
        seed: int. Defaults to 0.

    Returns:
        `Interval(estimate, low, high)` of `figure(first) - figure(second)`. An interval
        without 0 is a difference that these recordings can show.

    Raises:
        ValueError: If the curves are not of the same streams, or an argument does not fit.

    Example:

    >>> from keras_sal.detection import det_curve
    >>> curve = det_curve([np.zeros(9)] * 3, [[5.0]] * 3, frame_step_s=1.0)
    >>> paired_bootstrap(curve, curve, lambda curve: curve.frr_at(0.0))
    Interval(estimate=0.0, low=0.0, high=0.0)
    """
    require(
        _of_same_streams(first, second),
        "`first` and `second` must be curves of the same streams, in the same order. "
        f"Received: events of the recordings {first.recording_events.tolist()[:10]} and "
        f"{second.recording_events.tolist()[:10]}.",
    )
    of_first, of_second = (figure, figure) if callable(figure) else figure
    return _resample(
        [first, second], lambda a, b: of_first(a) - of_second(b), groups, replicates, level, seed
    )


def _of_same_streams(first: DetCurve, second: DetCurve) -> bool:
    """Whether events and hours agree; at other frame times, but for a frame at each edge."""
    if not np.array_equal(first.recording_events, second.recording_events):
        return False
    slack_s = np.zeros(len(first.recording_events))
    one, other = first.scoring, second.scoring
    if (one.frame_step_s, one.frame_offset_s) != (other.frame_step_s, other.frame_offset_s):
        edges = 2 * (1 + first.recording_events)  # of the recording, and of the windows in it
        slack_s = edges * max(one.frame_step_s, other.frame_step_s)
    apart_s = 3600 * np.abs(first.recording_hours - second.recording_hours)
    return bool(np.all(apart_s <= slack_s + ROUNDING_S))


def _resample(
    curves: list[DetCurve],
    figure: Callable[..., Any],
    groups: Sequence[Hashable] | None,
    replicates: int,
    level: float,
    seed: int,
) -> Interval:
    check_level(level)
    recordings = len(curves[0].recording_events)
    groups = range(recordings) if groups is None else groups
    require(
        len(groups) == recordings,
        "`groups` must name one group for each stream, or recording in one. "
        f"Received: {len(groups)} groups for {recordings} recordings.",
    )
    require(replicates >= 1, f"`replicates` must be at least 1. Received: replicates={replicates}.")
    index = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    require(
        len(index) >= 2,
        "`groups` must differ, at least two of them are needed to see a spread. "
        f"Received: {len(index)} group in {recordings} recordings. Divide long streams with "
        "`boundaries_s` of `det_curve`, or use the exact `poisson_interval` and "
        "`binomial_interval`.",
    )
    group_of = np.array([index[group] for group in groups])
    rng = np.random.default_rng(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NegativeHoursWarning)
        estimate = np.asarray(figure(*curves), "float64")
        figures = []
        for _ in range(replicates):
            weights = rng.multinomial(len(index), np.full(len(index), 1 / len(index)))[group_of]
            figures.append(figure(*(curve.reweighted(weights) for curve in curves)))
    tail = (1 - level) / 2
    low, high = _quantiles(np.array(figures), [tail, 1 - tail])
    ends: list[Any] = [x.item() if x.ndim == 0 else x for x in (estimate, low, high)]
    return Interval(*ends)


def _quantiles(figures: Array, shares: list[float]) -> Array:
    """Observed values below which the shares of what is defined lie; NaN where nothing is."""
    defined = np.maximum((~np.isnan(figures)).sum(axis=0), 1)
    ranked = np.sort(figures, axis=0)  # NaN last
    ranks = [np.maximum(np.ceil(share * defined - 1e-9).astype("int64") - 1, 0) for share in shares]
    return np.stack([np.take_along_axis(ranked, rank[None], axis=0)[0] for rank in ranks])
