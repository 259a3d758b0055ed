"""Rules for normalisation over the features of a frame, in operations that quantise.

The fused normalisation of Keras leaves parts in float when it is converted for a microcontroller.
Means, products and a reciprocal root all have integer kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
from keras import layers, ops

from keras_sal.streaming.rules.frames import Frames, LayerStep
from keras_sal.streaming.rules.registry import overridden_methods, rule
from keras_sal.streaming.rules.weight_sharing import WeightSharingLayer
from keras_sal.typing import Tensor

if TYPE_CHECKING:
    from keras_sal.streaming.rules.step_builder import StepBuilder


@rule.register(layers.LayerNormalization | layers.RMSNormalization)
def _(
    layer: layers.LayerNormalization | layers.RMSNormalization,
    builder: StepBuilder,
    frames: Frames,
    **kwargs: Any,
) -> Any:
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    last = len(frames.feature_shape) + 1  # with batch and time before the features
    is_over_features = last > 1 and axes in ([-1], [last])
    is_plain = not getattr(layer, "rms_scaling", False) and not overridden_methods(layer)
    if not (is_over_features and is_plain):
        return rule.dispatch(keras.Operation)(layer, builder, frames, **kwargs)
    is_centred = isinstance(layer, layers.LayerNormalization)
    normalize = LayerNormalizedFrame(layer) if is_centred else RMSNormalizedFrame(layer)

    def make_step(frames: Frames) -> LayerStep:
        return LayerStep([frames.with_tensor(normalize(frames.tensor))])

    return builder.call(layer, make_step, frames)


@keras.saving.register_keras_serializable(package="keras_sal")
class RMSNormalizedFrame(WeightSharingLayer):
    """A layer that computes `keras.layers.RMSNormalization` over the last axis."""

    def call(self, frame: Tensor) -> Tensor:
        """Divide a frame by the root of its mean square."""
        return self._normalize(ops.cast(frame, "float32"), self.layer.scale, None)

    def _normalize(self, frame: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
        """Return `frame / sqrt(mean(frame**2) + epsilon) * scale + shift`."""
        power = ops.mean(frame * frame, axis=-1, keepdims=True)
        frame = frame * ops.rsqrt(power + self.layer.epsilon)
        frame = frame if scale is None else frame * scale
        frame = frame if shift is None else frame + shift
        return ops.cast(frame, self.compute_dtype)


@keras.saving.register_keras_serializable(package="keras_sal")
class LayerNormalizedFrame(RMSNormalizedFrame):
    """A layer that computes `keras.layers.LayerNormalization` over the last axis."""

    def call(self, frame: Tensor) -> Tensor:
        """Subtract the mean of a frame, then divide by the root of the mean square."""
        frame = ops.cast(frame, "float32")
        centred = frame - ops.mean(frame, axis=-1, keepdims=True)
        return self._normalize(centred, self.layer.gamma, self.layer.beta)
