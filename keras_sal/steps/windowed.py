"""Convolutions, pooling and padding: a window that begins in the past.

tensor that is `lead` frames longer than the stream, `hop` new frames a step
|  ZeroPadding((p, 0))          lead + p
|  kernel spanning k frames     lead - (k - 1)        refused below 0: it looks ahead
|  stride s                     hop / s               refused unless whole
v
one frame a step, if the padding is used up exactly
"""

import math

import keras
from keras import layers, ops

from keras_sal.steps.frames import HopTooShort
from keras_sal.steps.rule import refuse_if, step
from keras_sal.steps.sharing import Sharing


def _window(stream, frames, past):
    """Puts `past` older frames before `frames`: (window with time axis, states, next states)."""
    if not past:
        return frames.timed, [], []
    state = stream.new_state((past, *frames.features), frames.tensor.dtype)
    window = ops.concatenate([state, frames.timed], axis=1)
    if not frames.chunked:
        return window, [state], [window[:, frames.hop : frames.hop + past]]
    newest = window[:, -frames.lead - past : -frames.lead or None]
    return window, [state], [ops.reshape(newest, (-1, past, *frames.features))]


@step.register
def _(layer: layers.ZeroPadding1D | layers.ZeroPadding2D, stream, frames, **kwargs):
    one_axis = isinstance(layer, layers.ZeroPadding1D)
    (past, after), *others = [layer.padding] if one_axis else layer.padding
    refuse_if(
        layer,
        (layer.data_format != "channels_last", "time has to be axis 1", "Use channels_last."),
        (after > 0, "it puts zeros after the end, and a stream has none", "Pad the start only."),
    )

    def make_step(x):
        window, states, next_states = _window(stream, x, past)
        if any(any(pair) for pair in others):
            window = ops.pad(window, [(0, 0), (0, 0), *others, (0, 0)])
        return [x.at(x.hop, x.lead + past).of_timed(window)], states, next_states

    return stream.call(layer, make_step, frames)


@step.register
def _(
    layer: layers.Conv1D
    | layers.Conv2D
    | layers.DepthwiseConv1D
    | layers.DepthwiseConv2D
    | layers.SeparableConv1D
    | layers.SeparableConv2D
    | layers.AveragePooling1D
    | layers.AveragePooling2D
    | layers.MaxPooling1D
    | layers.MaxPooling2D,
    stream,
    frames,
    **kwargs,
):
    kernel = layer.kernel_size if hasattr(layer, "kernel_size") else layer.pool_size
    dilation = layer.dilation_rate if hasattr(layer, "dilation_rate") else (1,)
    span, stride = (kernel[0] - 1) * dilation[0] + 1, layer.strides[0]
    refuse_if(
        layer,
        (layer.data_format != "channels_last", "time has to be axis 1", "Use channels_last."),
        (
            layer.padding == "same" and max(span, stride) > 1,
            "padding='same' looks at frames that have not come yet",
            f"Use Conv1D(padding='causal'), or pad the start by {span - 1} frames and use "
            "padding='valid'.",
        ),
    )
    if frames.hop % stride:
        raise HopTooShort(stride // math.gcd(frames.hop, stride), frames.sources)
    is_causal = layer.padding == "causal"
    past = span - 1 if is_causal else 0
    hop = frames.hop // stride
    lead = (past + frames.lead + frames.hop - span) // stride + 1 - hop
    refuse_if(
        layer,
        (
            lead < 0,
            "it looks at frames that have not come yet",
            f"Put ZeroPadding of ({span - stride}, 0) frames before it, or use "
            "Conv1D(padding='causal').",
        ),
    )

    def make_step(x):
        window, states, next_states = _window(stream, x, past)
        y = UnpaddedConv1D(layer)(window) if is_causal else layer(window)
        return [x.at(hop, lead).of_timed(y)], states, next_states

    return stream.call(layer, make_step, frames)


@keras.saving.register_keras_serializable(package="keras_sal")
class UnpaddedConv1D(Sharing):
    """A causal `keras.layers.Conv1D` over a window that brings its own past."""

    def build(self, shape):
        """Builds the convolution, if it is not built."""
        if not self.layer.built:
            self.layer.build(shape)

    def call(self, window):
        """Convolves without padding."""
        y = ops.conv(
            window,
            self.layer.kernel,
            strides=self.layer.strides[0],
            padding="valid",
            dilation_rate=self.layer.dilation_rate[0],
        )
        return self.layer.activation(y + self.layer.bias if self.layer.use_bias else y)
