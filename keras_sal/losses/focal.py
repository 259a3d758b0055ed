"""Focal loss of each frame."""

from __future__ import annotations

import math
from typing import Any, Unpack

import keras
from keras import ops

from keras_sal.losses.frame_loss import (
    CrossEntropyOptions,
    FrameLoss,
    FrameLossOptions,
    non_negative,
    to_floats,
    weighted_cross_entropy,
)
from keras_sal.losses.true_class import TINY, TrueClassTerms
from keras_sal.typing import Tensor

SMALL = (1, 2, 3, 4)  # exponents by which a product is faster than a power


def frame_focal_loss(
    y_true: Tensor, y_pred: Tensor, gamma: float = 2.0, **options: Unpack[CrossEntropyOptions]
) -> Tensor:
    """Compute the focal loss of each frame; see `keras_sal.FrameFocalLoss`.

    Args:
        y_true: Packed targets `(batch, time, channels + 1)`.
        y_pred: Posteriors or logits `(batch, time, classes)`, or `(batch, time)` if binary.
        gamma: >= 0, the focusing exponent. Defaults to 2.
        **options: `from_logits`, `label_smoothing`, `class_weight`, `multi_label`, as for
            `keras_sal.StreamingAnchorLoss`.

    Returns:
        The loss of each frame, `(batch, time)`; 0 where the label is -1.

    Raises:
        ValueError: If the shapes don't fit.

    Example:

    >>> import numpy as np
    >>> loss = frame_focal_loss(np.array([[[1.0, 0.0]]]), np.array([[[0.5]]]), gamma=1.0)
    >>> round(float(loss[0, 0]), 3)  # 0.5 * -log(0.5)
    0.347
    """
    return weighted_cross_entropy(
        y_true, y_pred, lambda terms, distance: focal_factor(terms, gamma), **options
    )


def focal_factor(terms: TrueClassTerms, gamma: Any) -> Any:
    """Compute `(1 - p_t)**gamma`, by multiplication if `gamma` is a small whole number.

    Args:
        terms: The terms of the frames.
        gamma: >= 0, a number or a scalar tensor.

    Returns:
        A tensor of the shape of the terms, or 1.
    """
    number = isinstance(gamma, (int, float))
    if number and gamma == 0:
        return 1.0
    others = terms.others()
    if number and gamma in SMALL:
        return math.prod([others] * (int(gamma) - 1), start=others)
    return ops.exp(gamma * ops.log(ops.clip(others, TINY, math.inf)))


@keras.saving.register_keras_serializable(package="keras_sal")
class FrameFocalLoss(FrameLoss):
    """Focal loss over packed targets: cross entropy that counts more on hard frames.

    Use it where events are rare and no frame matters more than another.

        FL_t = (1 - p_t)**gamma * CE_t

    Reference:
        T. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017,
        https://arxiv.org/abs/1708.02002

    Args:
        gamma: >= 0, the focusing exponent; 0 is cross entropy. Defaults to 2.
        name: Name of the loss. Defaults to `"frame_focal_loss"`.
        **options: `from_logits`, `label_smoothing` (enters `CE_t`, not the focal factor),
            `class_weight` (the `alpha` of the paper is `(1 - alpha, alpha)` for a binary
            detector), `multi_label`, `reduction`, `dtype`, as for
            `keras_sal.StreamingAnchorLoss`.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> import numpy as np
    >>> y_true = np.array([[[1.0, 0.0]]])
    >>> y_pred = np.array([[[0.5]]])
    >>> round(float(FrameFocalLoss()(y_true, y_pred)), 4)  # 0.5**2 * -log(0.5)
    0.1733
    """

    def __init__(
        self,
        gamma: float = 2.0,
        *,
        name: str = "frame_focal_loss",
        **options: Unpack[FrameLossOptions],
    ) -> None:
        super().__init__(name=name, **options)
        self.gamma: Any = non_negative("gamma", gamma, "(1 - p)**gamma would weight easy frames up")

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:  # noqa: D102
        return frame_focal_loss(y_true, y_pred, self.gamma, **self.cross_entropy_options)

    def get_config(self) -> dict[str, Any]:  # noqa: D102
        return {**super().get_config(), "gamma": to_floats(self.gamma)}
