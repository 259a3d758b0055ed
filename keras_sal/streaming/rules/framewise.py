"""Rules for layers and operations without memory, which are called on the frames alone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers, ops

from keras_sal.streaming.rules.delay import align
from keras_sal.streaming.rules.frames import Frames, LayerStep, StepTooShort
from keras_sal.streaming.rules.registry import reject_if, rule, unsupported_error
from keras_sal.typing import Array, Tensor

if TYPE_CHECKING:
    from keras_sal.streaming.rules.step_builder import StepBuilder

PROBE_FRAMES = 5
PROBE_CLIPS = 2


def _align_inputs(
    layer: keras.Operation, builder: StepBuilder, inputs: Any, kwargs: Any
) -> tuple[list[Frames], list[Frames]]:
    """Return the frames among the arguments, and the same frames at one place in time."""
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
    return several, align(builder, several)


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
def _(layer: layers.Layer, builder: StepBuilder, *inputs: Any, **kwargs: Any) -> Frames:
    several, aligned = _align_inputs(layer, builder, inputs, kwargs)
    tensors = [frames.tensor for frames in aligned]
    args, kwargs = _replace_frames(several, tensors, inputs, kwargs)
    return aligned[0].with_tensor(layer(*args, **kwargs))


@rule.register(keras.Operation)
def _(layer: keras.Operation, builder: StepBuilder, *inputs: Any, **kwargs: Any) -> Any:
    """Apply any other layer or operation, if a trial shows that it treats every frame alike."""
    several, aligned = _align_inputs(layer, builder, inputs, kwargs)
    first = aligned[0]

    def call(tensors: Sequence[Tensor]) -> Any:
        args, keyword_args = _replace_frames(several, tensors, inputs, kwargs)
        return layer(*args, **keyword_args)

    def make_step(*aligned: Frames) -> LayerStep:
        outputs = keras.tree.flatten(call([frames.sequence for frames in aligned]))
        return LayerStep([first.with_sequence(output) for output in outputs])

    form = _form_of_frames(call, several)
    if form == "without time axis" and first.is_single:
        outputs = call([frames.tensor for frames in aligned])
        return keras.tree.map_structure(first.with_tensor, outputs)
    if form:
        return builder.call(layer, make_step, *aligned)
    raise unsupported_error(
        layer,
        "what it returns for one frame depends on other frames, or on how many there are",
        "Use a layer that treats every frame alike, a causal convolution or a recurrent layer.",
    )


def _form_of_frames(call: Callable[[list[Tensor]], Any], several: Sequence[Frames]) -> str | None:
    """Return the form of a frame in which a layer gives what it gives for the whole clip.

    The layer is tried on random clips and on their frames. `None` if it gives the same in no form.
    """
    rng = np.random.default_rng(0)
    clips = [_random_clip(rng, frames) for frames in several]
    try:
        expected = _arrays(call(clips))
    except _shape_errors():  # it is made for another number of frames
        return None
    if any(output.shape[:2] != (PROBE_CLIPS, PROBE_FRAMES) for output in expected):
        return None
    for form, cut in {
        "without time axis": lambda clip, t: clip[:, t],
        "with time axis": lambda clip, t: clip[:, t : t + 1],
    }.items():
        try:
            if all(
                _is_same(output, cut(whole, t))
                for t in (0, PROBE_FRAMES - 2)
                for output, whole in zip(
                    _arrays(call([cut(clip, t) for clip in clips])), expected, strict=True
                )
            ):
                return form
        except _shape_errors():
            continue
    return None


@functools.cache
def _shape_errors() -> tuple[type[Exception], ...]:
    """Return what layers raise if the shape of a tensor does not suit them.

    Each backend raises an error of its own, so one is provoked.
    """
    try:
        ops.matmul(ops.ones((2, 3)), ops.ones((2, 3)))
    except Exception as error:
        return ValueError, TypeError, IndexError, type(error)
    raise AssertionError("matrices of these shapes have no product")


def _random_clip(rng: np.random.Generator, frames: Frames) -> Tensor:
    shape = (PROBE_CLIPS, PROBE_FRAMES, *frames.feature_shape)
    dtype = keras.backend.standardize_dtype(frames.tensor.dtype)
    is_discrete = dtype == "bool" or "int" in dtype
    values = rng.integers(0, 2, shape) if is_discrete else rng.normal(size=shape)
    return ops.convert_to_tensor(values, dtype=dtype)


def _arrays(tensors: Any) -> list[Array]:
    tensors = map(ops.convert_to_tensor, keras.tree.flatten(tensors))
    return [ops.convert_to_numpy(ops.cast(tensor, "float32")) for tensor in tensors]


def _is_same(x: Array, y: Array) -> bool:
    # Wide enough for half precision; if frames of unit variance are mixed, they differ far more.
    return x.shape == y.shape and np.allclose(x, y, rtol=1e-2, atol=1e-2, equal_nan=True)


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
    return frames


@rule.register(layers.TimeDistributed)
def _(layer: Any, builder: StepBuilder, frames: Frames, **kwargs: Any) -> list[Frames]:
    def make_step(frames: Frames) -> LayerStep:
        call = layer.layer if frames.is_single else layer
        return LayerStep([frames.with_tensor(call(frames.tensor))])

    return builder.call(layer, make_step, frames)


@rule.register(layers.Masking)
def _(layer: Any, builder: StepBuilder, frames: Frames, **kwargs: Any) -> list[Frames]:
    """Apply the layer without its hidden mask, which is a tensor of the graph already."""

    def make_step(frames: Frames) -> LayerStep:
        tensor = frames.tensor
        is_seen = ops.any(tensor != layer.mask_value, axis=-1, keepdims=True)
        return LayerStep([frames.with_tensor(tensor * ops.cast(is_seen, tensor.dtype))])

    return builder.call(layer, make_step, frames)
