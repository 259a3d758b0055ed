"""The nearest anchor of every frame.

`xp` is a namespace of `keras_sal.targets.array_namespaces`; arithmetic is in `int32` throughout, so that each
gives the same numbers. Positions are frames `(batch, events)`, `FAR` for none. Time and memory grow
with `batch * frames` and with the number of events, not with their product.
"""

from keras_sal.anchors import NO_ANCHOR
from keras_sal.targets.array_namespaces import is_float

FAR = int(NO_ANCHOR)
FARTHEST = FAR // 4  # such that no difference of two positions overflows or is taken for none


def single(xp, x):
    """Converts to an array or tensor, floats to `float32`, as Keras casts the inputs of layers."""
    x = xp.asarray(x)
    return xp.cast(x, "float32") if is_float(x) else x


def nearest_int(xp, x):
    """Rounds half to even, to `int32`; what is farther than any clip stays there."""
    return xp.cast(xp.clip(xp.round(x), -FARTHEST, FARTHEST) if is_float(x) else x, "int32")


def only(xp, real, position):
    """Leaves the positions that are `real`."""
    return xp.where(real, position, xp.zeros_like(position) + FAR)


def sort_positions(xp, position, real):
    """Sorts the positions that are `real`, and ends with `FAR` at least once."""
    end = xp.zeros_like(row(xp, position)) + FAR
    return xp.sort(xp.concatenate([only(xp, real, position), end], axis=1), axis=1)


def count_until(xp, position, frames):
    """Counts the positions, in any order, at or before each frame: `(batch, frames)`."""
    index = xp.clip(position, 0, frames) + row(xp, position) * (frames + 1)
    count = xp.count(xp.reshape(index, (-1,)), xp.shape(position)[0] * (frames + 1))
    return xp.cast(xp.cumsum(xp.reshape(count, (-1, frames + 1)), axis=1)[:, :-1], "int32")


def around(xp, position, count):
    """Returns the last of sorted positions at or before each frame and the first after it.

    Args:
        xp: The namespace.
        position: What `sort_positions` returns.
        count: How many of them are at or before each frame, `(batch, frames)`.
    """
    first = xp.zeros_like(position[:, :1]) - FAR
    position = xp.concatenate([first, position], axis=1)
    index = count + row(xp, position) * xp.shape(position)[1]
    position = xp.reshape(position, (-1,))
    return xp.take(position, index), xp.take(position, index + 1)


def signed_distance(xp, time, previous, following):
    """Returns `time` less the nearer of the two (the earlier where equal), or `FAR` for none."""
    since, until = time - previous, following - time
    nearer = xp.where(since <= until, since, -until)
    return xp.where(xp.abs(nearer) < FAR // 2, nearer, xp.zeros_like(nearer) + FAR)


def row(xp, position):
    """Numbers the clips of a batch, `(batch, 1)`."""
    zero = xp.sum(xp.zeros_like(position), axis=1, keepdims=True)
    return xp.cast(xp.cumsum(zero + 1, axis=0), "int32") - 1
