"""Edits of clips that keep their anchors: crop, windows, pad, shift, stretch, concatenate.

Augmentation must never separate an anchor from its frame. Every edit takes features and packed
targets together and returns both, as NumPy arrays, for one clip `(time, ...)` or for a batch of
clips `(batch, time, ...)`. Distances stay true:

* An anchor that is cut off still counts in the distances of the remaining frames.
* Added frames get label -1, since nothing was recorded there.
* Where clips are joined, distances are to the nearest anchor on either side. An anchor that was cut
  off counts only in the clip that it was cut from.

Features may be one array, several in a dict, list or tuple (`{"audio": ..., "motion": ...}`), or
`None` to edit the targets alone.

>>> import numpy as np
>>> from keras_sal import AnchorTargets
>>> from keras_sal.targets import clips
>>> features = np.arange(6.0)[:, None]
>>> targets = AnchorTargets(frames=6)(np.array([[[2, 3]]]))[0]  # an event in frames 2 and 3
>>> features, targets = clips.crop(features, targets, start=1, frames=4)
>>> features[:, 0].tolist(), targets[:, 0].tolist(), targets[:, 1].tolist()
([1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 1.0, 0.0], [-1.0, 0.0, 1.0, 2.0])
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import keras
import numpy as np

from keras_sal.anchors import IGNORE, NO_ANCHOR
from keras_sal.checks import require
from keras_sal.targets.array_namespaces import NUMPY
from keras_sal.targets.nearest_anchor import neighbours, signed_distance, sort_positions
from keras_sal.typing import Array, ArrayLike


def crop(features: Any, targets: ArrayLike, start: int, frames: int) -> tuple[Any, Array]:
    """Keep `frames` frames from frame `start` on.

    Args:
        features: Array `(time, ...)` or `(batch, time, ...)`, several of them, or `None`.
        targets: Packed targets `(time, channels + 1)` or `(batch, time, channels + 1)`.
        start: Integer >= 0, the first frame kept.
        frames: Integer >= 1, the number of frames kept.

    Returns:
        `(features, targets)`.

    Raises:
        ValueError: If the crop isn't inside the clip, or the shapes don't fit.
    """
    targets, axis, time = _check_clip(features, targets)
    require(
        _is_count(start) and _is_count(frames, least=1) and start + frames <= time,
        "`start` and `frames` must lie inside the clip; a crop adds nothing. Received: "
        f"start={start!r}, frames={frames!r} for a clip of {time} frames. Use "
        "`keras_sal.targets.clips.pad` first.",
    )

    def kept(x: ArrayLike) -> Array:
        return np.asarray(x)[(slice(None),) * axis + (slice(start, start + frames),)]

    return _map_features(kept, features), kept(targets)


def windows(
    recordings: Sequence[Any],
    targets: Sequence[ArrayLike] | Array,
    frames: int,
    overlap: int = 0,
) -> tuple[Any, Array]:
    """Cut long recordings into clips of equal length, to train on.

    Make the targets of whole recordings first. Then an event that lies across the edge of a clip
    keeps its true anchor: its frames keep their labels in both clips, and its anchor counts in the
    distances of both, even in the one that it is not in. With an `overlap` as long as the longest
    event, every event is whole in some clip.

    Clips begin every `frames - overlap` frames. The last clip of a recording ends where the
    recording ends, so it may overlap the one before it by more. A recording that is shorter than a
    clip is padded at its end with zeros, which get label -1.

    Args:
        recordings: List of features, one entry for each recording: an array `(time, ...)`, or
            several in a dict, list or tuple. Times may differ.
        targets: Packed targets of each recording: a list of arrays `(time, channels + 1)`, or one
            array `(recordings, longest time, channels + 1)`, whose frames beyond the end of a
            recording are left out, as `AnchorTargets` makes of `RecordingEvents.padded`.
        frames: Integer >= 1, the number of frames of a clip.
        overlap: Integer, 0 <= overlap < frames, the frames that a clip shares with the next one.
            Defaults to 0.

    Returns:
        `(features, targets)` of all clips, `(clips, frames, ...)`, in the order of the recordings.

    Raises:
        ValueError: If `frames` or `overlap` is out of range, there are no recordings, their frames
            have different shapes, or the shapes don't fit.

    Example:

    >>> from keras_sal import AnchorTargets
    >>> recording = np.arange(10.0)[:, None]
    >>> events = np.array([[[3, 5]]])  # across the edge of clips of 4 frames
    >>> targets = AnchorTargets(frames=10, anchor="offset")(events)
    >>> x, y = windows([recording], targets, frames=4)
    >>> x[..., 0].astype(int).tolist()
    [[0, 1, 2, 3], [4, 5, 6, 7], [6, 7, 8, 9]]
    >>> y[:2, :, 0].astype(int).tolist(), y[:2, :, 1].astype(int).tolist()
    ([[0, 0, 0, 1], [1, 1, 0, 0]], [[-5, -4, -3, -2], [-1, 0, 1, 2]])
    """
    require(
        _is_count(frames, least=1) and _is_count(overlap) and overlap < frames,
        "`frames` must be a whole number >= 1, and `overlap` one from 0 to frames - 1; clips must "
        f"move on. Received: frames={frames!r}, overlap={overlap!r}. Half of the frames is a usual "
        "overlap.",
    )
    require(
        len(recordings) == len(targets) > 0,
        "`recordings` and `targets` must have an entry for each recording, at least one. Received: "
        f"{len(recordings)} recordings, {len(targets)} targets. Give a single recording as a list "
        "of one.",
    )
    _check_alike(recordings, targets)
    cut = []
    for features, packed in zip(recordings, targets, strict=True):
        time = len(keras.tree.flatten(features)[0])
        missing = max(0, frames - time)
        features, packed = pad(features, np.asarray(packed)[:time], after=missing)
        last = time + missing - frames
        starts = [*range(0, last, frames - overlap), last]
        cut += [crop(features, packed, start, frames) for start in starts]
    x, y = zip(*cut, strict=True)
    return keras.tree.map_structure(lambda *arrays: np.stack(arrays), *x), np.stack(y)


def pad(
    features: Any, targets: ArrayLike, before: int = 0, after: int = 0, fill: ArrayLike = 0.0
) -> tuple[Any, Array]:
    """Add frames with label -1 to either end.

    Args:
        features: Array `(time, ...)` or `(batch, time, ...)`, several of them, or `None`.
        targets: Packed targets `(time, channels + 1)` or `(batch, time, channels + 1)`.
        before: Integer >= 0, frames added before the first. Defaults to 0.
        after: Integer >= 0, frames added after the last. Defaults to 0.
        fill: Number, or array of the shape of a frame: the features of added frames. Defaults to 0.

    Returns:
        `(features, targets)`.

    Raises:
        ValueError: If a number of frames is negative, or the shapes don't fit.
    """
    targets, axis, time = _check_clip(features, targets)
    require(
        _is_count(before) and _is_count(after),
        "`before` and `after` must be whole numbers of frames >= 0; they are added. Received: "
        f"before={before!r}, after={after!r}. Use `keras_sal.targets.clips.crop` to remove "
        "frames.",
    )

    def padded(x: ArrayLike) -> Array:
        x = np.asarray(x)
        shapes = [(*x.shape[:axis], frames, *x.shape[axis + 1 :]) for frames in (before, after)]
        first, last = (np.broadcast_to(np.asarray(fill, x.dtype), shape) for shape in shapes)
        return np.concatenate([first, x, last], axis=axis)

    around_clip = [(0, 0)] * axis + [(before, after), (0, 0)]
    edge = np.pad(targets, around_clip, mode="edge")
    beyond = np.concatenate([np.arange(-before, 0), np.zeros(time), np.arange(1, after + 1)])
    labels = np.where(beyond[:, None] == 0, edge[..., :-1], IGNORE)
    distance = np.where(edge[..., -1] == NO_ANCHOR, NO_ANCHOR, edge[..., -1] + beyond)
    return _map_features(padded, features), _pack(labels, distance)


def shift(
    features: Any, targets: ArrayLike, frames: int, fill: ArrayLike = 0.0
) -> tuple[Any, Array]:
    """Move the content of a clip later or earlier; the number of frames stays.

    Args:
        features: Array `(time, ...)` or `(batch, time, ...)`, several of them, or `None`.
        targets: Packed targets `(time, channels + 1)` or `(batch, time, channels + 1)`.
        frames: Integer: how many frames later; negative for earlier.
        fill: Number, or array of the shape of a frame: the features of the frames that become
            free, which get label -1. Defaults to 0.

    Returns:
        `(features, targets)`.

    Raises:
        ValueError: If `frames` isn't a whole number, or the shapes don't fit.
    """
    require(
        isinstance(frames, Integral),
        "`frames` must be a whole number; a clip moves by frames. Received: "
        f"frames={frames!r}. Divide seconds by the frame step and round.",
    )
    _, _, time = _check_clip(features, targets)
    features, targets = pad(features, targets, max(frames, 0), max(-frames, 0), fill)
    return crop(features, targets, max(-frames, 0), time)


def stretch(features: Any, targets: ArrayLike, factor: float) -> tuple[Any, Array]:
    """Slow a clip down (`factor > 1`) or speed it up, by interpolation between frames.

    Frame `t` moves to `round(t * factor)`, so a clip of `time` frames gets
    `round((time - 1) * factor) + 1`. To stretch sound rather than features, stretch the samples
    and the event times, and make targets of those.

    Args:
        features: Array `(time, ...)` or `(batch, time, ...)`, several of them, or `None`.
        targets: Packed targets `(time, channels + 1)` or `(batch, time, channels + 1)`.
        factor: > 0: the new duration divided by the old one.

    Returns:
        `(features, targets)`; features are floats.

    Raises:
        ValueError: If `factor` isn't positive, or the shapes don't fit.
    """
    require(
        isinstance(factor, Real) and 0 < factor < math.inf,
        "`factor` must be a number > 0; durations are multiplied by it. Received: "
        f"factor={factor!r}. Use 1.1 for 10 % slower, 0.9 for faster.",
    )
    targets, axis, time = _check_clip(features, targets)

    def moved(frame: Any) -> Any:
        return np.rint(frame * factor)

    new = np.arange(int(moved(time - 1)) + 1)
    old = np.minimum(new / factor, time - 1)
    below = np.floor(old).astype(int)
    above = np.minimum(below + 1, time - 1)

    def interpolated(x: ArrayLike) -> Array:
        x = np.asarray(x)
        x = x if np.issubdtype(x.dtype, np.floating) else x.astype("float32")
        share = (old - below).astype(x.dtype).reshape(-1, *[1] * (x.ndim - axis - 1))
        low, high = np.take(x, below, axis=axis), np.take(x, above, axis=axis)
        return low + share * (high - low)

    def distance_by(frame: Array) -> Array:
        distance = np.take(targets[..., -1], frame, axis=axis)
        return np.where(distance == NO_ANCHOR, NO_ANCHOR, new - moved(frame - distance))

    labels = np.take(targets[..., :-1], np.rint(old).astype(int), axis=axis)
    stretched = _pack(labels, _nearer(distance_by(below), distance_by(above)))
    for index in np.argwhere(targets[..., -1] == 0):  # keep each anchor on a frame
        stretched[(*index[:-1], int(moved(index[-1])))] = targets[tuple(index)]
    return _map_features(interpolated, features), stretched


def concatenate(clips: Iterable[tuple[Any, ArrayLike]]) -> tuple[Any, Array]:
    """Join clips end to end.

    Args:
        clips: Sequence of `(features, targets)`, all for one clip or all for a batch.

    Returns:
        `(features, targets)`.

    Raises:
        ValueError: If there are no clips, or the shapes don't fit.
    """
    clips = list(clips)
    require(
        clips,
        "`clips` must have at least one (features, targets); there is nothing to join. Received: "
        "clips=[]. Check how they were selected.",
    )
    axes = {_check_clip(*clip)[1] for clip in clips}
    require(
        len(axes) == 1,
        "`clips` must all be single clips or all be batches; they become one. Received: targets "
        f"of shapes {[np.shape(targets) for _, targets in clips]}. Add a batch axis.",
    )
    axis = axes.pop()
    features, all_targets = zip(*clips, strict=True)
    targets = np.concatenate(all_targets, axis=axis)
    joined = None
    if features[0] is not None:
        joined = keras.tree.map_structure(lambda *x: np.concatenate(x, axis=axis), *features)
    labels, own = targets[..., :-1], targets[..., -1]
    return joined, _pack(labels, _nearer(own, _distance_to(_is_anchor(labels, own))))


def _is_anchor(labels: Array, distance: Array) -> Array:
    """Mark the frames that are anchors and whose label is known."""
    return (distance == 0) & (labels != IGNORE).any(axis=-1)


def _distance_to(anchors: Array) -> Array:
    """Return the signed distance of each frame to the nearest of those marked."""
    marks = np.atleast_2d(anchors)
    time = np.broadcast_to(np.arange(marks.shape[1], dtype="int32"), marks.shape)
    position = sort_positions(NUMPY, time, marks)
    count = np.cumsum(marks, axis=1, dtype="int32")
    distance = signed_distance(NUMPY, time, *neighbours(NUMPY, position, count))
    return distance.reshape(anchors.shape)


def _nearer(one: Array, other: Array) -> Array:
    """Return the smaller of two distances; where equal, that to the earlier anchor."""
    takes_other = (abs(other) < abs(one)) | ((abs(other) == abs(one)) & (other > one))
    return np.where(takes_other, other, one)


def _pack(labels: Array, distance: Array) -> Array:
    """Pack labels and distances, as NumPy arrays."""
    return np.concatenate([labels, distance[..., None]], axis=-1).astype("float32")


def _map_features(edit: Callable[[ArrayLike], Array], features: Any) -> Any:
    """Apply `edit` to each array of features."""
    return None if features is None else keras.tree.map_structure(edit, features)


def _check_alike(recordings: Sequence[Any], targets: Sequence[ArrayLike] | Array) -> None:
    """Refuse recordings whose frames have different shapes, which make no array of clips."""

    def frame_shape(x: ArrayLike) -> tuple[int, ...]:
        return np.shape(x)[1:]

    first, *others = (
        (keras.tree.map_structure(frame_shape, features), frame_shape(packed))
        for features, packed in zip(recordings, targets, strict=True)
    )
    for index, other in enumerate(others, start=1):
        require(
            other == first,
            "`recordings` and `targets` must have frames of the same shape in all recordings; "
            f"their clips become one array. Received: (features, targets) of shapes {first} in "
            f"recording 0, {other} in recording {index}. Compute the same features of each.",
        )


def _is_count(number: Any, least: int = 0) -> bool:
    """Whether `number` is a whole number of at least `least`."""
    return isinstance(number, Integral) and int(number) >= least


def _check_clip(features: Any, targets: ArrayLike) -> tuple[Array, int, int]:
    """Return `targets` as an array, their axis of time, and the number of frames."""
    targets = np.asarray(targets)
    require(
        targets.ndim in (2, 3) and targets.shape[-1] > 1,
        "`targets` must be packed targets of shape (time, channels + 1) or (batch, time, channels "
        "+ 1), with the distance to the nearest anchor last. Received: targets of shape "
        f"{targets.shape}. Make them with `keras_sal.AnchorTargets`.",
    )
    axis = targets.ndim - 2
    for x in keras.tree.flatten(features) if features is not None else ():
        require(
            np.shape(x)[: axis + 1] == targets.shape[: axis + 1],
            "`features` must have the frames of `targets`; each frame has its own target. "
            f"Received: features of shape {np.shape(x)} for targets of shape {targets.shape}. Make "
            "targets at the frame rate of the features.",
        )
    return targets, axis, targets.shape[axis]
