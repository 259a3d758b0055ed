"""Models of streamable layers, and their outputs for whole clips, frames and chunks."""

import functools
import itertools

import keras
import numpy as np
from hypothesis import strategies as st
from keras import layers, ops

from keras_sal.layers import (
    CausalDepthwiseConv1D,
    CumulativeAveragePooling1D,
    CumulativeMaxPooling1D,
)
from keras_sal.streaming import initial_state, step_model

TOLERANCE = 1e-5
WIDTH = 4


def random_clip(frames=7, batch=2, features=WIDTH, seed=0):
    return np.random.default_rng(seed).normal(size=(batch, frames, features)).astype("float32")


def randomise(model, seed=0, scale=0.3):
    """Gives every weight a value of its own: a bias of zero would hide a bias left out."""
    rng = np.random.default_rng(seed)

    def value(w):  # vectors stay positive: variances are among them
        noise = rng.normal(scale=scale, size=w.shape)
        return w + (noise if w.ndim > 1 else abs(noise)) if w.dtype.kind == "f" else w

    model.set_weights([value(w) for w in model.get_weights()])
    return model


def outputs_of(model, inputs):
    """Calls a model without compiling it."""
    inputs = keras.tree.map_structure(ops.convert_to_tensor, inputs)
    return keras.tree.map_structure(ops.convert_to_numpy, model(inputs, training=False))


def compiled_outputs_of(model, inputs):
    """Calls a model through a compiled function: cheaper for many calls, or on JAX for loops."""
    return model.predict_on_batch(inputs)


def run(step, clip, state=None, frames_per_step=1, call=outputs_of):
    """Returns the posteriors of the frames of `clip`, and the state after the last."""
    state = state or initial_state(step, len(clip))
    posteriors = []
    for t in range(0, clip.shape[1], frames_per_step):
        frame = clip[:, t] if frames_per_step == 1 else clip[:, t : t + frames_per_step]
        result = call(step, {"frame": frame, **state})
        state = {name: result[f"{name}_next"] for name in state}
        posteriors.append(result["posterior"])
    return np.stack(posteriors, axis=1), state


def run_chunks(step, chunk, clip, sizes, frames_per_step=1, call=outputs_of):
    """As `run`, in chunks of the given sizes in turn; size 0 is one call of the step model."""
    state, posteriors, t = initial_state(chunk, len(clip)), [], 0
    for size in itertools.cycle(sizes):
        if t == clip.shape[1]:
            return np.concatenate(posteriors, axis=1)
        if size:
            frames = clip[:, t : t + size * frames_per_step]
            result = call(chunk, {"frame": frames, **state})
            state = {name: result[f"{name}_next"] for name in state}
            posteriors.append(result["posterior"])
        else:
            frames = clip[:, t : t + frames_per_step]
            posterior, state = run(step, frames, state, frames_per_step, call)
            posteriors.append(posterior)
        t += frames.shape[1]
    raise AssertionError("sizes must not be empty")


def assert_close(streamed, whole, name=""):
    """Two ways to the same numbers, which say something."""
    assert whole.std() > 1e-2, f"the outputs are too much alike to prove anything: {name}"
    np.testing.assert_allclose(streamed, whole, atol=TOLERANCE, rtol=TOLERANCE, err_msg=name)


def sequential(*stack):
    return randomise(keras.Sequential([keras.Input((None, WIDTH)), *stack]))


def assert_streams(model, clip=None, frames_per_step=1):
    clip = random_clip(frames=12 if frames_per_step > 1 else 7) if clip is None else clip
    streamed, _ = run(step_model(model), clip, frames_per_step=frames_per_step)
    assert_close(streamed, outputs_of(model, clip))


def adapted_normalization(**options):
    layer = layers.Normalization(**options)
    layer.adapt(random_clip(frames=50) * 3 + 2)
    return layer


