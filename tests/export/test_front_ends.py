"""Converted models that begin with the micro front-end take samples, and give its features."""

import keras
import numpy as np
import pytest

from keras_sal.audio import MicroFeatures, features
from keras_sal.export import litert, onnx
from keras_sal.streaming import step_model

pytestmark = pytest.mark.any_backend

STEP, LATE = 160, 2


@pytest.fixture(scope="module")
def step():
    model = keras.Sequential([keras.Input((None,)), MicroFeatures()])
    return step_model(model, max_delay_frames=LATE)


@pytest.mark.parametrize("convert", [litert.convert, onnx.convert], ids=["litert", "onnx"])
def test_features_are_those_of_the_integer_front_end(convert, step, tmp_path):
    samples = (0.1 * np.random.default_rng(0).standard_normal(60 * STEP)).astype("float32")
    samples[20 * STEP : 40 * STEP] *= 1e-3
    converted = convert(step, tmp_path / "model")
    assert converted.inputs[0].shape == (1, STEP)
    streamed = converted.stream(samples.reshape(-1, STEP))
    expected = features(samples)
    assert expected.std() > 1
    steps = abs(streamed[LATE:] - expected) / 0.0390625
    assert np.mean(steps > 0.5) <= 1e-3
