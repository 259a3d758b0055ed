"""Keras masks and sample weights of frames."""

from __future__ import annotations

import keras
from keras import ops

from keras_sal.anchors import IGNORE, pack, unpack
from keras_sal.checks import require
from keras_sal.typing import Tensor


class _KeptFrames(keras.losses.Loss):
    """1 on each frame that the Keras mask of the predictions keeps, else 0; a scalar without one.

    Keras multiplies unreduced losses by the mask. This is the one public way to read it under
    `jax.jit`, where tensors carry no attributes.
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return ops.ones((), dtype=self.dtype)


_kept_frames = _KeptFrames(name="kept_frames", reduction=None)


def kept_frames(y_true: Tensor, y_pred: Tensor) -> Tensor | None:
    """Return which frames the Keras mask of the predictions keeps.

    Args:
        y_true: Packed targets `(batch, time, channels + 1)`.
        y_pred: Predictions `(batch, time, classes)`, with or without a mask.

    Returns:
        Boolean tensor `(batch, time)`, or `None` without a mask.
    """
    kept = _kept_frames(y_true, y_pred)
    return kept > 0 if len(kept.shape) else None


def ignore_frames(y_true: Tensor, kept: Tensor) -> Tensor:
    """Label with -1 the frames that are not kept.

    Args:
        y_true: Packed targets `(batch, time, channels + 1)`.
        kept: Boolean tensor `(batch, time)`.

    Returns:
        Packed targets.
    """
    labels, distance = unpack(y_true)
    return pack(ops.where(kept[..., None], labels, IGNORE), distance)


def expand_weight(sample_weight: Tensor, counted: Tensor) -> Tensor:
    """Give weights of clips or frames the rank of what they weight.

    Args:
        sample_weight: `(batch,)`, `(batch, 1)`, `(batch, time)`, `(batch, time, 1)`, or one number.
        counted: What is weighted: losses or marks of frames `(batch, time)`, or of clips
            `(batch,)`.

    Returns:
        The weights, with the rank and dtype of `counted`.

    Raises:
        ValueError: If they fit neither clips nor frames.
    """
    weight = ops.convert_to_tensor(sample_weight, dtype=counted.dtype)
    given = tuple(weight.shape)
    per_frame = len(counted.shape) == 2
    if len(given) > 1 and given[-1] == 1:
        weight = ops.squeeze(weight, -1)
    if len(weight.shape) == 1 and per_frame:
        weight = ops.expand_dims(weight, -1)
    fits = len(weight.shape) == len(counted.shape) and all(
        None in (size, frames) or size in (1, frames)
        for size, frames in zip(weight.shape, counted.shape, strict=True)
    )
    shapes = "(batch,), (batch, 1) or (batch, time)" if per_frame else "(batch,)"
    require(
        fits or not given,
        f"`sample_weight` must have shape {shapes}; it weights clips"
        f"{' or frames' if per_frame else ''}. Received: sample_weight of shape {given} "
        f"for losses of shape {tuple(counted.shape)}. Weight classes with `class_weight=` "
        "of the loss.",
    )
    return weight
