"""Streaming Anchor Loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Unpack

import keras
from keras import ops

from keras_sal.anchors import kernel_function, kernel_weight, reach_pair
from keras_sal.checks import flag, require
from keras_sal.losses.focal import focal_factor
from keras_sal.losses.frame_loss import (
    CrossEntropyOptions,
    FrameLoss,
    FrameLossOptions,
    non_negative,
    per_class,
    to_floats,
    weighted_cross_entropy,
)
from keras_sal.losses.replica_mean import replica_mean
from keras_sal.losses.true_class import TINY, TrueClassTerms
from keras_sal.typing import Tensor

VARIANTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sal": lambda near, focal: 1.0 + near,
    "sa+fl": lambda near, focal: near + focal,
    "safl": lambda near, focal: (1.0 + near) * focal,
}


def streaming_anchor_loss(
    y_true: Tensor,
    y_pred: Tensor,
    variant: str = "sa+fl",
    kernel: str | Callable[[Tensor], Tensor] = "exponential",
    reach: float | tuple[float, float] = 15.0,
    strength: Any = 5.0,
    gamma: Any = 2.0,
    normalize: bool = False,
    **options: Unpack[CrossEntropyOptions],
) -> Tensor:
    """Compute the streaming anchor loss of each frame.

    See `keras_sal.StreamingAnchorLoss` for the formula and the arguments.

    Args:
        y_true: Packed targets `(batch, time, channels + 1)`.
        y_pred: Posteriors or logits `(batch, time, classes)`, or `(batch, time)` if binary.
        variant: `"sal"`, `"sa+fl"` or `"safl"`. Defaults to `"sa+fl"`.
        kernel: Name of an anchor kernel, or a function of `|distance| / reach`. Defaults to
            `"exponential"`.
        reach: Frames, > 0; a number or `(before, after)`. Defaults to 15.
        strength: >= 0; a number or one per class. Defaults to 5.
        gamma: >= 0, the focusing exponent. Defaults to 2.
        normalize: Whether to divide the frame weights by their mean. Defaults to `False`.
        **options: `from_logits`, `label_smoothing`, `class_weight`, `multi_label`, as for
            `keras_sal.StreamingAnchorLoss`.

    Returns:
        The loss of each frame, `(batch, time)`; 0 where the label is -1.

    Raises:
        ValueError: If the shapes don't fit.

    Example:

    >>> import numpy as np
    >>> y_true = np.array([[[0.0, -1.0], [1.0, 0.0]]], "float32")  # the second frame is the anchor
    >>> y_pred = np.array([[[0.5], [0.5]]], "float32")
    >>> loss = streaming_anchor_loss(y_true, y_pred, kernel="rectangular", reach=0.5, strength=1)
    >>> cross_entropy = -np.log(0.5)  # times 0.5**2, and times 1 + 0.5**2 at the anchor
    >>> [round(float(frame / cross_entropy), 3) for frame in loss[0]]
    [0.25, 1.25]
    """
    before, after = reach if isinstance(reach, (tuple, list)) else (reach, reach)

    def weight(terms: TrueClassTerms, distance: Tensor) -> Tensor:
        near = kernel_weight(distance, kernel_function(kernel), before, after)
        near = per_class(strength, terms) * near
        focal = 1.0 if variant == "sal" else focal_factor(terms, gamma)
        weights = VARIANTS[variant](near, focal)
        if not normalize:
            return weights
        total, frames = ops.sum(weights * terms.counted), ops.sum(terms.counted)
        mean = ops.divide_no_nan(replica_mean(total), replica_mean(frames))
        return weights / ops.clip(mean, TINY, math.inf)

    return weighted_cross_entropy(y_true, y_pred, weight, **options)


@keras.saving.register_keras_serializable(package="keras_sal")
class StreamingAnchorLoss(FrameLoss):
    """Frame-wise cross entropy that counts more near anchors.

    Use it to train a detector that has a posterior on every frame but is judged by few of them:
    wake words, speech onset, multi-modal triggers, any sensor event. The model, its size and its
    data stay as they are. Train on the packed targets of `keras_sal.AnchorTargets`.

    With `d_t` the signed distance in frames to the nearest anchor, `k` the anchor kernel (1 at the
    anchor, falling with distance), `p_t` the posterior of the true class and `CE_t = -log p_t`:

        "sal"    (1 + strength * k(d_t)) * CE_t
        "sa+fl"  (strength * k(d_t) + (1 - p_t)**gamma) * CE_t
        "safl"   (1 + strength * k(d_t)) * (1 - p_t)**gamma * CE_t

    With `strength=0`, `"sal"` is frame-wise cross entropy and the others are the focal loss. The
    defaults are the setting that did best on dev over the tasks and networks of our study. The
    paper's abstract says that the penalty is higher near anchors and that there are focal
    variations; these formulas, kernels and constants were made from it and are this package's own.

    Reference:
        U. Sarawgi et al., "Streaming Anchor Loss: Augmenting Supervision with Temporal
        Significance", ICASSP 2024, https://arxiv.org/abs/2310.05886

    Args:
        variant: `"sal"`, `"sa+fl"` or `"safl"`. Defaults to `"sa+fl"`.
        kernel: `"exponential"`, `"gaussian"`, `"triangular"`, `"rectangular"`, `"raised_cosine"`
            (see `keras_sal.anchors`), or a registered function of `u = |d| / reach`. Defaults to
            `"exponential"`.
        reach: Frames, > 0: how far the kernel reaches, one number or `(before, after)`. Defaults
            to 15.
        strength: >= 0: how much more the anchor counts than a far frame. One number, or one per
            class (of the frame's label; the background is a class of its own unless
            `multi_label`). Defaults to 5.
        gamma: >= 0: focusing exponent of `"sa+fl"` and `"safl"`. Defaults to 2.
        normalize: Whether to divide the weights of `CE_t` by their mean over the batch, so that a
            learning rate that suits cross entropy suits this loss. Defaults to `False`.
        from_logits: Whether the model ends in logits rather than in posteriors. Defaults to
            `False`.
        label_smoothing: In [0, 1): share of each label spread evenly over the classes. Enters
            `CE_t`, not the focal factor. Defaults to 0.
        class_weight: `None`, or one weight >= 0 per class, multiplied in after everything else.
            (`fit(class_weight=...)` can't read packed targets.) Defaults to `None`.
        multi_label: Whether several classes may be on at once, each output a detector of its own.
            Their losses are averaged. Defaults to `False`.
        reduction: As in every Keras loss. Frames with label -1 and frames that a Keras mask
            excludes aren't counted in the mean; `sample_weight` scales the numerator only.
            Defaults to `"sum_over_batch_size"`.
        name: Name of the loss. Defaults to `"streaming_anchor_loss"`.
        dtype: `"float32"` or `"float64"`, of the computation. Defaults to `"float32"`.

    Call arguments:
        y_true: Packed targets `(batch, time, channels + 1)`. One label channel of 0/1 for a binary
            detector, of class ids for a softmax; or one label channel per class. Labels of 0/1
            may be soft: `CE_t` and `p_t` are then means over the label.
        y_pred: `(batch, time, classes)`, or `(batch, time)` for a binary detector.
        sample_weight: Optional, `(batch,)`, `(batch, 1)` or `(batch, time)`.

    Returns:
        A scalar, or `(batch, time)` with `reduction=None`.

    Raises:
        ValueError: If an argument is out of range or the shapes don't fit.

    Example:

    >>> import keras_sal
    >>> import numpy as np
    >>> events = np.array([[[20, 60]], [[10, 40]]])  # frames of one event in each of two clips
    >>> targets = keras_sal.AnchorTargets(frames=100, anchor="offset", after_frames=10)
    >>> model = keras_sal.models.gru_detector(features=40)
    >>> model.compile("adam", loss=keras_sal.StreamingAnchorLoss())
    >>> history = model.fit(np.zeros((2, 100, 40)), targets(events), verbose=0)
    """

    def __init__(
        self,
        variant: str = "sa+fl",
        kernel: str | Callable[[Tensor], Tensor] | dict[str, Any] = "exponential",
        reach: float | tuple[float, float] = 15.0,
        strength: Any = 5.0,
        gamma: Any = 2.0,
        *,
        normalize: bool = False,
        name: str = "streaming_anchor_loss",
        **options: Unpack[FrameLossOptions],
    ) -> None:
        super().__init__(name=name, **options)
        require(
            variant in VARIANTS,
            f"`variant` must be one of {', '.join(map(repr, VARIANTS))}; they differ in how "
            f"anchors and hard frames combine. Received: variant={variant!r}. Choose one.",
        )
        deserialize = keras.saving.deserialize_keras_object
        self.variant = variant
        self.kernel: Any = deserialize(kernel) if isinstance(kernel, dict) else kernel
        kernel_function(self.kernel)  # checks the name
        self.reach: Any = reach_pair(reach)
        self.strength: Any = non_negative(
            "strength", strength, "a negative one would reward errors", per_class=True
        )
        self.gamma: Any = non_negative("gamma", gamma, "(1 - p)**gamma would weight easy frames up")
        self.normalize = flag("normalize", normalize)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:  # noqa: D102
        return streaming_anchor_loss(
            y_true,
            y_pred,
            variant=self.variant,
            kernel=self.kernel,
            reach=self.reach,
            strength=self.strength,
            gamma=self.gamma,
            normalize=self.normalize,
            **self.cross_entropy_options,
        )

    def get_config(self) -> dict[str, Any]:  # noqa: D102
        kernel = self.kernel
        return {
            **super().get_config(),
            "variant": self.variant,
            "kernel": keras.saving.serialize_keras_object(kernel) if callable(kernel) else kernel,
            "reach": to_floats(self.reach),
            "strength": to_floats(self.strength),
            "gamma": to_floats(self.gamma),
            "normalize": self.normalize,
        }
