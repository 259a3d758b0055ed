"""Cross entropy of each frame."""

from __future__ import annotations

from typing import Unpack

import keras

from keras_sal.losses.frame_loss import (
    CrossEntropyOptions,
    FrameLoss,
    FrameLossOptions,
    weighted_cross_entropy,
)
from keras_sal.typing import Tensor


def frame_cross_entropy(
    y_true: Tensor, y_pred: Tensor, **options: Unpack[CrossEntropyOptions]
) -> Tensor:
    """Compute the cross entropy of each frame; see `keras_sal.FrameCrossEntropy`.

    Args:
        y_true: Packed targets `(batch, time, channels + 1)`.
        y_pred: Posteriors or logits `(batch, time, classes)`, or `(batch, time)` if binary.
        **options: `from_logits`, `label_smoothing`, `class_weight`, `multi_label`, as for
            `keras_sal.StreamingAnchorLoss`.

    Returns:
        The loss of each frame, `(batch, time)`; 0 where the label is -1.

    Raises:
        ValueError: If the shapes don't fit.

    Example:

    >>> import numpy as np
    >>> y_true = np.array([[[0.0, -1.0], [1.0, 0.0]]])
    >>> loss = frame_cross_entropy(y_true, np.array([[[0.75], [0.5]]]))
    >>> [round(float(frame), 3) for frame in loss[0]]  # -log(0.25), -log(0.5)
    [1.386, 0.693]
    """
    return weighted_cross_entropy(y_true, y_pred, lambda terms, distance: 1.0, **options)


@keras.saving.register_keras_serializable(package="keras_sal")
class FrameCrossEntropy(FrameLoss):
    """Frame-wise cross entropy over packed targets: the baseline of `StreamingAnchorLoss`.

    Use it as the reference in comparisons, or with static weights: `class_weight` for rare events,
    `sample_weight (batch, time)` for anything that is known beforehand.

        CE_t = -log p_t

    Args:
        name: Name of the loss. Defaults to `"frame_cross_entropy"`.
        **options: `from_logits`, `label_smoothing`, `class_weight` (for a binary detector
            `(background, event)`), `multi_label`, `reduction`, `dtype`, as for
            `keras_sal.StreamingAnchorLoss`.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> import numpy as np
    >>> y_true = np.array([[[0.0, -1.0], [1.0, 0.0]]])
    >>> y_pred = np.array([[[0.5], [0.5]]])
    >>> round(float(FrameCrossEntropy()(y_true, y_pred)), 3)  # -log(0.5)
    0.693
    >>> round(float(FrameCrossEntropy(class_weight=(1, 3))(y_true, y_pred)), 3)  # (1 + 3) / 2 times
    1.386
    """

    def __init__(
        self, *, name: str = "frame_cross_entropy", **options: Unpack[FrameLossOptions]
    ) -> None:
        super().__init__(name=name, **options)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:  # noqa: D102
        return frame_cross_entropy(y_true, y_pred, **self.cross_entropy_options)
