"""Weighted cross entropy of each frame, and the base class of the losses made of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, TypedDict

import numpy as np
from keras import ops

from keras_sal.anchors import IGNORE, floats, unpack
from keras_sal.checks import flag, require
from keras_sal.losses.packed_loss import PackedLoss
from keras_sal.losses.true_class import TrueClassTerms, true_class_terms
from keras_sal.typing import ArrayLike, Tensor


class CrossEntropyOptions(TypedDict, total=False):
    """The arguments that all functions of frames share; `StreamingAnchorLoss` documents them."""

    from_logits: bool
    label_smoothing: float
    class_weight: ArrayLike | None
    multi_label: bool


class FrameLossOptions(CrossEntropyOptions, total=False):
    """The arguments that all losses of frames share; `StreamingAnchorLoss` documents them."""

    reduction: str | None
    dtype: str | None


def weighted_cross_entropy(
    y_true: Tensor,
    y_pred: Tensor,
    weight: Callable[[TrueClassTerms, Tensor], Tensor],
    *,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    class_weight: ArrayLike | None = None,
    multi_label: bool = False,
) -> Tensor:
    """Compute `weight * class weight * CE_t` of each frame, averaged over classes if multi-label.

    Args:
        y_true: Packed targets `(batch, time, channels + 1)`.
        y_pred: Posteriors or logits `(batch, time, classes)`.
        weight: Function of the `TrueClassTerms` of the frames and of their distances to the
            nearest anchor, which broadcast to the terms.
        from_logits: Whether `y_pred` are logits. Defaults to `False`.
        label_smoothing: In [0, 1). Defaults to 0.
        class_weight: `None` or a weight per class. Defaults to `None`.
        multi_label: Whether several classes may be on at once. Defaults to `False`.

    Returns:
        The loss of each frame, `(batch, time)`; 0 where the label is -1.
    """
    y_pred = floats(y_pred)
    labels, distance = unpack(ops.convert_to_tensor(y_true, y_pred.dtype))
    terms = true_class_terms(labels, y_pred, from_logits, multi_label, label_smoothing)
    if len(terms.counted.shape) == 3:
        distance = ops.expand_dims(distance, -1)
    loss = weight(terms, distance) * terms.cross_entropy * terms.counted
    if class_weight is not None:
        loss = loss * per_class(class_weight, terms)
    return class_mean(loss, terms.counted)


def class_mean(loss: Tensor, counted: Tensor) -> Tensor:
    """Average over the classes that count.

    Args:
        loss: `(..., classes)`, 0 where a class doesn't count; or `(batch, time)`, which is
            returned as it is.
        counted: 1 where a class counts, else 0; of the shape of `loss`.

    Returns:
        The mean, `(...,)`; 0 where no class counts.
    """
    if len(loss.shape) == 2:
        return loss
    return ops.sum(loss, axis=-1) / ops.clip(ops.sum(counted, axis=-1), 1.0, math.inf)


class FrameLoss(PackedLoss):
    """Base class of the losses that compare label and prediction on each frame.

    Args:
        from_logits: Whether the model ends in logits rather than in posteriors. Defaults to
            `False`.
        label_smoothing: In [0, 1): share of each label spread evenly over the classes. Defaults
            to 0.
        class_weight: `None`, or one weight >= 0 per class. Defaults to `None`.
        multi_label: Whether several classes may be on at once. Defaults to `False`.
        reduction: See `PackedLoss`. Defaults to `"sum_over_batch_size"`.
        name: Name of the loss. Defaults to `None`.
        dtype: Dtype of the computation. Defaults to `"float32"`.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        class_weight: ArrayLike | None = None,
        multi_label: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        require(
            0.0 <= label_smoothing < 1.0,
            "`label_smoothing` must lie in [0, 1); it is a share of the label. Received: "
            f"label_smoothing={label_smoothing}. Typical values are 0.02 to 0.1.",
        )
        self.from_logits = flag("from_logits", from_logits)
        self.label_smoothing = label_smoothing
        self.class_weight = None
        if class_weight is not None:
            why = "a negative one would reward errors"
            self.class_weight = non_negative(
                "class_weight", class_weight, why, scalar=False, per_class=True
            )
        self.multi_label = flag("multi_label", multi_label)

    def counted(self, labels: Tensor) -> Tensor:  # noqa: D102
        reduce = ops.any if self.multi_label else ops.all
        return reduce(labels != IGNORE, axis=-1)

    @property
    def cross_entropy_options(self) -> CrossEntropyOptions:
        """The arguments of `weighted_cross_entropy` that all losses of frames share."""
        return {
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "class_weight": self.class_weight,
            "multi_label": self.multi_label,
        }

    def get_config(self) -> dict[str, Any]:  # noqa: D102
        return {**super().get_config(), **self.cross_entropy_options}


def per_class(values: Any, terms: TrueClassTerms) -> Tensor:
    """Look up one value per class by the labels of the frames.

    Args:
        values: One number or scalar tensor for all classes, or a tuple of one number per class.
        terms: The terms of the frames, which hold the share of each class in each label.

    Returns:
        The number, or a tensor that broadcasts to the terms.

    Raises:
        ValueError: If there are fewer or more values than classes.
    """
    if not isinstance(values, tuple):
        return values
    multi_label = len(terms.counted.shape) == 3
    shares = () if multi_label else terms.shares()
    classes = terms.counted.shape[-1] if multi_label else len(shares)
    require(
        len(values) == classes,
        f"`strength` and `class_weight` must have one value per class ({classes} here, the "
        f"background included unless multi_label); each is looked up by the frame's label. "
        f"Received: {len(values)} values. Give one per class, or a single number for all.",
    )
    if multi_label:
        return ops.convert_to_tensor(values, dtype=terms.cross_entropy.dtype)
    return sum(value * share for value, share in zip(values, shares, strict=True))


def non_negative(
    argument: str, value: Any, why: str, *, scalar: bool = True, per_class: bool = False
) -> float | tuple[float, ...]:
    """Return a hyper-parameter as Python floats, after a check that they are >= 0 and finite.

    Args:
        argument: Name of the argument, for the message.
        value: One number, or a sequence or array of one number per class.
        why: Why it can't be negative, for the message.
        scalar: Whether it may be one number. Defaults to `True`.
        per_class: Whether it may be a number per class. Defaults to `False`.

    Returns:
        A float, or a tuple of floats.

    Raises:
        ValueError: If it is not.
    """
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    several = isinstance(value, (tuple, list))
    values: Sequence[Any] = value if several else (value,)
    kinds = ["a number >= 0"] * scalar + ["a list of numbers >= 0, one per class"] * per_class
    require(
        (per_class if several else scalar)
        and len(values) > 0
        and all(isinstance(v, Real) and 0.0 <= float(v) < math.inf for v in values),
        f"`{argument}` must be {', or '.join(kinds)}; {why}. Received: "
        f"{argument}={value!r}. Use 0 to switch it off.",
    )
    return tuple(map(float, values)) if several else float(value)


def to_floats(value: Any) -> float | list[float]:
    """Return a hyper-parameter, a number or a variable or a tuple of them, as Python floats."""
    return [float(v) for v in value] if isinstance(value, tuple) else float(value)
