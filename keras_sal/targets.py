"""From event times or frame labels to packed targets, in any input pipeline.

The arithmetic is written once against what NumPy, `keras.ops` and `tf.experimental.numpy` share, in
`int32` until the last step. So the same numbers come out, bit for bit, on NumPy arrays (in a
`keras.utils.PyDataset` or a `grain` transform), on backend tensors, inside a Keras model, and in
`tf.data.Dataset.map` whatever the Keras backend.
"""

from functools import reduce

import keras
import numpy as np
from keras import ops

from keras_sal.anchors import IGNORE
from keras_sal.nearest import (
    FAR,
    around,
    cast,
    count_until,
    namespace,
    nearest_int,
    signed_distance,
    sort_positions,
)

ENCODINGS = ("sparse", "one_hot", "multi_hot")


def pad_events(events, fill=(0.0, -1.0, 0.0)):
    """Stacks event lists of several lengths into one padded array.

    Args:
        events: A list with one entry per clip: rows `(onset, offset)` or `(onset, offset, class)`,
            or an empty list for a clip without events.
        fill: The padding row; its offset lies before its onset, which marks it as padding.

    Returns:
        A `float32` array `(clips, longest, 2 or 3)`.

    Example:

    >>> pad_events([[(1.0, 1.5), (3.0, 3.5)], []]).tolist()
    [[[1.0, 1.5], [3.0, 3.5]], [[0.0, -1.0], [0.0, -1.0]]]
    """
    rows = [np.asarray(clip, "float32") for clip in events]
    width = max((clip.shape[-1] for clip in rows if clip.size), default=2)
    padded = np.tile(
        np.asarray(fill[:width], "float32"), (len(rows), max(map(len, rows), default=0) or 1, 1)
    )
    for clip, target in zip(rows, padded, strict=True):
        if clip.size:
            target[: len(clip)] = clip
    return padded


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
    """Makes packed targets for `StreamingAnchorLoss` from event lists or frame labels.

    Use it wherever your labels are made: on NumPy arrays in a `PyDataset`, in
    `tf.data.Dataset.map`, in a `grain` transform, or as a layer. Given NumPy arrays it returns a
    NumPy array, so that it can run in data workers; given tensors it returns a tensor.

    From events (`frames` given): with anchors `a` of the events of one class,

        distance[t] = t - (the nearest a; the earlier one where two are equally near)
        label[t]    = 1 if a - before_frames <= t <= a + after_frames for some a

    where an event time is turned into a frame by `round((time - frame_offset_s) / frame_step_s)`.
    With neither `before_frames` nor `after_frames`, the frames from onset to offset are positive.
    Events may overlap, lie partly or wholly outside the clip (an anchor just beyond the end still
    counts in the distances), or be absent.

    From frame labels (`frames=None`): each run of equal positive labels is an event. A run that
    touches the first or last frame of the clip is taken to begin or end there; cut clips *after*
    making their targets (`keras_sal.clips.crop`) to keep the true distances.

    Args:
        frames: Integer, the number of frames of a clip, to read event lists; or `None` to read
            frame labels.
        anchor: `"onset"` (the first frame of an event) or `"offset"` (its last frame).
        before_frames: Integer >= 0 or `None`: positive frames before the anchor.
        after_frames: Integer >= 0 or `None`: positive frames after the anchor.
        classes: Integer >= 1. With 1, labels are binary and a class column is not read. Else
            classes are numbered from 0, and 0 is the background unless `encoding="multi_hot"`.
        encoding: For `classes > 1`. `"sparse"`: one label channel of class ids. `"one_hot"`: one
            channel per class, background included. `"multi_hot"`: one channel per class, any
            number of them on at once; no background class.
        frame_step_s: Seconds between frames if event times are in seconds; `None` if they are
            in frames.
        frame_offset_s: Time in seconds at which frame 0 answers (the end of its window).
        name: Name of the layer.

    Call arguments:
        inputs: With `frames`: events `(batch, events, 2 or 3)`, rows `(onset, offset[, class])`;
            a row whose offset lies before its onset, or that is NaN, is padding (`pad_events`).
            Otherwise: frame labels `(batch, time)`, `(batch, time, 1)` or `(batch, time, classes)`,
            -1 where unknown.
        anchors: Optional `(batch, events)`, in the unit of the events: given anchors, one per
            event row, NaN or `NO_ANCHOR` for padding. They replace `anchor`.
        lengths: Optional integers `(batch,)`: frames beyond a clip's length are labelled -1.

    Returns:
        Packed targets, `float32 (batch, time, channels + 1)`; see `keras_sal.anchors`. Integer
        frames stay exact up to `2**24`; seconds are `float32`, so give frames for times over
        about 18 hours.

    Raises:
        ValueError: If an argument or an input shape doesn't fit, or if event times look like
            milliseconds.

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
        frames=None,
        anchor="onset",
        before_frames=None,
        after_frames=None,
        classes=1,
        encoding="sparse",
        frame_step_s=None,
        frame_offset_s=0.0,
        name=None,
        **kwargs,
    ):
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
                value is None or (isinstance(value, int) and value >= 0),
                f"`{argument}` must be None or a whole number of frames >= 0; it counts frames on "
                f"one side of the anchor. Received: {argument}={value!r}. Give seconds divided by "
                "the frame step.",
            )
        require(
            isinstance(classes, int) and classes >= 1,
            "`classes` must be a whole number >= 1; it is the number of detector outputs. "
            f"Received: classes={classes!r}. Use 1 for a binary detector.",
        )
        require(
            encoding in ENCODINGS,
            f"`encoding` must be one of {', '.join(map(repr, ENCODINGS))}; it is the layout of the "
            f"label channels. Received: encoding={encoding!r}. Choose one of them.",
        )
        require(
            frames is None or (isinstance(frames, int) and 0 < frames < 2**24),
            "`frames` must be None or a whole number of frames in [1, 2**24); float32 distances "
            f"are exact up to there. Received: frames={frames!r}. Cut the recording into clips.",
        )
        require(
            frame_step_s is None or frame_step_s > 0,
            "`frame_step_s` must be None or seconds > 0; event times are divided by it. "
            f"Received: frame_step_s={frame_step_s!r}. Give 0.01 for frames every 10 ms.",
        )
        self.frames = frames
        self.anchor = anchor
        self.before_frames = before_frames
        self.after_frames = after_frames
        self.classes = classes
        self.encoding = encoding
        self.frame_step_s = frame_step_s
        self.frame_offset_s = frame_offset_s

    def __call__(self, inputs, anchors=None, lengths=None, **kwargs):
        """Computes with NumPy for arrays, with TensorFlow for its tensors, else as a layer."""
        xp = namespace(inputs)
        if xp is ops:
            kwargs |= {"anchors": anchors, "lengths": lengths}
            return super().__call__(inputs, **{k: v for k, v in kwargs.items() if v is not None})
        arrays = (None if x is None else xp.asarray(x) for x in (inputs, anchors, lengths))
        return self._make(xp, *arrays)

    def call(self, inputs, anchors=None, lengths=None):  # noqa: D102
        return self._make(ops, inputs, anchors, lengths)

    def compute_output_shape(self, inputs_shape, **_):  # noqa: D102
        return (inputs_shape[0], self.frames or inputs_shape[1], self._channels + 1)

    def get_config(self):  # noqa: D102
        config = super().get_config()
        del config["dtype"]
        return {**config, **{name: getattr(self, name) for name in ARGUMENTS}}

    @property
    def _channels(self):
        return 1 if self.encoding == "sparse" else self.classes

    @property
    def _foreground(self):
        """Classes that have events: all but the background."""
        return range(0 if self.encoding == "multi_hot" else 1, max(self.classes, 2))

    def _make(self, xp, inputs, anchors, lengths):
        make = self._from_labels if self.frames is None else self._from_events
        time, labels, neighbours = make(xp, inputs, anchors)
        previous = reduce(xp.maximum, [before for before, _ in neighbours])
        following = reduce(xp.minimum, [after for _, after in neighbours])
        distance = signed_distance(xp, time, previous, following)
        if lengths is not None:
            beyond = time >= nearest_int(xp, lengths)[:, None]
            labels = xp.where(beyond[..., None], xp.zeros_like(labels) + IGNORE, labels)
        return xp.concatenate([labels, cast(xp, distance, "float32")[..., None]], axis=-1)

    def _from_events(self, xp, events, anchors):
        self._check_events(xp, events)
        time = cast(xp, np.arange(self.frames)[None], "int32")
        real = events[..., 0] <= events[..., 1]  # False where NaN
        onset, offset = (self._to_frame(xp, events[..., i], real) for i in (0, 1))
        if xp is np:
            self._check_unit(onset[real], offset[real])
        anchor = onset if self.anchor == "onset" else offset
        if anchors is not None:
            given, anchor = self._given(xp, anchors)
            real = real & given

        active, neighbours = [], []
        for index in self._foreground:
            own = real if self.classes == 1 else real & (events[..., 2] == index)
            position = sort_positions(xp, anchor, own)
            neighbours.append(around(xp, position, count_until(xp, position, time)))
            if self._windowed:
                active.append(self._window(time, *neighbours[-1]))
            else:
                begun = count_until(xp, sort_positions(xp, onset, own), time)
                ended = count_until(xp, sort_positions(xp, offset, own), time - 1)
                active.append(begun > ended)
        return time, self._encode(xp, time, active, neighbours), neighbours

    def _from_labels(self, xp, labels, anchors):
        self._check_labels(xp, labels)
        labels = cast(xp, labels if len(labels.shape) == 3 else labels[..., None], "float32")
        ones = xp.ones_like(cast(xp, labels[..., 0], "int32"))
        time = cast(xp, xp.cumsum(ones, axis=1), "int32") - 1
        given = None if anchors is None else sort_positions(xp, *self._given(xp, anchors)[::-1])

        active, neighbours = [], []
        for index in self._foreground:
            if given is not None:
                neighbours.append(around(xp, given, count_until(xp, given, time)))
            else:
                on = labels[..., 0] == index if self._channels == 1 else labels[..., index] == 1
                at_anchor = run_edge(xp, on, self.anchor)
                count = cast(xp, xp.cumsum(cast(xp, at_anchor, "int32"), axis=1), "int32")
                neighbours.append(around(xp, sort_positions(xp, time, at_anchor), count))
            active.append(self._window(time, *neighbours[-1]))
        if self._windowed:
            made = self._encode(xp, time, active, neighbours)
            labels = xp.where(labels == IGNORE, labels, made)
        return time, labels, neighbours

    @property
    def _windowed(self):
        return self.before_frames is not None or self.after_frames is not None

    def _window(self, time, previous, following):
        after, before = self.after_frames or 0, self.before_frames or 0
        return (time - previous <= after) | (following - time <= before)

    def _encode(self, xp, time, active, neighbours):
        """Lays the classes out in channels; where events overlap the nearer anchor's class wins."""
        if self.encoding == "multi_hot" and self.classes > 1:
            return cast(xp, xp.stack(active, axis=-1), "float32")
        label = xp.zeros_like(neighbours[0][0])
        best = label + FAR + 1
        for index, on, pair in zip(self._foreground, active, neighbours, strict=True):
            away = xp.abs(signed_distance(xp, time, *pair))
            wins = on & (away < best)
            label = xp.where(wins, xp.zeros_like(label) + index, label)
            best = xp.where(wins, away, best)
        channels = [label] if self._channels == 1 else [label == i for i in range(self.classes)]
        return cast(xp, xp.stack(channels, axis=-1), "float32")

    def _to_frame(self, xp, time, real):
        time = xp.where(real, time, xp.zeros_like(time))
        if self.frame_step_s is None:
            return nearest_int(xp, time)
        # A reciprocal on purpose: compilers may make one of a division by a constant.
        per_second = np.float32(1.0 / self.frame_step_s)
        since_frame_0 = cast(xp, time, "float32") - np.float32(self.frame_offset_s)
        return nearest_int(xp, since_frame_0 * per_second)

    def _given(self, xp, anchors):
        real = xp.abs(anchors) < FAR  # False where NaN
        return real, self._to_frame(xp, anchors, real)

    def _check_events(self, xp, events):
        shape = tuple(events.shape)
        require(
            len(shape) == 3 and shape[-1] in (2, 3),
            "Events must have shape (batch, events, 2 or 3), rows (onset, offset[, class]); a clip "
            f"may have several. Received: shape {shape}. Pad lists with `keras_sal.pad_events`; "
            "for frame labels leave out `frames`.",
        )
        require(
            self.classes == 1 or shape[-1] == 3,
            f"Events must have a class column when classes={self.classes}; each class has its own "
            f"label. Received: shape {shape}. Give rows (onset, offset, class).",
        )
        if xp is np and self.classes > 1:
            known = events[..., 2][events[..., 0] <= events[..., 1]]
            wrong = known[~np.isin(known, self._foreground)]
            require(
                not wrong.size,
                f"Event classes must lie in {self._foreground[0]} to {self.classes - 1} for "
                f"classes={self.classes} and encoding={self.encoding!r}; others have no output. "
                f"Received: class {wrong[:1].tolist()}. Renumber them, or raise `classes`.",
            )

    def _check_unit(self, onset, offset):
        if self.frame_step_s is None or not onset.size:
            return
        beyond = self.frames <= onset.min() and onset.max() < 1000 * self.frames
        require(
            not (beyond and (offset - onset).max() > self.frames),
            "Event times must be in seconds; here every event lies beyond the end of its clip, and "
            "some last longer than it. Received: an onset at "
            f"{onset[0] * self.frame_step_s + self.frame_offset_s:g} s in clips of "
            f"{self.frames * self.frame_step_s:g} s. Did you give milliseconds? Divide by 1000.",
        )

    def _check_labels(self, xp, labels):
        shape = tuple(labels.shape)
        layout = "(batch, time)" if self._channels == 1 else f"(batch, time, {self.classes})"
        require(
            (len(shape) == 3 and shape[-1] == self._channels)
            or (len(shape) == 2 and self._channels == 1),
            f"Frame labels must have shape {layout} for classes={self.classes} and "
            f"encoding={self.encoding!r}; every frame has its own. Received: shape {shape}. For "
            "event lists give `frames`.",
        )
        if xp is np:
            highest = 1 if self._channels > 1 else max(self.classes - 1, 1)
            wrong = labels[~np.isin(labels, range(-1, highest + 1))]
            require(
                not wrong.size,
                f"Frame labels must be whole numbers from -1 (ignore) to {highest} for "
                f"classes={self.classes}; others have no output. Received: label "
                f"{wrong[:1].tolist()}. Renumber them, or raise `classes`.",
            )


def run_edge(xp, on, anchor):
    """Marks the first (`"onset"`) or last (`"offset"`) frame of each run of `on`."""
    outside = xp.zeros_like(on[:, :1])
    if anchor == "onset":
        return on & ~xp.concatenate([outside, on[:, :-1]], axis=1)
    return on & ~xp.concatenate([on[:, 1:], outside], axis=1)


def require(condition, message):
    """Raises `message` unless `condition` holds."""
    if not condition:
        raise ValueError(message)
