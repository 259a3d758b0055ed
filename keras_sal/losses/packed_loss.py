"""The base class of losses over packed targets."""

from __future__ import annotations

import math
import warnings
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_sal.anchors import IGNORE, pack, unpack
from keras_sal.checks import require
from keras_sal.losses.frame_weights import expand_weight, kept_frames
from keras_sal.typing import Array, Tensor

MEANS = ("sum_over_batch_size", "mean")
ROUNDING = 1e-3  # of a softmax in half precision


class PackedLoss(keras.losses.Loss):
    """Base class of the losses that read packed targets.

    Subclass it to write your own. A subclass implements `call(y_true, y_pred)`, which returns
    `(batch, time)`, 0 where the label is -1. It may override `counted` to leave out more frames.
    This class decides how the frames are averaged. With `reduction="sum_over_batch_size"`,

        loss = sum(sample_weight * loss_t) / number of counted frames

    * A frame with label -1 isn't counted, nor is one that the Keras mask of `y_pred` excludes
      (padding on either side): the loss is that of the other frames alone.
    * `sample_weight` scales the numerator only, as everywhere in Keras. Its shape is `(batch,)`,
      `(batch, 1)`, `(batch, time)` or `(batch, time, 1)`. Weights `(batch,)` are weights of clips
      even where `batch == time`; losses of Keras then take them for weights of frames.
    * `reduction="mean_with_sample_weight"` divides by the sum of the weights of counted frames;
      `"sum"` doesn't divide; `None` returns `(batch, time)`.

    The computation is in `float32` whatever the model's dtype policy.

    Args:
        name: Name of the loss. Defaults to `None`.
        reduction: `"sum_over_batch_size"`, `"mean"`, `"mean_with_sample_weight"`, `"sum"` or
            `None`; see above. Defaults to `"sum_over_batch_size"`.
        dtype: `"float32"` or `"float64"`. Defaults to `"float32"`.

    Raises:
        ValueError: If `dtype` is neither.
    """

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype or "float32")
        require(
            self.dtype in ("float32", "float64"),
            "`dtype` must be float32 or float64; half precision holds neither distances nor "
            f"small posteriors. Received: dtype={dtype!r}. Leave it out: predictions of "
            "any dtype are read.",
        )
        self._seen_values = False

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Compute the loss; see the class for how frames are averaged."""
        y_true = ops.convert_to_tensor(y_true, dtype=self.dtype)
        labels, distance = unpack(y_true)
        labels = ops.where(kept_frames(y_true, y_pred)[..., None] > 0, labels, IGNORE)
        y_true = pack(labels, distance)
        y_pred = ops.copy(ops.convert_to_tensor(y_pred, dtype=self.dtype))  # without its mask
        self._check_values(labels, distance, y_pred)

        weight = counted = ops.cast(self.counted(labels), self.dtype)
        if sample_weight is not None:
            weight = counted * expand_weight(sample_weight, counted)
        if self.reduction in MEANS:
            size = ops.sum(ops.ones_like(counted))
            weight = weight * ops.divide_no_nan(size, ops.sum(counted))
        return super().__call__(y_true, y_pred, weight)

    def counted(self, labels: Tensor) -> Tensor:
        """Return which frames are averaged: those with a label.

        Args:
            labels: `(batch, time, channels)`, -1 where unknown.

        Returns:
            Boolean tensor `(batch, time)`, or `(batch,)` for a loss that averages clips.
        """
        return ops.any(labels != IGNORE, axis=-1)

    def _check_values(self, labels: Tensor, distance: Tensor, y_pred: Tensor) -> None:
        """Check the values once, the first time that they can be seen (not while tracing)."""
        if self._seen_values:
            return
        try:
            labels, distance, y_pred = map(_to_numpy, (labels, distance, y_pred))
        except (TypeError, ValueError, RuntimeError, NotImplementedError):
            return
        counted = (labels != IGNORE).any(axis=-1)
        if counted.any() and counted.shape == y_pred.shape[:2]:
            _check_labels(labels[counted], outputs=math.prod(y_pred.shape[2:]))
            _check_distance(labels, distance)
            if not getattr(self, "from_logits", True):
                _check_posteriors(y_pred[counted])
            self._seen_values = True

    def get_config(self) -> dict[str, Any]:  # noqa: D102
        return {**super().get_config(), "dtype": self.dtype}


def _to_numpy(x: Tensor) -> Array:
    """Copy a tensor that has values to NumPy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # NumPy's, of one without values
        return ops.convert_to_numpy(ops.stop_gradient(x))


def _check_posteriors(y_pred: Array) -> None:
    low, high = y_pred.min(), y_pred.max()
    require(
        not (low < -ROUNDING or high > 1.0 + ROUNDING),
        "`y_pred` must be posteriors in [0, 1] with from_logits=False; their logarithm is "
        f"taken. Received: y_pred from {low:g} to {high:g}. End the model with a sigmoid or "
        "softmax, or set from_logits=True if these are logits.",
    )


def _check_labels(labels: Array, outputs: int) -> None:
    highest = 1 if labels.shape[-1] > 1 else max(outputs - 1, 1)
    require(
        not labels.max() > highest,
        f"`y_true` must hold labels from -1 (ignore) to {highest}; `y_pred` has {outputs} "
        f"outputs. Received: label {labels.max():g}. Give the model an output per class, or "
        "check that the last channel of the targets is the distance to the nearest anchor.",
    )


def _check_distance(labels: Array, distance: Array) -> None:
    one_hot = np.isin(distance, (0.0, 1.0)) & (labels.sum(axis=-1) + distance == 1.0)
    require(
        distance.shape[1] <= 2 or not one_hot.all(),
        "`y_true` must hold the distance to the nearest anchor in its last channel; here it "
        "holds one-hot labels and nothing else. Received: y_true of shape "
        f"{(*distance.shape, labels.shape[-1] + 1)}. Make packed targets of them with "
        '`keras_sal.AnchorTargets(classes=..., encoding="one_hot")(labels)`.',
    )
