"""Converted models that begin with a front-end take samples, and give its features."""

import keras
import numpy as np
import pytest

from keras_sal.audio import LogMel, LogMelFrontend, MicroFeatures, features
from keras_sal.export import litert, onnx
from keras_sal.streaming import step_model

pytestmark = pytest.mark.any_backend

STEP, LATE = 160, 2


@pytest.fixture(scope="module")
def step():
    return step_of(MicroFeatures())


@pytest.fixture(scope="module")
def samples():
    sound = (0.1 * np.random.default_rng(0).standard_normal(60 * STEP)).astype("float32")
    sound[20 * STEP : 40 * STEP] *= 1e-3
    return sound


def step_of(front_end):
    model = keras.Sequential([keras.Input((None,)), front_end])
    return step_model(model, max_delay_frames=LATE)


@pytest.mark.parametrize("convert", [litert.convert, onnx.convert], ids=["litert", "onnx"])
def test_features_are_those_of_the_integer_front_end(convert, step, samples, tmp_path):
    converted = convert(step, tmp_path / "model")
    assert converted.inputs[0].shape == (1, STEP)
    streamed = converted.stream(samples.reshape(-1, STEP))
    expected = features(samples)
    assert expected.std() > 1
    steps = abs(streamed[LATE:] - expected) / 0.0390625
    assert np.mean(steps > 0.5) <= 1e-3


def test_log_mel_runs_in_litert(samples, tmp_path):
    converted = litert.convert(step_of(LogMel()), tmp_path / "model.tflite")
    streamed = converted.stream(samples.reshape(-1, STEP))
    expected = LogMelFrontend()(samples)
    assert expected.std() > 1
    np.testing.assert_allclose(streamed[LATE:], expected, atol=0.02)  # of samples that are rounded
