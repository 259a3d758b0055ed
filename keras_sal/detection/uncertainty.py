"""How far a measured figure can be trusted.

Counts of independent things have exact bounds: `poisson_upper` and `poisson_interval` for false
alarms in so many hours, `binomial_interval` for misses among so many events. They hold for few
or no counts, where resampling says nothing: no false alarm in H hours bounds the rate at
`-ln(0.05) / H`, which is 3/H, at 95 %. They assume that one false alarm does not bring the
next; alarms that cluster (one television, one speaker) make them too narrow.

`bootstrap` makes no such assumption and takes any figure of a `DetCurve`: it draws recordings,
or the speakers or rooms they belong to, with replacement, and reports the middle 95 % of what
the figure becomes. `paired_bootstrap` draws the same recordings for two systems, so that what is
hard for both cancels out of their difference. Both need a good number of groups (twenty, say),
and see only what the recordings contain: a speaker who is not there, they do not know.

References: Garwood (1936), Clopper and Pearson (1934), Efron (1979); Bisani and Ney (2004) for
the paired bootstrap in speech recognition.
"""

import math
import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A figure with the interval that holds it at the level asked for."""

    estimate: float
    low: float
    high: float


class NegativeHoursWarning(UserWarning):
    """There is too little negative audio for the false-alarm rate that was asked for."""


def poisson_upper(count: int, hours: float, *, level: float = 0.95) -> float:
    """The highest rate that is compatible with `count` false alarms in `hours`.

    The rate `r` with `P(at most count | r * hours) = 1 - level`.

    Args:
        count: int >= 0.
        hours: float > 0.
        level: float in (0, 1). Defaults to 0.95.

    Returns:
        float, an hour.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> round(poisson_upper(0, hours=3.0), 3)  # none in three hours: about one an hour
    0.999
    """
    _check(count, level)
    if not 0 < hours < math.inf:
        raise ValueError(
            "`hours` must be a positive number; without negative audio a rate is undefined. "
            f"Received: hours={hours}."
        )
    return _poisson_mean(count, 1 - level) / hours


def poisson_interval(count: int, hours: float, *, level: float = 0.95) -> Interval:
    """The exact two-sided interval of the rate of `count` false alarms in `hours`.

    Args:
        count: int >= 0.
        hours: float > 0.
        level: float in (0, 1). Defaults to 0.95.

    Returns:
        `Interval(estimate, low, high)`, an hour.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> [round(rate, 2) for rate in poisson_interval(10, hours=10.0)]
    [1.0, 0.48, 1.84]
    """
    tail = (1 - level) / 2
    high = poisson_upper(count, hours, level=1 - tail)
    low = _poisson_mean(count - 1, 1 - tail) / hours if count else 0.0
    return Interval(count / hours, low, high)


def binomial_interval(count: int, trials: int, *, level: float = 0.95) -> Interval:
    """The exact two-sided interval of a share, such as misses among events.

    Args:
        count: int, 0 <= count <= trials.
        trials: int > 0.
        level: float in (0, 1). Defaults to 0.95.

    Returns:
        `Interval(estimate, low, high)`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> [round(share, 3) for share in binomial_interval(0, 94)]
    [0.0, 0.0, 0.038]
    """
    _check(count, level)
    if not count <= trials or trials < 1:
        raise ValueError(
            "`trials` must be at least 1 and at least `count`. "
            f"Received: count={count}, trials={trials}."
        )
    tail = (1 - level) / 2
    j = np.arange(trials + 1)
    choose = _log_factorials(trials)[-1] - _log_factorials(trials) - _log_factorials(trials)[::-1]

    def at_most(successes):
        return lambda p: np.exp(
            choose[: successes + 1]
            + j[: successes + 1] * math.log(p)
            + (trials - j[: successes + 1]) * math.log1p(-p)
        ).sum()

    low = _where_falls_to(1 - tail, at_most(count - 1), 0.0, 1.0) if count else 0.0
    high = _where_falls_to(tail, at_most(count), 0.0, 1.0) if count < trials else 1.0
    return Interval(count / trials, low, high)


def bootstrap(
    curve,
    figure: Callable,
    *,
    groups: Sequence[Hashable] | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The interval of any figure of a DET curve, by resampling its recordings.

    The figure is worked out anew on each replicate, the choice of its threshold included.

    Args:
        curve: `DetCurve`. Its `max_fa_per_hour` should be a few times the rate of the figure,
            since some replicates have fewer false alarms.
        figure: callable, `DetCurve -> float`; or `-> array`, whose intervals are found one by
            one from the same replicates, as the band around a curve is.
        groups: sequence, for each piece of the curve (a stream, or a part of one: `cuts_s` of
            `det_curve`) what it belongs to (speaker, room, session); whole groups are drawn.
            Defaults to every piece by itself.
        replicates: int >= 1. Defaults to 1000.
        level: float in (0, 1). Defaults to 0.95.
        seed: int. The same seed gives the same interval. Defaults to 0.

    Returns:
        `Interval(estimate, low, high)`, quantiles of the replicates in which the figure is
        defined; of arrays where the figure is one.

    Raises:
        ValueError: if there are not at least two groups, or an argument does not fit.

    Example:

    >>> from keras_sal.detection import det_curve
    >>> streams = [np.full(100, score) for score in (0.2, 0.4, 0.6, 0.8)]
    >>> curve = det_curve(streams, [[50.0]] * 4, frame_step_s=1.0, max_fa_per_hour=1e4)
    >>> bootstrap(curve, lambda curve: curve.frr_at(0.0)).estimate
    1.0
    """
    return _resample([curve], lambda only: figure(only), groups, replicates, level, seed)


