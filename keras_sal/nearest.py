"""The nearest anchor of every frame, in NumPy, `keras.ops` or `tf.experimental.numpy`.

`xp` is one of those modules; every function uses only what the three share, and `int32` throughout,
so that each gives the same numbers. Positions are frames `(batch, events)`, sorted, padded with
`FAR`; `time` holds frame indices and broadcasts to `(batch, time)`. Memory and time grow with
`batch * time`, and with the logarithm of the number of events.
"""

import keras
import numpy as np
from keras import ops

from keras_sal.anchors import NO_ANCHOR

FAR = int(NO_ANCHOR)
FARTHEST = FAR // 4  # such that no difference of two positions is taken for none, or overflows


def namespace(x):
    """Returns the module that computes with `x`; foreign TensorFlow tensors come from `tf.data`."""
    if isinstance(x, keras.KerasTensor) or ops.is_tensor(x):
        return ops
    if type(x).__module__.startswith("tensorflow"):
        import tensorflow.experimental.numpy as tnp

        return tnp
    return np


def cast(xp, x, dtype):
    """Converts `x` to `dtype`."""
    if xp is np:
        return np.asarray(x, dtype)
    return (ops if xp is ops else tensorflow()).cast(x, dtype)


def single(xp, x):
    """Converts to an array or tensor, floats to `float32`, as Keras casts the inputs of layers."""
    x = xp.convert_to_tensor(x) if xp is ops else xp.asarray(x)
    return cast(xp, x, "float32") if is_float(x) else x


def is_float(x):
    """Returns whether `x` holds floats of any size."""
    return "float" in str(x.dtype)


def nearest_int(xp, x):
    """Rounds half to even, to `int32`; what is farther than any clip stays there."""
    if is_float(x):
        x = (xp if xp in (np, ops) else tensorflow()).round(x)
        x = xp.clip(x, -FARTHEST, FARTHEST)
    return cast(xp, x, "int32")


def tensorflow():
    """Returns TensorFlow: its NumPy module casts and rounds only under a global switch."""
    import tensorflow as tf

    return tf


def sort_positions(xp, position, real):
    """Sorts the positions that are `real`, and pads with at least one `FAR`."""
    end = xp.zeros_like(xp.sum(cast(xp, real, "int32"), axis=1, keepdims=True)) + FAR
    position = xp.where(real, position, xp.zeros_like(position) + FAR)
    return xp.sort(xp.concatenate([position, cast(xp, end, "int32")], axis=1), axis=1)


def count_until(xp, position, time):
    """Counts the positions <= `time`, by a binary search without branches."""
    size = position.shape[1]
    steps = 24 if size is None else int(size).bit_length()
    if size is None:
        size = cast(xp, xp.sum(xp.ones_like(position), axis=1, keepdims=True), "int32")
    count = xp.zeros_like(position[:, :1] + time)
    for step in (2**power for power in reversed(range(steps))):
        further = count + step
        index = xp.minimum(further, xp.zeros_like(further) + size) - 1
        probe = xp.take_along_axis(position, index, axis=1)
        count = xp.where((further <= size) & (probe <= time), further, count)
    return count


def around(xp, position, count):
    """Returns the last position at or before each frame and the first after it."""
    first = xp.zeros_like(position[:, :1]) - FAR
    position = xp.concatenate([first, position], axis=1)
    return (
        xp.take_along_axis(position, count, axis=1),
        xp.take_along_axis(position, count + 1, axis=1),
    )


def signed_distance(xp, time, previous, following):
    """Returns `time` less the nearer of the two (the earlier where equal), or `FAR` for none."""
    since, until = time - previous, following - time
    nearer = xp.where(since <= until, since, -until)
    return xp.where(xp.abs(nearer) < FAR // 2, nearer, xp.zeros_like(nearer) + FAR)
