"""Packed targets from event times or frame labels, in any input pipeline.

The arithmetic is written once against what NumPy, `keras.ops` and `tf.experimental.numpy` share, in
`int32` until the last step. So the same numbers come out, bit for bit, on NumPy arrays (in a
`keras.utils.PyDataset` or a `grain` transform), on backend tensors, inside a Keras model, and in
`tf.data.Dataset.map` whatever the Keras backend.
"""

from __future__ import annotations

import functools
from numbers import Integral
from typing import Any

import keras
import numpy as np

from keras_sal.anchors import IGNORE
from keras_sal.checks import require
from keras_sal.targets.array_namespaces import KERAS, NUMPY, namespace
from keras_sal.targets.event_lists import (
    check_classes,
    check_event_shape,
    check_plausible_seconds,
    check_whole_frames,
    to_array,
    warn_of_seconds,
)
from keras_sal.targets.event_warnings import EventWarnings
from keras_sal.targets.nearest_anchor import (
    FAR,
    count_until,
    mask_positions,
    neighbours,
    signed_distance,
    single_precision,
    sort_positions,
    to_frame,
)
from keras_sal.typing import Tensor

ENCODINGS = ("sparse", "one_hot", "multi_hot")

ARGUMENTS = (
    "frames",
    "anchor",
    "before_frames",
    "after_frames",
    "classes",
    "encoding",
    "frame_step_s",
    "frame_offset_s",
)


