"""Rules for convolutions, pooling, padding and cropping: a window that begins in the past.

The rules keep account of how many frames a tensor is `ahead` of the stream, and of the frames that
it brings in a step:

    ZeroPadding((p, q))          ahead + p
    Cropping((p, q))             ahead - p
    kernel spanning k frames     ahead - (k - 1)
    stride s                     ahead / s, frames_per_step / s

Below 0 the tensor is late. At the output of the model it must be one frame a step, with the padding
used up exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import keras
from keras import layers, ops

from keras_sal.layers import CausalDepthwiseConv1D
from keras_sal.streaming.rules.delay import validity, with_past, zero_invalid
from keras_sal.streaming.rules.frames import Frames, LayerStep, StepTooShort
from keras_sal.streaming.rules.framewise import is_known_activation
from keras_sal.streaming.rules.registry import (
    overridden_methods,
    reject_if,
    reject_overrides,
    rule,
    unsupported_error,
)
from keras_sal.streaming.rules.trial import is_window_function
from keras_sal.streaming.rules.weight_sharing import WeightSharingLayer
from keras_sal.typing import Tensor

if TYPE_CHECKING:
    from keras_sal.streaming.rules.step_builder import StepBuilder


MANY_FRAMES = 100_000  # more than a kernel spans


def over_window(
    layer: layers.Layer,
    builder: StepBuilder,
    frames: Frames,
    compute: Callable[[Tensor], Tensor],
    padding: tuple[int, int] = (0, 0),
    span: int = 1,
    stride: int = 1,
    instead: str = "",
) -> list[Frames]:
    """Call `compute` on the window that `span` frames of padded input come from.

    Args:
        layer: The layer.
        builder: The `StepBuilder`.
        frames: The frames.
        compute: What the layer computes of a window, `(batch, frames, ...)`, without padding.
        padding: Frames of zeros put before and after the clip. Defaults to none.
        span: Frames that one output frame is computed from. Defaults to 1.
        stride: Frames from one output frame to the next. Defaults to 1.
        instead: What to use where nothing may look ahead, a sentence.

    Returns:
        The frames of the output, as a list of one.

    With N frames of the stream so far, the input is known up to its frame N + ahead - 1. Frame j of
    the output needs input frames up to stride * j - before + span - 1.
    """
    if frames.frames_per_step % stride:
        factor = stride // math.gcd(frames.frames_per_step, stride)
        raise StepTooShort(factor, frames.sources)
    before, after = padding
    ahead = (frames.ahead + before - span) // stride + 1
    past = before + min(frames.ahead, 0) - stride * min(ahead, 0)
    lateness_error = None
    if ahead < 0:
        reason = "it looks at frames that have not come yet"
        lateness_error = frames.lateness_error or unsupported_error(layer, reason, instead)
    place = {
        "frames_per_step": frames.frames_per_step // stride,
        "ahead": ahead,
        "extra_frames": (frames.extra_frames + before + after - span) // stride + 1,
        "lateness_error": lateness_error,
        "receptive_field": frames.receptive_field + Fraction(span - 1, frames.frames_per_step),
    }

    def make_step(frames: Frames, *valid: Frames) -> LayerStep:
        tensor = zero_invalid(frames.tensor, [is_valid.tensor for is_valid in valid])
        window, states, next_states = with_past(builder, frames.with_tensor(tensor), past)
        return LayerStep([frames.with_sequence(compute(window), **place)], states, next_states)

    valid = validity(builder, frames) if before else []
    return builder.call(layer, make_step, frames, *valid)


def _reject_channels_first(layer: layers.Layer) -> None:
    data_format = getattr(layer, "data_format", "channels_last")
    reject_if(
        layer,
        (data_format != "channels_last", "time has to be axis 1", "Use channels_last."),
    )


def _pairs(layer: layers.Layer, amounts: Any) -> Any:
    """Return how much a layer pads or crops both ends of time and of the other axes."""
    _reject_channels_first(layer)
    return [amounts] if isinstance(layer, layers.ZeroPadding1D | layers.Cropping1D) else amounts


@rule.register(layers.Cropping1D | layers.Cropping2D)
def _(layer: Any, builder: StepBuilder, frames: Frames, **kwargs: Any) -> list[Frames]:
    reject_overrides(layer)
    in_time, *others = _pairs(layer, layer.cropping)

    def crop_other_axes(window: Tensor) -> Tensor:
        sizes = window.shape[2:-1]
        kept = [slice(a, size - b) for size, (a, b) in zip(sizes, others, strict=True)]
        return window[(slice(None), slice(None), *kept)]

    before, after = in_time
    instead = "Crop the end of the clip only."
    return over_window(layer, builder, frames, crop_other_axes, (-before, -after), instead=instead)


@rule.register(layers.ZeroPadding1D | layers.ZeroPadding2D)
def _(layer: Any, builder: StepBuilder, frames: Frames, **kwargs: Any) -> list[Frames]:
    reject_overrides(layer)
    in_time, *others = _pairs(layer, layer.padding)

    def pad_other_axes(window: Tensor) -> Tensor:
        is_padded = any(any(pair) for pair in others)
        return ops.pad(window, [(0, 0), (0, 0), *others, (0, 0)]) if is_padded else window

    return over_window(layer, builder, frames, pad_other_axes, in_time)


@rule.register(
    layers.AveragePooling1D | layers.AveragePooling2D | layers.MaxPooling1D | layers.MaxPooling2D
)
def _(layer: Any, builder: StepBuilder, frames: Frames, **kwargs: Any) -> list[Frames]:
    _reject_channels_first(layer)
    span, stride = layer.pool_size[0], layer.strides[0]
    reject_if(
        layer,
        (
            layer.padding == "same" and max(span, stride) > 1,
            "padding='same' makes the windows at the ends of the clip smaller",
            f"Put ZeroPadding of ({max(span - stride, 0)}, 0) frames before it, and use "
            "padding='valid'.",
        ),
    )
    _check_window(layer, frames, span, stride)
    instead = f"Put ZeroPadding of ({span - stride}, 0) frames before it."
    return over_window(layer, builder, frames, layer, (0, 0), span, stride, instead)


@rule.register(
    layers.Conv1D
    | layers.Conv2D
    | layers.DepthwiseConv1D
    | layers.DepthwiseConv2D
    | layers.SeparableConv1D
    | layers.SeparableConv2D
)
def _(layer: Any, builder: StepBuilder, frames: Frames, **kwargs: Any) -> list[Frames]:
    _reject_channels_first(layer)
    span = _span(layer, axis=0)
    stride = layer.strides[0]
    is_causal = layer.padding == "causal" or isinstance(layer, CausalDepthwiseConv1D)
    if layer.padding == "valid" and not is_causal:
        in_time = 0, 0
        instead = (
            f"Put ZeroPadding of ({span - stride}, 0) frames before it, or use "
            "Conv1D(padding='causal')."
        )
    else:
        in_time = (span - 1, 0) if is_causal else _same_padding(layer, axis=0)
        instead = (
            f"Use Conv1D(padding='causal'), or pad the start by {span - stride} frames and use "
            "padding='valid'."
        )
    needs_no_padding = in_time == (0, 0) and (layer.padding == "valid" or span == stride == 1)
    _check_activation(layer, frames)
    if needs_no_padding:
        _check_window(layer, frames, span, stride)
    else:
        _reject_left_out(layer)
    convolve = layer if needs_no_padding else UnpaddedConv(layer)
    return over_window(layer, builder, frames, convolve, in_time, span, stride, instead)


def _check_activation(layer: Any, frames: Frames) -> None:
    """Reject an activation that mixes frames."""
    if is_known_activation(layer.activation):
        return
    _, _, *features = layer.compute_output_shape((1, MANY_FRAMES, *frames.feature_shape))
    outputs = Frames(keras.KerasTensor((1, 1, *features), layer.compute_dtype), chunked=True)
    is_framewise = is_window_function(lambda tensors: layer.activation(*tensors), outputs)
    reject_if(
        layer,
        (
            not is_framewise,
            "what its activation returns for one frame depends on other frames, or on how many "
            "there are",
            "Use an activation that treats every frame alike.",
        ),
    )


def _check_window(layer: Any, frames: Frames, span: int, stride: int) -> None:
    """Reject a layer that overrides methods of Keras, unless it works on windows as Keras does."""
    names = overridden_methods(layer)
    reject_if(
        layer,
        (
            names and not is_window_function(lambda x: layer(*x), frames, span, stride),
            f"it overrides {', '.join(names)}, and looks at frames outside its window",
            "Let it look at no frames outside the kernel.",
        ),
    )


def _reject_left_out(layer: Any) -> None:
    """Reject a padded convolution whose step would leave out methods that it overrides."""
    # Conv1D.call never calls `convolution_op`.
    is_unused = getattr(layer.call, "__func__", None) is layers.Conv1D.call
    if overridden_methods(layer) != (["convolution_op"] if is_unused else []):
        reject_overrides(
            layer,
            "Set padding='valid' and put ZeroPadding before it: then the layer itself is called.",
        )


def _span(layer: Any, axis: int) -> int:
    """Return how many places of an axis a kernel spans, dilation included."""
    return (layer.kernel_size[axis] - 1) * layer.dilation_rate[axis] + 1


def _same_padding(layer: Any, axis: int, size: int | None = None) -> tuple[int, int]:
    """Return what padding="same" puts at the ends of an axis.

    A `size` of `None` stands for a multiple of the stride.
    """
    stride = layer.strides[axis]
    rest = size % stride if size else 0
    total = max(_span(layer, axis) - (rest or stride), 0)
    return total // 2, total - total // 2


@keras.saving.register_keras_serializable(package="keras_sal")
class UnpaddedConv(WeightSharingLayer):
    """A padded convolution over a window that contains its past, and so needs no padding in time.

    The other axes are padded as in the convolution.
    """

    def build(self, shape: Sequence[int | None]) -> None:
        """Build the convolution, if it is not built."""
        if not self.layer.built:
            self.layer.build(shape)

    def call(self, window: Tensor) -> Tensor:
        """Convolve a window `(batch, frames, ...)`."""
        layer = self.layer
        if len(window.shape) == 4 and layer.padding == "same":
            in_frequency = _same_padding(layer, 1, window.shape[2])
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
