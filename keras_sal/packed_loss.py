"""A loss over packed targets: which frames count, and for how much."""

import keras
from keras import ops

from keras_sal.anchors import IGNORE, unpack

MEANS = ("sum_over_batch_size", "mean")


class PackedLoss(keras.losses.Loss):
    """Base of the losses that read packed targets.

    A subclass implements `call(y_true, y_pred)`, which returns `(batch, time)`, 0 where the label
    is -1. This class decides how the frames are averaged. With `reduction="sum_over_batch_size"`,

        loss = sum(sample_weight * loss_t) / number of counted frames

    * A frame with label -1 isn't counted, nor is one that the Keras mask of `y_pred` excludes
      (padding on either side): the loss is that of the other frames alone.
    * `sample_weight` scales numerators only, as everywhere in Keras. Its shape is `(batch,)`,
      `(batch, 1)`, `(batch, time)` or `(batch, time, 1)`; `(batch,)` weights clips even where
      `batch == time`, which stock Keras takes for frames without a word.
    * `reduction="mean_with_sample_weight"` divides by the sum of the weights of counted frames;
      `"sum"` doesn't divide; `None` returns `(batch, time)`.

    The computation is in `float32` whatever the model's dtype policy, unless `dtype` is given.

    Args:
        name: Name of the loss.
        reduction: See above.
        dtype: Dtype of the computation. Defaults to `"float32"`.
    """

    per_frame = True

    def __init__(self, name=None, reduction="sum_over_batch_size", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype or "float32")
        self._seen_values = False

    def __call__(self, y_true, y_pred, sample_weight=None):  # noqa: D102
        mask = getattr(y_pred, "_keras_mask", None)
        y_true, y_pred = (ops.convert_to_tensor(y, dtype=self.dtype) for y in (y_true, y_pred))
        self._check_values(y_true, y_pred)
        if mask is not None:
            y_true = ignore_masked(y_true, mask)
            y_pred = ops.copy(y_pred)  # without the mask: it must not enter twice

        weight = counted = self._counted(y_true)
        if sample_weight is not None:
            weight = counted * self._expand_weight(sample_weight, counted)
        if self.reduction in MEANS:
            size = ops.sum(ops.ones_like(counted))
            weight = weight * ops.divide_no_nan(size, ops.sum(counted))
        return super().__call__(y_true, y_pred, weight)

    def _counted(self, y_true):
        """Returns 1 for each frame (or clip) with a label, else 0."""
        labels, _ = unpack(y_true)
        axes = -1 if self.per_frame else (-2, -1)
        return ops.cast(ops.any(labels != IGNORE, axis=axes), self.dtype)

    def _expand_weight(self, sample_weight, counted):
        weight = ops.convert_to_tensor(sample_weight, dtype=self.dtype)
        given = tuple(weight.shape)
        if len(given) > 1 and given[-1] == 1:
            weight = ops.squeeze(weight, -1)
        if len(weight.shape) == 1 and self.per_frame:
            weight = ops.expand_dims(weight, -1)
        fits = len(weight.shape) == len(counted.shape) and all(
            None in (mine, frames) or mine in (1, frames)
            for mine, frames in zip(weight.shape, counted.shape, strict=True)
        )
        if len(given) > 0 and not fits:
            shapes = "(batch,), (batch, 1)" + (" or (batch, time)" if self.per_frame else "")
            raise ValueError(
                f"`sample_weight` must have shape {shapes}; it weights clips"
                f"{' or frames' if self.per_frame else ''}. Received: sample_weight of shape "
                f"{given} for targets of shape {tuple(counted.shape)}. Weight classes with "
                "`class_weight=` of the loss."
            )
        return weight

    def _check_values(self, y_true, y_pred):
        """Looks at the values once, the first time that they can be seen (not while tracing)."""
        if self._seen_values:
            return
        y_pred = ops.stop_gradient(y_pred)
        try:
            low, high = float(ops.min(y_pred)), float(ops.max(y_pred))
            label = float(ops.max(y_true[..., :-1]))
        except (TypeError, ValueError, RuntimeError, NotImplementedError):
            return
        if not getattr(self, "from_logits", True) and (low < 0.0 or high > 1.0):
            raise ValueError(
                "`y_pred` must be posteriors in [0, 1] with from_logits=False; their logarithm is "
                f"taken. Received: y_pred from {low:g} to {high:g}. End the model with a sigmoid "
                "or softmax, or set from_logits=True if these are logits."
            )
        classes = y_pred.shape[-1] if len(y_pred.shape) == 3 else 1
        highest = 1 if y_true.shape[-1] > 2 else max(classes - 1, 1)
        if label > highest:
            raise ValueError(
                f"`y_true` must hold labels from -1 (ignore) to {highest}; `y_pred` has {classes} "
                f"outputs. Received: label {label:g}. Give the model an output per class, or check "
                "that the last channel of the targets is the distance to the nearest anchor."
            )
        self._seen_values = True

    def get_config(self):  # noqa: D102
        return {**super().get_config(), "dtype": self.dtype}


def ignore_masked(y_true, mask):
    """Labels -1 the frames that `mask (batch, time)` excludes."""
    mask = ops.expand_dims(ops.cast(mask, "bool"), -1)
    labels = ops.where(mask, y_true[..., :-1], IGNORE)
    return ops.concatenate([labels, y_true[..., -1:]], axis=-1)
