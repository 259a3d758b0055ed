"""ESPHome's micro_wake_word: its input and output, its operators, its JSON."""

import json

import keras
import numpy as np
import pytest
from export_task import streams_with_events, untrained
from keras import layers

from keras_sal.export import ExportError, esphome, micro, scratch
from keras_sal.export.tflite.flatbuffer import Flatbuffer

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
    needed = scratch.arenas(Flatbuffer.from_file(written.path), written.arena_bytes)["esp_nn"]
    assert manifest["micro"]["tensor_arena_size"] == scratch.with_margin(needed, "esp_nn")
    assert needed > written.arena_bytes
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


def test_threshold_is_chosen_with_the_file_and_rule_of_the_component(convolutional, folder):
    """The score reaches the threshold exactly where the component's sum exceeds its cutoff."""
    component = esphome.component_file(convolutional, folder / "component.tflite")
    (stream,) = streams_with_events(1, 80, seed=4)[0]
    posteriors = component.stream(stream)
    sums = [np.rint(256 * posteriors[max(0, t - 4) : t + 1]).sum() for t in range(len(stream))]
    scores = esphome.component_scores(posteriors, 5)[:, 0]
    for threshold in np.unique(scores[scores > 0]):
        byte = int(255 * esphome.cutoff(threshold))
        np.testing.assert_array_equal(scores >= threshold, np.array(sums) > 5 * byte)
    again = esphome.write(component, folder / "again", wake_word="x", author="me", threshold=0.5)
    assert again.path.read_bytes() == component.path.read_bytes()


@pytest.mark.parametrize("frames", [1, 2, 7, 500])
def test_scores_are_means_rounded_up_to_a_byte(frames):
    values = np.random.default_rng(0).integers(0, 256, 60)
    means = [np.ceil(values[max(0, t + 1 - frames) : t + 1].sum() / frames) for t in range(60)]
    np.testing.assert_array_equal(esphome.component_scores(values / 256, frames) * 256, means)


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        (layers.GRU(4, return_sequences=True, name="memory"), "Layer `memory` is a GRU: ESPHome"),
        (layers.LSTM(4, return_sequences=True, name="memory"), "Layer `memory` is a LSTM: ESPHome"),
        (layers.Dense(4, activation="tanh", name="bent"), "Layer `bent` is activated by tanh"),
        (
            keras.Sequential([layers.Dense(4, activation="gelu", name="inner")]),
            "Layer `inner` is activated by gelu",
        ),
        (layers.TimeDistributed(layers.Softmax(name="soft")), "Layer `soft` is a Softmax"),
    ],
)
def test_unfit_layers_are_refused_before_a_conversion(hidden, message):
    with pytest.raises(ExportError, match=message):
        esphome.check_model(untrained([hidden]))


def test_models_with_other_frames_outputs_or_many_states_are_refused():
    def convolutions(count, features=40, classes=1):
        x = clips = keras.Input((None, features))
        for _ in range(count):
            x = layers.Conv1D(2, 2, padding="causal")(x)
        return keras.Model(clips, layers.Dense(classes, activation="sigmoid")(x))

    esphome.check_model(convolutions(20))
    with pytest.raises(ExportError, match=r"The model has 21 states: .* has room for 20"):
        esphome.check_model(convolutions(21))
    with pytest.raises(ValueError, match="`model` must take frames of 40 features"):
        esphome.check_model(convolutions(1, features=39))
    with pytest.raises(ValueError, match="and give one posterior"):
        esphome.check_model(convolutions(1, classes=2))


def test_gru_is_refused_by_operator(gru_int8, folder):
    with pytest.raises(ExportError, match=r"The model holds SPLIT, SUB, TANH: ESPHome's micro_w"):
        esphome.write(gru_int8, folder / "never", wake_word="x", author="me", threshold=0.5)
    assert not (folder / "never").exists()


def test_rejects_floats_and_standing_folders(folder, convolutional):
    with pytest.raises(ValueError, match="`folder` must be new; nothing is replaced"):
        esphome.write(convolutional, folder, wake_word="x", author="me", threshold=0.5)
    with pytest.raises(ValueError, match="`folder` must be in a folder that exists"):
        esphome.write(convolutional, folder / "a" / "b", wake_word="x", author="me", threshold=0.5)
    with pytest.raises(ValueError, match="`folder` must have a name without"):
        esphome.write(convolutional, folder / "a;b", wake_word="x", author="me", threshold=0.5)
    texts = {"wake_word": "x", "author": "me"}
    with pytest.raises(ValueError, match=r"`threshold` must be in \[0, 1\]"):
        esphome.write(convolutional, folder / "no", threshold=7, **texts)
    for smooth_frames in (0, 2.5, "3"):
        with pytest.raises(ValueError, match="`smooth_frames` must be a whole number of frames"):
            esphome.write(
                convolutional, folder / "no", threshold=0.5, smooth_frames=smooth_frames, **texts
            )


@pytest.mark.parametrize("name", ["wake_word", "author", "website", "languages"])
def test_rejects_texts_that_utf_8_cannot_hold(folder, convolutional, name):
    texts = {"wake_word": "x", "author": "me", name: "a\ud800"}
    with pytest.raises(ValueError, match=rf"`{name}` must be .*UTF-8.*Received: {name}=.*ud800"):
        esphome.write(convolutional, folder / "no", threshold=0.5, **texts)
    assert not (folder / "no").exists()
