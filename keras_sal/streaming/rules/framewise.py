"""Rules for layers and operations without memory, which are called on the frames alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers, ops

from keras_sal.streaming.rules.delay import align
from keras_sal.streaming.rules.frames import Frames, LayerStep, StepTooShort
from keras_sal.streaming.rules.registry import (
    overridden_methods,
    reject_if,
    reject_overrides,
    rule,
    unsupported_error,
)
from keras_sal.streaming.rules.trial import form_of_frames
from keras_sal.typing import Tensor

if TYPE_CHECKING:
    from keras_sal.streaming.rules.step_builder import StepBuilder


def _frames_among(layer: keras.Operation, inputs: Any, kwargs: Any) -> list[Frames]:
    """Return the frames among the arguments, which must be of one rate and length."""
    several = [x for x in keras.tree.flatten((inputs, kwargs)) if isinstance(x, Frames)]
    several = list({id(frames): frames for frames in several}.values())
    fastest = max(several, key=lambda frames: frames.frames_per_step)
    for frames in several:
        factor, rest = divmod(fastest.frames_per_step, frames.frames_per_step)
        if factor > 1 and not rest and not fastest.sources & frames.sources:
            raise StepTooShort(factor, frames.sources)
    reject_if(
        layer,
        (
            len({(frames.frames_per_step, frames.extra_frames) for frames in several}) > 1,
            "its inputs are not aligned: one has more frames, or fewer a second, than another",
            "Pad and pool the branches alike.",
        ),
    )
    return several


def _replace_frames(
    several: Sequence[Frames], tensors: Sequence[Tensor], inputs: Any, kwargs: Any
) -> Any:
    """Return the arguments of a layer with tensors in the places of frames."""
    tensor_of = {id(frames): tensor for frames, tensor in zip(several, tensors, strict=True)}
    return keras.tree.map_structure(lambda x: tensor_of.get(id(x), x), (inputs, kwargs))


@rule.register(
    layers.Activation
    | layers.Add
    | layers.Average
    | layers.Dense
    | layers.ELU
    | layers.LeakyReLU
    | layers.Maximum
    | layers.Minimum
    | layers.Multiply
    | layers.ReLU
    | layers.Rescaling
    | layers.Subtract
)
def _(layer: layers.Layer, builder: StepBuilder, *inputs: Any, **kwargs: Any) -> Any:
    several = _frames_among(layer, inputs, kwargs)
    if not _is_elementwise(layer, several, inputs, kwargs):
        return rule.dispatch(keras.Operation)(layer, builder, *inputs, **kwargs)
    aligned = align(builder, several)
    tensors = [frames.tensor for frames in aligned]
    args, kwargs = _replace_frames(several, tensors, inputs, kwargs)
    return aligned[0].with_tensor(layer(*args, **kwargs))


@rule.register(keras.Operation)
def _(layer: keras.Operation, builder: StepBuilder, *inputs: Any, **kwargs: Any) -> Any:
    """Apply any other layer or operation, if a trial shows that it treats every frame alike."""
    several = _frames_among(layer, inputs, kwargs)
    aligned = align(builder, several)
    first = aligned[0]

    def call(tensors: Sequence[Tensor]) -> Any:
        args, keyword_args = _replace_frames(several, tensors, inputs, kwargs)
        return layer(*args, **keyword_args)

    def make_step(*aligned: Frames) -> LayerStep:
        outputs = keras.tree.flatten(call([frames.sequence for frames in aligned]))
        return LayerStep([first.with_sequence(output) for output in outputs])

    is_known = _is_known(layer, several)
    form = "with time axis" if is_known else form_of_frames(call, several)
    if form == "without time axis" and first.is_single:
        outputs = call([frames.tensor for frames in aligned])
        return keras.tree.map_structure(first.with_tensor, outputs)
    if form:
        return builder.call(layer, make_step, *aligned)
    reject_if(layer, *_fixed_length(layer, first))
    raise unsupported_error(
        layer,
        "what it returns for one frame depends on other frames, or on how many there are",
        "Use a layer that treats every frame alike, a causal convolution or a recurrent layer.",
    )


def _is_elementwise(
    layer: layers.Layer, several: Sequence[Frames], inputs: Any, kwargs: Any
) -> bool:
    """Return whether a layer with a rule above treats every frame alike for certain.

    An activation may mix frames; a constant may have a time axis; and merging layers put axes into
    tensors of fewer axes, among them the axis of time.
    """
    arguments = keras.tree.flatten((inputs, kwargs))
    constants = [getattr(layer, name, 0) for name in ("scale", "offset")]
    axes = {len(frames.feature_shape) for frames in several}
    return (
        len(axes) == 1
        and 0 not in axes
        and all(isinstance(x, Frames | bool | None) for x in arguments)
        and all(np.ndim(constant) == 0 for constant in constants)
        and is_known_activation(getattr(layer, "activation", None))
        and not overridden_methods(layer)
    )


def is_known_activation(activation: Any) -> bool:
    """Return whether an activation is one of Keras, which treat every frame alike.

    Args:
        activation: Function or layer, or `None`.
    """
    return activation is None or any(activation is x for x in vars(keras.activations).values())


def _fixed_length(layer: keras.Operation, frames: Frames) -> list[tuple[Any, str, str]]:
    """Return the problem of a `Reshape` that names the number of frames, and keeps each whole."""
    if not isinstance(layer, layers.Reshape):
        return []
    count, *shape = layer.target_shape
    keeps_frames = count != -1 and math.prod(shape) == math.prod(frames.feature_shape)
    reason = f"it is made for clips of {count} frames, and a stream has no end"
    return [(keeps_frames, reason, f"Use Reshape({(-1, *shape)}).")]


@rule.register(layers.MultiHeadAttention)
def _(layer: Any, builder: StepBuilder, *inputs: Any, **kwargs: Any) -> Any:
    reject_if(
        layer,
        (
            1 in layer.attention_axes,
            "every frame attends to the whole clip",
            "Use a GRU or causal convolutions, or attend within a frame: "
            "MultiHeadAttention(..., attention_axes=(2,)).",
        ),
    )
    return rule.dispatch(keras.Operation)(layer, builder, *inputs, **kwargs)


def _is_known(layer: keras.Operation, several: Sequence[Frames]) -> bool:
    """Return whether a layer treats every frame alike for certain, which saves the trial."""
    last = len(several[0].feature_shape) + 1  # with batch and time before the features
    return type(layer) is layers.BatchNormalization and last > 1 and layer.axis in (-1, last)


@rule.register(
    layers.ActivityRegularization
    | layers.AlphaDropout
    | layers.Dropout
    | layers.GaussianDropout
    | layers.GaussianNoise
    | layers.Identity
    | layers.SpatialDropout1D
    | layers.SpatialDropout2D
)
def _(layer: layers.Layer, builder: StepBuilder, frames: Frames, **kwargs: Any) -> Frames:
    reject_overrides(layer)
    return frames


@rule.register(layers.TimeDistributed)
def _(layer: Any, builder: StepBuilder, frames: Frames, **kwargs: Any) -> list[Frames]:
    reject_overrides(layer)

    def make_step(frames: Frames) -> LayerStep:
        call = layer.layer if frames.is_single else layer
        return LayerStep([frames.with_tensor(call(frames.tensor))])

    return builder.call(layer, make_step, frames)


@rule.register(layers.Masking)
def _(layer: Any, builder: StepBuilder, frames: Frames, **kwargs: Any) -> list[Frames]:
    """Apply the layer without its hidden mask, which is a tensor of the graph already."""
    reject_overrides(layer)
    reject_if(
        layer,
        (
            not frames.feature_shape,
            "it compares values along time, as its input has no features",
            "Mask clips of shape (batch, time, features).",
        ),
    )

    def make_step(frames: Frames) -> LayerStep:
        tensor = frames.tensor
        is_seen = ops.any(tensor != layer.mask_value, axis=-1, keepdims=True)
        return LayerStep([frames.with_tensor(tensor * ops.cast(is_seen, tensor.dtype))])

    return builder.call(layer, make_step, frames)