FRAMEWISE = {
    "activation": lambda: [layers.Activation("tanh")],
    "batch normalization": lambda: [layers.BatchNormalization()],
    "dense": lambda: [layers.Dense(WIDTH, activation="relu")],
    "dropout": lambda: [layers.Dropout(0.5), layers.SpatialDropout1D(0.5)],
    "einsum dense": lambda: [
        layers.EinsumDense("btf,fg->btg", output_shape=(None, WIDTH), bias_axes="g")
    ],
    "gaussian noise": lambda: [layers.GaussianNoise(0.5), layers.GaussianDropout(0.5)],
    "lambda": lambda: [layers.Lambda(lambda x: 2 * x)],
    "layer normalization": lambda: [layers.LayerNormalization()],
    "layer normalization of two axes": lambda: [
        layers.Reshape((-1, 2, 2)),
        layers.LayerNormalization(axis=(2, 3)),
        layers.Reshape((-1, WIDTH)),
    ],
    "layer normalization without scale": lambda: [
        layers.LayerNormalization(center=False, scale=False, epsilon=0.1)
    ],
    "layer normalization of axis 2": lambda: [layers.LayerNormalization(axis=2)],
    "leaky relu": lambda: [layers.LeakyReLU()],
    "normalization": lambda: [adapted_normalization()],
    "permute": lambda: [
        layers.Reshape((-1, 2, 2)),
        layers.Permute((1, 3, 2)),
        layers.Reshape((-1, WIDTH)),
    ],
    "prelu": lambda: [layers.PReLU(shared_axes=[1])],
    "rescaling": lambda: [layers.Rescaling(0.5, offset=1)],
    "rms normalization": lambda: [layers.RMSNormalization()],
    # Keras' Softmax layer reads the mask of the frames as a mask of the features.
    "softmax": lambda: [layers.Activation("softmax")],
    "time distributed": lambda: [layers.TimeDistributed(layers.Dense(WIDTH))],
    "time distributed conv": lambda: [
        layers.Reshape((-1, WIDTH, 1)),
        layers.TimeDistributed(layers.Conv1D(2, 3, padding="same")),
        layers.TimeDistributed(layers.Flatten()),
        layers.Dense(WIDTH),
    ],
    "embedding": lambda: [
        layers.Discretization(bin_boundaries=[-1.0, 0.0, 1.0]),
        layers.Embedding(4, 3),
        layers.Reshape((-1, 3 * WIDTH)),
        layers.Dense(WIDTH),
    ],
    "unit normalization": lambda: [layers.UnitNormalization()],
}
RECURRENT = {
    "gru": lambda: [layers.GRU(WIDTH, return_sequences=True)],
    "gru, reset before": lambda: [layers.GRU(WIDTH, return_sequences=True, reset_after=False)],
    "gru without bias": lambda: [layers.GRU(WIDTH, return_sequences=True, use_bias=False)],
    "gru, reset before, without bias": lambda: [
        layers.GRU(WIDTH, return_sequences=True, reset_after=False, use_bias=False)
    ],
    "gru with dropout": lambda: [
        layers.GRU(WIDTH, return_sequences=True, dropout=0.5, recurrent_dropout=0.5)
    ],
    "lstm": lambda: [layers.LSTM(WIDTH, return_sequences=True)],
    "masked gru": lambda: [layers.Masking(), layers.GRU(WIDTH, return_sequences=True)],
    "masked stack of cells": lambda: [
        layers.Masking(),
        layers.RNN([layers.GRUCell(3), layers.LSTMCell(WIDTH)], return_sequences=True),
    ],
    "masked to zero": lambda: [
        layers.Masking(),
        layers.RNN(layers.LSTMCell(WIDTH), return_sequences=True, zero_output_for_mask=True),
    ],
    "simple rnn": lambda: [layers.SimpleRNN(WIDTH, return_sequences=True)],
    "stack of cells": lambda: [
        layers.RNN([layers.GRUCell(3), layers.LSTMCell(WIDTH)], return_sequences=True)
    ],
}
CONVOLUTIONS = {
    "average pooling": lambda: [
        layers.ZeroPadding1D((2, 0)),
        layers.AveragePooling1D(3, strides=1),
    ],
    "causal conv": lambda: [layers.Conv1D(WIDTH, 3, padding="causal", activation="relu")],
    "causal conv, dilated": lambda: [
        layers.Conv1D(WIDTH, 3, padding="causal", dilation_rate=2, use_bias=False)
    ],
    "causal conv, grouped": lambda: [layers.Conv1D(WIDTH, 2, padding="causal", groups=2)],
    "causal depthwise conv": lambda: [
        CausalDepthwiseConv1D(3, dilation_rate=2, depth_multiplier=2),
        layers.Dense(WIDTH),
    ],
    # Temporal convolutional networks are often written so: padded at both ends, then "chomped".
    "chomped conv": lambda: [
        layers.ZeroPadding1D(2),
        layers.Conv1D(WIDTH, 3),
        layers.Cropping1D((0, 2)),
    ],
    "conv 2d": lambda: [
        layers.Reshape((-1, WIDTH, 1)),
        layers.ZeroPadding2D(((2, 0), (1, 1))),
        layers.Conv2D(3, 3),
        layers.BatchNormalization(),
        layers.Reshape((-1, 3 * WIDTH)),
        layers.Dense(WIDTH),
    ],
    "depthwise conv": lambda: [
        layers.ZeroPadding1D((4, 0)),
        layers.DepthwiseConv1D(3, dilation_rate=2),
    ],
    "depthwise conv 2d": lambda: [
        layers.Reshape((-1, 2, 2)),
        layers.ZeroPadding2D(((2, 0), (0, 0))),
        layers.DepthwiseConv2D((3, 1)),
        layers.TimeDistributed(layers.Flatten()),
    ],
    "dilated in time, not in frequency": lambda: [
        layers.Reshape((-1, WIDTH, 1)),
        layers.ZeroPadding2D(((4, 0), (1, 2))),
        layers.Conv2D(2, 3, dilation_rate=(2, 1)),
        layers.Cropping2D(((0, 0), (1, 2))),
        layers.Reshape((-1, 4)),
    ],
    "max pooling": lambda: [layers.ZeroPadding1D((2, 0)), layers.MaxPooling1D(3, strides=1)],
    "one padding for two convs": lambda: [
        layers.ZeroPadding1D((3, 0)),
        layers.Conv1D(WIDTH, 3),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv1D(WIDTH, 2),
    ],
    "pointwise conv": lambda: [layers.Conv1D(WIDTH, 1, padding="same")],
    "pointwise conv 2d in time": lambda: [
        layers.Reshape((-1, WIDTH, 1)),
        layers.Conv2D(1, (1, 3), padding="same"),
        layers.Reshape((-1, WIDTH)),
    ],
    "pooling 2d": lambda: [
        layers.Reshape((-1, 2, 2)),
        layers.ZeroPadding2D(((2, 0), (0, 0))),
        layers.AveragePooling2D((3, 1), strides=1),
        layers.Reshape((-1, WIDTH)),
    ],
    "separable conv": lambda: [
        layers.ZeroPadding1D((4, 0)),
        layers.SeparableConv1D(WIDTH, 3, dilation_rate=2, depth_multiplier=2),
    ],
}
CUMULATIVE = {
    "cumulative average": lambda: [CumulativeAveragePooling1D()],
    "cumulative maximum": lambda: [layers.Rescaling(1.0, -2.0), CumulativeMaxPooling1D()],
}
BLOCKS = FRAMEWISE | RECURRENT | CONVOLUTIONS | CUMULATIVE
KINDS = {
    "framewise": FRAMEWISE,
    "recurrent": RECURRENT,
    "convolutions": CONVOLUTIONS,
    "cumulative": CUMULATIVE,
}


