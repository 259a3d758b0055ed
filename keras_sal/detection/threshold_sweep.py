"""A sweep over all thresholds at once, which makes the DET curve of posteriors.

`det_curve` is the entry; the rest explains how it counts.

A trigger changes its behaviour only where the threshold crosses the score of a frame. So all its
detections, at all thresholds, fit one exact table: a row `(frame, low, high)` is a detection at
that frame at the thresholds in the half-open range `(low, high]`, and at no others. One pass over
time computes the table. Where a device keeps *one* time at which it is armed again,
`find_detections` keeps that time as a step function of the threshold:

- a frame of score `c` is a detection at every threshold in `(-inf, c]` that is armed;
- these thresholds are then blocked for the refractory time;
- with hysteresis they stay latched until a score falls below `threshold - hysteresis`.

`match_detections` extends the one-to-one matching to all thresholds in the same way: an event keeps
the ranges of thresholds at which it is hit, and a detection gives each event in turn the ranges
that the event does not have yet. The ranges that remain when all its events are hit are repeats.

`score_floor` makes long recordings cheap. Without hysteresis the number of detections never falls
as the threshold falls: a detection as soon as allowed yields the largest possible set of frames
that are a refractory time apart, and a lower threshold only offers more frames. A block of one
refractory time holds at most one detection, and maxima of blocks that are not neighbours are always
far enough apart to be detections together. So `k` blocks that reach a threshold prove at least
`k / 2` detections. Frames whose score is not above the floor are never looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from keras_sal.checks import require
from keras_sal.detection.curve import DetCurve, ThresholdTable
from keras_sal.detection.false_alarm_budget import ROUNDING
from keras_sal.detection.hit_rule import (
    disjoint_spans,
    event_spans,
    hit_windows,
    negative_hours,
    recording_at,
)
from keras_sal.detection.scoring import Scoring
from keras_sal.detection.validation import validate_boundaries, validate_streams
from keras_sal.typing import Array, ArrayLike

ThresholdRange: TypeAlias = tuple[float, float]
"""The thresholds in `(low, high]`."""


def det_curve(
    posteriors: Sequence[ArrayLike],
    anchors_s: Sequence[ArrayLike],
    *,
    event_ends_s: Sequence[ArrayLike] | None = None,
    max_fa_per_hour: float = 100.0,
    boundaries_s: Sequence[ArrayLike] | None = None,
    **scoring: Any,
) -> DetCurve:
    """Score a detector at all thresholds.

    Exact: at each threshold the counts are those of `operating_point`. Cost grows linearly
    with the hours; 100 hours of 10 ms frames take seconds.

    Args:
        posteriors: list of arrays `(frames,)` in [0, 1], one for each stream. A stream is what
            a device would hear without a break; keep the state of the model over all of it.
        anchors_s: list of arrays `(events,)`, seconds from the start of the stream, one for
            each stream; empty where it has no event.
        event_ends_s: list of arrays `(events,)`, seconds, aligned with `anchors_s`: the time until
            which each event lasts. A further detection until then is a repeat and no false alarm,
            and this audio isn't negative. Defaults to `None`: no event lasts beyond its hit window.
        max_fa_per_hour: float > 0. Operating points with more false alarms an hour are left
            out, which is what makes long recordings cheap; `inf` keeps all, at some seconds for
            each hour. Defaults to 100.0.
        boundaries_s: list of rising arrays `(boundaries,)`, seconds from the start of the stream,
            one for each stream: the times at which one recording of the stream ends and the next
            begins. `keras_sal.detection.bootstrap` draws recordings; the figures stay the same.
            An event, a false alarm, a repeat and a frame belong to the recording that the anchor,
            the detection and the frame lie in. Defaults to none: a stream is one recording.
        **scoring: fields of `Scoring`; `frame_step_s` is required.

    Returns:
        `DetCurve`. Without hysteresis it holds *every* operating point of at most
        `max_fa_per_hour`. With hysteresis (low thresholds may then fire less, because the
        score never falls low enough to release them) it holds those above `DetCurve.floor`.

    Raises:
        ValueError: If the streams do not fit the anchors, or an argument is out of range.

    Example:

    >>> posterior = np.zeros(3600)
    >>> posterior[[1001, 2000, 3000]] = [0.9, 0.4, 0.6]
    >>> curve = det_curve([posterior], [[1000.0, 2000.0]], frame_step_s=1.0)
    >>> curve.threshold.tolist()[:4]
    [inf, 0.9, 0.6, 0.4]
    >>> curve.frr.tolist()[:4], curve.false_alarms.tolist()[:4]
    ([1.0, 0.5, 0.5, 0.0], [0, 0, 1, 1])
    >>> curve.frr_at(0.0)
    0.5
    """
    rule = Scoring(**scoring)
    require(
        max_fa_per_hour > 0,
        "`max_fa_per_hour` must be a positive number; it bounds the curve. Received: "
        f"max_fa_per_hour={max_fa_per_hour}. Use inf for the whole curve.",
    )
    streams = validate_streams(posteriors, anchors_s, rule, event_ends_s)
    boundaries = validate_boundaries(boundaries_s, len(streams))
    scores = [rule.scores(posterior)[1] for posterior, *_ in streams]
    spans = [event_spans(anchors, ends, len(p), rule) for p, anchors, ends in streams]
    hours_by_stream = [
        negative_hours(*span, len(s), rule, bounds)
        for span, s, bounds in zip(spans, scores, boundaries, strict=True)
    ]
    first_recording = np.cumsum([0, *map(len, hours_by_stream)])
    hours = np.concatenate(hours_by_stream)
    floor = score_floor(
        scores, rule.refractory_frames, _most_detections(spans, hours, max_fa_per_hour, rule)
    )

    events = np.zeros(first_recording[-1], "int64")
    hits: list[tuple[Array, ...]] = []
    alarms: list[tuple[Array, ...]] = []
    repeats: list[tuple[Array, ...]] = []
    for index, (posterior, anchors, _) in enumerate(streams):
        detections = find_detections(scores[index], rule.refractory_frames, rule.hysteresis, floor)
        windows = hit_windows(anchors, len(posterior), rule)
        event, hit, alarm, repeat = match_detections(detections, *windows, spans[index][1])
        of_event = first_recording[index] + recording_at(anchors, boundaries[index])
        latency_s = rule.time_s(hit.frame) - anchors[event]
        hits.append((of_event[event], hit.low, hit.high, latency_s))
        for rows, (frame, low, high) in ((alarms, alarm), (repeats, repeat)):
            recording = first_recording[index] + recording_at(rule.time_s(frame), boundaries[index])
            rows.append((recording, low, high, np.full(len(frame), np.nan)))
        events += np.bincount(of_event, minlength=len(events))
    hit_columns, alarm_columns, repeat_columns = (
        [np.concatenate(column) for column in zip(*rows, strict=True)]
        for rows in (hits, alarms, repeats)
    )
    ends = np.unique(np.concatenate([*hit_columns[1:3], *alarm_columns[1:3]]))
    levels = np.concatenate([[np.inf], ends[ends > floor][::-1]])
    return DetCurve(
        scoring=rule,
        max_fa_per_hour=float(max_fa_per_hour),
        floor=floor,
        hit_table=ThresholdTable(levels, *hit_columns),
        false_alarm_table=ThresholdTable(levels, *alarm_columns),
        repeat_table=ThresholdTable(levels, *repeat_columns),
        recording_events=events,
        recording_hours=hours,
        recording_weights=np.ones(len(events), "int64"),
    )


class DetectionTable(NamedTuple):
    """Detections of one stream in order of time, each with its range of thresholds.

    Args:
        frame: int64 array `(rows,)`.
        low: float64 array `(rows,)`; the thresholds of a row are those in `(low, high]`.
        high: float64 array `(rows,)`.
    """

    frame: Array
    low: Array
    high: Array

    @classmethod
    def from_rows(cls, rows: list[tuple[int, float, float]]) -> DetectionTable:
        """Turn rows into columns.

        Args:
            rows: list of `(frame, low, high)`.

        Returns:
            `DetectionTable`.
        """
        table = np.array(rows, dtype="float64").reshape(-1, 3)
        return cls(table[:, 0].astype("int64"), table[:, 1], table[:, 2])


def subtract_ranges(low: float, high: float, taken: list) -> list[ThresholdRange]:
    """Subtract ranges from a range.

    Args:
        low: float, the range is `(low, high]`.
        high: float.
        taken: list of tuples that begin with `low, high`, sorted and disjoint.

    Returns:
        List of the remaining ranges, sorted.

    Example:

    >>> subtract_ranges(0.0, 1.0, [(0.25, 0.5)])
    [(0.0, 0.25), (0.5, 1.0)]
    """
    free = []
    for begin, end, *_ in taken:
        if begin >= high:
            break
        if begin > low:
            free.append((low, begin))
        low = max(low, end)
    if low < high:
        free.append((low, high))
    return free


def score_floor(streams: list[Array], refractory_frames: int, detections: float) -> float:
    """Find a score at and below which a trigger without hysteresis detects too much.

    Args:
        streams: list of arrays `(frames,)`, the scores.
        refractory_frames: int, least number of frames from one detection to the next.
        detections: float, at thresholds up to the floor there are more detections than this.

    Returns:
        float; `-inf` if no such score is known.
    """
    peaks = np.concatenate(
        [
            np.maximum.reduceat(scores, np.arange(0, len(scores), refractory_frames))
            for scores in streams
        ]
    )
    rank = 2 * int(min(detections, len(peaks))) + 1
    if rank > len(peaks):
        return -np.inf
    return float(np.partition(peaks, len(peaks) - rank)[len(peaks) - rank])


def find_detections(
    scores: Array, refractory_frames: int, hysteresis: float | None, floor: float
) -> DetectionTable:
    """Find the detections in one stream at all thresholds above the floor.

    Args:
        scores: array `(frames,)`, the second one of `Scoring.scores`.
        refractory_frames: int, least number of frames from one detection to the next.
        hysteresis: float, or `None`.
        floor: float.

    Returns:
        `DetectionTable`.
    """
    frames = np.flatnonzero(scores > floor)
    latch = hysteresis is not None
    rows = []
    blocked: list[tuple[float, float, int, bool]] = []  # low, high, armed again at, latched
    covered, soonest, ceiling = -np.inf, -np.inf, np.inf
    for frame, score, release in zip(
        frames.tolist(),
        scores[frames].tolist(),
        _release_thresholds(scores, frames, hysteresis).tolist(),
        strict=True,
    ):
        if score <= covered and frame < soonest and release >= ceiling:
            continue  # no threshold up to the score is armed, and none is released
        blocked = _still_blocked(blocked, frame, release)
        armed = subtract_ranges(floor, score, blocked)
        rows += [(frame, low, high) for low, high in armed]
        blocked = sorted(blocked + [(*part, frame + refractory_frames, latch) for part in armed])
        covered, ceiling = score, blocked[-1][1]
        soonest = min((at for _, _, at, latched in blocked if not latched), default=np.inf)
    return DetectionTable.from_rows(rows)


def match_detections(
    detections: DetectionTable, first: Array, last: Array, until: Array
) -> tuple[Array, DetectionTable, DetectionTable, DetectionTable]:
    """Match the detections of one stream to its events, one to one at every threshold.

    Args:
        detections: `DetectionTable`.
        first: int array `(events,)`, first frame of each hit window, rising.
        last: int array `(events,)`, last frame of each hit window, rising.
        until: int array `(events,)`, last frame of each event, rising, at least `last`.

    Returns:
        The indices of the events hit, the detections that hit them, row for row, the false alarms,
        and the repeats.
    """
    begin = np.searchsorted(last, detections.frame, side="left")
    end = np.searchsorted(first, detections.frame, side="right")
    lasting = np.searchsorted(until, detections.frame, side="left") < end
    hit_at: list[list[ThresholdRange]] = [[] for _ in first]
    events, hits, repeats = [], [], []
    for row in np.flatnonzero(lasting).tolist():
        frame = int(detections.frame[row])
        rest = [(float(detections.low[row]), float(detections.high[row]))]
        for event in range(int(begin[row]), int(end[row])):
            won = [part for each in rest for part in subtract_ranges(*each, hit_at[event])]
            rest = [part for each in rest for part in subtract_ranges(*each, won)]
            hit_at[event] = sorted(hit_at[event] + won)
            events += [event] * len(won)
            hits += [(frame, *part) for part in won]
        repeats += [(frame, *part) for part in rest]
    return (
        np.array(events, dtype="int64"),
        DetectionTable.from_rows(hits),
        DetectionTable(*(column[~lasting] for column in detections)),
        DetectionTable.from_rows(repeats),
    )


def _most_detections(
    spans: list[tuple[Array, Array]], hours: Array, max_fa_per_hour: float, rule: Scoring
) -> float:
    """The most detections that there can be within the bound: false alarms and those of events."""
    lengths = [disjoint_spans(*span)[1] for span in spans]
    inside = sum(int((-(-length // rule.refractory_frames)).sum()) for length in lengths)
    return (max_fa_per_hour * hours.sum() * ROUNDING if hours.any() else np.inf) + inside


def _release_thresholds(scores: Array, frames: Array, hysteresis: float | None) -> Array:
    """For each frame, the thresholds above this one are released since the frame before it."""
    if hysteresis is None or not len(frames):
        return np.full(len(frames), np.inf)
    since_last = np.concatenate([[0], frames[:-1] + 1])
    lowest = np.minimum.reduceat(scores[: frames[-1] + 1], since_last)
    return lowest.astype("float64") + hysteresis


def _still_blocked(
    blocked: list[tuple[float, float, int, bool]], frame: int, release: float
) -> list[tuple[float, float, int, bool]]:
    """The ranges of thresholds that are blocked at a frame, after those above `release` unlatch."""
    still = []
    for low, high, armed_at, latched in blocked:
        if latched and release < high:
            if low < release:
                still.append((low, release, armed_at, True))
                low = release
            latched = False
        if latched or frame < armed_at:
            still.append((low, high, armed_at, latched))
    return still
