"""Event-based F1: detected intervals against reference intervals, within collars.

It is the figure of sound event detection (DCASE, `sed_eval`), for detectors that find the onset
*and* the offset of an event. For triggers, which fire once, a DET curve is the better figure: F1
depends neither on the hours nor on the latency.

An estimated event matches a reference event if its onset lies within `onset_collar_s` of the
reference's and its offset within the larger of `offset_collar_s` and `offset_collar_share` of
the reference's duration. The matching is one to one and as large as possible.

    precision = matched / estimated,  recall = matched / reference,
    F1 = 2 * matched / (estimated + reference)

The polyphonic sound detection score (PSDS) is not included: `sed_scores_eval` computes it from the
same posteriors, exactly and over all thresholds as `det_curve` does.

Reference: Mesaros, Heittola, Virtanen, "Metrics for polyphonic sound event detection", Applied
Sciences 6(6), 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_sal.checks import require
from keras_sal.detection.scoring import TIME_TOLERANCE_S, Scoring
from keras_sal.detection.validation import validate_posterior, validate_thresholds
from keras_sal.typing import Array, ArrayLike


class EventScore(NamedTuple):
    """Event-based F1 with its parts; `nan` where there is nothing to divide by.

    Args:
        f1: float in [0, 1].
        precision: float in [0, 1], matched / estimated.
        recall: float in [0, 1], matched / reference.
        matched: int, number of matched events.
        estimated: int, number of estimated events.
        reference: int, number of reference events.
    """

    f1: float
    precision: float
    recall: float
    matched: int
    estimated: int
    reference: int


def active_intervals(posterior: ArrayLike, threshold: float, **scoring: Any) -> Array:
    """Find the intervals in which the score has reached the threshold.

    Args:
        posterior: array `(frames,)` in [0, 1].
        threshold: float in [0, 1].
        **scoring: fields of `keras_sal.detection.Scoring`; `frame_step_s` is required. An
            interval begins once the smoothed posterior has reached the threshold for
            `on_frames` frames, and ends once it has fallen below `threshold - hysteresis`
            (below the threshold, without hysteresis). The refractory time plays no part.

    Returns:
        Array `(events, 2)`: onset and offset in seconds. The offset is the time of the first
        frame that is off again, or one frame after the last.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> active_intervals([0.1, 0.8, 0.9, 0.2, 0.9], 0.5, frame_step_s=0.5).tolist()
    [[0.5, 1.5], [2.0, 2.5]]
    """
    rule = Scoring(**scoring)
    level = float(validate_thresholds(threshold, 1)[0])
    smoothed, lasting = rule.scores(validate_posterior(posterior, "posterior"))
    lasting, smoothed = lasting.astype("float64"), smoothed.astype("float64")
    on, off = lasting >= level, smoothed + (rule.hysteresis or 0.0) < level
    # the last frame that was on or off decides the state after each frame
    last_change = np.maximum.accumulate(np.where(on | off, np.arange(len(on)), -1))
    active = np.concatenate([[False], on[last_change] & (last_change >= 0), [False]])
    edges = np.flatnonzero(active[1:] != active[:-1])
    return rule.time_s(edges).reshape(-1, 2)


def event_f1(
    reference: Sequence[ArrayLike],
    estimated: Sequence[ArrayLike],
    *,
    onset_collar_s: float = 0.2,
    offset_collar_s: float = 0.2,
    offset_collar_share: float = 0.5,
    use_offset: bool = True,
) -> EventScore:
    """Compute event-based F1 of one class over all streams.

    Args:
        reference: list of arrays `(events, 2)` of onset and offset in seconds, one for each
            stream.
        estimated: list of arrays `(events, 2)`, the same for the detector.
        onset_collar_s: float >= 0, seconds. Defaults to 0.2.
        offset_collar_s: float >= 0, seconds. Defaults to 0.2.
        offset_collar_share: float >= 0, share of the reference's duration. Defaults to 0.5.
        use_offset: bool, whether offsets must fit, too. Defaults to `True`.

    Returns:
        `EventScore(f1, precision, recall, matched, estimated, reference)`.

    Raises:
        ValueError: If the lists differ in length, or an array is not of rising intervals.

    Example:

    >>> score = event_f1([[[1.0, 2.0], [5.0, 6.0]]], [[[1.1, 2.3], [8.0, 9.0], [9.5, 9.9]]])
    >>> score.f1, score.recall, score.matched, score.estimated, score.reference
    (0.4, 0.5, 1, 3, 2)
    """
    require(
        len(reference) == len(estimated),
        "`reference` and `estimated` must hold one array for each stream. "
        f"Received: {len(reference)} and {len(estimated)} arrays.",
    )
    matched = true = found = 0
    for stream, (truth, guess) in enumerate(zip(reference, estimated, strict=True)):
        truth = _validate_intervals(truth, f"reference[{stream}]")
        guess = _validate_intervals(guess, f"estimated[{stream}]")
        onset, offset = np.moveaxis(np.abs(truth[:, None] - guess[None]), -1, 0)
        fits = onset <= onset_collar_s + TIME_TOLERANCE_S
        if use_offset:
            collar = np.maximum(offset_collar_s, offset_collar_share * np.ptp(truth, axis=1))
            fits &= offset <= collar[:, None] + TIME_TOLERANCE_S
        matched += _largest_matching([np.flatnonzero(row).tolist() for row in fits])
        true, found = true + len(truth), found + len(guess)
    return EventScore(
        f1=2 * matched / (true + found) if true + found else np.nan,
        precision=matched / found if found else np.nan,
        recall=matched / true if true else np.nan,
        matched=matched,
        estimated=found,
        reference=true,
    )


def _largest_matching(fits: list[list[int]]) -> int:
    """Count the rows that can each have a different column (Kuhn's augmenting paths)."""
    row_of: dict[int, int] = {}
    column_of: dict[int, int] = {}

    def place(row: int) -> bool:
        """Give a row a column, breadth first, and the rows on the way their next ones."""
        asked_by: dict[int, int] = {}
        waiting = [row]
        for asking in waiting:
            for column in fits[asking]:
                if column in asked_by:
                    continue
                asked_by[column] = asking
                if column in row_of:
                    waiting.append(row_of[column])
                    continue
                moved = column
                while True:
                    taker = asked_by[moved]
                    former = column_of.get(taker)
                    row_of[moved], column_of[taker] = taker, moved
                    if former is None:
                        return True
                    moved = former
        return False

    return sum(map(place, range(len(fits))))


def _validate_intervals(intervals: ArrayLike, name: str) -> Array:
    intervals = np.asarray(intervals, dtype="float64")
    if intervals.size == 0:
        return np.empty((0, 2))
    require(
        intervals.ndim == 2 and intervals.shape[1] == 2,
        f"`{name}` must have shape (events, 2), onset and offset. "
        f"Received: {name} of shape {intervals.shape}.",
    )
    if not np.all(np.isfinite(intervals)) or np.any(intervals[:, 1] < intervals[:, 0]):
        raise ValueError(
            f"`{name}` must hold finite onsets before their offsets, in seconds. "
            f"Received: {name}={intervals.tolist()}."
        )
    return intervals
