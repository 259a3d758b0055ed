"""Scoring of detectors of several classes: a curve for each class, and cross-triggers.

Each class has an independent trigger, so each has its own exact DET curve, in which the events of
other classes are negative audio like any other. A *cross-trigger* is a false alarm of one class
inside the hit window of an event of another: a detection of "computer" where "commuter" is spoken.
It counts in FA/h as every false alarm does; here it is also counted by the class of the event.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_sal.checks import require
from keras_sal.detection.curve import DetCurve
from keras_sal.detection.curve_builder import det_curve
from keras_sal.detection.operating_points import OperatingPoint, operating_point
from keras_sal.detection.scoring import TIME_TOLERANCE_S, Scoring
from keras_sal.detection.trigger import detect
from keras_sal.detection.validation import (
    validate_anchors,
    validate_ends,
    validate_ends_of_streams,
    validate_posterior,
    validate_thresholds,
)
from keras_sal.typing import Array, ArrayLike


@dataclasses.dataclass(frozen=True)
class ClassReport:
    """All figures of a detector of several classes at given thresholds.

    Attributes:
        points: list of `OperatingPoint`, one for each class.
        cross_triggers: int array `(classes, classes)`; `[i, j]` counts the false alarms of
            class `i` inside the hit window of an event of class `j`. One that lies in the
            windows of events of several classes counts for the one whose anchor is nearest.
    """

    points: list[OperatingPoint]
    cross_triggers: Array


def class_curves(
    posteriors: Sequence[ArrayLike],
    events: Sequence[ArrayLike],
    *,
    event_ends_s: Sequence[ArrayLike] | None = None,
    max_fa_per_hour: float = 100.0,
    **scoring: Any,
) -> list[DetCurve]:
    """Compute the DET curve of each class.

    Args:
        posteriors: list of arrays `(frames, classes)` in [0, 1], one for each stream.
        events: list of arrays `(events, 2)`, one for each stream: anchor in seconds, class.
        event_ends_s: list of arrays `(events,)`, seconds, aligned with the rows of `events`, as for
            `det_curve`. Defaults to `None`.
        max_fa_per_hour: float > 0, as for `det_curve`. Defaults to 100.0.
        **scoring: fields of `keras_sal.detection.Scoring`; `frame_step_s` is required.

    Returns:
        List of `DetCurve`, one for each class.

    Raises:
        ValueError: If the streams do not fit the events, or an argument is out of range.

    Example:

    >>> posterior = np.zeros((3600, 2))
    >>> posterior[100, 0] = posterior[200, 1] = posterior[300, 1] = 0.9
    >>> curves = class_curves([posterior], [[[100.0, 0], [300.0, 1]]], frame_step_s=1.0)
    >>> [(curve.frr_at(0.0), curve.frr_at(2.0)) for curve in curves]
    [(0.0, 0.0), (1.0, 0.0)]
    """
    streams = _validate_class_streams(posteriors, events, event_ends_s)
    return [
        det_curve(
            [posterior[:, index] for posterior, *_ in streams],
            [anchors[classes == index] for _, anchors, classes, _ in streams],
            event_ends_s=[ends[classes == index] for _, _, classes, ends in streams],
            max_fa_per_hour=max_fa_per_hour,
            **scoring,
        )
        for index in range(streams[0][0].shape[1])
    ]


def class_report(
    posteriors: Sequence[ArrayLike],
    events: Sequence[ArrayLike],
    thresholds: ArrayLike,
    *,
    event_ends_s: Sequence[ArrayLike] | None = None,
    **scoring: Any,
) -> ClassReport:
    """Score every class at its threshold, and count cross-triggers.

    Args:
        posteriors: list of arrays `(frames, classes)` in [0, 1], one for each stream.
        events: list of arrays `(events, 2)`, one for each stream: anchor in seconds, class.
        thresholds: float for all classes, or array `(classes,)`, in [0, 1] or `inf`.
        event_ends_s: list of arrays `(events,)`, seconds, aligned with the rows of `events`, as for
            `det_curve`. Defaults to `None`.
        **scoring: fields of `keras_sal.detection.Scoring`; `frame_step_s` is required.

    Returns:
        `ClassReport`.

    Raises:
        ValueError: If the streams do not fit the events, or an argument is out of range.

    Example:

    >>> posterior = np.zeros((3600, 2))
    >>> posterior[100] = [0.9, 0.7]  # an event of class 0 triggers both
    >>> report = class_report([posterior], [[[100.0, 0]]], [0.5, 0.6], frame_step_s=1.0)
    >>> report.points[0].hits, report.points[1].false_alarms
    (1, 1)
    >>> report.cross_triggers.tolist()
    [[0, 0], [1, 0]]
    """
    rule = Scoring(**scoring)
    streams = _validate_class_streams(posteriors, events, event_ends_s)
    count = streams[0][0].shape[1]
    levels = np.broadcast_to(validate_thresholds(thresholds, count), count)
    points = [
        operating_point(
            [posterior[:, index] for posterior, *_ in streams],
            [anchors[classes == index] for _, anchors, classes, _ in streams],
            float(levels[index]),
            event_ends_s=[ends[classes == index] for _, _, classes, ends in streams],
            **scoring,
        )
        for index in range(count)
    ]
    cross_triggers = np.zeros((count, count), "int64")
    for posterior, anchors, classes, ends in streams:
        for detection in detect(posterior, levels, **scoring):
            late = detection.time_s - anchors
            inside = (late >= -rule.early_s - TIME_TOLERANCE_S) & (
                late <= rule.max_delay_s + TIME_TOLERANCE_S
            )
            lasts = (late >= -rule.early_s - TIME_TOLERANCE_S) & (
                detection.time_s <= ends + TIME_TOLERANCE_S
            )
            own = classes == detection.class_index
            if inside.any() and not (own & (inside | lasts)).any():
                nearest = classes[inside][np.argmin(np.abs(late[inside]))]
                cross_triggers[detection.class_index, nearest] += 1
    return ClassReport(points, cross_triggers)


def _validate_class_streams(
    posteriors: Sequence[ArrayLike],
    events: Sequence[ArrayLike],
    event_ends_s: Sequence[ArrayLike] | None,
) -> list[tuple[Array, Array, Array, Array]]:
    """The posterior, and the anchors, classes and ends of the events of each stream."""
    posteriors, events = list(posteriors), list(events)
    require(
        len(posteriors) > 0 and len(posteriors) == len(events),
        "`posteriors` and `events` must hold one array for each stream, and at least one. "
        f"Received: {len(posteriors)} posteriors, {len(events)} events.",
    )
    ends_s = validate_ends_of_streams(event_ends_s, len(events))
    streams: list[tuple[Array, Array, Array, Array]] = []
    for index, (values, rows) in enumerate(zip(posteriors, events, strict=True)):
        posterior = validate_posterior(values, f"posteriors[{index}]", classes=True)
        posterior = posterior.reshape(len(posterior), -1)
        table = np.asarray(rows, dtype="float64")
        table = table.reshape(0, 2) if table.size == 0 else table
        classes = posterior.shape[1]
        if streams and classes != streams[0][0].shape[1]:
            raise ValueError(
                "`posteriors` must have the same number of classes in all streams. Received: "
                f"{classes} in stream {index}, {streams[0][0].shape[1]} in stream 0."
            )
        if table.ndim != 2 or table.shape[1] != 2 or not np.isin(table[:, 1], range(classes)).all():
            raise ValueError(
                f"`events[{index}]` must have rows (anchor in seconds, class), the class being "
                f"an integer below {classes}. Received: events[{index}]={table.tolist()}."
            )
        anchors = validate_anchors(table[:, 0], f"events[{index}][:, 0]")
        ends = validate_ends(ends_s[index], anchors, f"event_ends_s[{index}]")
        streams.append((posterior, anchors, table[:, 1].astype("int64"), ends))
    return streams
