"""The verdict: whether a system is good enough, why, and what would make it better.

The false-alarm budget is the user's. Misses are held against `ALLOWED_FRR`, a choice of this
package. A system is good enough only where the upper bounds of both, at 95 %, are within
them, too; otherwise the recordings can't tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras_sal.detection import binomial_interval, poisson_upper

ALLOWED_FRR = 0.05
LATE_S = 0.5
WORSE = 2  # times the misses or false alarms that are worth a piece of advice
NONE_SHOWS = 3  # 0 in n trials shows a rate of at most 3/n, at 95 %

YES, NO, OPEN = "Good enough", "Not good enough", "Can't tell yet"


@dataclass(frozen=True)
class Verdict:
    """Whether a system is good enough, and what would make it better.

    Args:
        answer: `YES`, `NO` or `OPEN`.
        reason: A sentence that says why.
        advice: Sentences that say what would make it better, the most important first.
    """

    answer: str
    reason: str
    advice: tuple[str, ...]


def judge(system: Mapping[str, Any], budget: float) -> Verdict:
    """Judge a system by its worst condition.

    Args:
        system: One of the `systems` of the results.
        budget: The false-alarm budget an hour.

    Returns:
        The `Verdict`.
    """
    points = {name: found["at_threshold"] for name, found in system["conditions"].items()}
    if not all(points.values()):
        return Verdict(
            NO,
            f"No threshold within {budget:g} false alarms an hour hits an event on dev.",
            (
                "Add recordings of what it must not answer to, train longer, or allow a larger "
                "budget.",
            ),
        )
    checks = [_check(point, budget) for point in points.values()]
    answer = NO if NO in checks else OPEN if OPEN in checks else YES
    return Verdict(answer, _reason(points, budget), tuple(_advice(system, points, budget)))


def _check(point: Mapping[str, Any], budget: float) -> str:
    """The answer for one condition."""
    if (point["frr"] or 0.0) > ALLOWED_FRR or (point["fa_per_hour"] or 0.0) > budget:
        return NO
    shown = _highest_frr(point) <= ALLOWED_FRR and _highest_rate(point) <= budget
    return YES if shown else OPEN


def _highest_frr(point: Mapping[str, Any]) -> float:
    """The upper bound of the FRR at 95 %, one-sided."""
    if not point["events"]:
        return math.inf
    return binomial_interval(point["misses"], point["events"], level=0.9).high


def _highest_rate(point: Mapping[str, Any]) -> float:
    """The upper bound of the false alarms an hour at 95 %, one-sided."""
    if not point["hours"]:
        return math.inf
    return poisson_upper(point["false_alarms"], point["hours"])


def _reason(points: Mapping[str, Mapping[str, Any]], budget: float) -> str:
    missed = max((point["frr"] or 0.0) for point in points.values())
    alarms = max((point["fa_per_hour"] or 0.0) for point in points.values())
    worst = " in the worst condition" if len(points) > 1 else ""
    return (
        f"{100 * missed:.1f} % missed and {alarms:.2g} false alarms an hour{worst}; the aim is at "
        f"most {100 * ALLOWED_FRR:g} % and {budget:g}."
    )


def _advice(
    system: Mapping[str, Any], points: Mapping[str, Mapping[str, Any]], budget: float
) -> list[str]:
    """What would make a system better, or its figures surer, the most important first."""
    return [
        *_against_false_alarms(system, points, budget),
        *_against_misses(system, points),
        *_against_latency(points),
        *_for_surer_figures(points, budget),
    ]


def _against_false_alarms(
    system: Mapping[str, Any], points: Mapping[str, Mapping[str, Any]], budget: float
) -> list[str]:
    over = [name for name, point in points.items() if (point["fa_per_hour"] or 0.0) > budget]
    if not over:
        return []
    labels = system["conditions"][over[0]]["triggered_by"]
    most = f", above all to “{labels[0]['label']}” ({labels[0]['false_alarms']} times)"
    return [
        f"It fires too often in {_listed(over)}{most if labels else ''}: train with more of that "
        "among the negatives, and with hard negatives."
    ]


def _against_misses(
    system: Mapping[str, Any], points: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    missing = {name: point["frr"] for name, point in points.items() if point["frr"] is not None}
    over = [name for name, frr in missing.items() if frr > ALLOWED_FRR]
    if not over:
        return []
    worst, best = max(missing, key=missing.__getitem__), min(missing, key=missing.__getitem__)
    advice = []
    at_budget = system["conditions"][worst]["at_budget"]["frr"]
    if at_budget is not None and missing[worst] >= WORSE * max(at_budget, 0.01):
        advice.append(
            f"Another threshold would miss {100 * at_budget:.1f} % within the budget: choose it on "
            "dev recordings that are more like those of test, and on more of them."
        )
    if missing[worst] >= WORSE * max(missing[best], 0.01):
        advice.append(
            f"It misses most in {worst}, {100 * missing[worst]:.1f} % against "
            f"{100 * missing[best]:.1f} % in {best}: train with more of what differs there."
        )
    return advice or [
        "It misses in all conditions alike: train with events of more people, and check that their "
        "anchors are right; listen to the worst misses below."
    ]


def _against_latency(points: Mapping[str, Mapping[str, Any]]) -> list[str]:
    late = max((point["latency_p90_s"] or 0.0) for point in points.values())
    if late <= LATE_S:
        return []
    return [
        f"One hit in ten is later than {1000 * late:.0f} ms: begin the positive labels earlier, or "
        "average fewer frames."
    ]


def _for_surer_figures(points: Mapping[str, Mapping[str, Any]], budget: float) -> list[str]:
    advice = []
    unsure = max(points.values(), key=_highest_rate)
    if (unsure["fa_per_hour"] or 0.0) <= budget < _highest_rate(unsure):
        advice.append(
            f"{unsure['hours']:.2g} hours are too few to show {budget:g} false alarms an hour "
            f"at 95 %: score more of them; {NONE_SHOWS / budget:.2g} without a false alarm would "
            "do."
        )
    unsure = max(points.values(), key=_highest_frr)
    if (unsure["frr"] or 0.0) <= ALLOWED_FRR < _highest_frr(unsure):
        advice.append(
            f"{unsure['events']} events are too few to show {100 * ALLOWED_FRR:g} % of misses at "
            f"95 %: score more of them; {math.ceil(NONE_SHOWS / ALLOWED_FRR)} without a miss would "
            "do."
        )
    return advice


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
