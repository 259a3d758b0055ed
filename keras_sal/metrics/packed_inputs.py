"""Packed targets, predictions and weights as metrics read them."""

from __future__ import annotations

from keras import ops

from keras_sal.anchors import IGNORE, unpack
from keras_sal.losses.frame_weights import expand_weight, ignore_frames, kept_frames
from keras_sal.typing import Tensor


def read_inputs(
    y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return packed targets, predictions `(batch, time, classes)` and weights `(batch, time)`.

    Masked frames get label -1; frames with label -1 get weight 0.
    """
    y_true = ops.convert_to_tensor(y_true, dtype="float32")
    kept = kept_frames(y_true, y_pred)
    y_true = y_true if kept is None else ignore_frames(y_true, kept)
    y_pred = ops.convert_to_tensor(y_pred, dtype="float32")
    if len(y_pred.shape) == 2:
        y_pred = ops.expand_dims(y_pred, -1)
    labels, _ = unpack(y_true)
    weight = ops.cast(ops.any(labels != IGNORE, axis=-1), "float32")
    if sample_weight is not None:
        weight = weight * expand_weight(sample_weight, weight)
    return y_true, y_pred, weight
