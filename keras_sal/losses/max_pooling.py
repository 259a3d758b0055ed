"""Max-pooling loss of each clip."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_sal.anchors import IGNORE, floats, unpack
from keras_sal.checks import flag
from keras_sal.losses.frame_loss import class_mean
from keras_sal.losses.packed_loss import PackedLoss
from keras_sal.losses.true_class import true_class_terms, with_class_axis
from keras_sal.typing import Tensor


def max_pooling_loss(y_true: Tensor, y_pred: Tensor, from_logits: bool = False) -> Tensor:
    """Compute the max-pooling loss of each clip; see `keras_sal.MaxPoolingLoss`.

    Args:
        y_true: Packed targets `(batch, time, channels + 1)`; only which classes occur is read.
        y_pred: Posteriors or logits `(batch, time, classes)`, a detector per class.
        from_logits: Whether `y_pred` are logits. Defaults to `False`.

    Returns:
        The loss of each clip, `(batch,)`; 0 for a clip whose labels are all -1.

    Raises:
        ValueError: If the shapes don't fit.

    Example:

    >>> import numpy as np
    >>> y_true = np.array([[[0.0, -1.0], [1.0, 0.0]]])
    >>> loss = max_pooling_loss(y_true, np.array([[[0.25], [0.5]]]))
    >>> round(float(loss[0]), 3)  # -log(0.5)
    0.693
    """
    y_pred = floats(y_pred)
    labels, _ = unpack(ops.convert_to_tensor(y_true, y_pred.dtype))
    y_pred = with_class_axis(labels, y_pred)
    known = labels != IGNORE
    lowest = -math.inf if from_logits else 0.0
    highest = ops.max(ops.where(known, y_pred, lowest), axis=1, keepdims=True)
    if labels.shape[-1] < y_pred.shape[-1]:
        labels = ops.one_hot(ops.cast(labels[..., 0], "int32"), y_pred.shape[-1])
    occurs = ops.cast(ops.any(labels > 0, axis=1, keepdims=True), highest.dtype)
    occurs = ops.where(ops.any(known, axis=1, keepdims=True), occurs, IGNORE)
    terms = true_class_terms(occurs, highest, from_logits, multi_label=True)
    return class_mean(terms.cross_entropy * terms.counted, terms.counted)[:, 0]


@keras.saving.register_keras_serializable(package="keras_sal")
class MaxPoolingLoss(PackedLoss):
    """Cross entropy of the highest posterior in the clip.

    Use it when all that is known is whether the event occurs somewhere in the clip. Nothing ties
    the detection to the end of the event, so a model may learn to fire late.

        loss = -log max_t p_t          for a clip with the event
        loss = -log (1 - max_t p_t)    for a clip without it

    Each output is a detector of its own (a sigmoid); their losses are averaged.

    Reference:
        M. Sun et al., "Max-Pooling Loss Training of Long Short-Term Memory Networks for
        Small-Footprint Keyword Spotting", SLT 2016, https://arxiv.org/abs/1705.02411

    Args:
        from_logits: Whether the model ends in logits. Defaults to `False`.
        reduction: As in every Keras loss; the mean is over clips with a label. Defaults to
            `"sum_over_batch_size"`.
        name: Name of the loss. Defaults to `"max_pooling_loss"`.
        dtype: `"float32"` or `"float64"`. Defaults to `"float32"`.

    Call arguments:
        y_true: Packed targets; distances aren't read.
        y_pred: `(batch, time, classes)`.
        sample_weight: Optional, `(batch,)` or `(batch, 1)`.

    Example:

    >>> import numpy as np
    >>> y_true = np.array([[[0.0, -1.0], [1.0, 0.0]]])
    >>> y_pred = np.array([[[0.25], [0.5]]])
    >>> round(float(MaxPoolingLoss()(y_true, y_pred)), 3)  # -log(0.5)
    0.693
    """

    def __init__(
        self,
        from_logits: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str = "max_pooling_loss",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.from_logits = flag("from_logits", from_logits)

    def counted(self, labels: Tensor) -> Tensor:
        """Return which clips have a label.

        Args:
            labels: `(batch, time, channels)`, -1 where unknown.

        Returns:
            Boolean tensor `(batch,)`.
        """
        return ops.any(labels != IGNORE, axis=(-2, -1))

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:  # noqa: D102
        return max_pooling_loss(y_true, y_pred, from_logits=self.from_logits)

    def get_config(self) -> dict[str, Any]:  # noqa: D102
        return {**super().get_config(), "from_logits": self.from_logits}
