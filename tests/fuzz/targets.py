"""Packed targets of event lists and of frame labels, against the distance to every anchor."""

from __future__ import annotations

from collections import Counter

import numpy as np
from messages import check_message

from keras_sal import AnchorTargets
from keras_sal.anchors import IGNORE, NO_ANCHOR

CLIPS = 64
NONE = np.int64(1) << 60
FARTHEST = 2**28  # positions are kept within this
SIZES = (0, 1, 2, 3, 6)
HUGE = (-(2**40), -(2**31), 2**24, 2**31 - 1, 2**32 + 3, 2**53)


def attempt(random, folder):
    """Compare the targets of a batch of clips with the oracle's."""
    rng = np.random.default_rng(random.getrandbits(64))
    classes = random.choice((1, 1, 2, 4))
    encoding = random.choice(("sparse", "one_hot", "multi_hot"))
    window = {name: random.choice((None, 0, 1, 3)) for name in ("before_frames", "after_frames")}
    options = {
        "anchor": random.choice(("onset", "offset")),
        "classes": classes,
        "encoding": encoding,
        **window,
    }
    frames = random.randint(1, 32)
    lengths = rng.integers(-1, frames + 3, CLIPS) if random.random() < 0.3 else None
    make = _events if random.random() < 0.6 else _labels
    try:
        packed, expected = make(random, rng, frames, lengths, options)
    except ValueError as error:
        check_message(error)
        return Counter(refused=CLIPS)
    assert packed.dtype == np.float32
    np.testing.assert_array_equal(packed, expected, f"{options}")
    return Counter(agreed=CLIPS)


def _foreground(classes, encoding):
    if classes == 1:
        return range(1, 2)
    return range(0 if encoding == "multi_hot" else 1, classes)


def _events(random, rng, frames, lengths, options):
    """Targets of event lists in frames or in seconds, and the oracle's."""
    foreground = _foreground(options["classes"], options["encoding"])
    count = random.choice(SIZES)
    onset = rng.integers(-frames, 2 * frames, (CLIPS, count))
    offset = onset + rng.integers(-2, frames + 1, (CLIPS, count))
    index = rng.integers(foreground[0], foreground[-1] + 1, (CLIPS, count))
    given = None
    if random.random() < 0.3:
        given = rng.integers(-9, frames + 9, (CLIPS, count)).astype("float64")
        given[rng.random(given.shape) < 0.3] = random.choice((np.nan, NO_ANCHOR))
    step_s = None
    if random.random() < 0.3:
        step_s, start_s = random.choice((0.01, 0.02, 0.1)), random.choice((0.0, 0.03))
        options = options | {"frame_step_s": step_s, "frame_offset_s": start_s}
    elif given is None and count and random.random() < 0.1:
        offset[rng.random(offset.shape) < 0.1] = random.choice(HUGE)
    real = onset <= offset
    columns = [onset, offset, index]
    if step_s:
        shift = rng.uniform(-0.4, 0.4, (2, CLIPS, count))
        columns[:2] = [
            (frame + off) * step_s + start_s
            for frame, off in zip((onset, offset), shift, strict=True)
        ]
        real = columns[0].astype("float32") <= columns[1].astype("float32")
        given = None if given is None else np.where(given == NO_ANCHOR, np.nan, given)
    rows = np.stack(columns, axis=-1)
    if rows.dtype.kind == "i" and random.random() < 0.5 and abs(rows).max(initial=0) < 2**24:
        rows = rows.astype(random.choice(("float32", "int32", "float64")))
    if rows.dtype.kind == "f" and random.random() < 0.3:
        absent = rng.random(real.shape) < 0.2
        rows[absent] = np.nan
        real = real & ~absent
    anchors = given
    if step_s and given is not None:
        anchors = given * step_s + start_s
    packed = AnchorTargets(frames, **options)(rows, anchors, lengths)

    own = onset if options["anchor"] == "onset" else offset
    anchored = real
    if given is not None:
        known = np.nan_to_num(given, nan=NO_ANCHOR) != NO_ANCHOR
        own, anchored = np.where(known, np.nan_to_num(given), 0).astype("int64"), real & known
    onset, offset, own = (x.clip(-FARTHEST, FARTHEST) for x in (onset, offset, own))
    time = np.arange(frames)[None, None]
    inside = (onset[..., None] <= time) & (time <= offset[..., None])
    per_class = []
    for each in foreground:
        of_class = real & (index == each) if options["classes"] > 1 else real
        distance = np.where((of_class & anchored)[..., None], time - own[..., None], NONE)
        active = (
            _in_window(distance, options, axis=1)
            if _is_windowed(options)
            else (inside & of_class[..., None]).any(axis=1)
        )
        per_class.append((active, _nearest(distance, axis=1)))
    labels, distance = _encoded(per_class, foreground, options)
    return packed, _packed(labels, distance, lengths)


