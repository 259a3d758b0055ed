"""Random stacks of layers, and the checks of what is made of them."""

import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from keras import layers, ops
from stepping import BLOCKS, WIDTH, outputs_of, randomise, run_chunks

from keras_sal.streaming import chunk_model, receptive_field, step_model

SEEDS = st.integers(0, 2**16)
CHUNKS = st.lists(st.integers(0, 4), min_size=1, max_size=3)


def lagged(clips, frames):
    return ops.pad(clips, [(0, 0), (frames, 0), (0, 0)])[:, : ops.shape(clips)[1]]


@st.composite
def mixing_functions(draw):
    """Functions of clips that mix frames: far away, faintly, or beyond a threshold only."""
    lag, factor = draw(st.integers(1, 900)), 10.0 ** -draw(st.integers(0, 6))
    threshold, is_finite = draw(st.sampled_from([-1.0, 0.0, 5.0, 50.0])), draw(st.booleans())
    mix = draw(
        st.sampled_from(
            [
                lambda z: lagged(z, lag),
                lambda z: ops.roll(z, -lag, axis=1),
                lambda z: ops.cumsum(z, axis=1),
                lambda z: ops.mean(z, axis=1, keepdims=True),
                lambda z: z[:, :1],
            ]
        )
    )

    def function(z):
        gated = ops.relu((ops.nan_to_num(z) if is_finite else z) - threshold)
        return z + factor * mix(gated)

    return function


@st.composite
def stacks(draw, mixing=False):
    """A model of one to four blocks, with or without residual branches round them."""
    names = draw(st.lists(st.sampled_from(sorted(BLOCKS)), min_size=1, max_size=4))
    parts = [BLOCKS[name]() for name in names]
    if mixing:
        function = draw(mixing_functions())
        layer = draw(
            st.sampled_from(
                [
                    lambda: layers.Lambda(function),
                    lambda: layers.Activation(function),
                    lambda: layers.Dense(WIDTH, activation=function),
                    lambda: layers.Conv1D(WIDTH, 2, padding="causal", activation=function),
                ]
            )
        )
        parts.insert(draw(st.integers(0, len(parts))), [layer()])
    clips = x = keras.Input((None, WIDTH))
    for part in parts:
        y = x
        for layer in part:
            y = layer(y)
        x = layers.Add()([x, y]) if draw(st.booleans()) else y
    return randomise(keras.Model(clips, x), seed=draw(st.integers(0, 2**16)))


def varied_clip(seed, frames=11):
    rng = np.random.default_rng(seed)
    scales = rng.choice([0.0, 0.1, 1.0, 3.0], (2, frames, 1))
    return (rng.normal(size=(2, frames, WIDTH)) * scales).astype("float32")


def check_streams(model, seed, sizes):
    """What comes out frame by frame and in chunks is what comes out of the clip."""
    clip = varied_clip(seed)
    step, chunk = step_model(model), chunk_model(model)
    sizes = sizes if any(sizes) else [*sizes, 2]
    whole = outputs_of(model, clip)
    scale = max(abs(whole).max(), 1.0)
    streamed = run_chunks(step, chunk, clip, sizes)
    np.testing.assert_allclose(streamed / scale, whole / scale, atol=1e-4)


def check_refused(model):
    """A model that mixes frames is refused, whatever is asked of it."""
    for build in (step_model, chunk_model, receptive_field):
        with pytest.raises(ValueError, match="depends on other frames"):
            build(model)
