"""Normalisation over the features of a frame, in operations that quantise.

What Keras computes with is no easier on a microcontroller for being fused: the converter leaves
parts of it in float. Means, products and a reciprocal root all have kernels for integers.
"""

import keras
from keras import layers, ops

from keras_sal.streaming.rules.registry import step
from keras_sal.streaming.rules.weight_sharing import Sharing


@step.register
def _(layer: layers.LayerNormalization | layers.RMSNormalization, stream, frames, **kwargs):
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    last = len(frames.features) + 1  # with batch and time before the features
    if axes not in ([-1], [last]) or getattr(layer, "rms_scaling", False):
        return step.dispatch(keras.Operation)(layer, stream, frames, **kwargs)
    is_centred = isinstance(layer, layers.LayerNormalization)
    normalised = LayerNormalizedFrame(layer) if is_centred else RMSNormalizedFrame(layer)

    def make_step(x):
        return [x.of(normalised(x.tensor))], [], []

    return stream.call(layer, make_step, frames)


@keras.saving.register_keras_serializable(package="keras_sal")
class RMSNormalizedFrame(Sharing):
    """What `keras.layers.RMSNormalization` does, over the last axis."""

    def call(self, frame):
        """Divides by the root of the mean square."""
        return self.normalised(ops.cast(frame, "float32"), self.layer.scale, None)

    def normalised(self, frame, scale, shift):
        """`frame / sqrt(mean(frame**2) + epsilon) * scale + shift`."""
        power = ops.mean(frame * frame, axis=-1, keepdims=True)
        frame = frame * ops.rsqrt(power + self.layer.epsilon)
        frame = frame if scale is None else frame * scale
        frame = frame if shift is None else frame + shift
        return ops.cast(frame, self.compute_dtype)


@keras.saving.register_keras_serializable(package="keras_sal")
class LayerNormalizedFrame(RMSNormalizedFrame):
    """What `keras.layers.LayerNormalization` does, over the last axis."""

    def call(self, frame):
        """Subtracts the mean, then divides by the root of the mean square."""
        frame = ops.cast(frame, "float32")
        centred = frame - ops.mean(frame, axis=-1, keepdims=True)
        return self.normalised(centred, self.layer.gamma, self.layer.beta)
