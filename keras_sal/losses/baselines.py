"""What a practitioner would otherwise pick, over the same packed targets."""

import math

import keras
from keras import ops

from keras_sal.anchors import IGNORE, NO_ANCHOR, floats, pack, unpack
from keras_sal.losses.frame_loss import (
    FrameLoss,
    checked,
    class_mean,
    plain,
    weighted_cross_entropy,
)
from keras_sal.losses.log_space import check_shapes, truth
from keras_sal.losses.packed_loss import PackedLoss


def frame_cross_entropy(
    y_true,
    y_pred,
    from_logits=False,
    label_smoothing=0.0,
    class_weight=None,
    multi_label=False,
):
    """Computes the cross entropy of each frame; see `keras_sal.FrameCrossEntropy`.

    Args:
        y_true: Packed targets `(batch, time, channels + 1)`.
        y_pred: Posteriors or logits `(batch, time, classes)`.
        from_logits: Whether `y_pred` are logits.
        label_smoothing: In [0, 1).
        class_weight: `None`, or one weight per class.
        multi_label: Whether several classes may be on at once.

    Returns:
        The loss of each frame, `(batch, time)`; 0 where the label is -1.
    """
    return weighted_cross_entropy(
        y_true,
        y_pred,
        lambda frame, distance: 1.0,
        from_logits,
        label_smoothing,
        class_weight,
        multi_label,
    )


