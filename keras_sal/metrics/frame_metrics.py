"""Frame metrics over packed targets: accuracy, AUC, precision and recall.

They read the label channels, leave out frames with label -1 and frames that the Keras mask
excludes, and are otherwise the Keras metrics of the same name.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_sal.anchors import unpack
from keras_sal.checks import share
from keras_sal.metrics.packed_inputs import read_inputs
from keras_sal.typing import Tensor


class _FrameMetric:
    """Mixin that hands the labels of packed targets to a Keras metric, one column a class."""

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Any:
        """Add a batch.

        Args:
            y_true: Packed targets `(batch, time, channels + 1)`.
            y_pred: Posteriors `(batch, time, classes)`.
            sample_weight: Optional, `(batch,)`, `(batch, 1)` or `(batch, time)`.
        """
        y_true, y_pred, weight = read_inputs(y_true, y_pred, sample_weight)
        labels, _ = unpack(y_true)
        classes = y_pred.shape[-1]
        if labels.shape[-1] == 1 and classes > 1:
            labels = ops.one_hot(ops.cast(labels[..., 0], "int32"), classes)
        known = ops.cast(labels >= 0, "float32")
        labels, weights = labels * known, weight[..., None] * known
        class_id = getattr(self, "class_id", None)
        if class_id is not None:
            weights = weights[..., class_id : class_id + 1]
        if getattr(self, "multi_label", False):
            labels, y_pred, weights = (
                ops.reshape(x, (-1, x.shape[-1])) for x in (labels, y_pred, weights)
            )
        return super().update_state(labels, y_pred, weights)  # type: ignore[misc]


@keras.saving.register_keras_serializable(package="keras_sal")
class FrameAUC(_FrameMetric, keras.metrics.AUC):
    """Area under the ROC or PR curve over frames; `keras.metrics.AUC` for packed targets."""


@keras.saving.register_keras_serializable(package="keras_sal")
class FramePrecision(_FrameMetric, keras.metrics.Precision):
    """Precision over frames; `keras.metrics.Precision` for packed targets."""


@keras.saving.register_keras_serializable(package="keras_sal")
class FrameRecall(_FrameMetric, keras.metrics.Recall):
    """Recall over frames; `keras.metrics.Recall` for packed targets."""


@keras.saving.register_keras_serializable(package="keras_sal")
class FrameAccuracy(keras.metrics.Mean):
    """Share of frames that are classified correctly.

    A binary or multi-label output is correct where it lies on the label's side of `threshold`; a
    softmax is correct where its largest class is the label's.

    Args:
        threshold: In (0, 1), for binary and multi-label outputs. Defaults to 0.5.
        multi_label: Whether several classes may be on at once. Defaults to `False`.
        name: Name of the metric. Defaults to `"frame_accuracy"`.
        dtype: Dtype of the metric. Defaults to `None`, float32.

    Example:

    >>> import numpy as np
    >>> metric = FrameAccuracy()
    >>> y_true = np.array([[[0.0, -1.0], [1.0, 0.0], [-1.0, 1.0]]])  # the last is ignored
    >>> metric.update_state(y_true, np.array([[[0.2], [0.4], [0.9]]]))
    >>> float(metric.result())
    0.5
    """

    def __init__(
        self,
        threshold: float = 0.5,
        multi_label: bool = False,
        name: str = "frame_accuracy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.threshold = share("threshold", threshold)
        self.multi_label = multi_label

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Any:
        """Add a batch.

        Args:
            y_true: Packed targets `(batch, time, channels + 1)`.
            y_pred: Posteriors `(batch, time, classes)`.
            sample_weight: Optional, `(batch,)`, `(batch, 1)` or `(batch, time)`.
        """
        y_true, y_pred, weight = read_inputs(y_true, y_pred, sample_weight)
        labels, _ = unpack(y_true)
        if y_pred.shape[-1] == 1 or self.multi_label:
            correct = (y_pred >= self.threshold) == (labels > 0.5)
            known = ops.cast(labels >= 0, "float32")
            return super().update_state(ops.cast(correct, "float32"), weight[..., None] * known)
        label = labels[..., 0] if labels.shape[-1] == 1 else ops.argmax(labels, axis=-1)
        correct = ops.cast(label, "int32") == ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        return super().update_state(ops.cast(correct, "float32"), weight)

    def get_config(self) -> dict[str, Any]:  # noqa: D102
        config = {"threshold": self.threshold, "multi_label": self.multi_label}
        return {"name": self.name, "dtype": self.dtype, **config}
