"""Slow NumPy loops that say what the package computes, one frame and one event at a time.

Losses take complex predictions too, for derivatives by a complex step. Nothing is imported from the
package but its constants.
"""

import numpy as np

from keras_sal.anchors import IGNORE, NO_ANCHOR


def kernel(d, name="exponential", reach=15.0):
    if abs(d) >= NO_ANCHOR:
        return 0.0
    before, after = reach if np.ndim(reach) else (reach, reach)
    u = abs(d) / (before if d < 0 else after)
    if name == "exponential":
        return np.exp(-u)
    if name == "gaussian":
        return np.exp(-(u**2) / 2)
    if name == "triangular":
        return max(0.0, 1 - u)
    if name == "rectangular":
        return float(u <= 1)
    assert name == "raised_cosine"
    return (1 + np.cos(np.pi * u)) / 2 if u <= 1 else 0.0


def posteriors(y_pred, from_logits, softmax):
    """The posterior of each class of one frame, as a list."""
    if not from_logits:
        return list(y_pred / y_pred.sum()) if softmax else list(y_pred)
    if softmax:
        return list(np.exp(y_pred) / np.exp(y_pred).sum())
    return [1 / (1 + np.exp(-z)) for z in y_pred]


def comparisons(labels, y_pred, from_logits, multi_label):
    """What is compared on one frame: lists of (label shares, posteriors of the same, class)."""
    if len(y_pred) == 1 or multi_label:
        return [
            ((1 - y, y), (1 - p, p), c if len(y_pred) > 1 else None)
            for c, (y, p) in enumerate(
                zip(labels, posteriors(y_pred, from_logits, False), strict=True)
            )
            if y != IGNORE
        ]
    if IGNORE in labels:
        return []
    one_hot = labels if len(labels) > 1 else np.eye(len(y_pred))[int(labels[0])]
    return [(tuple(one_hot), tuple(posteriors(y_pred, from_logits, True)), None)]


def lookup(values, shares, output):
    """A value per class: by the label, or by the output where each has a label of its own."""
    if not np.ndim(values):
        return values
    if output is not None:
        return values[output]
    return sum(v * share for v, share in zip(values, shares, strict=True))


def anchor_loss(
    y_true,
    y_pred,
    variant="sal",
    kernel_name="exponential",
    reach=15.0,
    strength=5.0,
    gamma=2.0,
    from_logits=False,
    label_smoothing=0.0,
    class_weight=None,
    multi_label=False,
    normalize=False,
):
    """The loss of each frame, and the number of frames that count."""
    batch, time = y_true.shape[:2]
    terms = {}  # (clip, frame) -> list of (weight, class weight, cross entropy)
    for b in range(batch):
        for t in range(time):
            labels, d = y_true[b, t, :-1], y_true[b, t, -1]
            terms[b, t] = []
            for shares, p, output in comparisons(labels, y_pred[b, t], from_logits, multi_label):
                share = 1 / len(shares)
                smooth = [(1 - label_smoothing) * y + label_smoothing * share for y in shares]
                cross_entropy = -sum(y * np.log(q) for y, q in zip(smooth, p, strict=True))
                p_true = sum(y * q for y, q in zip(shares, p, strict=True))
                near = lookup(strength, shares, output) * kernel(d, kernel_name, reach)
                weight = {
                    "sal": 1 + near,
                    "sa+fl": near + (1 - p_true) ** gamma,
                    "safl": (1 + near) * (1 - p_true) ** gamma,
                }[variant]
                by_class = 1.0 if class_weight is None else lookup(class_weight, shares, output)
                terms[b, t].append((weight, by_class, cross_entropy))
    mean = 1.0
    if normalize:
        mean = np.mean([np.real(weight) for frame in terms.values() for weight, _, _ in frame])
    loss = np.zeros((batch, time), y_pred.dtype)
    for (b, t), frame in terms.items():
        for weight, by_class, cross_entropy in frame:
            loss[b, t] += weight / mean * by_class * cross_entropy / len(frame)
    return loss, sum(bool(frame) for frame in terms.values())