@keras.saving.register_keras_serializable(package="keras_sal")
class FrameCrossEntropy(FrameLoss):
    """Frame-wise cross entropy over packed targets: the baseline of `StreamingAnchorLoss`.

    Use it as the reference in comparisons, or with static weights: `class_weight` for rare events,
    `sample_weight (batch, time)` for anything that is known beforehand.

        CE_t = -log p_t

    Args:
        from_logits: Whether the model ends in logits. Defaults to `False`.
        label_smoothing: In [0, 1). Defaults to 0.
        class_weight: `None`, or one weight per class; for a binary detector `(background, event)`.
        multi_label: Whether several classes may be on at once. Defaults to `False`.
        reduction, name, dtype: See `StreamingAnchorLoss`.

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
        self,
        from_logits=False,
        label_smoothing=0.0,
        class_weight=None,
        multi_label=False,
        reduction="sum_over_batch_size",
        name="frame_cross_entropy",
        dtype=None,
    ):
        super().__init__(
            from_logits, label_smoothing, class_weight, multi_label, reduction, name, dtype
        )

    def call(self, y_true, y_pred):  # noqa: D102
        return frame_cross_entropy(y_true, y_pred, **self.frame_arguments)


def frame_focal_loss(
    y_true,
    y_pred,
    gamma=2.0,
    from_logits=False,
    label_smoothing=0.0,
    class_weight=None,
    multi_label=False,
):
    """Computes the focal loss of each frame; see `keras_sal.FrameFocalLoss`.

    Args:
        y_true: Packed targets `(batch, time, channels + 1)`.
        y_pred: Posteriors or logits `(batch, time, classes)`.
        gamma: >= 0.
        from_logits: Whether `y_pred` are logits.
        label_smoothing: In [0, 1).
        class_weight: `None`, or one weight per class.
        multi_label: Whether several classes may be on at once.

    Returns:
        The loss of each frame, `(batch, time)`; 0 where the label is -1.
    """
    return weighted_cross_entropy(
        y_true,
        y_pred,
        lambda frame, distance: ops.exp(gamma * frame.log_miss()),
        from_logits,
        label_smoothing,
        class_weight,
        multi_label,
    )


@keras.saving.register_keras_serializable(package="keras_sal")
class FrameFocalLoss(FrameLoss):
    """Focal loss over packed targets: cross entropy that counts more on hard frames.

    Use it where events are rare and there are no anchors worth the name.

        FL_t = (1 - p_t)**gamma * CE_t

    Reference:
        T. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017,
        https://arxiv.org/abs/1708.02002

    Args:
        gamma: >= 0, the focusing exponent; 0 is cross entropy. Defaults to 2.
        from_logits: Whether the model ends in logits. Defaults to `False`.
        label_smoothing: In [0, 1); enters `CE_t`, not the focal factor. Defaults to 0.
        class_weight: `None`, or one weight per class (the `alpha` of the paper is `(1 - alpha,
            alpha)` for a binary detector).
        multi_label: Whether several classes may be on at once. Defaults to `False`.
        reduction, name, dtype: See `StreamingAnchorLoss`.

    Example:

    >>> import numpy as np
    >>> y_true = np.array([[[1.0, 0.0]]])
    >>> y_pred = np.array([[[0.5]]])
    >>> round(float(FrameFocalLoss()(y_true, y_pred)), 4)  # 0.5**2 * -log(0.5)
    0.1733
    """

    def __init__(
        self,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        class_weight=None,
        multi_label=False,
        reduction="sum_over_batch_size",
        name="frame_focal_loss",
        dtype=None,
    ):
        super().__init__(
            from_logits, label_smoothing, class_weight, multi_label, reduction, name, dtype
        )
        self.gamma = checked("gamma", gamma, "(1 - p)**gamma would weight easy frames up")

    def call(self, y_true, y_pred):  # noqa: D102
        return frame_focal_loss(y_true, y_pred, gamma=self.gamma, **self.frame_arguments)

    def get_config(self):  # noqa: D102
        return {**super().get_config(), "gamma": plain(self.gamma)}


def max_pooling_loss(y_true, y_pred, from_logits=False):
    """Computes the max-pooling loss of each clip; see `keras_sal.MaxPoolingLoss`.

    Args:
        y_true: Packed targets `(batch, time, channels + 1)`; only which classes occur is read.
        y_pred: Posteriors or logits `(batch, time, classes)`, a detector per class.
        from_logits: Whether `y_pred` are logits.

    Returns:
        The loss of each clip, `(batch,)`; 0 for a clip whose labels are all -1.
    """
    y_pred = floats(y_pred)
    labels, _ = unpack(ops.convert_to_tensor(y_true, y_pred.dtype))
    y_pred = check_shapes(labels, y_pred)
    known = labels != IGNORE
    lowest = -math.inf if from_logits else 0.0
    best = ops.max(ops.where(known, y_pred, lowest), axis=1, keepdims=True)
    if labels.shape[-1] < y_pred.shape[-1]:
        labels = ops.one_hot(ops.cast(labels[..., 0], "int32"), y_pred.shape[-1])
    occurs = ops.cast(ops.any(labels > 0, axis=1, keepdims=True), best.dtype)
    occurs = ops.where(ops.any(known, axis=1, keepdims=True), occurs, IGNORE)
    clip = truth(occurs, best, from_logits, multi_label=True)
    return class_mean(clip.cross_entropy * clip.counted, clip.counted)[:, 0]


@keras.saving.register_keras_serializable(package="keras_sal")
class MaxPoolingLoss(PackedLoss):
    """Cross entropy of the highest posterior in the clip: no event times needed.

    Use it when all that is known is whether the event occurs somewhere in the clip. Nothing ties
    the answer to the event's end, so a model may learn to fire late.

        loss = -log max_t p_t          for a clip with the event
        loss = -log (1 - max_t p_t)    for a clip without it

    Each output is a detector of its own (a sigmoid); their losses are averaged.

    Reference:
        M. Sun et al., "Max-Pooling Loss Training of Long Short-Term Memory Networks for
        Small-Footprint Keyword Spotting", SLT 2016, https://arxiv.org/abs/1705.02411

    Args:
        from_logits: Whether the model ends in logits. Defaults to `False`.
        reduction, name, dtype: As in every Keras loss; the mean is over clips with a label.

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
        from_logits=False,
        reduction="sum_over_batch_size",
        name="max_pooling_loss",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.from_logits = from_logits

    def counted(self, labels):
        """Returns for each clip whether it has a label, `(batch,)`."""
        return ops.any(labels != IGNORE, axis=(-2, -1))

    def call(self, y_true, y_pred):  # noqa: D102
        return max_pooling_loss(y_true, y_pred, from_logits=self.from_logits)

    def get_config(self):  # noqa: D102
        return {**super().get_config(), "from_logits": self.from_logits}


