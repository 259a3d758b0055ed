"""A sweep over all thresholds at once, over the scores of one stream.

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

A floor makes long recordings cheap: frames whose score is not above it are never looked at. What
is found above a floor is what a sweep with any lower floor finds there, row for row: the ranges of
each row are as long as they can be, so a higher floor only cuts them.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

from keras_sal.typing import Array

ThresholdRange: TypeAlias = tuple[float, float]
"""The thresholds in `(low, high]`."""


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


def block_peaks(scores: Array, refractory_frames: int) -> Array:
    """Find the highest score of each block of one refractory time.

    Args:
        scores: array `(frames,)`.
        refractory_frames: int, least number of frames from one detection to the next.

    Returns:
        array `(blocks,)`; the last block may be shorter.
    """
    return np.maximum.reduceat(scores, np.arange(0, len(scores), refractory_frames))


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
    frames = np.flatnonzero(scores > np.float64(floor))  # a float would be rounded to float32
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
