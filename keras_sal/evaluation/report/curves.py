"""The section of the curves: misses against false alarms, and latency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_sal.evaluation.protocol import without_frame_times
from keras_sal.evaluation.report import tables
from keras_sal.evaluation.report.figures import draw_det, draw_latency
from keras_sal.evaluation.report.inputs import ReportInputs
from keras_sal.evaluation.report.page import Picture, Section, short_number
from keras_sal.evaluation.report.pictures import Illustrator
from keras_sal.typing import ArrayLike

SIZE = (5.2, 3.9)


def curves_section(inputs: ReportInputs, illustrator: Illustrator) -> Section:
    """Return the section with the DET curve and the latencies of each condition.

    Args:
        inputs: What the report is made from.
        illustrator: What draws its figures.
    """
    results, conditions = inputs.results, inputs.predictions.conditions
    det = [
        illustrator.picture(
            f"det-{index}", _det_alt(results, condition), draw_det, results, condition, size=SIZE
        )
        for index, condition in enumerate(conditions)
    ]
    latency = [
        _latency_picture(inputs, illustrator, f"latency-{index}", condition)
        for index, condition in enumerate(conditions)
    ]
    return Section(
        "curves",
        "Misses, false alarms, latency",
        "Misses against false alarms at every threshold: lower and further left is better. "
        f"Bands are {100 * results['level']:g} % intervals over recordings; marks are the "
        "thresholds chosen on dev. Left of 3/H, no false alarm in all the hours of negatives "
        "can't be told from that rate. Latency counts from the anchor of the event.",
        pictures=[*det, *latency],
        tables=[tables.operating_points(results), tables.whole_curve(results)],
    )


def _latency_picture(
    inputs: ReportInputs, illustrator: Illustrator, name: str, condition: str
) -> Picture:
    latencies_s, points = {}, {}
    for system in inputs.results["systems"]:
        scored = system["conditions"][condition]
        point = scored["at_threshold"] or scored["at_budget"]
        points[system["name"]] = point
        latencies_s[system["name"]] = _latencies_s(inputs, system, condition, point["threshold"])
    return illustrator.picture(
        name,
        _latency_alt(points, condition),
        *(draw_latency, latencies_s, points, condition),
        size=SIZE,
    )


def _latencies_s(
    inputs: ReportInputs, system: Mapping[str, Any], condition: str, threshold: float | None
) -> ArrayLike:
    if threshold is None:
        return []
    curve = inputs.predictions.curve(
        *(system["name"], "test", condition),
        max_fa_per_hour=np.inf,
        **without_frame_times(system["scoring"]),
    )
    return curve.latencies_at(threshold)


def _det_alt(results: Mapping[str, Any], condition: str) -> str:
    found = "; ".join(
        f"{system['name']}: {short_number(point['frr'], '{:.1f} %', 100)} missed"
        for system in results["systems"]
        for point in [system["conditions"][condition]["at_budget"]]
    )
    return (
        f"Misses against false alarms an hour, {condition}. At the budget of "
        f"{results['fa_per_hour']:g} an hour, {found}."
    )


def _latency_alt(points: Mapping[str, Mapping[str, Any]], condition: str) -> str:
    found = "; ".join(
        f"{name}: P50 {short_number(point['latency_p50_s'], '{:.0f} ms', 1000)}, "
        f"P90 {short_number(point['latency_p90_s'], '{:.0f} ms', 1000)}"
        for name, point in points.items()
    )
    return f"Share of the hits by latency after the anchor, {condition}. {found}."
