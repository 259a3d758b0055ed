"""Comparison of systems on the same streams: each against the first, the reference."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_sal.detection import DetCurve
from keras_sal.evaluation.annotations import StreamAnnotation
from keras_sal.evaluation.predictions import Predictions
from keras_sal.evaluation.protocol import ScoringProtocol
from keras_sal.typing import Array

DIFFERENCES = (
    "frr_at_budget",
    "mean_frr",
    "latency_p50_s_at_budget",
    "frr_at_threshold",
    "fa_per_hour_at_threshold",
    "latency_p50_s_at_threshold",
)


def differences(
    predictions: Predictions, systems: Sequence[Mapping[str, Any]], protocol: ScoringProtocol
) -> list[dict[str, Any]]:
    """Compute the difference of each system to the first, paired by recording and by speaker.

    Args:
        predictions: `Predictions` of the systems.
        systems: list of dicts, `systems` of the results; `"name"`, `"scoring"` and `"threshold"`
            are used.
        protocol: `ScoringProtocol`.

    Returns:
        List of dicts, `differences` of the results: for each system but the first, each condition
        and each figure, the `estimate` of system - reference with its intervals over `recordings`
        and over `speakers`, `[low, high]` or `None`. A difference is undefined, `nan` without
        intervals, where a figure of one is, such as the latency of a system without hits.
    """
    reference, *others = systems
    rows = []
    for system, condition in itertools.product(others, predictions.conditions):
        curves = (
            protocol.curve(predictions, system, condition),
            protocol.curve(predictions, reference, condition),
        )
        figures = (_figures(system, protocol), _figures(reference, protocol))
        estimate = figures[0](curves[0]) - figures[1](curves[1])
        speakers = predictions.speaker_groups("test", condition)
        intervals = {
            unit: protocol.paired_intervals(curves, figures, groups=groups)
            for unit, groups in (("recordings", None), ("speakers", speakers))
        }
        for index, figure in enumerate(DIFFERENCES):
            defined = math.isfinite(estimate[index])
            rows.append(
                {
                    "system": system["name"],
                    "reference": reference["name"],
                    "condition": condition,
                    "figure": figure,
                    "estimate": estimate[index].item(),
                    **{
                        unit: found[index] if defined and found else None
                        for unit, found in intervals.items()
                    },
                }
            )
    return rows


def parity(predictions: Predictions, systems: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Compare the posteriors of each system with those of the first, and the events they hit.

    Args:
        predictions: `Predictions` of the systems.
        systems: list of dicts, `systems` of the results; `"name"` and the misses are used.

    Returns:
        List of dicts, `parity` of the results: for each system but the first and each condition,
        the `mean` and `largest` distance of the posteriors, and the number of events that
        `both_hit`, `only_system`, `only_reference` or `neither` hits at its own threshold.
        Systems with other frame times than the first are left out.
    """
    reference, *others = systems
    rows = []
    for system, condition in itertools.product(others, predictions.conditions):
        names = (system["name"], reference["name"])
        if predictions.times[names[0]] != predictions.times[names[1]]:
            continue
        ours, theirs = (
            np.concatenate(predictions.posteriors_of(name, "test", condition)) for name in names
        )
        distance = np.abs(ours - theirs)
        streams = predictions.streams("test", condition)
        missed = [_missed(each, condition, streams) for each in (system, reference)]
        events = sum(len(stream.anchors_s) for stream in streams)
        neither = len(missed[0] & missed[1])
        rows.append(
            {
                "system": names[0],
                "reference": names[1],
                "condition": condition,
                "frames": len(distance),
                "mean": float(distance.mean(dtype="float64")),
                "largest": float(distance.max()),
                "both_hit": events - len(missed[0] | missed[1]),
                "only_system": len(missed[1]) - neither,
                "only_reference": len(missed[0]) - neither,
                "neither": neither,
            }
        )
    return rows


def _figures(system: Mapping[str, Any], protocol: ScoringProtocol) -> Callable[[DetCurve], Array]:
    """The function from the curve of a system to the figures named in `DIFFERENCES`."""
    threshold = system["threshold"]["threshold"]
    fixed_threshold = math.nan if threshold is None else threshold

    def figures(curve: DetCurve) -> Array:
        budget, fixed = curve.at(protocol.fa_per_hour), curve.point(fixed_threshold)
        mean_frr = curve.mean_frr(protocol.area_fa_per_hour)
        return np.array(
            [
                *(budget.frr, mean_frr, budget.latency_p50_s),
                *(fixed.frr, fixed.fa_per_hour, fixed.latency_p50_s),
            ]
        )

    return figures


def _missed(
    system: Mapping[str, Any], condition: str, streams: Sequence[StreamAnnotation]
) -> set[tuple[str, float]]:
    """The events that a system misses at its threshold; all of them if it has none."""
    if system["threshold"]["threshold"] is None:
        return {(stream.name, anchor_s) for stream in streams for anchor_s in stream.anchors_s}
    misses = system["conditions"][condition]["misses"]
    return {(miss["stream"], miss["anchor_s"]) for miss in misses}
