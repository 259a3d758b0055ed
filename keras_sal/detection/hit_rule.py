"""The hit rule: the hit windows of events, and the matching of detections to events."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from keras_sal.checks import require
from keras_sal.detection.scoring import TIME_TOLERANCE_S, Scoring, require_seconds
from keras_sal.detection.trigger import Detection
from keras_sal.detection.validation import validate_anchors, validate_ends
from keras_sal.typing import Array, ArrayLike


@dataclasses.dataclass(frozen=True)
class Matches:
    """The detections and the events of one stream, sorted by the hit rule.

    Attributes:
        hits: list of `(detection, event)`; `event` is an index into the anchors.
        misses: list of the indices of the events that were not hit.
        false_alarms: list of the detections outside all hit windows of their class, and while no
            event of their class lasts.
        ignored: list of the repeats: the further detections inside windows whose events are all
            hit, or while an event lasts.
        latencies_s: array `(hits,)`, detection time - anchor in seconds.
    """

    hits: list[tuple[Detection, int]]
    misses: list[int]
    false_alarms: list[Detection]
    ignored: list[Detection]
    latencies_s: Array


def match_events(
    detections: Iterable[Detection],
    anchors_s: ArrayLike,
    *,
    anchor_classes: ArrayLike | None = None,
    event_ends_s: ArrayLike | None = None,
    early_s: float = 0.5,
    max_delay_s: float = 1.0,
) -> Matches:
    """Match detections to events, one to one.

    In order of time, each detection is matched to the earliest event of its class that is not
    hit yet and in whose window `[anchor - early_s, anchor + max_delay_s]` it lies.

    Args:
        detections: iterable of `Detection`, of one stream.
        anchors_s: array `(events,)`, seconds, in any order.
        anchor_classes: integers `(events,)`, the class of each event. Defaults to class 0.
        event_ends_s: array `(events,)`, seconds, the time until which each event lasts. A detection
            outside all hit windows is then ignored, and no false alarm, if it lies in
            `[anchor - early_s, end]` of an event. Defaults to `None`: no event lasts beyond its
            hit window.
        early_s: float >= 0, seconds by which a hit may precede its anchor. Defaults to 0.5.
        max_delay_s: float >= 0, seconds by which a hit may follow its anchor. Defaults to 1.0.

    Returns:
        `Matches`.

    Raises:
        ValueError: If a time is not a finite number of at least 0, or the classes or the ends don't
            fit the anchors.

    Example:

    >>> found = [Detection(2.3, 0.9), Detection(2.8, 0.8), Detection(7.0, 0.7)]
    >>> matches = match_events(found, [2.0, 12.0])
    >>> matches.hits, matches.misses
    ([(Detection(time_s=2.3, score=0.9, class_index=0), 0)], [1])
    >>> len(matches.ignored), len(matches.false_alarms)
    (1, 1)

    While a sentence lasts, firing again is no false alarm:

    >>> matches = match_events(found, [2.0, 12.0], event_ends_s=[8.0, 15.0])
    >>> len(matches.ignored), len(matches.false_alarms)
    (2, 0)
    """
    require_seconds("early_s", early_s)
    require_seconds("max_delay_s", max_delay_s)
    anchors = validate_anchors(anchors_s, "anchors_s")
    classes = np.zeros(len(anchors), int) if anchor_classes is None else np.asarray(anchor_classes)
    require(
        classes.shape == anchors.shape,
        "`anchor_classes` must hold one class for each anchor. Received: "
        f"anchor_classes of shape {classes.shape}, anchors_s of shape {anchors.shape}.",
    )
    ends = validate_ends(event_ends_s, anchors, "event_ends_s")
    order = np.argsort(anchors, kind="stable")
    begin, end = anchors[order] - early_s, anchors[order] + max_delay_s
    hits: dict[int, Detection] = {}
    false_alarms, ignored = [], []
    for detection in sorted(detections, key=lambda detection: detection.time_s):
        over = np.searchsorted(end, detection.time_s - TIME_TOLERANCE_S, side="left")
        begun = np.searchsorted(begin, detection.time_s + TIME_TOLERANCE_S, side="right")
        window_open = order[over:begun]
        same_class = window_open[classes[window_open] == detection.class_index].tolist()
        free = [event for event in same_class if event not in hits]
        lasting = order[:begun][ends[order[:begun]] >= detection.time_s - TIME_TOLERANCE_S]
        if free:
            hits[free[0]] = detection
        elif same_class or detection.class_index in classes[lasting]:
            ignored.append(detection)
        else:
            false_alarms.append(detection)
    return Matches(
        hits=[(detection, event) for event, detection in hits.items()],
        misses=[event for event in range(len(anchors)) if event not in hits],
        false_alarms=false_alarms,
        ignored=ignored,
        latencies_s=np.array([hit.time_s - anchors[event] for event, hit in hits.items()]),
    )


def hit_windows(anchors_s: Array, frames: int, rule: Scoring) -> tuple[Array, Array]:
    """Convert the hit windows of anchors to frames of their stream.

    Args:
        anchors_s: array `(events,)`, seconds, rising.
        frames: int, length of the stream.
        rule: `Scoring`.

    Returns:
        int64 arrays `(events,)`: the first and the last frame of each window, both rising. A window
        without a frame has its last before its first.
    """
    slack = TIME_TOLERANCE_S / rule.frame_step_s
    anchors = (anchors_s - rule.frame_offset_s) / rule.frame_step_s
    first = np.ceil(anchors - rule.early_s / rule.frame_step_s - slack)
    last = np.floor(anchors + rule.max_delay_s / rule.frame_step_s + slack)
    return (
        np.clip(first, 0, frames).astype("int64"),
        np.clip(last, -1, frames - 1).astype("int64"),
    )


def event_spans(
    anchors_s: Array, event_ends_s: Array, frames: int, rule: Scoring
) -> tuple[Array, Array]:
    """Convert the stretches that hold no false alarms to frames: hit windows, and events that last.

    Args:
        anchors_s: array `(events,)`, seconds, rising.
        event_ends_s: array `(events,)`, seconds, the time until which each event lasts.
        frames: int, length of the stream.
        rule: `Scoring`.

    Returns:
        int64 arrays `(events,)`: the first and the last frame of each stretch, both rising. Where
        an event lasts longer than a later one, the later stretch ends with it, too; that leaves
        the union of all stretches as it is.
    """
    first, last = hit_windows(anchors_s, frames, rule)
    slack = TIME_TOLERANCE_S / rule.frame_step_s
    end = np.floor((event_ends_s - rule.frame_offset_s) / rule.frame_step_s + slack)
    end = np.clip(end, -1, frames - 1).astype("int64")
    return first, np.maximum.accumulate(np.maximum(last, end))


def disjoint_spans(first: Array, last: Array) -> tuple[Array, Array]:
    """Cut from each stretch of frames those that are in the stretches before it.

    Args:
        first: int64 array `(events,)`, first frame of each stretch, rising.
        last: int64 array `(events,)`, last frame of each stretch, rising.

    Returns:
        int64 arrays `(events,)`: the first frame of what is left of each stretch, and its length.
    """
    begin = first.copy()
    begin[1:] = np.maximum(first[1:], last[:-1] + 1)
    return begin, np.maximum(last - begin + 1, 0)


def negative_hours(
    first: Array, last: Array, frames: int, rule: Scoring, boundaries_s: Array
) -> Array:
    """Measure the audio outside the hit windows and events, for each recording of a stream.

    Args:
        first: int64 array `(events,)`, first frame of each stretch, as from `event_spans`.
        last: int64 array `(events,)`, last frame of each stretch.
        frames: int, length of the stream.
        rule: `Scoring`.
        boundaries_s: rising array `(boundaries,)`, start times of all recordings but the first.

    Returns:
        array `(boundaries + 1,)`, hours.
    """
    begin, length = disjoint_spans(first, last)
    starts = (boundaries_s - rule.frame_offset_s - TIME_TOLERANCE_S) / rule.frame_step_s
    edges = np.clip([0, *np.ceil(starts), frames], 0, frames)
    # the number of frames inside stretches before a frame: a straight line over each stretch
    knots = np.stack([begin, begin + length], axis=1).ravel()
    passed = np.cumsum(length)
    inside = np.stack([passed - length, passed], axis=1).ravel()
    inside = np.interp(edges, knots, inside) if len(first) else np.zeros(len(edges))
    return np.diff(edges - inside) * rule.frame_step_s / 3600


def recording_at(times_s: Array, boundaries_s: Array) -> Array:
    """Find the recording of a stream that each time lies in.

    Args:
        times_s: array `(times,)`, seconds from the start of the stream.
        boundaries_s: rising array `(boundaries,)`, start times of all recordings but the first.

    Returns:
        int array `(times,)`, indices of recordings.
    """
    return np.searchsorted(boundaries_s, times_s + TIME_TOLERANCE_S, side="right")
