"""Validation of posteriors, thresholds, anchors and boundaries of recordings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from keras_sal.checks import require
from keras_sal.detection.scoring import TIME_TOLERANCE_S, Scoring
from keras_sal.typing import Array, ArrayLike

FLAGS = "b"  # NumPy's kind of truth values
NO_NUMBERS = "SUOcmM"  # its kinds of text, objects, complex numbers and times


def validate_delay_frames(delay_frames: int) -> int:
    """Check a number of outputs at the start of a stream that belong to no frame.

    Args:
        delay_frames: int >= 0.

    Returns:
        The number.

    Raises:
        ValueError: If it is not an integer of at least 0.
    """
    require(
        not isinstance(delay_frames, bool)
        and hasattr(delay_frames, "__index__")
        and delay_frames >= 0,
        "`delay_frames` must be an integer >= 0; it counts outputs. "
        f"Received: delay_frames={delay_frames}. A causal model has 0.",
    )
    return delay_frames


def validate_thresholds(threshold: ArrayLike, classes: int) -> Array:
    """Check one threshold, or one for each class.

    Args:
        threshold: float or array `(classes,)`, in [0, 1] or `inf`.
        classes: int, number of classes.

    Returns:
        float64 array `(1,)` or `(classes,)`.

    Raises:
        ValueError: If the shape or a value is wrong.
    """
    levels = np.atleast_1d(_real_numbers(threshold, "threshold", FLAGS).astype("float64"))
    require(
        levels.shape in ((1,), (classes,)),
        f"`threshold` must be one number, or one for each of the {classes} classes. "
        f"Received: threshold of shape {levels.shape}.",
    )
    require(
        np.all((levels >= 0) & ((levels <= 1) | (levels == np.inf))),
        "`threshold` must be in [0, 1], as posteriors are, or inf. "
        f"Received: threshold={threshold}. Is it a logit or a percentage?",
    )
    return levels


def without_class_axis(posterior: Array) -> Array:
    """Take the only class out of `(frames, 1)`; any other array stays as it is.

    Args:
        posterior: array of any shape.

    Returns:
        array `(frames,)`, or `posterior`.
    """
    return posterior[:, 0] if posterior.ndim == 2 and posterior.shape[1] == 1 else posterior


def validate_posterior(posterior: ArrayLike, name: str, *, classes: bool = False) -> Array:
    """Check the posteriors of one stream.

    Args:
        posterior: array `(frames,)` or `(frames, 1)` in [0, 1].
        name: str, name of the argument, for the message.
        classes: bool, whether `(frames, classes)` is allowed. Defaults to `False`.

    Returns:
        float32 or float64 array `(frames,)`, or `(frames, classes)` for several classes.

    Raises:
        ValueError: If the shape or a value is wrong.
    """
    posterior = _real_numbers(posterior, name)
    if posterior.dtype not in ("float32", "float64"):
        posterior = posterior.astype("float64")
    posterior = without_class_axis(posterior)
    shapes = "(frames,) or (frames, classes)" if classes else "(frames,)"
    require(
        posterior.ndim == 1 or (classes and posterior.ndim == 2),
        f"`{name}` must have shape {shapes}. Received: {name} of shape {posterior.shape}. "
        "Give a list with one array for each stream, and one class at a time.",
    )
    require(
        len(posterior) > 0,
        f"`{name}` must have at least one frame. Received: {name} of length 0.",
    )
    low, high = float(posterior.min()), float(posterior.max())
    if math.isnan(low):
        bad = int(np.argmax(np.isnan(posterior).reshape(len(posterior), -1).any(axis=1)))
        raise ValueError(
            f"`{name}` must not hold nan; a frame without a posterior can't be scored. "
            f"Received: {name}[{bad}]=nan. Was the exported model run with its state?"
        )
    require(
        low >= 0 and high <= 1,
        f"`{name}` must lie in [0, 1]; it is a posterior. Received: values from {low:.6g} to "
        f"{high:.6g}. Apply the sigmoid or softmax to logits, dequantise int8 outputs.",
    )
    return posterior


def validate_anchors(anchors_s: ArrayLike, name: str) -> Array:
    """Check the anchors of one stream.

    Args:
        anchors_s: array `(events,)`, seconds >= 0, in any order.
        name: str, name of the argument, for the message.

    Returns:
        float64 array `(events,)`.

    Raises:
        ValueError: If the shape or a value is wrong.
    """
    anchors = _real_numbers(anchors_s, name, FLAGS).astype("float64")
    require(
        anchors.ndim == 1,
        f"`{name}` must have shape (events,). Received: {name} of shape {anchors.shape}. "
        "Of (onset, offset) pairs give the one the task is judged by.",
    )
    if not np.all((anchors >= 0) & (anchors < np.inf)):
        raise ValueError(
            f"`{name}` must be finite seconds, 0 or more. Received: {name}={anchors.tolist()}. "
            "Leave events out that are not in the stream."
        )
    return anchors


def validate_ends(event_ends_s: ArrayLike | None, anchors_s: Array, name: str) -> Array:
    """Check the times until which the events of one stream last.

    Args:
        event_ends_s: array `(events,)`, seconds, aligned with `anchors_s`; or `None`: each event
            ends at its anchor.
        anchors_s: float64 array `(events,)`, seconds.
        name: str, name of the argument, for the message.

    Returns:
        float64 array `(events,)`.

    Raises:
        ValueError: If the shape or a value is wrong.
    """
    if event_ends_s is None:
        return anchors_s
    ends = np.asarray(event_ends_s, dtype="float64")
    require(
        ends.shape == anchors_s.shape,
        f"`{name}` must hold one time for each anchor; an event lasts until it. Received: {name} "
        f"of shape {ends.shape} for anchors of shape {anchors_s.shape}. Give the offsets of the "
        "same events, in the same order.",
    )
    if not np.isfinite(ends).all():
        raise ValueError(
            f"`{name}` must be finite seconds; nothing is a false alarm before them. "
            f"Received: {name}={ends.tolist()}. Of an event without a known end give its anchor."
        )
    return ends


def validate_ends_of_streams(
    event_ends_s: Sequence[ArrayLike] | None, streams: int
) -> list[ArrayLike | None]:
    """Check that there are ends of events for each stream, or for none.

    Args:
        event_ends_s: list of arrays `(events,)`, seconds, one for each stream, or `None`.
        streams: int, number of streams.

    Returns:
        List of an array, or `None`, for each stream.

    Raises:
        ValueError: If the list has another length.
    """
    ends_s = [None] * streams if event_ends_s is None else list(event_ends_s)
    require(
        len(ends_s) == streams,
        "`event_ends_s` must hold one array for each stream. "
        f"Received: {len(ends_s)} event_ends_s for {streams} streams. "
        "A stream without events has an empty array of ends.",
    )
    return ends_s


def validate_streams(
    posteriors: Sequence[ArrayLike],
    anchors_s: Sequence[ArrayLike],
    rule: Scoring,
    event_ends_s: Sequence[ArrayLike] | None = None,
) -> list[tuple[Array, Array, Array]]:
    """Check the posteriors and the events of all streams.

    Args:
        posteriors: list of arrays `(frames,)` in [0, 1], one for each stream.
        anchors_s: list of arrays `(events,)`, seconds, one for each stream.
        rule: `Scoring`.
        event_ends_s: list of arrays `(events,)`, seconds, one for each stream, or `None`.

    Returns:
        List of `(posterior, anchors, ends)`; the anchors are sorted, and the ends are in the same
        order.

    Raises:
        ValueError: If the lists differ in length or are empty, or a stream is not valid.
    """
    posteriors, anchors_s = list(posteriors), list(anchors_s)
    require(
        len(posteriors) > 0 and len(posteriors) == len(anchors_s),
        "`posteriors` and `anchors_s` must hold one array for each stream, and at least one. "
        f"Received: {len(posteriors)} posteriors, {len(anchors_s)} anchors_s. "
        "A stream without events has an empty array of anchors.",
    )
    ends_s = validate_ends_of_streams(event_ends_s, len(anchors_s))
    streams = []
    for index, (values, times) in enumerate(zip(posteriors, anchors_s, strict=True)):
        posterior = validate_posterior(values, f"posteriors[{index}]")
        anchors = validate_anchors(times, f"anchors_s[{index}]")
        ends = validate_ends(ends_s[index], anchors, f"event_ends_s[{index}]")
        order = np.argsort(anchors, kind="stable")
        anchors, ends = anchors[order], ends[order]
        end_s = rule.time_s(len(posterior) - 1)
        if len(anchors) and anchors[-1] - rule.early_s > end_s + TIME_TOLERANCE_S:
            raise ValueError(
                f"`anchors_s[{index}]` must lie inside its stream; no frame of it could be a hit. "
                f"Received: an anchor at {anchors[-1]:.6g} s in a stream of {len(posterior)} "
                f"frames that ends at {end_s:.6g} s. Did you give milliseconds, or frames?"
            )
        streams.append((posterior, anchors, ends))
    return streams


def validate_boundaries(boundaries_s: Sequence[ArrayLike] | None, streams: int) -> list[Array]:
    """Check the times at which streams pass from one recording to the next.

    Args:
        boundaries_s: list of rising arrays `(boundaries,)`, seconds, one for each stream; or
            `None`, which is none in any stream.
        streams: int, number of streams.

    Returns:
        List of float64 arrays `(boundaries,)`.

    Raises:
        ValueError: If the list has another length, or an array is not rising.
    """
    if boundaries_s is None:
        return [np.empty(0)] * streams
    boundaries = [np.asarray(each, dtype="float64") for each in boundaries_s]
    require(
        len(boundaries) == streams,
        "`boundaries_s` must hold one array for each stream. "
        f"Received: {len(boundaries)} boundaries_s for {streams} streams.",
    )
    for index, each in enumerate(boundaries):
        if each.ndim != 1 or np.isnan(each).any() or (np.diff(each) < 0).any():
            raise ValueError(
                f"`boundaries_s[{index}]` must be rising seconds, of shape (boundaries,). "
                f"Received: boundaries_s[{index}]={each.tolist()}."
            )
    return boundaries


def _real_numbers(values: ArrayLike, name: str, refused: str = "") -> Array:
    """Return values as an array; text, which NumPy would convert, and objects are refused."""
    array = np.asarray(values)
    require(
        array.dtype.kind not in NO_NUMBERS + refused,
        f"`{name}` must hold real numbers; nothing else can be compared with them. Received: "
        f"{name} of dtype {array.dtype}. Convert the numbers, and leave out what is none.",
    )
    return array
