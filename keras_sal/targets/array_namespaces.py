"""One array interface to NumPy, Keras and TensorFlow.

TensorFlow serves `tf.data` pipelines under another Keras backend. `take` reads from a flat array;
`count` counts how often each whole number below `size` occurs in one.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras import ops

SAME_NAMES = (
    "abs",
    "clip",
    "concatenate",
    "cumsum",
    "maximum",
    "minimum",
    "ones_like",
    "reshape",
    "round",
    "shape",
    "sort",
    "stack",
    "sum",
    "take",
    "where",
    "zeros_like",
)

NUMPY = SimpleNamespace(
    **{name: getattr(np, name) for name in SAME_NAMES},
    asarray=np.asarray,
    cast=np.asarray,
    count=lambda index, size: np.bincount(index, minlength=size),
)

KERAS = SimpleNamespace(
    **{name: getattr(ops, name) for name in SAME_NAMES},
    asarray=ops.convert_to_tensor,
    cast=ops.cast,
    count=lambda index, size: ops.segment_sum(ops.ones_like(index), index, size),
)


@cache
def tensorflow() -> SimpleNamespace:
    """Return the namespace of TensorFlow, which is imported."""
    import tensorflow as tf

    other_names = {
        "clip": tf.clip_by_value,
        "concatenate": tf.concat,
        "sum": tf.reduce_sum,
        "take": tf.gather,
    }
    return SimpleNamespace(
        **{name: getattr(tf, name) for name in SAME_NAMES if name not in other_names},
        **other_names,
        asarray=tf.convert_to_tensor,
        cast=tf.cast,
        count=lambda index, size: tf.math.unsorted_segment_sum(tf.ones_like(index), index, size),
    )


def namespace(x: Any) -> SimpleNamespace:
    """Return the namespace that computes with `x`."""
    if isinstance(x, keras.KerasTensor) or ops.is_tensor(x):
        return KERAS
    return tensorflow() if type(x).__module__.startswith("tensorflow") else NUMPY


def is_float(x: Any) -> bool:
    """Return whether `x` holds floats of any size."""
    return "float" in str(x.dtype)
