"""The false-alarm budget: allowed false alarms an hour, and the operating point chosen within it.

One rule holds everywhere. The budget is 1 an hour unless another is given. Hours of negatives are
those outside the hit windows of events. No false alarm at all in H of them only says that there are
at most 3/H an hour (95 %). Where that is above 1 and no budget is given, the budget is the lowest
whole number that they can support: see `choose_budget` and `describe_budget`.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from keras_sal.checks import require
from keras_sal.detection.exact_intervals import poisson_upper
from keras_sal.detection.scoring import Scoring
from keras_sal.typing import Array

BUDGET = 1.0  # false alarms an hour
LEAST_ALARMS = 3.1  # the 95 % bound of none is 3.0
ROUNDING = 1 + 1e-9  # so that 3 false alarms in 3 hours are within a budget of 1 an hour


class NegativeHoursWarning(UserWarning):
    """There is too little negative audio to show that a detector keeps to a false-alarm budget."""


def require_budget(fa_per_hour: float, max_fa_per_hour: float) -> None:
    """Check a budget against the end of a curve.

    Args:
        fa_per_hour: float, the budget.
        max_fa_per_hour: float, the false-alarm rate up to which the curve was computed.

    Raises:
        ValueError: If the budget is not in `[0, max_fa_per_hour]`.
    """
    require(
        0 <= fa_per_hour <= max_fa_per_hour,
        f"`fa_per_hour` must be between 0 and {max_fa_per_hour:g}, up to which the "
        f"curve was computed. Received: fa_per_hour={fa_per_hour}. "
        "Raise `max_fa_per_hour` of `det_curve` to see more of it.",
    )


def supported_fa_per_hour(hours: float) -> float:
    """Return the lowest budget that hours of negative audio can support, in whole numbers.

    No false alarm in H hours only says that there are at most 3/H an hour (95 %).

    Args:
        hours: float > 0, hours of negative audio.

    Returns:
        float, false alarms an hour, at least 1.

    Example:
        >>> supported_fa_per_hour(10.0), supported_fa_per_hour(0.38)
        (1.0, 9.0)
    """
    require(
        hours > 0,
        "`hours` must be greater than 0; without negatives there is no rate of false alarms. "
        f"Received: hours={hours}. Add recordings of what must not be detected.",
    )
    return float(max(BUDGET, math.ceil(LEAST_ALARMS / hours)))


def choose_budget(hours: float, fa_per_hour: float | None = None) -> float:
    """Return the budget that is given, else 1 or the least that hours of negatives can support.

    Args:
        hours: float > 0, hours of negative audio.
        fa_per_hour: float, the budget that is given, or `None` (default).

    Returns:
        float, false alarms an hour.

    Example:
        >>> choose_budget(10.0), choose_budget(1.5), choose_budget(1.5, 0.5)
        (1.0, 3.0, 0.5)
    """
    return supported_fa_per_hour(hours) if fa_per_hour is None else fa_per_hour


def describe_budget(hours: float, split: str, fa_per_hour: float | None = None) -> str:
    """Say which budget `choose_budget` returns, and what supports it.

    Args:
        hours: float > 0, hours of negative audio; 0 only where a budget is given.
        split: str, the split that they are of.
        fa_per_hour: float, the budget that is given, or `None` (default).

    Returns:
        str, two sentences, the last without a full stop.

    Example:
        >>> describe_budget(1.5, "dev").partition(". ")[0]
        'Budget: 3 false alarms an hour'
    """
    budget = choose_budget(hours, fa_per_hour)
    support = describe_support(hours, split, BUDGET if fa_per_hour is None else fa_per_hour)
    return f"Budget: {budget:g} false alarms an hour. {support}"


def describe_support(hours: float, split: str, fa_per_hour: float = BUDGET) -> str:
    """Say what hours of negatives can show, and how many more a budget takes.

    Args:
        hours: float >= 0, hours of negative audio.
        split: str, the split that they are of.
        fa_per_hour: float > 0, the budget. Defaults to 1.

    Returns:
        str, a clause.

    Example:
        >>> describe_support(10.0, "dev")
        '10 hours of negatives in dev without a false alarm show at most 0.3 an hour (95 %)'
        >>> describe_support(1.5, "dev").partition("; ")[2]
        '1 an hour takes 1.6 hours more of recordings without the word'
    """
    if not hours:
        return f"there are no negatives in {split} to show it"
    text = (
        f"{hours:.3g} hours of negatives in {split} without a false alarm show at most "
        f"{poisson_upper(0, hours):.2g} an hour (95 %)"
    )
    more = LEAST_ALARMS / fa_per_hour - hours
    if more <= 0:
        return text
    return (
        f"{text}; {fa_per_hour:g} an hour takes {more:.2g} hours more of recordings without the "
        "word"
    )


def negative_hours(
    hours: float,
    events: int,
    *,
    early_s: float = Scoring.early_s,
    max_delay_s: float = Scoring.max_delay_s,
) -> float:
    """Return the hours outside the hit windows of events, if these don't overlap.

    Args:
        hours: float, hours of audio.
        events: int, number of events in it.
        early_s: float, as for `Scoring`. Defaults to 0.5.
        max_delay_s: float, as for `Scoring`. Defaults to 1.0.

    Example:
        >>> negative_hours(1.0, 240)  # 240 windows of 1.5 s
        0.9
    """
    return max(0.0, hours - events * (early_s + max_delay_s) / 3600)


def warn_of_few_hours(hours: float, fa_per_hour: float, *, stacklevel: int) -> bool:
    """Warn if even no false alarm at all in `hours` could not show that a budget is kept.

    Args:
        hours: float > 0, hours of negative audio.
        fa_per_hour: float, the budget; 0 needs no warning.
        stacklevel: int, as for `warnings.warn`, counted from the caller.

    Returns:
        bool, whether it warned.
    """
    least = poisson_upper(0, hours)
    too_few = least > fa_per_hour > 0
    if too_few:
        warnings.warn(
            f"{hours:.3g} hours of negative audio can't support {fa_per_hour:g} false "
            f"alarms an hour: even none in all of them only says at most {least:.3g} an hour "
            f"(95 %). {3 / fa_per_hour:.3g} hours could.",
            NegativeHoursWarning,
            stacklevel=stacklevel + 1,
        )
    return too_few


def best_within(
    budget: float, fa_per_hour: Array, false_alarms: Array, hits: Array, events: int
) -> int:
    """Choose the operating point for a budget.

    It has the most hits within the budget, then the fewest false alarms; of the points that share
    both, it is the middle one, away from where either changes. Without events it is the last one
    within the budget.

    Args:
        budget: float, allowed false alarms an hour.
        fa_per_hour: array `(points,)`.
        false_alarms: int array `(points,)`.
        hits: int array `(points,)`.
        events: int, number of events.

    Returns:
        int, index of the point.
    """
    within = np.flatnonzero(fa_per_hour <= budget * ROUNDING)
    if not events:
        return int(within[-1])
    best = within[hits[within] == hits[within].max()]
    best = best[false_alarms[best] == false_alarms[best].min()]
    return int(best[len(best) // 2])
