"""The false-alarm budget: the choice of an operating point within allowed false alarms an hour."""

from __future__ import annotations

import math
import warnings

import numpy as np

from keras_sal.checks import require
from keras_sal.detection.exact_intervals import poisson_upper
from keras_sal.typing import Array

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
    return float(max(1, math.ceil(LEAST_ALARMS / hours)))


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