@keras.saving.register_keras_serializable(package="keras_sal")
class AnchorTargets(keras.layers.Layer):
    """Layer that makes packed targets from event lists or frame labels.

    Use it wherever your labels are made: on NumPy arrays in a `PyDataset`, in
    `tf.data.Dataset.map`, in a `grain` transform, or as a layer. Given NumPy arrays it returns a
    NumPy array, so that it can run in data workers; given tensors it returns a tensor.

    From events (`frames` given): with anchors `a` of the events of one class,

        distance[t] = t - (the nearest a; the earlier one where two are equally near)
        label[t]    = 1 if a - before_frames <= t <= a + after_frames for some a

    where an event time is turned into a frame by `round((time - frame_offset_s) / frame_step_s)`.
    With neither `before_frames` nor `after_frames`, the frames from onset to offset are positive.
    Events may overlap, lie partly or wholly outside the clip (an anchor just beyond the end still
    counts in the distances), or be absent. An event wholly outside has no positive frame, and one
    whose anchor is outside has no frame at it, which are mistakes unless the clip is a crop of a
    longer recording: so NumPy arrays with such events warn, once for a layer, unless `cropped=True`
    is given in the call. Where classes overlap and a frame can have one label, the class with the
    nearer anchor has it.

    From frame labels (`frames=None`): each run of equal positive labels is an event. A run that
    touches the first or last frame of the clip, or an unknown frame, is assumed to begin or end
    there; cut clips *after* making their targets (`keras_sal.targets.clips.crop`) to keep the true
    distances. `before_frames` or `after_frames` replace the labels by those around anchors.

    Args:
        frames: Integer, the number of frames of a clip, to read event lists; or `None` to read
            frame labels.
        anchor: `"onset"` (the first frame of an event) or `"offset"` (its last frame).
            Defaults to `"onset"`.
        before_frames: Integer >= 0 or `None`: positive frames before the anchor; `None` is 0 if
            the other is given. Defaults to `None`.
        after_frames: Integer >= 0 or `None`: positive frames after the anchor, likewise.
            Defaults to `None`.
        classes: Integer >= 1. With 1, labels are binary and a class column is not read. Otherwise
            classes are numbered from 0, and 0 is the background unless `encoding="multi_hot"`.
            Defaults to 1.
        encoding: For `classes > 1`. `"sparse"`: one label channel of class ids. `"one_hot"`: one
            channel per class, background included. `"multi_hot"`: one channel per class, any
            number of them on at once; no background class. Defaults to `"sparse"`.
        frame_step_s: Seconds between frames if event times are in seconds; `None` if they are
            in frames. Defaults to `None`.
        frame_offset_s: Time in seconds at which frame 0 is complete (the end of its window).
            Defaults to 0.
        name: Name of the layer. Defaults to `None`.
        **kwargs: See `keras.layers.Layer`; `dtype` is always `"float32"`.

    Call arguments:
        inputs: With `frames`: events `(batch, events, 2 or 3)`, rows `(onset, offset[, class])`;
            a row whose offset lies before its onset, or that is NaN, is padding (`pad_events`); in
            a NumPy array one whose offset is 0 or later also warns, as its columns may be swapped.
            Otherwise: frame labels `(batch, time)`, `(batch, time, 1)` or `(batch, time, classes)`,
            -1 where unknown.
        anchors: Optional, in the unit of the events: given anchors, NaN or `NO_ANCHOR` for none.
            They replace `anchor`. With events `(batch, events)`, one per row; with frame labels
            `(batch, any number)`.
        lengths: Optional integers `(batch,)`: frames beyond a clip's length are labelled -1.
        cropped: Whether the clips are crops of longer recordings, whose other events lie outside;
            then these don't warn. Defaults to `False`.

    Returns:
        Packed targets, `float32 (batch, time, channels + 1)`; see `keras_sal.anchors`. Integer
        frames stay exact up to `2**24`. Floats are read as `float32`, which tells seconds to 1 ms
        up to 4 hours; give frames for longer times.

    Raises:
        ValueError: If an argument or an input shape doesn't fit; and, where the inputs are NumPy
            arrays, if there is no such class, if frames aren't whole numbers or if event times or
            the frame step look like milliseconds.

    Warns:
        UserWarning: Where the inputs are NumPy arrays, if events or their anchors lie outside their
            clip, if onsets lie after their offsets, or if frames look like whole seconds.

    Example:

    >>> import numpy as np
    >>> targets = AnchorTargets(frames=6, anchor="offset", before_frames=0, after_frames=1)
    >>> packed = targets(np.array([[[1, 3]]]))  # one event, frames 1 to 3
    >>> packed[0, :, 0].tolist()
    [0.0, 0.0, 0.0, 1.0, 1.0, 0.0]
    >>> packed[0, :, 1].tolist()
    [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0]
    """

    def __init__(
        self,
        frames: int | None = None,
        anchor: str = "onset",
        before_frames: int | None = None,
        after_frames: int | None = None,
        classes: int = 1,
        encoding: str = "sparse",
        frame_step_s: float | None = None,
        frame_offset_s: float = 0.0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs["dtype"] = "float32"  # float16 holds frame indices up to 2048 only
        super().__init__(name=name, **kwargs)
        require(
            anchor in ("onset", "offset"),
            '`anchor` must be "onset" or "offset"; it says which end of an event the task is '
            f"judged by. Received: anchor={anchor!r}. For other frames, call the layer with "
            "`anchors=`.",
        )
        for argument, value in (("before_frames", before_frames), ("after_frames", after_frames)):
            require(
                value is None or (isinstance(value, Integral) and value >= 0),
                f"`{argument}` must be None or a whole number of frames >= 0; it counts frames on "
                f"one side of the anchor. Received: {argument}={value!r}. Give seconds divided by "
                "the frame step.",
            )
        require(
            isinstance(classes, Integral) and classes >= 1,
            "`classes` must be a whole number >= 1; it is the number of detector outputs. "
            f"Received: classes={classes!r}. Use 1 for a binary detector.",
        )
        require(
            encoding in ENCODINGS,
            f"`encoding` must be one of {', '.join(map(repr, ENCODINGS))}; it is the layout of the "
            f"label channels. Received: encoding={encoding!r}. Choose one of them.",
        )
        require(
            frames is None or (isinstance(frames, Integral) and 0 < frames < 2**24),
            "`frames` must be None or a whole number of frames in [1, 2**24); float32 distances "
            f"are exact up to there. Received: frames={frames!r}. Cut the recording into clips.",
        )
        require(
            frame_step_s is None or frame_step_s > 0,
            "`frame_step_s` must be None or seconds > 0; event times are divided by it. "
            f"Received: frame_step_s={frame_step_s!r}. Give 0.01 for frames every 10 ms.",
        )
        self.frames = None if frames is None else int(frames)
        self.anchor = anchor
        self.before_frames = None if before_frames is None else int(before_frames)
        self.after_frames = None if after_frames is None else int(after_frames)
        self.classes = int(classes)
        self.encoding = encoding
        self.frame_step_s = None if frame_step_s is None else float(frame_step_s)
        self.frame_offset_s = float(frame_offset_s)
        self._event_warnings = self.frames and EventWarnings(
            self.frames, anchor, self.frame_step_s, self.frame_offset_s
        )

    def __call__(
        self,
        inputs: Tensor,
        anchors: Tensor | None = None,
        lengths: Tensor | None = None,
        *,
        cropped: bool = False,
        **kwargs: Any,
    ) -> Tensor:
        """Compute with NumPy for arrays, with TensorFlow for its tensors, otherwise as a layer."""
        xp = namespace(inputs)
        inputs = to_array(inputs) if xp is NUMPY else inputs
        if xp is NUMPY and self._event_warnings:
            self._event_warnings.warn(inputs, cropped=cropped, anchored=anchors is not None)
        if xp is KERAS:
            kwargs |= {"anchors": anchors, "lengths": lengths}
            return super().__call__(inputs, **{k: v for k, v in kwargs.items() if v is not None})
        return self._make(xp, inputs, anchors, lengths)

    def call(  # noqa: D102
        self, inputs: Tensor, anchors: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        return self._make(KERAS, inputs, anchors, lengths)

    def compute_output_shape(  # noqa: D102
        self, inputs_shape: tuple[int | None, ...], **_: Any
    ) -> tuple[int | None, ...]:
        return (inputs_shape[0], self.frames or inputs_shape[1], self._channels + 1)

    def get_config(self) -> dict[str, Any]:  # noqa: D102
        config = super().get_config()
        del config["dtype"]
        return {**config, **{name: getattr(self, name) for name in ARGUMENTS}}

    @property
    def _channels(self):
        return 1 if self.encoding == "sparse" else self.classes

    @property
    def _foreground(self):
        """Classes that have events: all but the background."""
        if self.classes == 1:
            return range(1, 2)
        return range(0 if self.encoding == "multi_hot" else 1, self.classes)

    @property
    def _windowed(self):
        return self.before_frames is not None or self.after_frames is not None

    def _make(self, xp, inputs, anchors, lengths):
        inputs, anchors, lengths = (
            None if x is None else single_precision(xp, x) for x in (inputs, anchors, lengths)
        )
        make = self._from_labels if self.frames is None else self._from_events
        time, labels, pairs = make(xp, inputs, anchors, lengths)
        previous = functools.reduce(xp.maximum, [before for before, _ in pairs])
        following = functools.reduce(xp.minimum, [after for _, after in pairs])
        distance = signed_distance(xp, time, previous, following)
        labels = _ignore_beyond(xp, labels, time, lengths)
        return xp.concatenate([labels, xp.cast(distance, "float32")[..., None]], axis=-1)

    def _from_events(self, xp, events, anchors, lengths):
        self._check_events(xp, events, anchors)
        time = xp.cast(np.arange(self.frames)[None], "int32")
        real = events[..., 0] <= events[..., 1]  # False where NaN
        onset, offset = (self._to_frame(xp, events[..., i], real) for i in (0, 1))
        anchor = onset if self.anchor == "onset" else offset
        anchored = real
        if anchors is not None:
            anchor, given = self._given(xp, anchors)
            anchored = real & given

        active, pairs = [], []
        for index in self._foreground:
            own = real if self.classes == 1 else real & (events[..., 2] == index)
            position = sort_positions(xp, anchor, own & anchored)
            pairs.append(neighbours(xp, position, count_until(xp, position, self.frames)))
            if self._windowed:
                active.append(self._window(time, *pairs[-1]))
            else:
                begun = count_until(xp, mask_positions(xp, onset, own), self.frames)
                ended = count_until(xp, mask_positions(xp, offset + 1, own), self.frames)
                active.append(begun > ended)
        return time, self._encode(xp, time, active, pairs), pairs

    def _from_labels(self, xp, labels, anchors, lengths):
        self._check_labels(xp, labels, anchors)
        labels = xp.cast(labels if len(labels.shape) == 3 else labels[..., None], "float32")
        ones = xp.cast(xp.ones_like(labels[..., 0]), "int32")
        time = xp.cast(xp.cumsum(ones, axis=1), "int32") - 1
        labels = _ignore_beyond(xp, labels, time, lengths)
        if anchors is not None:
            given = sort_positions(xp, *self._given(xp, anchors))
            pair = neighbours(xp, given, count_until(xp, given, xp.shape(time)[1]))
            pairs = [pair] * len(self._foreground)
        else:
            runs = [
                labels[..., 0] == index if self._channels == 1 else labels[..., index] == 1
                for index in self._foreground
            ]
            pairs = [_run_neighbours(xp, on, time, self.anchor) for on in runs]
        if self._windowed:
            active = [self._window(time, *pair) for pair in pairs]
            made = self._encode(xp, time, active, pairs)
            labels = xp.where(labels == IGNORE, labels, made)
        return time, labels, pairs

    def _window(self, time, previous, following):
        after, before = self.after_frames or 0, self.before_frames or 0
        return (time - previous <= after) | (following - time <= before)

    def _encode(self, xp, time, active, pairs):
        """Encode classes in channels; where events overlap, the nearer anchor's class wins."""
        if self.encoding == "multi_hot" and self.classes > 1:
            return xp.cast(xp.stack(active, axis=-1), "float32")
        label = xp.zeros_like(pairs[0][0])
        best = label + FAR + 1
        for index, on, pair in zip(self._foreground, active, pairs, strict=True):
            away = xp.abs(signed_distance(xp, time, *pair))
            wins = on & (away < best)
            label = xp.where(wins, xp.zeros_like(label) + index, label)
            best = xp.where(wins, away, best)
        channels = [label] if self._channels == 1 else [label == i for i in range(self.classes)]
        return xp.cast(xp.stack(channels, axis=-1), "float32")

    def _to_frame(self, xp, time, real):
        time = xp.where(real, time, xp.zeros_like(time))
        if self.frame_step_s is None:
            return to_frame(xp, time)
        # A reciprocal on purpose: compilers may make one of a division by a constant.
        per_second = np.float32(1.0 / self.frame_step_s)
        since_frame_0 = xp.cast(time, "float32") - np.float32(self.frame_offset_s)
        return to_frame(xp, since_frame_0 * per_second)

    def _given(self, xp, anchors):
        real = xp.abs(anchors) < FAR  # False where NaN
        return self._to_frame(xp, anchors, real), real

    def _check_events(self, xp, events, anchors):
        check_event_shape(events, self.classes)
        require(
            anchors is None or _shapes_agree(anchors.shape, events.shape[:2]),
            "`anchors` must have shape (batch, events), one per event row; NaN for none. Received: "
            f"anchors of shape {anchors is None or tuple(anchors.shape)} for events of shape "
            f"{tuple(events.shape)}. Pad them like the events.",
        )
        if xp is not NUMPY:
            return
        events = events[events[..., 0] <= events[..., 1]]
        if self.classes > 1:
            check_classes(events, self._foreground)
        if self.frame_step_s is None:
            check_whole_frames(events[..., :2])
            warn_of_seconds(events[..., 1], self.frames)
        else:
            times = (self.frames, self.frame_step_s, self.frame_offset_s)
            check_plausible_seconds(events[..., 0], events[..., 1], *times)

    def _check_labels(self, xp, labels, anchors):
        shape = tuple(labels.shape)
        layout = "(batch, time)" if self._channels == 1 else f"(batch, time, {self.classes})"
        require(
            (len(shape) == 3 and shape[-1] == self._channels)
            or (len(shape) == 2 and self._channels == 1),
            f"Frame labels must have shape {layout} for classes={self.classes} and "
            f"encoding={self.encoding!r}; every frame has its own. Received: shape {shape}. For "
            "event lists give `frames`.",
        )
        require(
            anchors is None or self.classes == 1 or not self._windowed,
            "`anchors` must be None with frame labels of several classes and `before_frames` or "
            f"`after_frames`; their classes aren't known. Received: classes={self.classes}, "
            f"before_frames={self.before_frames}, after_frames={self.after_frames}. Give event "
            "rows (onset, offset, class).",
        )
        if xp is NUMPY:
            highest = 1 if self._channels > 1 else max(self.classes - 1, 1)
            wrong = labels[~np.isin(labels, range(-1, highest + 1))]
            require(
                not wrong.size,
                f"Frame labels must be whole numbers from -1 (ignore) to {highest} for "
                f"classes={self.classes}; others have no output. Received: label "
                f"{wrong[:1].tolist()}. Renumber them, or raise `classes`.",
            )


def _ignore_beyond(xp, labels, time, lengths):
    """Label -1 the frames beyond the length of a clip."""
    if lengths is None:
        return labels
    beyond = time >= to_frame(xp, lengths)[:, None]
    return xp.where(beyond[..., None], xp.zeros_like(labels) + IGNORE, labels)


def _run_neighbours(xp, on, time, anchor):
    """Return the last anchor at or before each frame and the first after it, of runs of `on`."""
    at_anchor = _run_edges(xp, on, anchor)
    count = xp.cast(xp.cumsum(xp.cast(at_anchor, "int32"), axis=1), "int32")
    return neighbours(xp, sort_positions(xp, time, at_anchor), count)


def _shapes_agree(shape, other):
    """Whether two shapes agree where both are known."""
    return len(shape) == len(other) and all(
        None in (mine, theirs) or mine == theirs for mine, theirs in zip(shape, other, strict=True)
    )


def _run_edges(xp, on, anchor):
    """Mark the first (`"onset"`) or last (`"offset"`) frame of each run of `on`."""
    outside = xp.zeros_like(on[:, :1])
    if anchor == "onset":
        return on & ~xp.concatenate([outside, on[:, :-1]], axis=1)
    return on & ~xp.concatenate([on[:, 1:], outside], axis=1)
