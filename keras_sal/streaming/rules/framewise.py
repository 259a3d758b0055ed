"""Layers and operations without a memory: called on the frames alone."""

import keras
import numpy as np
from keras import layers, ops

from keras_sal.streaming.rules.delay import aligned
from keras_sal.streaming.rules.frames import Frames, HopTooShort
from keras_sal.streaming.rules.registry import refusal, refuse_if, step

PROBE_FRAMES = 5


def _aligned(layer, stream, inputs, kwargs):
    """The frames among the arguments, and the same at the same place in time."""
    given = [x for x in keras.tree.flatten((inputs, kwargs)) if isinstance(x, Frames)]
    given = list({id(x): x for x in given}.values())
    fastest = max(given, key=lambda x: x.hop)
    for x in given:
        if fastest.hop % x.hop == 0 and fastest.hop > x.hop and not fastest.sources & x.sources:
            raise HopTooShort(fastest.hop // x.hop, x.sources)
    refuse_if(
        layer,
        (
            len({(x.hop, x.longer) for x in given}) > 1,
            "its inputs are not aligned: one has more frames, or fewer a second, than another",
            "Pad and pool the branches alike.",
        ),
    )
    return given, aligned(stream, given)


def _put(tensors, given, inputs, kwargs):
    """The arguments of the layer with `tensors` in the places of the frames `given`."""
    tensor_of = {id(x): tensor for x, tensor in zip(given, tensors, strict=True)}
    return keras.tree.map_structure(lambda x: tensor_of.get(id(x), x), (inputs, kwargs))


@step.register
def _(
    layer: layers.Activation
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
    | layers.Subtract,
    stream,
    *inputs,
    **kwargs,
):
    given, moved = _aligned(layer, stream, inputs, kwargs)
    args, kwargs = _put([x.tensor for x in moved], given, inputs, kwargs)
    return moved[0].of(layer(*args, **kwargs))


@step.register
def _(layer: keras.Operation, stream, *inputs, **kwargs):
    """Any other layer or operation, once it has been seen to treat every frame alike."""
    given, moved = _aligned(layer, stream, inputs, kwargs)
    first = moved[0]

    def call(tensors):
        args, kwds = _put(tensors, given, inputs, kwargs)
        return layer(*args, **kwds)

    def make_step(*frames):
        outputs = keras.tree.flatten(call([x.timed for x in frames]))
        return [first.of_timed(y) for y in outputs], [], []

    form = _form_of_frames(call, given)
    if form == "without time axis" and first.single:
        return keras.tree.map_structure(first.of, call([x.tensor for x in moved]))
    if form:
        return stream.call(layer, make_step, *moved)
    raise refusal(
        layer,
        "what it gives for one frame depends on other frames, or on how many there are",
        "Use a layer that treats every frame alike, a causal convolution or a recurrent layer.",
    )


def _form_of_frames(call, given):
    """Tries a layer on random clips and on their frames: which form of a frame gives the same?"""
    rng = np.random.default_rng(0)
    clips = [_random_clip(rng, x) for x in given]
    try:
        expected = _arrays(call(clips))
    except Exception:  # it wants another number of frames
        return None
    if any(y.shape[:2] != (2, PROBE_FRAMES) for y in expected):
        return None
    for form, cut in {
        "without time axis": lambda clip, t: clip[:, t],
        "with time axis": lambda clip, t: clip[:, t : t + 1],
    }.items():
        try:
            if all(
                _same(y, cut(whole, t))
                for t in (0, PROBE_FRAMES - 2)
                for y, whole in zip(
                    _arrays(call([cut(x, t) for x in clips])), expected, strict=True
                )
            ):
                return form
        except Exception:
            continue
    return None


def _random_clip(rng, frames):
    shape = (2, PROBE_FRAMES, *frames.features)
    dtype = keras.backend.standardize_dtype(frames.tensor.dtype)
    is_discrete = dtype == "bool" or "int" in dtype
    values = rng.integers(0, 2, shape) if is_discrete else rng.normal(size=shape)
    return ops.convert_to_tensor(values, dtype=dtype)


def _arrays(tensors):
    tensors = map(ops.convert_to_tensor, keras.tree.flatten(tensors))
    return [ops.convert_to_numpy(ops.cast(x, "float32")) for x in tensors]


def _same(x, y):
    # Wide enough for half precision: mixing frames of unit variance shows far above it.
    return x.shape == y.shape and np.allclose(x, y, rtol=1e-2, atol=1e-2, equal_nan=True)


@step.register
def _(
    layer: layers.ActivityRegularization
    | layers.AlphaDropout
    | layers.Dropout
    | layers.GaussianDropout
    | layers.GaussianNoise
    | layers.Identity
    | layers.SpatialDropout1D
    | layers.SpatialDropout2D,
    stream,
    frames,
    **kwargs,
):
    return frames


@step.register
def _(layer: layers.TimeDistributed, stream, frames, **kwargs):
    def make_step(x):
        if x.single:
            return [x.of(layer.layer(x.tensor))], [], []
        return [x.of(layer(x.tensor))], [], []

    return stream.call(layer, make_step, frames)


@step.register
def _(layer: layers.Masking, stream, frames, **kwargs):
    """As the layer does, but without the hidden mask: the mask is a tensor of the graph already."""

    def make_step(x):
        heard = ops.any(x.tensor != layer.mask_value, axis=-1, keepdims=True)
        return [x.of(x.tensor * ops.cast(heard, x.tensor.dtype))], [], []

    return stream.call(layer, make_step, frames)
