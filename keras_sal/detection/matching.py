"""Matching: which detections are hits, which are false alarms, and the figures that follow.

See `keras_sal.detection` for the conventions.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from keras_sal.detection.trigger import (
    TIME_TOLERANCE_S,
    Detection,
    Scoring,
    as_posterior,
    as_thresholds,
    check_seconds,
    detect,
)


@dataclasses.dataclass(frozen=True)
class Matches:
    """What became of the detections and the events of one stream.

    Attributes:
        hits: list of `(detection, event)`, `event` being the index into the anchors given.
        misses: list of the indices of the events that were not hit.
        false_alarms: list of the detections outside all hit windows of their class.
        ignored: list of the further detections inside windows already matched.
        latencies_s: array, detection time - anchor time of the hits.
    """

    hits: list[tuple[Detection, int]]
    misses: list[int]
    false_alarms: list[Detection]
    ignored: list[Detection]
    latencies_s: np.ndarray


def match_events(
    detections: Iterable[Detection],
    anchors_s,
    *,
    anchor_classes=None,
    early_s: float = 0.5,
    max_delay_s: float = 1.0,
) -> Matches:
    """Match detections with events one to one.

    In order of time, each detection is matched with the earliest free anchor of its class in
    whose window `[anchor - early_s, anchor + max_delay_s]` it lies.

    Args:
        detections: iterable of `Detection`, of one stream.
        anchors_s: array `(events,)`, seconds, in any order.
        anchor_classes: integers `(events,)`, the class of each event. Defaults to class 0.
        early_s: float, seconds, >= 0. Defaults to 0.5.
        max_delay_s: float, seconds, >= 0. Defaults to 1.0.

    Returns:
        `Matches`.

    Raises:
        ValueError: if anything is not a non-negative number of seconds.

    Example:

    >>> found = [Detection(2.3, 0.9), Detection(2.8, 0.8), Detection(7.0, 0.7)]
    >>> matches = match_events(found, [2.0, 12.0])
    >>> matches.hits, matches.misses
    ([(Detection(time_s=2.3, score=0.9, class_index=0), 0)], [1])
    >>> len(matches.ignored), len(matches.false_alarms)
    (1, 1)
    """
    check_seconds("early_s", early_s)
    check_seconds("max_delay_s", max_delay_s)
    anchors = _as_anchors(anchors_s, "anchors_s")
    classes = np.zeros(len(anchors), int) if anchor_classes is None else np.asarray(anchor_classes)
    if classes.shape != anchors.shape:
        raise ValueError(
            "`anchor_classes` must hold one class for each anchor. Received: "
            f"anchor_classes of shape {classes.shape}, anchors_s of shape {anchors.shape}."
        )
    order = np.argsort(anchors, kind="stable")
    begin, end = anchors[order] - early_s, anchors[order] + max_delay_s
    hits: dict[int, Detection] = {}
    false_alarms, ignored = [], []
    for detection in sorted(detections, key=lambda detection: detection.time_s):
        over = np.searchsorted(end, detection.time_s - TIME_TOLERANCE_S, side="left")
        begun = np.searchsorted(begin, detection.time_s + TIME_TOLERANCE_S, side="right")
        nearby = order[over:begun]
        nearby = nearby[classes[nearby] == detection.class_index].tolist()
        free = [event for event in nearby if event not in hits]
        if free:
            hits[free[0]] = detection
        elif nearby:
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


class Latency(NamedTuple):
    """Detection time - anchor time over the hits, in seconds, with the misses beside it."""

    p50_s: float
    p90_s: float
    p95_s: float
    mean_s: float
    hits: int
    frr: float


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """All figures at one threshold.

    Attributes:
        threshold: the threshold.
        frr: misses / events; `nan` without events.
        fa_per_hour: false alarms / hours; `nan` without negative audio.
        misses, hits, events: counts of events.
        false_alarms: detections outside the hit windows.
        hours: hours of audio outside the hit windows.
        latency_p50_s, latency_p90_s, latency_p95_s, latency_mean_s: detection - anchor over
            the hits; `nan` without hits.
    """

    threshold: float
    frr: float
    fa_per_hour: float
    misses: int
    hits: int
    false_alarms: int
    latency_p50_s: float
    latency_p90_s: float
    latency_p95_s: float
    latency_mean_s: float
    hours: float
    events: int

    @classmethod
    def from_counts(
        cls, threshold: float, *, latencies_s, false_alarms: int, hours: float, events: int
    ) -> "OperatingPoint":
        """Work the rates and quantiles out from the counts."""
        latencies = np.sort(np.asarray(latencies_s, dtype="float64"))
        hits = len(latencies)

        def quantile(share: float) -> float:
            return float(latencies[math.ceil(share * hits - 1e-9) - 1]) if hits else math.nan

        return cls(
            threshold=float(threshold),
            frr=(events - hits) / events if events else math.nan,
            fa_per_hour=false_alarms / hours if hours else math.nan,
            misses=events - hits,
            hits=hits,
            false_alarms=false_alarms,
            latency_p50_s=quantile(0.5),
            latency_p90_s=quantile(0.9),
            latency_p95_s=quantile(0.95),
            latency_mean_s=float(latencies.mean()) if hits else math.nan,
            hours=hours,
            events=events,
        )

    @property
    def latency(self) -> Latency:
        """The latencies with the number of hits and the FRR beside them."""
        return Latency(
            self.latency_p50_s,
            self.latency_p90_s,
            self.latency_p95_s,
            self.latency_mean_s,
            self.hits,
            self.frr,
        )


def operating_point(posteriors, anchors_s, threshold: float, **scoring) -> OperatingPoint:
    """Score a trigger at one threshold, e.g. one that was chosen on other data.

    Args:
        posteriors: list of arrays `(frames,)` in [0, 1], one for each stream.
        anchors_s: list of arrays `(events,)`, seconds from the start of the stream, one for
            each stream; empty where it has no event.
        threshold: float in [0, 1], or `inf`.
        **scoring: fields of `Scoring`; `frame_step_s` is required.

    Returns:
        `OperatingPoint`.

    Raises:
        ValueError: if the streams do not fit the anchors, or are not what they should be.

    Example:

    >>> posterior = np.zeros(3600)
    >>> posterior[[1001, 3000]] = 0.9
    >>> point = operating_point([posterior], [[1000.0, 2000.0]], 0.5, frame_step_s=1.0)
    >>> point.hits, point.misses, point.false_alarms, point.latency_p50_s
    (1, 1, 1, 1.0)
    """
    rule = Scoring(**scoring)
    level = float(as_thresholds(threshold, 1)[0])
    false_alarms, latencies, hours, events = 0, [], 0.0, 0
    for posterior, anchors in as_streams(posteriors, anchors_s, rule):
        matches = match_events(
            detect(posterior, level, **vars(rule)),
            anchors,
            early_s=rule.early_s,
            max_delay_s=rule.max_delay_s,
        )
        false_alarms += len(matches.false_alarms)
        latencies += matches.latencies_s.tolist()
        windows = rule.windows(anchors, len(posterior))
        hours += negative_hours(*windows, len(posterior), rule, np.empty(0)).item()
        events += len(anchors)
    return OperatingPoint.from_counts(
        level, latencies_s=latencies, false_alarms=false_alarms, hours=hours, events=events
    )


def negative_hours(
    first: np.ndarray, last: np.ndarray, frames: int, rule: Scoring, cuts_s: np.ndarray
) -> np.ndarray:
    """Hours outside the windows, `(cuts + 1,)`, in each piece of a stream.

    `first` and `last` both rise, so a window begins after the one before.
    """
    begin = first.copy()
    begin[1:] = np.maximum(first[1:], last[:-1] + 1)
    length = np.maximum(last - begin + 1, 0)
    cuts = (cuts_s - rule.frame_offset_s - TIME_TOLERANCE_S) / rule.frame_step_s
    edges = np.clip([0, *np.ceil(cuts), frames], 0, frames)
    # how many frames before a frame are inside: a straight line over each window
    knots = np.stack([begin, begin + length], axis=1).ravel()
    passed = np.cumsum(length)
    inside = np.stack([passed - length, passed], axis=1).ravel()
    inside = np.interp(edges, knots, inside) if len(first) else np.zeros(len(edges))
    return np.diff(edges - inside) * rule.frame_step_s / 3600


def piece_of(times_s: np.ndarray, cuts_s: np.ndarray) -> np.ndarray:
    """In which piece of a stream each time lies."""
    return np.searchsorted(cuts_s, times_s + TIME_TOLERANCE_S, side="right")


def as_cuts(cuts_s: Sequence | None, streams: int) -> list[np.ndarray]:
    """Check where the streams are cut into pieces."""
    if cuts_s is None:
        return [np.empty(0)] * streams
    cuts = [np.asarray(each, dtype="float64") for each in cuts_s]
    if len(cuts) != streams:
        raise ValueError(
            "`cuts_s` must hold one array for each stream. "
            f"Received: {len(cuts)} cuts_s for {streams} streams."
        )
    for index, each in enumerate(cuts):
        if each.ndim != 1 or np.isnan(each).any() or (np.diff(each) < 0).any():
            raise ValueError(
                f"`cuts_s[{index}]` must be rising seconds, of shape (cuts,). "
                f"Received: cuts_s[{index}]={each.tolist()}."
            )
    return cuts


def _as_anchors(anchors_s, name: str) -> np.ndarray:
    anchors = np.asarray(anchors_s, dtype="float64")
    if anchors.ndim != 1:
        raise ValueError(
            f"`{name}` must have shape (events,). Received: {name} of shape {anchors.shape}. "
            "Of (onset, offset) pairs give the one the task is judged by."
        )
    if not np.all((anchors >= 0) & (anchors < np.inf)):
        raise ValueError(
            f"`{name}` must be finite seconds, 0 or more. Received: {name}={anchors.tolist()}. "
            "Leave events out that are not in the stream."
        )
    return anchors


def as_streams(
    posteriors: Sequence, anchors_s: Sequence, rule: Scoring
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Check all streams and sort their anchors."""
    posteriors, anchors_s = list(posteriors), list(anchors_s)
    if len(posteriors) == 0 or len(posteriors) != len(anchors_s):
        raise ValueError(
            "`posteriors` and `anchors_s` must hold one array for each stream, and at least one. "
            f"Received: {len(posteriors)} posteriors, {len(anchors_s)} anchors_s. "
            "A stream without events has an empty array of anchors."
        )
    streams = []
    for index, (posterior, anchors) in enumerate(zip(posteriors, anchors_s, strict=True)):
        posterior = as_posterior(posterior, f"posteriors[{index}]")
        anchors = np.sort(_as_anchors(anchors, f"anchors_s[{index}]"))
        end_s = rule.time_s(len(posterior) - 1)
        if len(anchors) and anchors[-1] - rule.early_s > end_s + TIME_TOLERANCE_S:
            raise ValueError(
                f"`anchors_s[{index}]` must lie inside its stream; no frame of it could be a hit. "
                f"Received: an anchor at {anchors[-1]:.6g} s in a stream of {len(posterior)} "
                f"frames that ends at {end_s:.6g} s. Did you give milliseconds, or frames?"
            )
        streams.append((posterior, anchors))
    return streams
