"""Event lists, padded arrays of rows `(onset, offset[, class])`, and their checks.

A row whose offset lies before its onset, or that is NaN, is padding.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_sal.checks import require
from keras_sal.typing import Array, ArrayLike, Tensor

IMPLAUSIBLE_CLIPS = 10
_SEVERAL_EVENTS = 3
_SLOWEST_STEP_S = 0.05  # of the front-ends of detectors


def pad_events(events: Sequence[ArrayLike], fill: Sequence[float] = (0.0, -1.0, 0.0)) -> Array:
    """Stack event lists of several lengths into one padded array.

    Args:
        events: A list with one entry per clip: rows `(onset, offset)` or `(onset, offset, class)`,
            or an empty list for a clip without events. If no clip has one, the width is that of
            empty arrays, such as `np.empty((0, 3))`, or else 2.
        fill: The padding row; its offset lies before its onset, which marks it as padding.
            Defaults to `(0, -1, 0)`.

    Returns:
        A `float32` array `(clips, longest, 2 or 3)`.

    Raises:
        ValueError: If the rows of different clips have different widths.

    Example:

    >>> pad_events([[(1.0, 1.5), (3.0, 3.5)], []]).tolist()
    [[[1.0, 1.5], [3.0, 3.5]], [[0.0, -1.0], [0.0, -1.0]]]
    """
    rows = [np.asarray(clip, "float32") for clip in events]
    shapes: set[Any] = {clip.shape[1:] for clip in rows if clip.size}
    shapes = shapes or {max((clip.shape[1:] for clip in rows if clip.ndim == 2), default=(2,))}
    require(
        len(shapes) == 1 and shapes <= {(2,), (3,)},
        "`events` must have the same rows in all clips, (onset, offset) or (onset, offset, class); "
        f"they become one array. Received: rows of shapes {sorted(shapes)}. Give every event a "
        "class, or none.",
    )
    width = shapes.pop()[0]
    longest = max(map(len, rows), default=0) or 1
    padded = np.tile(np.asarray(fill[:width], "float32"), (len(rows), longest, 1))
    for clip, target in zip(rows, padded, strict=True):
        if clip.size:
            target[: len(clip)] = clip
    return padded


def to_array(inputs: Any) -> Array:
    """Convert event lists or frame labels to a NumPy array.

    Args:
        inputs: Array, or nested lists of numbers.

    Returns:
        The array.

    Raises:
        ValueError: If clips have different numbers of events or frames.
    """
    try:
        return np.asarray(inputs)
    except ValueError as error:
        counts = sorted({np.size(clip) and len(clip) for clip in inputs if np.ndim(clip) > 0})
        raise ValueError(
            "Event lists must have the same number of rows in all clips; they become one array. "
            f"Received: clips of {counts} rows. Pad them with `keras_sal.pad_events(events)`."
        ) from error


def check_event_shape(events: Tensor, classes: int) -> None:
    """Raise unless `events`, array or tensor, is `(batch, events, 2 or 3)`."""
    shape = tuple(events.shape)
    require(
        len(shape) == 3 and shape[-1] in (2, 3),
        "Events must have shape (batch, events, 2 or 3), rows (onset, offset[, class]); a clip "
        f"may have several. Received: shape {shape}. Pad lists with `keras_sal.pad_events`; "
        "for frame labels leave out `frames`.",
    )
    require(
        classes == 1 or shape[-1] == 3,
        f"Events must have a class column when classes={classes}; each class has its own "
        f"label. Received: shape {shape}. Give rows (onset, offset, class); np.empty((0, 3)) for a "
        "clip without events.",
    )


def check_classes(events: Array, foreground: range) -> None:
    """Raise unless the classes of the NumPy array `events` lie in the range `foreground`."""
    wrong = events[..., 2][~np.isin(events[..., 2], foreground)]
    require(
        not wrong.size,
        f"Event classes must be whole numbers from {foreground[0]} to {foreground[-1]}; others "
        f"have no output. Received: class {wrong[:1].tolist()}. Renumber them, raise `classes`, or "
        'use encoding="multi_hot" if there is no background class.',
    )


def check_whole_frames(times: Array) -> None:
    """Raise unless `times` are whole numbers of frames."""
    wrong = times[times != np.round(times)]
    require(
        not wrong.size,
        "Event times must be whole frames when `frame_step_s` is None; a frame is an index. "
        f"Received: {wrong[:1].tolist()}. If these are seconds, set `frame_step_s`; else round "
        "them.",
    )


def check_plausible_seconds(
    onset_s: Array, offset_s: Array, frames: int, frame_step_s: float, frame_offset_s: float
) -> None:
    """Raise where times can't be the seconds of events in clips.

    Args:
        onset_s: Onsets of all events.
        offset_s: Their offsets.
        frames: Frames of a clip.
        frame_step_s: Seconds between frames.
        frame_offset_s: Seconds at which frame 0 is complete.

    Raises:
        ValueError: If the times look like milliseconds, or the frame step does.
    """
    if frames == 1 or not onset_s.size:
        return
    clip_s = frames * frame_step_s + frame_offset_s
    longest_s = (offset_s - onset_s).max()
    require(
        onset_s.min() <= clip_s or longest_s <= IMPLAUSIBLE_CLIPS * clip_s,
        "Event times must be in seconds; here every event lies beyond the end of its clip, and "
        f"some last over {IMPLAUSIBLE_CLIPS} times as long as it. Received: an onset at "
        f"{onset_s[:1].tolist()} s in clips of {clip_s:g} s. Did you give milliseconds? Divide by "
        "1000; if not, leave out events so far from the clip.",
    )
    within_frame_0 = offset_s.max() - frame_offset_s < frame_step_s / 2
    brief = 0 < longest_s < frame_step_s / 10
    require(
        frame_step_s < 1 or not (within_frame_0 or brief),
        "`frame_step_s` must be in seconds; here no event is as long as a frame. Received: "
        f"frame_step_s={frame_step_s:g}, events of up to {longest_s:g} s. Did you give "
        "milliseconds? A frame every 10 ms is 0.01.",
    )


def warn_of_seconds(offsets: Array, frames: int) -> None:
    """Warn where whole numbers of frames look like whole seconds.

    Args:
        offsets: Offsets of all events, read as frames.
        frames: Frames of a clip.
    """
    several = offsets.size >= _SEVERAL_EVENTS
    if several and 0 < offsets.max() <= frames * _SLOWEST_STEP_S:
        warnings.warn(
            f"All {offsets.size} events end within the first {offsets.max():g} of {frames} frames. "
            "Did you give seconds? Then set `frame_step_s`.",
            stacklevel=2,
        )
