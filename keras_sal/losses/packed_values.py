"""Checks of the values that a loss over packed targets reads.

Where values can be seen, a wrong one is an error that names it. Inside a compiled step they can't
be seen. There the loss becomes a number that no right values lead to: `-inf` if `y_true` is wrong,
`nan` if `y_pred` is, with a gradient of 0. `keras_sal.losses.fit_checks` turns either into an
error on the first batch of `fit`. Both use the same predicates, of NumPy or of `keras.ops`.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_sal.anchors import IGNORE
from keras_sal.typing import Array, Tensor

ROUNDING = 1e-3  # of a softmax in half precision
_TELLING_FRAMES = 8  # of a clip, by which one-hot labels are told from packed targets
_FEW_FRAMES = 2  # of a clip, whose distances may all be 0 or 1 in packed targets


class PackedValues(NamedTuple):
    """What a loss compares.

    Attributes:
        labels: `(batch, time, channels)`, -1 where unknown or masked.
        distance: `(batch, time)`, frames.
        y_pred: `(batch, time, outputs)`.
        from_logits: Whether `y_pred` are logits; `None` if the loss doesn't say.
        multi_label: Whether several classes may be on at once.
    """

    labels: Tensor
    distance: Tensor
    y_pred: Tensor
    from_logits: bool | None
    multi_label: bool

    @property
    def highest(self) -> int:
        """The highest label: a class id in one channel for several outputs, otherwise 1."""
        outputs = self.y_pred.shape[-1]
        return 1 if self.labels.shape[-1] > 1 else max(outputs - 1, 1)


def to_numpy(x: Tensor) -> Array | None:
    """Copy a tensor to NumPy, or return `None` for a tensor without values, as while tracing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # NumPy's, of one without values
        try:
            return ops.convert_to_numpy(ops.stop_gradient(x))
        except (TypeError, ValueError, RuntimeError, NotImplementedError):
            return None


def check_values(values: PackedValues) -> bool:
    """Refuse values that can't be packed targets and their predictions.

    Args:
        values: Tensors that have values.

    Returns:
        Whether there was a frame to check.

    Raises:
        ValueError: If a value is wrong.
    """
    arrays = values._replace(
        labels=to_numpy(values.labels),
        distance=to_numpy(values.distance),
        y_pred=to_numpy(values.y_pred),
    )
    for wrong, message in (
        (_wrong_labels, _label_message),
        (_is_one_hot, _one_hot_message),
        (_no_posteriors, _posterior_message),
        (_no_logits, _logits_message),
    ):
        if wrong(np, arrays):
            raise ValueError(message(arrays))
    return bool(_counted(np, arrays).any())


def mark_wrong(loss: Tensor, values: PackedValues) -> Tensor:
    """Replace the loss of wrong values; any other loss stays as it is.

    Args:
        loss: The loss, of any shape.
        values: Tensors, with values or without.

    Returns:
        The loss; `-inf` if the targets are wrong, `nan` if the predictions are.
    """
    for check in (_no_posteriors, _no_logits):
        wrong = check(ops, values)
        if wrong is not False:
            loss = ops.where(wrong, math.nan, loss)
    return ops.where(_wrong_labels(ops, values) | _is_one_hot(ops, values), -math.inf, loss)


def _counted(xp: Any, values: PackedValues) -> Any:
    return xp.any(values.labels != IGNORE, axis=-1)


def _wrong_labels(xp: Any, values: PackedValues) -> Any:
    labels = values.labels
    right = (labels == IGNORE) | ((labels >= 0.0) & (labels <= values.highest))
    return xp.any(~right)  # NaN, too


def _is_one_hot(xp: Any, values: PackedValues) -> Any:
    """Whether labels and distances are one-hot labels: between 0 and 1, with a sum of 1.

    The first frames tell: distances count the frames.
    """
    values = values._replace(
        labels=values.labels[:, :_TELLING_FRAMES], distance=values.distance[:, :_TELLING_FRAMES]
    )
    counted, distance = _counted(xp, values), values.distance
    total = xp.sum(values.labels, axis=-1) + distance
    one_hot = (distance >= 0.0) & (distance <= 1.0) & (xp.abs(total - 1.0) < ROUNDING)
    clips = xp.count_nonzero(xp.any(counted, axis=1))
    several = xp.count_nonzero(counted) > _FEW_FRAMES * clips
    return xp.all(one_hot | ~counted) & several


def _no_posteriors(xp: Any, values: PackedValues) -> Any:
    if values.from_logits is not False:
        return False
    outside = (values.y_pred < -ROUNDING) | (values.y_pred > 1.0 + ROUNDING)
    return xp.any(outside & _counted(xp, values)[..., None])


def _no_logits(xp: Any, values: PackedValues) -> Any:
    """Whether logits of several classes are posteriors: never negative, with a sum of 1."""
    y_pred = values.y_pred
    if values.from_logits is not True or values.multi_label or y_pred.shape[-1] == 1:
        return False
    counted = _counted(xp, values)
    posterior = xp.all(y_pred >= 0.0, axis=-1) & (xp.abs(xp.sum(y_pred, axis=-1) - 1.0) < ROUNDING)
    return xp.all(posterior | ~counted) & (xp.count_nonzero(counted) > _FEW_FRAMES)


def _label_message(values: PackedValues) -> str:
    labels = values.labels[values.labels != IGNORE]
    wrong = labels[~((labels >= 0.0) & (labels <= values.highest))]
    return (
        f"`y_true` must hold labels from -1 (ignore) to {values.highest}; `y_pred` has "
        f"{values.y_pred.shape[-1]} outputs. Received: label {wrong.max():g}. Give the model an "
        "output per class, or check that the last channel of the targets is the distance to the "
        "nearest anchor."
    )


def _one_hot_message(values: PackedValues) -> str:
    *shape, channels = values.labels.shape
    return (
        "`y_true` must hold the distance to the nearest anchor in its last channel; here it "
        "holds one-hot labels and nothing else. Received: y_true of shape "
        f"{(*shape, channels + 1)}. Make packed targets of them with "
        '`keras_sal.AnchorTargets(classes=..., encoding="one_hot")(labels)`.'
    )


def _posterior_message(values: PackedValues) -> str:
    y_pred = values.y_pred[_counted(np, values)]
    return (
        "`y_pred` must be posteriors in [0, 1] with from_logits=False; their logarithm is "
        f"taken. Received: y_pred from {y_pred.min():g} to {y_pred.max():g}. End the model with a "
        "sigmoid or softmax, or set from_logits=True if these are logits."
    )


def _logits_message(values: PackedValues) -> str:
    return (
        "`y_pred` must be logits with from_logits=True; here all of them are at least 0 and add "
        f"up to 1, as posteriors do. Received: y_pred of shape {values.y_pred.shape}. Leave out "
        "from_logits, or remove the softmax from the model."
    )