@functools.cache
def branches_of_kind(kind):
    """A model with a branch for each layer of a kind, a clip with masked frames, its outputs."""
    model = branches(KINDS[kind])
    clip = random_clip(frames=8)
    clip[:, [0, 3, 4]] = 0
    return model, clip, model.predict_on_batch(clip)


def branches(kind):
    """One model with a branch for each kind of layer: it is compiled once."""
    clips, ends = keras.Input((None, WIDTH)), {}
    for name, stack in kind.items():
        ends[name] = clips
        for layer in stack():
            ends[name] = layer(ends[name])
    model = keras.Model(clips, ends)
    adapted = [layer for layer in model.layers if isinstance(layer, layers.Normalization)]
    weights = [layer.get_weights() for layer in adapted]
    randomise(model)
    for layer, w in zip(adapted, weights, strict=True):
        layer.set_weights(w)
    return model


@st.composite
def random_models(draw):
    """Stacks of one to four blocks, each with or without a residual branch round it."""
    clips = x = keras.Input((None, WIDTH))
    for name in draw(st.lists(st.sampled_from(sorted(BLOCKS)), min_size=1, max_size=4)):
        y = x
        for layer in BLOCKS[name]():
            y = layer(y)
        x = layers.Add()([x, y]) if draw(st.booleans()) else y
    return randomise(keras.Model(clips, x))