def _labels(random, rng, frames, lengths, options):
    """Targets of frame labels, and the oracle's."""
    classes, encoding = options["classes"], options["encoding"]
    foreground = _foreground(classes, encoding)
    channels = 1 if encoding == "sparse" else classes
    highest = max(classes - 1, 1) if channels == 1 else 1
    labels = rng.integers(0, highest + 1, (CLIPS, frames, channels))
    keep = np.maximum.accumulate(np.where(rng.random((CLIPS, frames)) < 0.4, np.arange(frames), 0))
    labels = np.take_along_axis(labels, keep[..., None], axis=1)  # runs
    if random.random() < 0.3:
        labels[rng.random((CLIPS, frames)) < 0.1] = IGNORE
    given = None
    if random.random() < 0.2:
        given = rng.integers(-9, frames + 9, (CLIPS, random.choice(SIZES))).astype("float64")
        given[rng.random(given.shape) < 0.3] = np.nan
    inputs = labels[..., 0] if channels == 1 and random.random() < 0.5 else labels
    inputs = inputs.astype(random.choice(("float32", "int32", "int64", "int8")))
    packed = AnchorTargets(**options)(inputs, given, lengths)

    labels = labels.astype("float64")
    if lengths is not None:
        labels[np.arange(frames)[None] >= lengths[:, None]] = IGNORE
    time = np.arange(frames)
    per_class = []
    for each in foreground:
        on = labels[..., 0] == each if channels == 1 else labels[..., each] == 1
        if given is None:
            edge = on.copy()
            if options["anchor"] == "onset":
                edge[:, 1:] &= ~on[:, :-1]
            else:
                edge[:, :-1] &= ~on[:, 1:]
            distance = np.where(edge[:, None, :], time[:, None] - time[None, :], NONE)
        else:
            at = np.nan_to_num(given).astype("int64")[:, None, :]
            distance = np.where(~np.isnan(given)[:, None, :], time[:, None] - at, NONE)
        active = _in_window(distance, options, axis=2)
        per_class.append((active, _nearest(distance, axis=2)))
    made, distance = _encoded(per_class, foreground, options)
    if _is_windowed(options):
        labels = np.where(labels == IGNORE, labels, made)
    return packed, _packed(labels, distance, lengths)


def _is_windowed(options):
    return options["before_frames"] is not None or options["after_frames"] is not None


def _in_window(distance, options, axis):
    """Whether any anchor has the frame in its window."""
    before, after = options["before_frames"] or 0, options["after_frames"] or 0
    return ((distance >= -before) & (distance <= after)).any(axis=axis)


def _nearest(distance, axis):
    """The smallest distance; where two are equal, that to the earlier anchor; `NONE` for none."""
    if not distance.shape[axis]:
        return np.full(np.delete(distance.shape, axis), NONE)
    order = 2 * abs(distance) - (distance > 0)
    at = np.expand_dims(order.argmin(axis=axis), axis)
    return np.take_along_axis(distance, at, axis=axis).squeeze(axis)


def _encoded(per_class, foreground, options):
    """Labels of the classes, and the distance to the nearest anchor of any."""
    distance = _nearest(np.stack([own for _, own in per_class], axis=1), axis=1)
    if options["encoding"] == "multi_hot" and options["classes"] > 1:
        return np.stack([active for active, _ in per_class], axis=-1), distance
    away = np.stack([np.where(on, abs(own), 2 * NONE) for on, own in per_class], axis=-1)
    label = np.asarray(foreground)[away.argmin(axis=-1)]
    label = np.where(away.min(axis=-1) == 2 * NONE, 0, label)[..., None]
    if options["encoding"] == "one_hot" and options["classes"] > 1:
        label = label == np.arange(options["classes"])
    return label, distance


def _packed(labels, distance, lengths):
    labels = labels.astype("float32")
    if lengths is not None:
        labels[np.arange(labels.shape[1])[None] >= lengths[:, None]] = IGNORE
    distance = np.where(distance == NONE, NO_ANCHOR, distance).astype("float32")
    return np.concatenate([labels, distance[..., None]], axis=-1)
