"""Counts of hits and false alarms of a trigger at many thresholds at once, with Keras operations.

`keras_sal.detection` counts the same on streams of posteriors with NumPy. Here they are counted on
batches of clips with packed targets, inside a compiled function and on the device. Each clip is a
stream of its own, in which the trigger starts afresh; its events are the frames at distance 0.
"""

from __future__ import annotations

from typing import NamedTuple

from keras import ops

from keras_sal.anchors import IGNORE, unpack
from keras_sal.targets.nearest_anchor import FAR, sort_positions
from keras_sal.typing import Tensor


class ScoringFrames(NamedTuple):
    """The trigger and the hit window, in frames; see `keras_sal.detection.Scoring`."""

    smooth_frames: int
    on_frames: int
    refractory_frames: int
    early_frames: int
    delay_frames: int


class Counts(NamedTuple):
    """Counts over a batch, `int32`.

    Attributes:
        latencies: Hits by latency, `(thresholds, early_frames + delay_frames + 1)`; the first
            column is latency `-early_frames`.
        false_alarms: `(thresholds,)`.
        events: `()`.
        negative_frames: `()`.
    """

    latencies: Tensor
    false_alarms: Tensor
    events: Tensor
    negative_frames: Tensor


def count_detections(
    y_true: Tensor,
    posterior: Tensor,
    thresholds: Tensor,
    scoring: ScoringFrames,
    class_index: int | None = None,
    *,
    lasting_events: bool = False,
) -> Counts:
    """Count hits and false alarms.

    Args:
        y_true: Packed targets `(batch, time, channels + 1)`.
        posterior: `(batch, time)`, of one detector.
        thresholds: `(thresholds,)`, > 0.
        scoring: The trigger and the hit window.
        class_index: Class whose events count, or `None` for all of them. Defaults to `None`.
        lasting_events: Whether no detection is a false alarm while the label of an event is
            positive. Defaults to `False`.

    Returns:
        `Counts`.
    """
    labels, distance = unpack(y_true)
    known = ops.any(labels != IGNORE, axis=-1)
    time = ops.cumsum(ops.ones_like(distance, dtype="int32"), axis=1, dtype="int32") - 1
    event = (distance == 0) & known & _is_class(labels, class_index)
    passed = ops.cumsum(ops.cast(event, "int32"), axis=1, dtype="int32")
    ahead = passed[:, -1:] - passed
    # Anchors whose windows hold frame t have ranks in [closed, opened).
    closed = _delay(passed, scoring.delay_frames + 1)
    opened = passed[:, -1:] - _advance(ahead, scoring.early_frames)
    beyond = (distance >= -scoring.early_frames) & (distance <= scoring.delay_frames)
    if class_index is not None:
        beyond = ops.zeros_like(known)  # the class of an event outside the clip isn't known
    negative = known & (closed >= opened) & ~beyond
    if lasting_events:
        negative = negative & ~_is_positive(labels, class_index)
    position = sort_positions(ops, time, event)
    posterior = ops.where(known, posterior, 0.0)
    on = _trigger_score(posterior, scoring)[..., None] >= ops.cast(thresholds, posterior.dtype)
    width = scoring.early_frames + scoring.delay_frames + 1

    def more(pointer, free, latencies, false_alarms):
        return ops.any(pointer < FAR)

    def next_detection(pointer, free, latencies, false_alarms):
        candidate = on & (time[..., None] >= pointer[:, None])
        frame = ops.min(ops.where(candidate, time[..., None], FAR), axis=1)
        found = frame < FAR
        at = ops.where(found, frame, 0)
        rank = ops.maximum(free, ops.take_along_axis(closed, at, axis=1))
        hit = found & (rank < ops.take_along_axis(opened, at, axis=1))
        alarm = found & ops.take_along_axis(negative, at, axis=1)
        anchor = ops.take_along_axis(position, ops.where(hit, rank, 0), axis=1)
        late = ops.where(hit, at - anchor + scoring.early_frames, -1)
        column = ops.cast(late[..., None] == ops.arange(width, dtype="int32"), "int32")
        return (
            ops.where(found, frame + scoring.refractory_frames, FAR),
            ops.where(hit, rank + 1, free),
            latencies + ops.sum(column, axis=0),
            false_alarms + ops.sum(ops.cast(alarm, "int32"), axis=0),
        )

    start = ops.zeros_like(posterior[:, :1] + ops.cast(thresholds, posterior.dtype), dtype="int32")
    none = ops.zeros_like(start[0])
    start = (start, start, none[:, None] + ops.zeros((1, width), dtype="int32"), none)
    _, _, latencies, false_alarms = ops.while_loop(more, next_detection, start)
    event, negative = (ops.sum(ops.cast(frames, "int32")) for frames in (event, negative))
    return Counts(latencies, false_alarms, event, negative)


def _is_class(labels: Tensor, class_index: int | None) -> Tensor:
    """Mark the frames labelled with a class; all for `None`."""
    if class_index is None:
        return ops.ones_like(labels[..., 0], dtype="bool")
    if labels.shape[-1] == 1:
        return labels[..., 0] == class_index
    return labels[..., class_index] == 1


def _is_positive(labels: Tensor, class_index: int | None) -> Tensor:
    """Mark the frames in which an event lasts, of a class or of a binary detector."""
    return labels[..., 0] > 0 if class_index is None else _is_class(labels, class_index)


def _trigger_score(posterior: Tensor, scoring: ScoringFrames) -> Tensor:
    """Return the trailing mean of the posterior, and of that the trailing minimum."""
    score = posterior
    for lag in range(1, scoring.smooth_frames):
        score = score + _delay(posterior, lag)
    score = score / scoring.smooth_frames
    lowest = score
    for lag in range(1, scoring.on_frames):
        lowest = ops.minimum(lowest, _delay(score, lag))
    return lowest


def _delay(x: Tensor, frames: int) -> Tensor:
    """Move `x (batch, time)` `frames` later, zeros first."""
    return ops.pad(x, ((0, 0), (frames, 0)))[:, : ops.shape(x)[1]]


def _advance(x: Tensor, frames: int) -> Tensor:
    """Move `x (batch, time)` `frames` earlier, zeros last."""
    return ops.pad(x, ((0, 0), (0, frames)))[:, frames:]
