"""Temporal smoothing of labels before an anchor, for another loss."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_sal.anchors import IGNORE, NO_ANCHOR, floats, pack, unpack
from keras_sal.checks import require
from keras_sal.losses.packed_loss import PackedLoss
from keras_sal.typing import Tensor


def temporal_label_smoothing(
    y_true: Tensor, surely_frames: float, horizon_frames: float, decay: float
) -> Tensor:
    """Soften the labels of packed targets before each anchor; see `TemporalLabelSmoothing`.

    Args:
        y_true: Packed targets `(batch, time, 2)` of a binary detector.
        surely_frames: >= 0, `h_min`: frames before the anchor with label 1.
        horizon_frames: > `surely_frames`, `h_max`: frames before the anchor where it becomes 0.
        decay: > 0, per frame.

    Returns:
        Packed targets with soft labels.

    Raises:
        ValueError: If there are several label channels.
    """
    labels, distance = unpack(floats(y_true))
    require(
        labels.shape[-1] == 1,
        "`y_true` must have one label channel of 0/1 for temporal label smoothing; the class "
        "of the event ahead isn't in the targets of the frames before it. Received: "
        f"{labels.shape[-1]} label channels. Use a binary detector.",
    )
    ahead = ops.clip(-distance, surely_frames, horizon_frames)
    fallen = math.expm1(-decay * (horizon_frames - surely_frames))
    soft = 1.0 - ops.expm1(-decay * (ahead - surely_frames)) / fallen
    before = (distance < 0) & (distance > -NO_ANCHOR) & (labels[..., 0] != IGNORE)
    return pack(ops.where(before, soft, labels[..., 0])[..., None], distance)


@keras.saving.register_keras_serializable(package="keras_sal")
class TemporalLabelSmoothing(PackedLoss):
    """Labels that rise towards the anchor, for another loss.

    Use it to predict an event *before* it happens. With `h` frames to go until the nearest anchor,

        label(h) = 1                                                    for h <= h_min
        label(h) = (exp(-decay * h) - exp(-decay * h_max))
                   / (exp(-decay * h_min) - exp(-decay * h_max))        for h_min < h < h_max
        label(h) = 0                                                    for h >= h_max

    and labels at and after the anchor stay. It changes targets where `StreamingAnchorLoss` changes
    weights, so the two combine. For binary detectors.

    Reference:
        H. Yèche et al., "Temporal Label Smoothing for Early Event Prediction", ICML 2023,
        https://arxiv.org/abs/2208.13764

    Args:
        loss: A loss over packed targets.
        surely_frames: Frames >= 0, `h_min`. Defaults to 0.
        horizon_frames: Frames > `surely_frames`, `h_max`. Defaults to 100.
        decay: > 0, per frame. Defaults to 0.2, as in the paper.
        reduction: As in every Keras loss; that of `loss` isn't used. Defaults to
            `"sum_over_batch_size"`.
        name: Name of the loss. Defaults to `"temporal_label_smoothing"`.
        dtype: `"float32"` or `"float64"`; that of `loss` isn't used. Defaults to `"float32"`.

    Raises:
        ValueError: If an argument is out of range, or `loss` doesn't read packed targets.

    Example:

    >>> import numpy as np
    >>> from keras_sal import FrameCrossEntropy
    >>> y_true = np.array([[[0.0, -4.0], [0.0, -2.0], [1.0, 0.0]]])
    >>> softer = temporal_label_smoothing(y_true, surely_frames=0, horizon_frames=4, decay=0.5)
    >>> [round(float(label), 3) for label in softer[0, :, 0]]  # (e**-1 - e**-2) / (1 - e**-2)
    [0.0, 0.269, 1.0]
    >>> loss = TemporalLabelSmoothing(FrameCrossEntropy(), horizon_frames=100)
    """

    def __init__(
        self,
        loss: PackedLoss,
        surely_frames: float = 0,
        horizon_frames: float = 100,
        decay: float = 0.2,
        reduction: str | None = "sum_over_batch_size",
        name: str = "temporal_label_smoothing",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.loss = keras.losses.deserialize(loss) if isinstance(loss, dict) else loss
        require(
            isinstance(self.loss, PackedLoss),
            "`loss` must be a loss over packed targets; it receives the softened ones. "
            f"Received: loss={loss!r}. Give `keras_sal.FrameCrossEntropy()`, for instance.",
        )
        require(
            0 <= surely_frames < horizon_frames,
            "`surely_frames` must lie in [0, horizon_frames); the label falls from 1 to 0 "
            f"between the two. Received: surely_frames={surely_frames}, "
            f"horizon_frames={horizon_frames}. Give them in frames before the anchor.",
        )
        require(
            decay > 0,
            "`decay` must be > 0; the label falls exponentially. Received: "
            f"decay={decay}. The paper uses 0.2 per frame.",
        )
        self.surely_frames = surely_frames
        self.horizon_frames = horizon_frames
        self.decay = decay
        self.from_logits = getattr(self.loss, "from_logits", True)

    def counted(self, labels: Tensor) -> Tensor:  # noqa: D102
        return self.loss.counted(labels)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:  # noqa: D102
        softer = temporal_label_smoothing(
            y_true, self.surely_frames, self.horizon_frames, self.decay
        )
        return self.loss.call(softer, y_pred)

    def get_config(self) -> dict[str, Any]:  # noqa: D102
        return {
            **super().get_config(),
            "loss": keras.losses.serialize(self.loss),
            "surely_frames": self.surely_frames,
            "horizon_frames": self.horizon_frames,
            "decay": self.decay,
        }
