"""Cross entropy and posterior of the true class of each frame.

For label `y` and posterior `p` of a frame, with `p_t` the posterior of the true class:

* the cross entropy `CE_t = -log p_t`, and
* the posterior of the other classes, `1 - p_t`, from which a focal factor is `(1 - p_t)**gamma`.

`1 - p_t` is the sum of the posteriors of the other classes and never a rounded difference from 1.
So it keeps its precision, and both terms have a finite value and a finite gradient at any logit. A
soft label (for example one that rises towards an event) takes the mean of `CE_t` and of `p_t` over
the label.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from keras import ops

from keras_sal.anchors import IGNORE
from keras_sal.checks import require
from keras_sal.typing import Tensor

TINY = 1e-30  # far enough from the end of float32, 1.2e-38, for weights and a loss scale
ALMOST_1 = 1.0 - 2.0**-24  # the last float32 below 1


Others = Callable[[], Tensor]
Shares = Callable[[], tuple[Tensor, ...]]


class TrueClassTerms(NamedTuple):
    """The terms of a loss that depend on the label and the prediction of a frame.

    Tensors are `(batch, time)`, or `(batch, time, classes)` for several outputs with multi-label.

    Attributes:
        cross_entropy: `-log p_t`.
        others: Function that computes `1 - p_t`; not every loss needs it.
        shares: Function that computes the share of each class in the label, a tensor a class.
        counted: 0 where the label says to ignore the frame, else 1.
    """

    cross_entropy: Tensor
    others: Others
    shares: Shares
    counted: Tensor


def true_class_terms(
    labels: Tensor,
    y_pred: Tensor,
    from_logits: bool = False,
    multi_label: bool = False,
    label_smoothing: float = 0.0,
) -> TrueClassTerms:
    """Compute the terms of the true class of each frame.

    Args:
        labels: `(batch, time, channels)`: one channel of 0/1 or class ids, or one per class.
        y_pred: `(batch, time, classes)`, or `(batch, time)` for a binary detector.
        from_logits: Whether `y_pred` are logits rather than posteriors. Defaults to `False`.
        multi_label: Whether several classes may be on at once (one sigmoid each). Defaults to
            `False`.
        label_smoothing: Share of the label, in [0, 1), that is spread evenly over the classes. It
            enters the cross entropy, not `1 - p_t`. Defaults to 0.

    Returns:
        `TrueClassTerms`.

    Raises:
        ValueError: If the shapes don't fit each other.
    """
    y_pred = with_class_axis(labels, y_pred, multi_label)
    classes = y_pred.shape[-1]
    if classes == 1:
        labels, y_pred = labels[..., 0], y_pred[..., 0]
    known = labels != IGNORE
    counted = ops.cast(known, y_pred.dtype)
    y_pred = ops.where(known, y_pred, 0.5)  # nothing flows from ignored frames, nor NaN
    labels = labels * counted
    binary = classes == 1 or multi_label
    if not binary:
        counted = ops.min(counted, axis=-1)
    terms = _binary_terms if binary else _categorical_terms
    return TrueClassTerms(*terms(labels, y_pred, from_logits, label_smoothing), counted)


def _binary_terms(
    y: Tensor, y_pred: Tensor, from_logits: bool, label_smoothing: float
) -> tuple[Tensor, Others, Shares]:
    """Compare each output with its own background."""
    smooth = y + label_smoothing * (0.5 - y) if label_smoothing else y
    if from_logits:
        cross_entropy = _cross_entropy_of_logits(smooth, y_pred)
    else:
        p = ops.clip(y_pred, TINY, ALMOST_1)
        cross_entropy = -(smooth * ops.log(p) + (1.0 - smooth) * ops.log1p(-p))

    def others() -> Tensor:
        p_q = (ops.sigmoid(y_pred), ops.sigmoid(-y_pred)) if from_logits else (p, 1.0 - p)
        return (1.0 - y) * p_q[0] + y * p_q[1]

    return cross_entropy, others, lambda: (1.0 - y, y)


def _cross_entropy_of_logits(y: Tensor, x: Tensor) -> Tensor:
    """Compute `-y * log(sigmoid(x)) - (1 - y) * log(sigmoid(-x))`, exactly where it is tiny."""
    size = ops.abs(x)
    return ((0.5 - y) * x + 0.5 * size) + ops.log1p(ops.exp(-size))


def _categorical_terms(
    labels: Tensor, y_pred: Tensor, from_logits: bool, label_smoothing: float
) -> tuple[Tensor, Others, Shares]:
    """Compare one of several classes with the others."""
    classes = y_pred.shape[-1]
    if from_logits:
        log_p = ops.log_softmax(y_pred, axis=-1)
    else:
        total = ops.clip(ops.sum(y_pred, axis=-1, keepdims=True), TINY, math.inf)
        log_p = ops.log(ops.clip(y_pred / total, TINY, math.inf))
    y = labels
    if labels.shape[-1] == 1:
        y = ops.one_hot(ops.cast(labels[..., 0], "int32"), classes, dtype=y_pred.dtype)
    smooth = y + label_smoothing * (1.0 / classes - y) if label_smoothing else y
    cross_entropy = -ops.sum(smooth * log_p, axis=-1)

    def others() -> Tensor:
        return ops.sum((1.0 - y) * ops.exp(log_p), axis=-1)

    return cross_entropy, others, lambda: tuple(y[..., i] for i in range(classes))


def with_class_axis(labels: Tensor, y_pred: Tensor, multi_label: bool = False) -> Tensor:
    """Return predictions with an axis of classes, after a check of their shape against the labels.

    Args:
        labels: `(batch, time, channels)`.
        y_pred: `(batch, time, classes)`, or `(batch, time)` for a binary detector.
        multi_label: Whether several classes may be on at once. Defaults to `False`.

    Returns:
        `y_pred`, `(batch, time, classes)`.

    Raises:
        ValueError: If the shapes don't fit each other.
    """
    if len(y_pred.shape) == 2:
        y_pred = ops.expand_dims(y_pred, -1)
    classes, channels = y_pred.shape[-1], labels.shape[-1]
    require(
        len(y_pred.shape) == 3,
        "`y_pred` must have shape (batch, time, classes), or (batch, time) for a binary "
        "detector; a streaming loss needs an output on every frame. Received: y_pred of shape "
        f"{tuple(y_pred.shape)}. With a recurrent layer, set return_sequences=True.",
    )
    require(
        channels is not None,
        "`y_true` must be packed targets, with the same channels in every batch: the label "
        "channel(s), then the distance to the nearest anchor. Received: y_true of shape "
        f"{(*labels.shape[:-1], None)}, whose number of channels is not known when the step is "
        "compiled. Make all targets with `keras_sal.AnchorTargets`, and leave the distance in, "
        "`y` and not `y[..., :1]`; state the shape of a data set's elements with "
        "`tf.ensure_shape`.",
    )
    one = "" if multi_label else "one label channel (0/1, or class ids), or "
    require(
        channels == classes or (channels == 1 and not multi_label),
        f"`y_true` must have {one}as many label channels as `y_pred` has classes, before the "
        "distance channel; labels and outputs are compared class by class. Received: "
        f"{channels} label channels for {classes} classes. Set `classes` and `encoding` of "
        "`keras_sal.AnchorTargets` to suit the outputs.",
    )
    target_frames, output_frames = labels.shape[1], y_pred.shape[1]
    require(
        None in (target_frames, output_frames) or target_frames == output_frames,
        "`y_true` and `y_pred` must have the same number of frames; each output frame has its own "
        f"target. Received: {target_frames} target frames, {output_frames} output frames. Make the "
        "targets at the frame rate of the model's output.",
    )
    return y_pred
