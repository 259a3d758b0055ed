"""The nearest anchor of every frame.

`xp` is a namespace of `keras_sal.targets.array_namespaces`. Arithmetic is in `int32` throughout, so
that all of them give the same numbers. Positions are frames `(batch, events)`, `FAR` for none. Time
and memory grow with `batch * frames` and with the number of events, not with their product.
"""

from __future__ import annotations

from types import SimpleNamespace

from keras_sal.anchors import NO_ANCHOR
from keras_sal.targets.array_namespaces import is_float
from keras_sal.typing import Tensor

FAR = int(NO_ANCHOR)
FARTHEST = FAR // 4  # no difference of two such positions overflows or reaches FAR


def single_precision(xp: SimpleNamespace, x: Tensor) -> Tensor:
    """Convert to an array or tensor, floats to `float32`, as Keras casts the inputs of layers."""
    x = xp.asarray(x)
    return xp.cast(x, "float32") if is_float(x) else x


def to_frame(xp: SimpleNamespace, x: Tensor) -> Tensor:
    """Round half to even, to `int32`, within `FARTHEST` of frame 0."""
    if is_float(x):
        x = xp.round(x)
    elif not any(wide in str(x.dtype) for wide in ("32", "64")):
        return xp.cast(x, "int32")  # of fewer bits than `FARTHEST`
    lowest = 0 if "uint" in str(x.dtype) else -FARTHEST
    return xp.cast(xp.clip(x, lowest, FARTHEST), "int32")


def mask_positions(xp: SimpleNamespace, position: Tensor, real: Tensor) -> Tensor:
    """Replace the positions that are not `real` by `FAR`."""
    return xp.where(real, position, xp.zeros_like(position) + FAR)


def sort_positions(xp: SimpleNamespace, position: Tensor, real: Tensor) -> Tensor:
    """Sort the positions that are `real`, followed by at least one `FAR`."""
    end = xp.zeros_like(_clip_index(xp, position)) + FAR
    return xp.sort(xp.concatenate([mask_positions(xp, position, real), end], axis=1), axis=1)


def count_until(xp: SimpleNamespace, position: Tensor, frames: Tensor) -> Tensor:
    """Count the positions, in any order, at or before each frame: `(batch, frames)`."""
    index = xp.clip(position, 0, frames) + _clip_index(xp, position) * (frames + 1)
    count = xp.count(xp.reshape(index, (-1,)), xp.shape(position)[0] * (frames + 1))
    return xp.cast(xp.cumsum(xp.reshape(count, (-1, frames + 1)), axis=1)[:, :-1], "int32")


def neighbours(xp: SimpleNamespace, position: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Return the last of sorted positions at or before each frame, and the first after it.

    Args:
        xp: The namespace.
        position: What `sort_positions` returns.
        count: How many of them are at or before each frame, `(batch, frames)`.
    """
    first = xp.zeros_like(position[:, :1]) - FAR
    position = xp.concatenate([first, position], axis=1)
    index = count + _clip_index(xp, position) * xp.shape(position)[1]
    position = xp.reshape(position, (-1,))
    return xp.take(position, index), xp.take(position, index + 1)


def signed_distance(
    xp: SimpleNamespace, time: Tensor, previous: Tensor, following: Tensor
) -> Tensor:
    """Return `time` minus the nearer of the two (the earlier where equal), or `FAR` for none."""
    since, until = time - previous, following - time
    nearer = xp.where(since <= until, since, -until)
    return xp.where(xp.abs(nearer) < FAR // 2, nearer, xp.zeros_like(nearer) + FAR)


def _clip_index(xp: SimpleNamespace, position: Tensor) -> Tensor:
    """Number the clips of a batch, `(batch, 1)`."""
    zero = xp.sum(xp.zeros_like(position), axis=1, keepdims=True)
    return xp.cast(xp.cumsum(zero + 1, axis=0), "int32") - 1