def temporal_label_smoothing(y_true, surely_frames, horizon_frames, decay):
    """Softens the labels of packed targets before each anchor; see `TemporalLabelSmoothing`.

    Args:
        y_true: Packed targets `(batch, time, 2)` of a binary detector.
        surely_frames: >= 0, `h_min`: frames before the anchor with label 1.
        horizon_frames: > `surely_frames`, `h_max`: frames before the anchor where it becomes 0.
        decay: > 0, per frame.

    Returns:
        Packed targets with soft labels.
    """
    labels, distance = unpack(floats(y_true))
    if labels.shape[-1] != 1:
        raise ValueError(
            "`y_true` must have one label channel of 0/1 for temporal label smoothing; the class "
            "of the event ahead isn't in the targets of the frames before it. Received: "
            f"{labels.shape[-1]} label channels. Use a binary detector."
        )
    ahead = ops.clip(-distance, surely_frames, horizon_frames)
    fallen = math.expm1(-decay * (horizon_frames - surely_frames))
    soft = 1.0 - ops.expm1(-decay * (ahead - surely_frames)) / fallen
    before = (distance < 0) & (distance > -NO_ANCHOR) & (labels[..., 0] != IGNORE)
    return pack(ops.where(before, soft, labels[..., 0])[..., None], distance)


@keras.saving.register_keras_serializable(package="keras_sal")
class TemporalLabelSmoothing(PackedLoss):
    """Lets the label rise towards the anchor, for another loss to use.

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
        surely_frames: Frames >= 0, `h_min`.
        horizon_frames: Frames > `surely_frames`, `h_max`.
        decay: > 0, per frame; 0.2 in the paper.
        reduction, name, dtype: As in every Keras loss; those of `loss` aren't used.

    Example:

    >>> import numpy as np
    >>> y_true = np.array([[[0.0, -4.0], [0.0, -2.0], [1.0, 0.0]]])
    >>> softer = temporal_label_smoothing(y_true, surely_frames=0, horizon_frames=4, decay=0.5)
    >>> [round(float(label), 3) for label in softer[0, :, 0]]  # (e**-1 - e**-2) / (1 - e**-2)
    [0.0, 0.269, 1.0]
    >>> loss = TemporalLabelSmoothing(FrameCrossEntropy(), horizon_frames=100)
    """

    def __init__(
        self,
        loss,
        surely_frames=0,
        horizon_frames=100,
        decay=0.2,
        reduction="sum_over_batch_size",
        name="temporal_label_smoothing",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.loss = keras.losses.deserialize(loss) if isinstance(loss, dict) else loss
        if not isinstance(self.loss, PackedLoss):
            raise ValueError(
                "`loss` must be a loss over packed targets; it receives the softened ones. "
                f"Received: loss={loss!r}. Give `keras_sal.FrameCrossEntropy()`, for instance."
            )
        if not 0 <= surely_frames < horizon_frames:
            raise ValueError(
                "`surely_frames` must lie in [0, horizon_frames); the label falls from 1 to 0 "
                f"between the two. Received: surely_frames={surely_frames}, "
                f"horizon_frames={horizon_frames}. Give them in frames before the anchor."
            )
        if not decay > 0:
            raise ValueError(
                "`decay` must be > 0; the label falls exponentially. Received: "
                f"decay={decay}. The paper uses 0.2 per frame."
            )
        self.surely_frames = surely_frames
        self.horizon_frames = horizon_frames
        self.decay = decay
        self.from_logits = getattr(self.loss, "from_logits", True)

    def counted(self, labels):  # noqa: D102
        return self.loss.counted(labels)

    def call(self, y_true, y_pred):  # noqa: D102
        softer = temporal_label_smoothing(
            y_true, self.surely_frames, self.horizon_frames, self.decay
        )
        return self.loss.call(softer, y_pred)

    def get_config(self):  # noqa: D102
        return {
            **super().get_config(),
            "loss": keras.losses.serialize(self.loss),
            "surely_frames": self.surely_frames,
            "horizon_frames": self.horizon_frames,
            "decay": self.decay,
        }
