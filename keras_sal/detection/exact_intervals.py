"""Exact confidence intervals of false-alarm rates (Poisson) and of miss rates (binomial).

They hold for few or no counts, where resampling says nothing: no false alarm in H hours bounds the
rate at `-ln(0.05) / H`, which is 3/H, at 95 %. They assume independence, that one false alarm
does not bring the next; where alarms cluster (one television, one speaker) they are too narrow, and
`keras_sal.detection.bootstrap` is the better choice.

References: Garwood (1936) for the Poisson interval, Clopper and Pearson (1934) for the binomial.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from keras_sal.checks import require
from keras_sal.typing import Array


class Interval(NamedTuple):
    """A figure with its confidence interval.

    Args:
        estimate: float, the figure.
        low: float, lower end of the interval.
        high: float, upper end of the interval.
    """

    estimate: float
    low: float
    high: float


def poisson_upper(count: int, hours: float, *, level: float = 0.95) -> float:
    """Compute the highest rate that is compatible with `count` false alarms in `hours`.

    It is the rate `r` with `P(at most count | r * hours) = 1 - level`.

    Args:
        count: int >= 0, number of false alarms.
        hours: float > 0, hours of negative audio.
        level: float in (0, 1), confidence level. Defaults to 0.95.

    Returns:
        float, false alarms an hour.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> round(poisson_upper(0, hours=3.0), 3)  # none in three hours: about one an hour
    0.999
    """
    _check_count(count)
    check_level(level)
    require(
        0 < hours < math.inf,
        "`hours` must be a positive number; without negative audio a rate is undefined. "
        f"Received: hours={hours}.",
    )
    return _poisson_mean(count, 1 - level) / hours


def poisson_interval(count: int, hours: float, *, level: float = 0.95) -> Interval:
    """Compute the exact two-sided interval of the rate of `count` false alarms in `hours`.

    Args:
        count: int >= 0, number of false alarms.
        hours: float > 0, hours of negative audio.
        level: float in (0, 1), confidence level. Defaults to 0.95.

    Returns:
        `Interval(estimate, low, high)`, false alarms an hour.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> [round(rate, 2) for rate in poisson_interval(10, hours=10.0)]
    [1.0, 0.48, 1.84]
    """
    tail = (1 - level) / 2
    high = poisson_upper(count, hours, level=1 - tail)
    low = _poisson_mean(count - 1, 1 - tail) / hours if count else 0.0
    return Interval(count / hours, low, high)


def binomial_interval(count: int, trials: int, *, level: float = 0.95) -> Interval:
    """Compute the exact two-sided interval of a share, such as misses among events.

    Args:
        count: int, 0 <= count <= trials.
        trials: int > 0.
        level: float in (0, 1), confidence level. Defaults to 0.95.

    Returns:
        `Interval(estimate, low, high)`.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> [round(share, 3) for share in binomial_interval(0, 94)]
    [0.0, 0.0, 0.038]
    """
    _check_count(count)
    check_level(level)
    require(
        count <= trials and trials >= 1,
        "`trials` must be at least 1 and at least `count`. "
        f"Received: count={count}, trials={trials}.",
    )
    tail = (1 - level) / 2
    j = np.arange(trials + 1)
    choose = _log_factorials(trials)[-1] - _log_factorials(trials) - _log_factorials(trials)[::-1]

    def at_most(successes: int) -> Callable[[float], float]:
        return lambda p: np.exp(
            choose[: successes + 1]
            + j[: successes + 1] * math.log(p)
            + (trials - j[: successes + 1]) * math.log1p(-p)
        ).sum()

    low = _solve(at_most(count - 1), 1 - tail, 0.0, 1.0) if count else 0.0
    high = _solve(at_most(count), tail, 0.0, 1.0) if count < trials else 1.0
    return Interval(count / trials, low, high)


def check_level(level: float) -> None:
    """Check a confidence level.

    Args:
        level: float in (0, 1).

    Raises:
        ValueError: If it is out of range.
    """
    require(0 < level < 1, f"`level` must be between 0 and 1. Received: level={level}. Try 0.95.")


def _check_count(count: int) -> None:
    require(
        count >= 0 and count == int(count),
        f"`count` must be an integer, 0 or more. Received: count={count}.",
    )


def _poisson_mean(count: int, probability: float) -> float:
    """The mean at which a count of at most `count` has the given probability."""
    if count == 0:
        return -math.log(probability)
    j, log_factorials = np.arange(count + 1), _log_factorials(count)

    def at_most(mean: float) -> float:
        return np.exp(j * math.log(mean) - mean - log_factorials).sum()

    return _solve(at_most, probability, 0.0, 100.0 + 2 * count)


def _log_factorials(count: int) -> Array:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])


def _solve(falling: Callable[[float], float], target: float, low: float, high: float) -> float:
    """Bisect for `falling(x) = target` until the bracket can't be halved any more."""
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if falling(middle) > target else (low, middle)
    return middle
