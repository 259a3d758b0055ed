"""What a posterior says of the truth, frame by frame, in log space.

For label `y` and posterior `p` of a frame, with `p_t` the posterior of the true class:

* the cross entropy `CE_t = -log p_t`, and
* the log miss `log(1 - p_t)`, from which a focal factor is
  `(1 - p_t)**gamma = exp(gamma * log_miss)`.

The miss is summed from the posteriors of the other classes, never taken as a difference from 1, so
it keeps its precision, and both keep a finite value and gradient, at any logit. A soft label (one
that rises towards an event, say) takes the mean of `CE_t` and of `p_t` over the label.
"""

import math
from collections import namedtuple

from keras import ops

from keras_sal.anchors import IGNORE

Truth = namedtuple("Truth", "cross_entropy log_miss shares counted")
Truth.__doc__ = """What the posteriors say of the labels.

Tensors are `(batch, time)`, or `(batch, time, classes)` for several outputs with multi-label;
`log_miss` is a function that computes one, as not every loss needs it; `shares` lists the share of
each class in the label; `counted` is 0 where the label says to ignore, else 1.
"""

TINY = 1e-30  # far enough from the end of float32, 1.2e-38, for weights and a loss scale
ALMOST_1 = 1.0 - 2.0**-24  # the last float32 below 1


def truth(labels, y_pred, from_logits=False, multi_label=False, label_smoothing=0.0):
    """Compares labels with predictions.

    Args:
        labels: `(batch, time, channels)`: one channel of 0/1 or class ids, or one per class.
        y_pred: `(batch, time, classes)`, or `(batch, time)` for a binary detector.
        from_logits: Whether `y_pred` are logits rather than posteriors.
        multi_label: Whether several classes may be on at once (one sigmoid each).
        label_smoothing: Share of the label, in [0, 1), that is spread evenly over the classes. It
            enters the cross entropy, not the miss.

    Returns:
        A `Truth`.

    Raises:
        ValueError: If the shapes don't fit each other.
    """
    y_pred = check_shapes(labels, y_pred, multi_label)
    classes = y_pred.shape[-1]
    if classes == 1:
        labels, y_pred = labels[..., 0], y_pred[..., 0]
    counted = ops.cast(labels != IGNORE, y_pred.dtype)
    y_pred = ops.where(counted > 0, y_pred, 0.5)  # nothing flows from ignored frames, nor NaN
    labels = labels * counted
    if classes == 1 or multi_label:
        return binary_truth(labels, y_pred, counted, from_logits, label_smoothing)
    counted = ops.min(counted, axis=-1)
    return categorical_truth(labels, y_pred, counted, from_logits, label_smoothing)


def binary_truth(y, y_pred, counted, from_logits, label_smoothing):
    """Each output against its own background."""
    if from_logits:
        log_p, log_q = log_sigmoids(y_pred)
    else:
        p = ops.clip(y_pred, TINY, ALMOST_1)
        log_p, log_q = ops.log(p), ops.log1p(-p)
    smooth = y + label_smoothing * (0.5 - y)
    cross_entropy = -(smooth * log_p + (1.0 - smooth) * log_q)

    def log_miss():
        return log(y * ops.exp(log_q) + (1.0 - y) * ops.exp(log_p))

    return Truth(cross_entropy, log_miss, (1.0 - y, y), counted)


def categorical_truth(labels, y_pred, counted, from_logits, label_smoothing):
    """One of several classes."""
    classes = y_pred.shape[-1]
    if from_logits:
        log_p = ops.log_softmax(y_pred, axis=-1)
    else:
        log_p = log(y_pred / ops.clip(ops.sum(y_pred, axis=-1, keepdims=True), TINY, math.inf))
    y = labels
    if labels.shape[-1] == 1:
        y = ops.one_hot(ops.cast(labels[..., 0], "int32"), classes, dtype=y_pred.dtype)
    smooth = y + label_smoothing * (1.0 / classes - y)
    cross_entropy = -ops.sum(smooth * log_p, axis=-1)

    def log_miss():
        return log(ops.sum((1.0 - y) * ops.exp(log_p), axis=-1))

    shares = tuple(y[..., i] for i in range(classes))
    return Truth(cross_entropy, log_miss, shares, counted)


def log_sigmoids(x):
    """Computes the logarithms of `sigmoid(x)` and `sigmoid(-x)` from what they share."""
    size = ops.abs(x)
    shared = ops.log1p(ops.exp(-size))
    return 0.5 * (x - size) - shared, -0.5 * (x + size) - shared


def log(p):
    """Computes a logarithm that is finite at 0."""
    return ops.log(ops.clip(p, TINY, math.inf))


def check_shapes(labels, y_pred, multi_label=False):
    """Returns `y_pred` with a class axis, checked against the labels."""
    if len(y_pred.shape) == 2:
        y_pred = ops.expand_dims(y_pred, -1)
    classes, channels = y_pred.shape[-1], labels.shape[-1]
    if len(y_pred.shape) != 3:
        raise ValueError(
            "`y_pred` must have shape (batch, time, classes), or (batch, time) for a binary "
            "detector; a streaming loss needs an answer on every frame. Received: y_pred of shape "
            f"{tuple(y_pred.shape)}. With a recurrent layer, set return_sequences=True."
        )
    if channels != classes and (multi_label or channels != 1):
        one = "" if multi_label else "one label channel (0/1, or class ids), or "
        raise ValueError(
            f"`y_true` must have {one}as many label channels as `y_pred` has classes, before the "
            "distance channel; labels and outputs are compared class by class. Received: "
            f"{channels} label channels for {classes} classes. Set `classes` and `encoding` of "
            "`keras_sal.AnchorTargets` to suit the outputs."
        )
    frames, answers = labels.shape[1], y_pred.shape[1]
    if None not in (frames, answers) and frames != answers:
        raise ValueError(
            "`y_true` and `y_pred` must have the same number of frames; each answer has its own "
            f"target. Received: {frames} target frames, {answers} answers. Make the targets at the "
            "frame rate of the model's output."
        )
    return y_pred
