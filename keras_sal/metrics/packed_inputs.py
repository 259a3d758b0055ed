"""Packed targets, predictions and weights as metrics read them, and checks of arguments."""

from __future__ import annotations

from keras import ops

from keras_sal.anchors import IGNORE, pack, unpack
from keras_sal.checks import require
from keras_sal.losses.frame_weights import expand_weight, kept_frames
from keras_sal.typing import Tensor


def read_inputs(
    y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return packed targets, predictions `(batch, time, classes)` and weights `(batch, time)`.

    Masked frames get label -1; frames with label -1 get weight 0.
    """
    y_true = ops.convert_to_tensor(y_true, dtype="float32")
    y_true = ignore_frames(y_true, kept_frames(y_true, y_pred) > 0)
    y_pred = ops.convert_to_tensor(y_pred, dtype="float32")
    if len(y_pred.shape) == 2:
        y_pred = ops.expand_dims(y_pred, -1)
    labels, _ = unpack(y_true)
    weight = ops.cast(ops.any(labels != IGNORE, axis=-1), "float32")
    if sample_weight is not None:
        weight = weight * expand_weight(sample_weight, weight)
    return y_true, y_pred, weight


def ignore_frames(y_true: Tensor, kept: Tensor) -> Tensor:
    """Label -1 the frames that aren't `kept (batch, time)`."""
    labels, distance = unpack(y_true)
    return pack(ops.where(kept[..., None], labels, IGNORE), distance)


def check_share(argument: str, value: float) -> float:
    """Return `value` as a float, refused unless it lies in (0, 1]."""
    require(
        0.0 < value <= 1.0,
        f"`{argument}` must lie in (0, 1]; it is compared with posteriors or shares of them. "
        f"Received: {argument}={value}. For logits, add a sigmoid to the model.",
    )
    return float(value)


def check_rate(argument: str, value: float) -> float:
    """Return `value` as a float, refused if it is negative."""
    require(
        value >= 0.0,
        f"`{argument}` must be at least 0; it is a rate. Received: {argument}={value}. Give false "
        "alarms an hour.",
    )
    return float(value)


def check_frames(argument: str, value: int) -> int:
    """Return `value`, refused unless it is a whole number of at least 1."""
    require(
        isinstance(value, int) and value >= 1,
        f"`{argument}` must be a whole number of frames, at least 1. Received: "
        f"{argument}={value}. 1 switches it off.",
    )
    return value
