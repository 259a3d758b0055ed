"""Comparison: systems that heard the same streams, against the first of them."""

import itertools
import math
from collections.abc import Callable

import numpy as np

from keras_sal.detection import DetCurve, paired_bootstrap
from keras_sal.evaluation.predictions import Answers
from keras_sal.evaluation.protocol import Judge

DIFFERENCES = (
    "frr_at_budget",
    "mean_frr",
    "latency_p50_s_at_budget",
    "frr_at_threshold",
    "fa_per_hour_at_threshold",
    "latency_p50_s_at_threshold",
)


def differences(answers: Answers, systems: list[dict], judge: Judge) -> list[dict]:
    """Each system against the first, paired by recording and by speaker.

    Args:
        answers: What the systems said.
        systems: The `systems` of the results.
        judge: How they were scored.

    Returns:
        The `differences` of the results.
    """
    reference, *others = systems
    rows = []
    for system, condition in itertools.product(others, answers.conditions):
        pair = (system, reference)
        curves = [judge.curve(answers, each, condition) for each in pair]
        figures = [_figures(each["threshold"]["threshold"], judge) for each in pair]
        voices = answers.voices("test", condition)
        by = {
            unit: judge.intervals(paired_bootstrap, *curves, figures, groups=groups)
            for unit, groups in (("recordings", None), ("speakers", voices))
        }
        estimate = figures[0](curves[0]) - figures[1](curves[1])
        for place, figure in enumerate(DIFFERENCES):
            rows.append(
                {
                    "system": system["name"],
                    "reference": reference["name"],
                    "condition": condition,
                    "figure": figure,
                    "estimate": estimate[place].item(),
                    **{unit: interval and interval[place] for unit, interval in by.items()},
                }
            )
    return rows


def _figures(threshold: float | None, judge: Judge) -> Callable[[DetCurve], np.ndarray]:
    """The function that gives the figures named in `DIFFERENCES`."""
    threshold = math.nan if threshold is None else threshold

    def figures(curve):
        budget, fixed = curve.at(judge.fa_per_hour), curve.point(threshold)
        mean_frr = curve.mean_frr(judge.area_fa_per_hour)
        return np.array(
            [
                *(budget.frr, mean_frr, budget.latency_p50_s),
                *(fixed.frr, fixed.fa_per_hour, fixed.latency_p50_s),
            ]
        )

    return figures


def parity(answers: Answers, systems: list[dict]) -> list[dict]:
    """How far the posteriors of each system are from those of the first, and what that changes.

    Args:
        answers: What the systems said.
        systems: The `systems` of the results.

    Returns:
        The `parity` of the results; systems that answer other frames are left out.
    """
    reference, *others = systems
    rows = []
    for system, condition in itertools.product(others, answers.conditions):
        names = (system["name"], reference["name"])
        if answers.times[names[0]] != answers.times[names[1]]:
            continue
        ours, theirs = (np.concatenate(answers.of(n, "test", condition)) for n in names)
        apart = np.abs(ours - theirs)
        missed = [_missed(each, condition) for each in (system, reference)]
        events = sum(len(track.anchors_s) for track in answers.tracks("test", condition))
        neither = len(missed[0] & missed[1])
        rows.append(
            {
                "system": names[0],
                "reference": names[1],
                "condition": condition,
                "frames": len(apart),
                "mean": float(apart.mean(dtype="float64")),
                "largest": float(apart.max()),
                "both_hit": events - len(missed[0] | missed[1]),
                "only_system": len(missed[1]) - neither,
                "only_reference": len(missed[0]) - neither,
                "neither": neither,
            }
        )
    return rows


def _missed(system: dict, condition: str) -> set:
    return {(m["track"], m["anchor_s"]) for m in system["conditions"][condition]["misses"]}