def mean_anchor_loss(y_true, y_pred, sample_weight=None, **arguments):
    loss, counted = anchor_loss(y_true, y_pred, **arguments)
    return (loss if sample_weight is None else loss * sample_weight).sum() / counted


def gradient(function, x, step=1e-100):
    """The derivative of a real function by each entry of `x`, by a complex step."""
    slope = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        z = x.astype(complex)
        z[index] += 1j * step
        slope[index] = function(z).imag / step
    return slope


def max_pooling(y_true, y_pred, from_logits=False):
    """The loss of each clip."""
    losses = []
    for labels, clip in zip(y_true[..., :-1], y_pred, strict=True):
        terms = []
        for c in range(clip.shape[-1]):
            column = 0 if labels.shape[-1] == 1 else c
            sparse = labels.shape[-1] == 1 and clip.shape[-1] > 1
            known = [t for t in range(len(clip)) if labels[t, column] != IGNORE]
            if not known:
                continue
            best = max(posteriors(clip[t], from_logits, False)[c] for t in known)
            occurs = any(labels[t, column] == (c if sparse else 1) for t in known)
            terms.append(-np.log(best) if occurs else -np.log(1 - best))
        losses.append(np.mean(terms) if terms else 0.0)
    return np.array(losses)


def smooth_label(y, d, surely, horizon, decay):
    """The temporally smoothed label of a frame with label `y` at distance `d`."""
    if y == IGNORE or d >= 0 or abs(d) >= NO_ANCHOR:
        return y
    h = -d
    if h <= surely:
        return 1.0
    if h >= horizon:
        return 0.0
    top, bottom = np.exp(-decay * surely), np.exp(-decay * horizon)
    return (np.exp(-decay * h) - bottom) / (top - bottom)


def targets_from_events(
    events,
    frames,
    anchor="onset",
    before_frames=None,
    after_frames=None,
    classes=1,
    encoding="sparse",
    anchors=None,
    length=None,
):
    """Packed targets of one clip from rows (onset, offset[, class]) of whole frames."""
    marks = []  # (class, onset, offset, anchor or None)
    for i, row in enumerate(events):
        onset, offset = row[:2]
        if not onset <= offset:
            continue
        at = {"onset": onset, "offset": offset}[anchor] if anchors is None else anchors[i]
        if at is not None and not abs(at) < NO_ANCHOR:
            at = None
        marks.append((1 if classes == 1 else int(row[2]), onset, offset, at))

    windowed = before_frames is not None or after_frames is not None
    before, after = before_frames or 0, after_frames or 0
    packed = []
    for t in range(frames):
        positive = {}  # class -> how far its nearest anchor is
        for c, onset, offset, at in marks:
            if windowed:
                on = at is not None and at - before <= t <= at + after
            else:
                on = onset <= t <= offset
            if on:
                own = [abs(t - a) for k, _, _, a in marks if k == c and a is not None]
                positive[c] = min(own, default=NO_ANCHOR)
        if encoding == "multi_hot" and classes > 1:
            label = [float(c in positive) for c in range(classes)]
        else:
            best = min(positive, key=lambda c: (positive[c], c), default=0)
            one_hot = encoding != "sparse" and classes > 1
            label = [float(best == c) for c in range(classes)] if one_hot else [float(best)]
        if length is not None and t >= length:
            label = [IGNORE] * len(label)
        near = [t - a for *_, a in marks if a is not None]
        distance = min(near, key=lambda d: (abs(d), -d), default=NO_ANCHOR)
        packed.append([*label, distance])
    return np.array(packed, "float32")


def runs(labels, wanted):
    """`(first, last)` of each run of frames where `labels == wanted`."""
    found, begin = [], None
    for t, label in enumerate([*labels, None]):
        if label == wanted and begin is None:
            begin = t
        if label != wanted and begin is not None:
            found.append((begin, t - 1))
            begin = None
    return found
