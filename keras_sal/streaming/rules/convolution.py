"""Convolutions, pooling and padding: a window that begins in the past.

tensor whose newest frame is `lead` ahead of the stream's, with `hop` new frames a step
|  ZeroPadding((p, q))          lead + p             Cropping((p, q)): lead - p
|  kernel spanning k frames     lead - (k - 1)        below 0 it looks ahead: the answer comes late
|  stride s                     hop / s, lead / s     more frames a step until hop is whole
v
one frame a step, if the padding is used up exactly
"""

import fractions
import math

import keras
from keras import layers, ops

from keras_sal.layers import CausalDepthwiseConv1D
from keras_sal.streaming.rules.delay import heard, past_and_new, silenced
from keras_sal.streaming.rules.frames import HopTooShort
from keras_sal.streaming.rules.registry import refusal, refuse_if, step
from keras_sal.streaming.rules.weight_sharing import Sharing


def _windowed(layer, stream, x, over_window, padding=(0, 0), span=1, stride=1, instead=""):
    """Calls `over_window` on the frames that `span` frames of padded input come from.

    With N frames of the stream so far, the input is known up to its frame N + lead - 1. Frame j of
    the output needs input frames up to stride * j - before + span - 1.
    """
    if x.hop % stride:
        raise HopTooShort(stride // math.gcd(x.hop, stride), x.sources)
    before, after = padding
    lead = (x.lead + before - span) // stride + 1
    longer = (x.longer + before + after - span) // stride + 1
    past = before + min(x.lead, 0) - stride * min(lead, 0)
    reason = "it looks at frames that have not come yet"
    objection = (x.objection or refusal(layer, reason, instead)) if lead < 0 else None
    place = {
        "hop": x.hop // stride,
        "lead": lead,
        "longer": longer,
        "objection": objection,
        "sees": x.sees + fractions.Fraction(span - 1, x.hop),
    }

    def make_step(x, *marks):
        quiet = x.of(silenced(x.tensor, [mark.tensor for mark in marks]))
        window, states, next_states = past_and_new(stream, quiet, past)
        return [x.at(**place).of_timed(over_window(window))], states, next_states

    return stream.call(layer, make_step, x, *(heard(stream, x) if before else []))


def _refuse_channels_first(layer):
    data_format = getattr(layer, "data_format", "channels_last")
    refuse_if(
        layer,
        (data_format != "channels_last", "time has to be axis 1", "Use channels_last."),
    )


def _pairs(layer, amounts):
    """How much a padding or cropping layer changes both ends of time and of the other axes."""
    _refuse_channels_first(layer)
    return [amounts] if isinstance(layer, layers.ZeroPadding1D | layers.Cropping1D) else amounts


@step.register
def _(layer: layers.Cropping1D | layers.Cropping2D, stream, frames, **kwargs):
    in_time, *others = _pairs(layer, layer.cropping)

    def over_window(window):
        """Crops the other axes."""
        sizes = window.shape[2:-1]
        kept = [slice(a, size - b) for size, (a, b) in zip(sizes, others, strict=True)]
        return window[(slice(None), slice(None), *kept)]

    before, after = in_time
    instead = "Crop the end of the clip only."
    return _windowed(layer, stream, frames, over_window, (-before, -after), instead=instead)


@step.register
def _(layer: layers.ZeroPadding1D | layers.ZeroPadding2D, stream, frames, **kwargs):
    in_time, *others = _pairs(layer, layer.padding)

    def over_window(window):
        is_padded = any(any(pair) for pair in others)
        return ops.pad(window, [(0, 0), (0, 0), *others, (0, 0)]) if is_padded else window

    return _windowed(layer, stream, frames, over_window, in_time)


@step.register
def _(
    layer: layers.AveragePooling1D
    | layers.AveragePooling2D
    | layers.MaxPooling1D
    | layers.MaxPooling2D,
    stream,
    frames,
    **kwargs,
):
    _refuse_channels_first(layer)
    span, stride = layer.pool_size[0], layer.strides[0]
    refuse_if(
        layer,
        (
            layer.padding == "same" and max(span, stride) > 1,
            "padding='same' makes the windows at the ends of the clip smaller",
            f"Put ZeroPadding of ({max(span - stride, 0)}, 0) frames before it, and use "
            "padding='valid'.",
        ),
    )
    instead = f"Put ZeroPadding of ({span - stride}, 0) frames before it."
    return _windowed(layer, stream, frames, layer, (0, 0), span, stride, instead)


@step.register
def _(
    layer: layers.Conv1D
    | layers.Conv2D
    | layers.DepthwiseConv1D
    | layers.DepthwiseConv2D
    | layers.SeparableConv1D
    | layers.SeparableConv2D,
    stream,
    frames,
    **kwargs,
):
    _refuse_channels_first(layer)
    span = (layer.kernel_size[0] - 1) * layer.dilation_rate[0] + 1
    stride = layer.strides[0]
    is_causal = layer.padding == "causal" or isinstance(layer, CausalDepthwiseConv1D)
    if layer.padding == "valid" and not is_causal:
        in_time = 0, 0
        instead = (
            f"Put ZeroPadding of ({span - stride}, 0) frames before it, or use "
            "Conv1D(padding='causal')."
        )
    else:
        in_time = (span - 1, 0) if is_causal else _same(layer, axis=0)
        instead = (
            f"Use Conv1D(padding='causal'), or pad the start by {span - stride} frames and use "
            "padding='valid'."
        )
    needs_no_padding = in_time == (0, 0) and (layer.padding == "valid" or span == stride == 1)
    over_window = layer if needs_no_padding else UnpaddedConv(layer)
    return _windowed(layer, stream, frames, over_window, in_time, span, stride, instead)


def _same(layer, axis, size=None):
    """What padding="same" puts at the ends of an axis; its `None` is a multiple of the stride."""
    stride, span = (
        layer.strides[axis],
        (layer.kernel_size[axis] - 1) * layer.dilation_rate[axis] + 1,
    )
    rest = size % stride if size else 0
    total = max(span - (rest or stride), 0)
    return total // 2, total - total // 2


@keras.saving.register_keras_serializable(package="keras_sal")
class UnpaddedConv(Sharing):
    """A padded convolution over a window that brings its own past, and so needs no padding in time.

    Its other axes are padded as ever.
    """

    def build(self, shape):
        """Builds the convolution, if it is not built."""
        if not self.layer.built:
            self.layer.build(shape)

    def call(self, window):
        """Convolves."""
        layer = self.layer
        if len(window.shape) == 4 and layer.padding == "same":
            in_frequency = _same(layer, 1, window.shape[2])
            window = ops.pad(window, [(0, 0), (0, 0), in_frequency, (0, 0)])
        options = {"strides": layer.strides, "dilation_rate": layer.dilation_rate}
        if isinstance(layer, layers.SeparableConv1D | layers.SeparableConv2D):
            kernels = layer.depthwise_kernel, layer.pointwise_kernel
            y = ops.separable_conv(window, *kernels, padding="valid", **options)
        elif isinstance(layer, layers.DepthwiseConv1D | layers.DepthwiseConv2D):
            y = ops.depthwise_conv(window, layer.kernel, padding="valid", **options)
        else:
            y = ops.conv(window, layer.kernel, padding="valid", **options)
        return layer.activation(y + layer.bias if layer.use_bias else y)
