"""Cross entropy of each frame times a weight: what most losses here have in common."""

import math
from numbers import Real

import numpy as np
from keras import ops

from keras_sal.anchors import IGNORE, floats, unpack
from keras_sal.losses.log_space import truth
from keras_sal.losses.packed_loss import PackedLoss


def weighted_cross_entropy(
    y_true, y_pred, weight, from_logits, label_smoothing, class_weight, multi_label
):
    """Returns `weight * class weight * CE_t` of each frame, averaged over classes if multi-label.

    Args:
        y_true: Packed targets `(batch, time, channels + 1)`.
        y_pred: Posteriors or logits `(batch, time, classes)`.
        weight: Function of the frames' `Truth` and of distances that broadcast to it.
        from_logits: Whether `y_pred` are logits.
        label_smoothing: In [0, 1).
        class_weight: `None` or a weight per class.
        multi_label: Whether several classes may be on at once.

    Returns:
        `(batch, time)`.
    """
    y_pred = floats(y_pred)
    labels, distance = unpack(ops.convert_to_tensor(y_true, y_pred.dtype))
    frame = truth(labels, y_pred, from_logits, multi_label, label_smoothing)
    if len(frame.counted.shape) == 3:
        distance = ops.expand_dims(distance, -1)
    loss = weight(frame, distance) * frame.cross_entropy * frame.counted
    if class_weight is not None:
        loss = loss * per_class(class_weight, frame)
    return class_mean(loss, frame.counted)


def class_mean(loss, counted):
    """Averages over the classes that count, 0 where none does."""
    if len(loss.shape) == 2:
        return loss
    return ops.sum(loss, axis=-1) / ops.clip(ops.sum(counted, axis=-1), 1.0, math.inf)


class FrameLoss(PackedLoss):
    """Base of the losses that compare label and answer on each frame.

    Args:
        from_logits: Whether the model ends in logits rather than in posteriors.
        label_smoothing: In [0, 1): share of each label spread evenly over the classes.
        class_weight: `None`, or one weight >= 0 per class.
        multi_label: Whether several classes may be on at once.
        reduction: See `PackedLoss`.
        name: Name of the loss.
        dtype: Dtype of the computation. Defaults to `"float32"`.
    """

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        class_weight=None,
        multi_label=False,
        reduction="sum_over_batch_size",
        name=None,
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(
                "`label_smoothing` must lie in [0, 1); it is a share of the label. Received: "
                f"label_smoothing={label_smoothing}. Typical values are 0.02 to 0.1."
            )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.class_weight = None
        if class_weight is not None:
            why = "a negative one would reward errors"
            self.class_weight = checked("class_weight", class_weight, why, one_per_class=True)
        self.multi_label = multi_label

    def counted(self, labels):  # noqa: D102
        reduce = ops.any if self.multi_label else ops.all
        return reduce(labels != IGNORE, axis=-1)

    @property
    def frame_arguments(self):
        """The arguments that all frame losses share."""
        return {
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "class_weight": self.class_weight,
            "multi_label": self.multi_label,
        }

    def get_config(self):  # noqa: D102
        return {**super().get_config(), **self.frame_arguments}


def per_class(values, frame):
    """Looks up one value per class by the frames' labels; a single value is for all."""
    if not isinstance(values, tuple):
        return values
    multi_label = len(frame.counted.shape) == 3
    classes = frame.counted.shape[-1] if multi_label else len(frame.shares)
    if len(values) != classes:
        raise ValueError(
            f"`strength` and `class_weight` must have one value per class ({classes} here, the "
            f"background included unless multi_label); each is looked up by the frame's label. "
            f"Received: {len(values)} values. Give one per class, or a single number for all."
        )
    if multi_label:
        return ops.convert_to_tensor(values, dtype=frame.cross_entropy.dtype)
    return sum(value * share for value, share in zip(values, frame.shares, strict=True))


def checked(argument, value, why, one_per_class=False):
    """Returns `value` as a float, or as a tuple of floats, checked to be >= 0 and finite."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    several = isinstance(value, (tuple, list))
    values = value if several else (value,)
    if (
        several < one_per_class
        or not values
        or not all(isinstance(v, Real) and 0.0 <= v < math.inf for v in values)
    ):
        raise ValueError(
            f"`{argument}` must be {'a list of numbers' if one_per_class else 'a number'} >= 0"
            f"{', one per class' if one_per_class else ''}; {why}. Received: "
            f"{argument}={value!r}. Use 0 to switch it off."
        )
    return tuple(map(float, values)) if several else float(value)


def plain(value):
    """Returns a hyper-parameter, scheduled or not, as Python floats."""
    return [float(v) for v in value] if isinstance(value, tuple) else float(value)
