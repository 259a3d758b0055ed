"""Tuning of the trigger and its threshold on development data, for a false-alarm budget.

Choose on development data, report on test data: a threshold chosen on the data it is scored on
flatters the detector. Choose on the posteriors of the model that ships: those of an int8 model
are not those of the float model, and neither is its best threshold.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keras_sal.checks import require
from keras_sal.detection.curve import DetCurve
from keras_sal.detection.curve_builder import det_curve
from keras_sal.detection.exact_intervals import binomial_interval, poisson_upper
from keras_sal.typing import ArrayLike


@dataclasses.dataclass(frozen=True)
class Tuning:
    """The trigger that `tune` found, and all that it tried.

    Attributes:
        curve: `DetCurve` of the best trigger; its `.scoring` is the trigger.
        trials: list of dicts, one for each trigger tried, best first: the settings that were
            varied, `frr`, `fa_per_hour`, `threshold`, `latency_p50_s`, `latency_p90_s`.
    """

    curve: DetCurve
    trials: list[dict[str, Any]]


def tune(
    posteriors: Sequence[ArrayLike],
    anchors_s: Sequence[ArrayLike],
    *,
    fa_per_hour: float,
    event_ends_s: Sequence[ArrayLike] | None = None,
    latency_budget_s: float = math.inf,
    smooth_frames: Iterable[int] = (1, 3, 5, 10),
    on_frames: Iterable[int] = (1, 2, 4),
    hysteresis: Iterable[float | None] = (None,),
    refractory_s: Iterable[float] = (1.0,),
    **scoring: Any,
) -> Tuning:
    """Try every combination of trigger settings on development data.

    The best has the lowest FRR within the false-alarm budget, and within the latency budget if
    there is one; between equals the lower median latency decides, then the order of the
    arguments.

    Args:
        posteriors: list of arrays `(frames,)` in [0, 1], as for `det_curve`.
        anchors_s: list of arrays `(events,)`, seconds, as for `det_curve`.
        fa_per_hour: float > 0, the false-alarm budget.
        event_ends_s: list of arrays `(events,)`, seconds, as for `det_curve`. Defaults to `None`.
        latency_budget_s: float, seconds; later hits count as misses. Defaults to `inf`.
        smooth_frames: ints >= 1 to try. Defaults to (1, 3, 5, 10).
        on_frames: ints >= 1 to try. Defaults to (1, 2, 4).
        hysteresis: floats in [0, 1), or `None`, to try. Defaults to (None,).
        refractory_s: floats >= 0 to try, seconds. Defaults to (1.0,).
        **scoring: the other fields of `keras_sal.detection.Scoring`; `frame_step_s` is
            required.

    Returns:
        `Tuning`.

    Raises:
        ValueError: If there is nothing to try, or an argument is out of range.

    Example:

    >>> import numpy as np
    >>> posterior = np.zeros(36000)
    >>> posterior[500:503] = 0.8  # an event lasts, clicks do not
    >>> posterior[1500::1000] = 0.9
    >>> found = tune(
    ...     [posterior], [[500.0]], fa_per_hour=0.5, refractory_s=[9.0], frame_step_s=1.0
    ... )
    >>> found.curve.scoring.smooth_frames, found.curve.scoring.on_frames, found.trials[0]["frr"]
    (1, 2, 0.0)
    """
    grid: dict[str, list[Any]] = {
        "smooth_frames": list(smooth_frames),
        "on_frames": list(on_frames),
        "hysteresis": list(hysteresis),
        "refractory_s": list(refractory_s),
    }
    for name, values in grid.items():
        require(values, f"`{name}` must name at least one value to try. Received none.")
    best: tuple[dict[str, Any], DetCurve] | None = None
    trials = []
    for combination in itertools.product(*grid.values()):
        settings = dict(zip(grid, combination, strict=True))
        curve = det_curve(
            posteriors,
            anchors_s,
            event_ends_s=event_ends_s,
            max_fa_per_hour=max(100.0, fa_per_hour),
            **settings,
            **scoring,
        )
        point = curve.at(fa_per_hour, latency_budget_s=latency_budget_s)
        trial = settings | {
            "frr": curve.frr_within(latency_budget_s, fa_per_hour),
            "fa_per_hour": point.fa_per_hour,
            "threshold": point.threshold,
            "latency_p50_s": point.latency_p50_s,
            "latency_p90_s": point.latency_p90_s,
        }
        trials.append(trial)
        if best is None or _cost(trial) < _cost(best[0]):
            best = trial, curve
    assert best is not None  # the grid is not empty
    return Tuning(best[1], sorted(trials, key=_cost))


def _cost(trial: dict[str, Any]) -> tuple[float, float]:
    """Fewest misses, then lowest latency; what is undefined is worst."""
    frr, latency_s = (
        math.inf if math.isnan(trial[name]) else trial[name] for name in ("frr", "latency_p50_s")
    )
    return frr, latency_s


def threshold_record(
    curve: DetCurve, fa_per_hour: float, *, latency_budget_s: float = math.inf, data: str = ""
) -> dict[str, Any]:
    """Choose the threshold for a false-alarm budget, and record how, for a manifest.

    For a detector of several classes, join the records of its classes with
    `join_threshold_records`.

    Args:
        curve: `DetCurve` of development data, made from the posteriors of the model that ships.
        fa_per_hour: float > 0, the false-alarm budget.
        latency_budget_s: float, seconds; later hits count as misses. Defaults to `inf`.
        data: str, name of the data of the curve, e.g. "dev, int8 model". Defaults to "".

    Returns:
        dict of strings, numbers, `None` and dicts of them, ready for `json.dumps`. What is
        undefined is `None`.

    Raises:
        ValueError: If no detector that fires is within the budgets.

    Example:

    >>> import numpy as np
    >>> posterior = np.zeros(36000)
    >>> posterior[[500, 900, 20000]] = 0.9, 0.7, 0.4
    >>> curve = det_curve([posterior], [[500.0, 900.0]], frame_step_s=1.0)
    >>> record = threshold_record(curve, 0.5, data="dev")
    >>> record["threshold"], record["frr"], record["false_alarms"], record["data"]
    (0.7, 0.0, 0, 'dev')
    >>> round(record["fa_per_hour_upper_95"], 2)  # none in ten hours
    0.3
    """
    require(
        curve.hours > 0,
        "`curve` must have audio outside the hit windows; without it there is no rate of false "
        f"alarms. Received: {curve!r}. Add streams without events, or with longer pauses.",
    )
    point = curve.at(fa_per_hour, latency_budget_s=latency_budget_s)
    if not math.isfinite(point.threshold):
        raise ValueError(
            f"`fa_per_hour` must leave room for a detector that hits something; within it none "
            f"does. Received: fa_per_hour={fa_per_hour}, latency_budget_s={latency_budget_s}, "
            f"{curve!r}. Allow more false alarms, more latency, or train a better model."
        )
    misses = binomial_interval(point.misses, point.events) if point.events else (None, None, None)
    record = {
        "rule": "fewest misses within the budgets, then fewest false alarms, then the middle",
        "budget_fa_per_hour": fa_per_hour,
        "budget_latency_s": latency_budget_s if math.isfinite(latency_budget_s) else None,
        "data": data,
        **dataclasses.asdict(point),
        "frr_low_95": misses[1],
        "frr_high_95": misses[2],
        "fa_per_hour_upper_95": poisson_upper(point.false_alarms, point.hours),
    }
    defined = {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in record.items()
    }
    return defined | {"scoring": dataclasses.asdict(curve.scoring)}


def join_threshold_records(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Join the threshold records of the classes of a detector, for a manifest.

    Args:
        records: list of dicts from `threshold_record`, one for each class in their order, all of
            one trigger.

    Returns:
        dict whose `"threshold"` is a list, with the records themselves as `"classes"`.

    Raises:
        ValueError: If there are no records, or their triggers differ.

    Example:

    >>> record = {"rule": "fewest misses", "threshold": 0.5, "scoring": {"on_frames": 1}}
    >>> join_threshold_records([record, record | {"threshold": 0.7}])["threshold"]
    [0.5, 0.7]
    """
    triggers = [each["scoring"] for each in records]
    require(
        len(records) > 0 and all(each == triggers[0] for each in triggers),
        "`records` must have one trigger, that of all classes, and there must be at least one. "
        f"Received: triggers={triggers}. Choose all thresholds with the same.",
    )
    return {
        "rule": "a threshold for each class",
        "threshold": [each["threshold"] for each in records],
        "classes": [{k: v for k, v in each.items() if k != "scoring"} for each in records],
        "scoring": triggers[0],
    }
