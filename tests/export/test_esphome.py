"""ESPHome's micro_wake_word: its input and output, its operators, its JSON."""

import json

import numpy as np
import pytest
from export_task import streams_with_events, untrained
from keras import layers

from keras_sal.export import ExportError, esphome, micro

pytestmark = pytest.mark.any_backend


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("esphome")


@pytest.fixture(scope="module")
def convolutional(folder, exports, calibration):
    model = untrained([layers.Conv1D(8, 5, padding="causal", activation="relu")])
    return micro.convert(model, folder / "conv.tflite", calibration, min_posterior=0.0)


@pytest.fixture(scope="module")
def written(convolutional, folder):
    return esphome.write(
        convolutional,
        folder / "okay_nabu",
        wake_word="okay nabu",
        author="me",
        threshold=0.75,
        smooth_frames=5,
        languages=["en", "de"],
    )


def test_input_and_output_are_those_of_the_component(written):
    (frame,), (posterior,) = written.inputs, written.outputs
    assert (frame.shape, frame.dtype) == ((1, 1, 40), "int8")
    assert (posterior.shape, posterior.dtype) == ((1, 1), "uint8")
    assert (posterior.scale, posterior.zero_point) == (1 / 256, 0)
    assert set(written.operators) <= esphome.OPERATORS


def test_frames_are_quantised_as_the_component_does(written):
    """Its integers, from a value v of the front-end, and ours, from the feature v / 25.6."""
    (frame,) = written.inputs
    v = np.arange(0, 700)
    theirs = np.clip((v * 256 + 333) // 666 - 128, -128, 127)
    ours = np.clip(np.rint(v / 25.6 / frame.scale) + frame.zero_point, -128, 127)
    assert np.abs(ours - theirs).max() <= 1
    assert np.mean(ours == theirs) > 0.99


def test_posteriors_are_those_of_the_explicit_file(written, convolutional):
    for stream in streams_with_events(3, 80, seed=2)[0]:
        written.reset()
        convolutional.reset()
        expected = convolutional.stream(stream)
        posteriors = written.stream(stream)
        assert posteriors.shape == expected.shape
        reach = np.ptp(expected)
        assert reach > 0.03
        assert np.abs(posteriors - expected).mean() <= 0.1 * reach  # frames are rounded once more


def test_json_is_of_version_2(written, folder):
    manifest = json.loads((folder / "okay_nabu" / "okay_nabu.json").read_text())
    assert manifest == {
        "type": "micro",
        "wake_word": "okay nabu",
        "author": "me",
        "model": "okay_nabu.tflite",
        "trained_languages": ["en", "de"],
        "version": 2,
        "micro": {
            "probability_cutoff": 0.751,
            "feature_step_size": 10,
            "sliding_window_size": 5,
            "tensor_arena_size": manifest["micro"]["tensor_arena_size"],
            "minimum_esphome_version": "2024.7.0",
        },
    }
    assert manifest["micro"]["tensor_arena_size"] >= 1.25 * written.arena_bytes
    assert {path.name for path in (folder / "okay_nabu").iterdir()} == {
        "okay_nabu.json",
        "okay_nabu.tflite",
    }


@pytest.mark.parametrize("threshold", [0.004, 0.25, 0.5, 0.7512, 0.9, 0.99])
def test_cutoff_lets_the_same_bytes_pass(threshold):
    cutoff = esphome.cutoff(threshold)
    for byte in range(256):
        assert (byte > int(cutoff * 255)) == (byte / 256 >= threshold)
        assert (byte / 255 > cutoff) == (byte / 256 >= threshold)


def test_gru_is_refused_by_operator(gru_int8, folder):
    with pytest.raises(ExportError, match=r"The model holds SPLIT, SUB, TANH: ESPHome's micro_w"):
        esphome.write(gru_int8, folder / "never", wake_word="x", author="me", threshold=0.5)
    assert not (folder / "never").exists()


def test_rejects_floats_and_standing_folders(folder, convolutional):
    with pytest.raises(ValueError, match="`folder` must be new, in a folder that exists"):
        esphome.write(convolutional, folder, wake_word="x", author="me", threshold=0.5)
    with pytest.raises(ValueError, match=r"`threshold` must be in \[0, 1\]"):
        esphome.write(convolutional, folder / "no", wake_word="x", author="me", threshold=7)
