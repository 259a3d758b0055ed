"""The base class of losses over packed targets."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_sal.anchors import IGNORE, unpack
from keras_sal.checks import require
from keras_sal.losses.fit_checks import check_fit_checks
from keras_sal.losses.frame_weights import expand_weight, ignore_frames, kept_frames
from keras_sal.losses.packed_values import PackedValues, check_values, mark_wrong, to_numpy
from keras_sal.losses.replica_mean import replica_mean
from keras_sal.typing import Tensor

MEANS = ("sum_over_batch_size", "mean")
WEIGHTED_MEAN = "mean_with_sample_weight"


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

    The means are those of the whole batch under `keras.distribution` and `tf.distribute`, too.

    The computation is in `float32` whatever the model's dtype policy.

    Values that can't be packed targets and their predictions are an error, in `fit` on the first
    batch. A compiled step shows them as a loss of `-inf` (targets) or `nan` (predictions).

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
        kept = kept_frames(y_true, y_pred)
        y_pred = ops.convert_to_tensor(y_pred, dtype=self.dtype)
        if kept is not None:
            y_true = ignore_frames(y_true, kept)
            y_pred = ops.copy(y_pred)  # without its mask
        labels, distance = unpack(y_true)
        values = self._values(labels, distance, y_pred)
        traced = to_numpy(y_pred[:0]) is None
        if values is not None:
            first = check_fit_checks(self, values.from_logits)
            if not traced and (first or not self._seen_values):
                self._seen_values = check_values(values) or self._seen_values

        weight = counted = ops.cast(self.counted(labels), self.dtype)
        if sample_weight is not None:
            weight = counted * expand_weight(sample_weight, counted)
        loss = super().__call__(y_true, y_pred, weight)
        if self.reduction in MEANS:
            size = ops.cast(ops.size(counted), self.dtype)
            loss = loss * ops.divide_no_nan(size, replica_mean(ops.sum(counted)))
        elif self.reduction == WEIGHTED_MEAN:
            total = ops.sum(weight)
            loss = loss * ops.divide_no_nan(total, replica_mean(total))
        return mark_wrong(loss, values) if values is not None and traced else loss

    def counted(self, labels: Tensor) -> Tensor:
        """Return which frames are averaged: those with a label.

        Args:
            labels: `(batch, time, channels)`, -1 where unknown.

        Returns:
            Boolean tensor `(batch, time)`, or `(batch,)` for a loss that averages clips.
        """
        return ops.any(labels != IGNORE, axis=-1)

    def _values(self, labels: Tensor, distance: Tensor, y_pred: Tensor) -> PackedValues | None:
        """Return the values to check, or `None` where the shapes don't fit, which `call` says."""
        y_pred = ops.expand_dims(y_pred, -1) if len(y_pred.shape) == 2 else y_pred
        frames, outputs = labels.shape[1], y_pred.shape[1] if len(y_pred.shape) == 3 else 0
        if frames != outputs and None not in (frames, outputs):
            return None
        options = (getattr(self, "from_logits", None), getattr(self, "multi_label", False))
        return PackedValues(labels, distance, y_pred, *options)

    def get_config(self) -> dict[str, Any]:  # noqa: D102
        return {**super().get_config(), "dtype": self.dtype}
