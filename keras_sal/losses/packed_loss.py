"""A loss over packed targets: which frames count, and for how much."""

import math
import warnings

import keras
import numpy as np
from keras import ops

from keras_sal.anchors import IGNORE, pack, unpack

MEANS = ("sum_over_batch_size", "mean")
ROUNDING = 1e-3  # of a softmax in half precision


class PackedLoss(keras.losses.Loss):
    """Base of the losses that read packed targets.

    A subclass implements `call(y_true, y_pred)`, which returns `(batch, time)`, 0 where the label
    is -1, and may say in `counted` which frames that excludes. This class decides how the frames
    are averaged. With `reduction="sum_over_batch_size"`,

        loss = sum(sample_weight * loss_t) / number of counted frames

    * A frame with label -1 isn't counted, nor is one that the Keras mask of `y_pred` excludes
      (padding on either side): the loss is that of the other frames alone.
    * `sample_weight` scales numerators only, as everywhere in Keras. Its shape is `(batch,)`,
      `(batch, 1)`, `(batch, time)` or `(batch, time, 1)`; `(batch,)` weights clips even where
      `batch == time`, which stock Keras takes for frames without a word.
    * `reduction="mean_with_sample_weight"` divides by the sum of the weights of counted frames;
      `"sum"` doesn't divide; `None` returns `(batch, time)`.

    The computation is in `float32` whatever the model's dtype policy.

    Args:
        name: Name of the loss.
        reduction: See above.
        dtype: `"float32"` (default) or `"float64"`.
    """

    def __init__(self, name=None, reduction="sum_over_batch_size", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype or "float32")
        if self.dtype not in ("float32", "float64"):
            raise ValueError(
                "`dtype` must be float32 or float64; half precision holds neither distances nor "
                f"small posteriors. Received: dtype={dtype!r}. Leave it out: predictions of "
                "any dtype are read."
            )
        self._seen_values = False

    def __call__(self, y_true, y_pred, sample_weight=None):  # noqa: D102
        y_true = ops.convert_to_tensor(y_true, dtype=self.dtype)
        labels, distance = unpack(y_true)
        labels = ops.where(kept_frames(y_true, y_pred)[..., None] > 0, labels, IGNORE)
        y_true = pack(labels, distance)
        y_pred = ops.copy(ops.convert_to_tensor(y_pred, dtype=self.dtype))  # without its mask
        self._check_values(labels, distance, y_pred)

        weight = counted = ops.cast(self.counted(labels), self.dtype)
        if sample_weight is not None:
            weight = counted * expand_weight(sample_weight, counted)
        if self.reduction in MEANS:
            size = ops.sum(ops.ones_like(counted))
            weight = weight * ops.divide_no_nan(size, ops.sum(counted))
        return super().__call__(y_true, y_pred, weight)

    def counted(self, labels):
        """Returns for each frame whether it has a label, `(batch, time)`."""
        return ops.any(labels != IGNORE, axis=-1)

    def _check_values(self, labels, distance, y_pred):
        """Looks at the values once, the first time that they can be seen (not while tracing)."""
        if self._seen_values:
            return
        try:
            labels, distance, y_pred = map(to_numpy, (labels, distance, y_pred))
        except (TypeError, ValueError, RuntimeError, NotImplementedError):
            return
        counted = (labels != IGNORE).any(axis=-1)
        if counted.any() and counted.shape == y_pred.shape[:2]:
            check_labels(labels[counted], outputs=math.prod(y_pred.shape[2:]))
            check_distance(labels, distance)
            if not getattr(self, "from_logits", True):
                check_posteriors(y_pred[counted])
            self._seen_values = True

    def get_config(self):  # noqa: D102
        return {**super().get_config(), "dtype": self.dtype}


def expand_weight(sample_weight, counted):
    """Gives weights of clips or frames the rank of `counted`, `(batch,)` or `(batch, time)`.

    Raises:
        ValueError: If they fit neither clips nor frames.
    """
    weight = ops.convert_to_tensor(sample_weight, dtype=counted.dtype)
    given = tuple(weight.shape)
    per_frame = len(counted.shape) == 2
    if len(given) > 1 and given[-1] == 1:
        weight = ops.squeeze(weight, -1)
    if len(weight.shape) == 1 and per_frame:
        weight = ops.expand_dims(weight, -1)
    fits = len(weight.shape) == len(counted.shape) and all(
        None in (mine, frames) or mine in (1, frames)
        for mine, frames in zip(weight.shape, counted.shape, strict=True)
    )
    if len(given) > 0 and not fits:
        shapes = "(batch,), (batch, 1) or (batch, time)" if per_frame else "(batch,)"
        raise ValueError(
            f"`sample_weight` must have shape {shapes}; it weights clips"
            f"{' or frames' if per_frame else ''}. Received: sample_weight of shape {given} "
            f"for losses of shape {tuple(counted.shape)}. Weight classes with `class_weight=` "
            "of the loss."
        )
    return weight


class KeptFrames(keras.losses.Loss):
    """1 on each frame that the Keras mask of the predictions keeps, else 0.

    Keras multiplies unreduced losses by the mask: the one public way to read it under `jax.jit`,
    where tensors carry no attributes.
    """

    def call(self, y_true, y_pred):  # noqa: D102
        return ops.ones_like(y_true[..., 0])


kept_frames = KeptFrames(name="kept_frames", reduction=None)


def to_numpy(x):
    """Copies a tensor that has values to NumPy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # NumPy's, of one without values
        return ops.convert_to_numpy(ops.stop_gradient(x))


def check_posteriors(y_pred):
    """Raises where posteriors can't be posteriors, rounding aside."""
    low, high = y_pred.min(), y_pred.max()
    if low < -ROUNDING or high > 1.0 + ROUNDING:
        raise ValueError(
            "`y_pred` must be posteriors in [0, 1] with from_logits=False; their logarithm is "
            f"taken. Received: y_pred from {low:g} to {high:g}. End the model with a sigmoid or "
            "softmax, or set from_logits=True if these are logits."
        )


def check_labels(labels, outputs):
    """Raises where labels have no output."""
    highest = 1 if labels.shape[-1] > 1 else max(outputs - 1, 1)
    if labels.max() > highest:
        raise ValueError(
            f"`y_true` must hold labels from -1 (ignore) to {highest}; `y_pred` has {outputs} "
            f"outputs. Received: label {labels.max():g}. Give the model an output per class, or "
            "check that the last channel of the targets is the distance to the nearest anchor."
        )


def check_distance(labels, distance):
    """Raises where distances are the last of one-hot labels."""
    one_hot = np.isin(distance, (0.0, 1.0)) & (labels.sum(axis=-1) + distance == 1.0)
    if distance.shape[1] > 2 and one_hot.all():
        raise ValueError(
            "`y_true` must hold the distance to the nearest anchor in its last channel; here it "
            "holds one-hot labels and nothing else. Received: y_true of shape "
            f"{(*distance.shape, labels.shape[-1] + 1)}. Make packed targets of them with "
            '`keras_sal.AnchorTargets(classes=..., encoding="one_hot")(labels)`.'
        )