def paired_bootstrap(
    first,
    second,
    figure: Callable,
    *,
    groups: Sequence[Hashable] | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The interval of the difference of a figure between two systems on the same streams.

    Args:
        first: `DetCurve`.
        second: `DetCurve` of the same streams.
        figure: callable, `DetCurve -> float`; or a pair of them, one for each system, where
            thresholds differ.
        groups: as for `bootstrap`.
        replicates: int >= 1. Defaults to 1000.
        level: float in (0, 1). Defaults to 0.95.
        seed: int. Defaults to 0.

    Returns:
        `Interval(estimate, low, high)` of `figure(first) - figure(second)`. An interval
        without 0 is a difference that these recordings can show.

    Raises:
        ValueError: if the curves are not of the same streams, or an argument does not fit.

    Example:

    >>> from keras_sal.detection import det_curve
    >>> curve = det_curve([np.zeros(9)] * 3, [[5.0]] * 3, frame_step_s=1.0)
    >>> paired_bootstrap(curve, curve, lambda curve: curve.frr_at(0.0))
    Interval(estimate=0.0, low=0.0, high=0.0)
    """
    same = np.array_equal(first.piece_events, second.piece_events)
    if not same or not np.allclose(first.piece_hours, second.piece_hours, atol=1e-9):
        raise ValueError(
            "`first` and `second` must be curves of the same streams, in the same order. "
            f"Received: events of the pieces {first.piece_events.tolist()[:10]} and "
            f"{second.piece_events.tolist()[:10]}."
        )
    of_first, of_second = (figure, figure) if callable(figure) else figure
    return _resample(
        [first, second], lambda a, b: of_first(a) - of_second(b), groups, replicates, level, seed
    )


def _resample(curves, figure, groups, replicates, level, seed) -> Interval:
    _check(0, level)
    pieces = len(curves[0].piece_events)
    groups = range(pieces) if groups is None else groups
    if len(groups) != pieces:
        raise ValueError(
            "`groups` must name one group for each stream, or piece of one. "
            f"Received: {len(groups)} groups for {pieces} pieces."
        )
    if replicates < 1:
        raise ValueError(f"`replicates` must be at least 1. Received: replicates={replicates}.")
    number = {group: index for index, group in enumerate(dict.fromkeys(groups))}
    if len(number) < 2:
        raise ValueError(
            "`groups` must differ, at least two of them are needed to see a spread. "
            f"Received: {len(number)} group in {pieces} pieces. Cut long streams with `cuts_s` "
            "of `det_curve`, or use the exact `poisson_interval` and `binomial_interval`."
        )
    member = np.array([number[group] for group in groups])
    rng = np.random.default_rng(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NegativeHoursWarning)
        estimate = np.asarray(figure(*curves), "float64")
        figures = []
        for _ in range(replicates):
            times = rng.multinomial(len(number), np.full(len(number), 1 / len(number)))[member]
            figures.append(figure(*(curve.reweighted(times) for curve in curves)))
    tail = (1 - level) / 2
    low, high = _quantiles(np.array(figures), [tail, 1 - tail])
    return Interval(*(x.item() if x.ndim == 0 else x for x in (estimate, low, high)))


def _quantiles(figures: np.ndarray, shares: list[float]) -> np.ndarray:
    """Observed values below which the shares of what is defined lie; nan where nothing is."""
    defined = np.maximum((~np.isnan(figures)).sum(axis=0), 1)
    ranked = np.sort(figures, axis=0)  # nan last
    ranks = [np.maximum(np.ceil(share * defined - 1e-9).astype("int64") - 1, 0) for share in shares]
    return np.stack([np.take_along_axis(ranked, rank[None], axis=0)[0] for rank in ranks])


def _poisson_mean(count: int, probability: float) -> float:
    """The mean at which at most `count` has the given probability."""
    if count == 0:
        return -math.log(probability)
    j, log_factorials = np.arange(count + 1), _log_factorials(count)

    def at_most(mean):
        return np.exp(j * math.log(mean) - mean - log_factorials).sum()

    return _where_falls_to(probability, at_most, 0.0, 100.0 + 2 * count)


def _log_factorials(count: int) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])


def _where_falls_to(target: float, falling: Callable, low: float, high: float) -> float:
    """Bisect until the bracket can't be halved any more."""
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if falling(middle) > target else (low, middle)
    return middle


def _check(count: int, level: float):
    if not 0 < level < 1:
        raise ValueError(f"`level` must be between 0 and 1. Received: level={level}. Try 0.95.")
    if not count >= 0 or count != int(count):
        raise ValueError(f"`count` must be an integer, 0 or more. Received: count={count}.")
