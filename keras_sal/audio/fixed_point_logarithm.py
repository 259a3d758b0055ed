"""The logarithm of the micro front-end, in 128 straight segments of each octave.

Reference: TensorFlow Lite Micro, `tensorflow/lite/experimental/microfrontend/lib/log_scale.c`.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from keras_sal.typing import Array, Tensor

SCALE = 64  # what stands for 1 in the result
ONE = 1 << 16  # what stands for 1 in between
SEGMENTS = 1 << 7
LENGTH = ONE // SEGMENTS
LN_2 = 45_426 / ONE


def _segments() -> Array:
    """What is missing from the start of each segment to log2, and how that changes until its end.

    `(129, 2)`; the last row is for the end of the octave.
    """
    place = np.arange(SEGMENTS + 1) / SEGMENTS
    missing = np.rint(ONE * (np.log2(1 + place) - place))
    return np.stack([missing, np.diff(missing, append=0)], axis=1).astype("float32")


_SEGMENTS = _segments()
_OCTAVES = (ONE / 2.0 ** np.arange(33)).astype("float32")


def octave(x: Tensor) -> Tensor:
    """Return the number of times that numbers of at least 1 can be halved, as int32."""
    return ops.cast(ops.floor(ops.log2(ops.maximum(x, 1.0))), "int32")


@ops.custom_gradient
def logarithm(x: Tensor) -> Tensor:
    """Compute 64 times the natural logarithm, rounded to integers as the C code does.

    The gradient is that of the logarithm.

    Args:
        x: Integers of at least 1.
    """

    def gradient(*args: Tensor, upstream: Tensor | None = None) -> Tensor:
        return (args[0] if upstream is None else upstream) * SCALE / x

    whole = octave(x)
    part = ops.maximum(ops.floor(x * ops.take(_OCTAVES, whole)) - ONE, 0.0)
    segment = ops.floor(part / LENGTH)
    rows = ops.take(_SEGMENTS, ops.cast(segment, "int32"), axis=0)
    missing = rows[..., 0] + ops.floor(rows[..., 1] * (part - LENGTH * segment) / ONE)
    log2 = ONE * ops.cast(whole, "float32") + part + missing
    return ops.floor(ops.floor(LN_2 * log2 + 0.5) * (SCALE / ONE) + 0.5), gradient
