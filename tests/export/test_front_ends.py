"""Converted models that begin with a front-end take samples, and give its features."""

import keras
import numpy as np
import pytest
from keras import layers
from stepping import randomise

from keras_sal.audio import LogMel, LogMelFrontend, MicroFeatures, features
from keras_sal.audio.micro_step import MicroStep
from keras_sal.detection import detect
from keras_sal.export import detector_file, litert, onnx
from keras_sal.export.frontend import with_frontend
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.export.verify import VerificationError, verify
from keras_sal.runtime import StreamingDetector
from keras_sal.streaming import step_model

pytestmark = pytest.mark.any_backend

STEP, LATE = 160, 2
SUFFIXES = {litert.convert: ".tflite", onnx.convert: ".onnx"}


@pytest.fixture(scope="module")
def step():
    return step_of(MicroFeatures())


@pytest.fixture(scope="module")
def samples():
    sound = (0.1 * np.random.default_rng(0).standard_normal(60 * STEP)).astype("float32")
    sound[20 * STEP : 40 * STEP] *= 1e-3
    return sound


def detector(frames, features=40):
    """A detector that answers once for some frames, with random weights, the same in each run."""
    keras.utils.set_random_seed(0)
    return randomise(
        keras.Sequential(
            [
                keras.Input((None, features)),
                layers.Rescaling(1 / 26),
                layers.Conv1D(4, frames, frames),
                layers.GRU(4, return_sequences=True),
                layers.Dense(1, activation="sigmoid"),
            ]
        )
    )


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


@pytest.mark.parametrize(
    ("convert", "frames"), [(litert.convert, 3), (onnx.convert, 1)], ids=["litert", "onnx"]
)
def test_front_end_in_the_file(convert, frames, samples, tmp_path):
    model = detector(frames)
    whole = with_frontend(model, "micro").predict(samples[None], verbose=0)[0]
    assert whole.std() > 1e-3
    path = tmp_path / f"model{SUFFIXES[convert]}"
    converted = convert(model, path, frontend="micro")
    assert converted.inputs[0].shape == (1, frames * STEP)
    assert detector_file.quantization(converted) == "float32"
    streamed = converted.stream(samples.reshape(-1, frames * STEP))
    assert abs(streamed - whole).mean() < 5e-5
    np.testing.assert_allclose(streamed, whole, atol=1e-3)  # where a feature is rounded otherwise


@pytest.mark.parametrize(("quantization", "bound"), [("int8", 0.02), ("float16", 5e-4)])
def test_front_end_stays_in_float_before_a_smaller_detector(quantization, bound, samples, tmp_path):
    """The detector behind it is, to the bit, the one that is converted without it."""
    model, calibration = detector(1), [features(samples)]
    options = {"quantization": quantization, "min_posterior": 0.0}
    whole, alone = (
        litert.convert(model, tmp_path / f"{name}.tflite", calibration, frontend=name, **options)
        for name in ("micro", None)
    )
    silence_before = np.concatenate([np.zeros(2 * STEP, "float32"), samples])
    streamed = whole.stream(samples.reshape(-1, STEP))
    np.testing.assert_array_equal(streamed, alone.stream(MicroStep()(silence_before[None])[0]))
    assert Flatbuffer.from_file(whole.path).quantization() == quantization
    exact = with_frontend(model, "micro").predict(samples[None], verbose=0)[0]
    assert 0 < abs(streamed - exact).mean() < bound


def test_front_end_needs_a_clip_model_of_its_features():
    with pytest.raises(ValueError, match=r"`frontend` must be one of \('micro',\).*'mel'"):
        with_frontend(detector(1), "mel")
    for model in (step_model(detector(1)), detector(1, features=30)):
        with pytest.raises(ValueError, match=r"`model` must take clips of 40 features.*step model"):
            with_frontend(model, "micro")


def test_file_with_its_description_detects_in_chunks_of_any_size(samples, tmp_path):
    converted = onnx.convert(detector(3), tmp_path / "model.onnx", frontend="micro")
    whole = converted.stream(samples.reshape(-1, 3 * STEP))
    level = float(np.quantile(whole, 0.7))
    with pytest.raises(ValueError, match=r"`frame_step_s` must be 0\.03 .* takes 3 of its frames"):
        detector_file.write(converted, threshold=level, frontend="micro", frame_step_s=0.01)
    detector_file.write(converted, threshold=level, frontend="micro", refractory_s=0.1)
    opened = StreamingDetector.from_file(tmp_path / "model.onnx", class_names=["tone"])
    outputs = [opened.process(chunk) for chunk in np.split(samples, [1, 500, 501, 3000])]
    posteriors = np.concatenate([output.posteriors for output in outputs])
    np.testing.assert_allclose(posteriors, whole, atol=1e-4)  # of samples that are rounded
    found = [detection for output in outputs for detection in output.detections]
    expected = detect(posteriors, level, refractory_s=0.1, frame_step_s=0.03, frame_offset_s=0.03)
    assert [detection.time_s for detection in found] == [each.time_s for each in expected]
    assert found[0].class_name == "tone"


def test_file_is_verified_from_sound(samples, tmp_path):
    model, another = detector(3), detector(3)
    another.set_weights([1.1 * weights for weights in another.get_weights()])
    converted = onnx.convert(model, tmp_path / "model.onnx", frontend="micro")
    scoring = {
        "anchors_s": [[0.3], [0.2]],
        "frame_step_s": 0.03,
        "fa_per_hour": 1e5,
        "early_s": 0.1,
        "max_delay_s": 0.1,
    }
    sounds = [samples[:-7], samples[::-1].copy()]
    report = verify(model, converted, sounds, **scoring)
    assert report.frames == 39
    assert report.detections.events == 2
    with pytest.raises(VerificationError, match="mean error"):
        verify(another, converted, sounds)
    with pytest.raises(ValueError, match=r"`streams` must hold sounds \(samples,\).*\(58, 40\)"):
        verify(model, converted, [features(samples)])
