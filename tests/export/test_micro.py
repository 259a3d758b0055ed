"""Conversion to TensorFlow Lite Micro: parity with Keras, the file, what is refused."""

import keras
import numpy as np
import pytest
from export_task import BACKGROUND_MAX, FEATURE_MAX, FEATURES, trained
from keras import layers

from keras_sal.export import ExportError, micro
from keras_sal.export.conversion import converter_process
from keras_sal.export.micro import MicroModel
from keras_sal.export.tflite.flatbuffer import Flatbuffer

pytestmark = [pytest.mark.any_backend, pytest.mark.usefixtures("exports")]

UNITS = 24  # of `gru`
GRU_OPERATORS = (
    "ADD",
    "FULLY_CONNECTED",
    "LOGISTIC",
    "MUL",
    "SPLIT",
    "STRIDED_SLICE",
    "SUB",
    "TANH",
)


def posterior_errors(micro_model, model, streams):
    expected = np.asarray(model.predict(streams, verbose=0))
    assert expected.max() > 0.9, "the test task was not learned"
    errors = []
    for features, posterior in zip(streams, expected, strict=True):
        micro_model.reset()
        errors.append(np.abs(micro_model.stream(features) - posterior))
    return np.stack(errors)


def test_float32_equals_keras(gru_float32, gru, test_streams):
    assert posterior_errors(gru_float32, gru, test_streams).max() <= 1e-5


def test_int8_is_within_its_bound(gru_int8, gru, test_streams):
    errors = posterior_errors(gru_int8, gru, test_streams)
    assert errors.size == 600
    assert errors.mean() <= 5e-3


def test_int16x8_is_closer_than_int8(gru_int8, gru, calibration, test_streams, tmp_path):
    finer = micro.convert(gru, tmp_path / "int16.tflite", calibration, quantization="int16x8")
    error = posterior_errors(finer, gru, test_streams).mean()
    assert error <= 5e-4
    assert error < posterior_errors(gru_int8, gru, test_streams).mean()
    assert {info.dtype for info in finer.inputs + finer.outputs} == {"int16"}


def test_file_says_what_a_device_needs(gru_int8):
    assert [info.name for info in gru_int8.inputs] == ["frame", "state_0"]
    assert [info.name for info in gru_int8.outputs] == ["posterior", "state_0_next"]
    assert [info.shape for info in gru_int8.inputs] == [(1, FEATURES), (1, UNITS)]
    frame, state = gru_int8.inputs
    posterior, state_next = gru_int8.outputs
    assert state[1:] == state_next[1:]
    assert frame.scale == pytest.approx(FEATURE_MAX / 255, rel=1e-2)
    assert frame.zero_point == -128
    assert (posterior.scale, posterior.zero_point) == (1 / 256, -128)
    assert gru_int8.flash_bytes == gru_int8.path.stat().st_size
    assert gru_int8.operators == GRU_OPERATORS
    assert gru_int8.macs == 16 * FEATURES + 3 * UNITS * (16 + UNITS) + UNITS
    assert "int8.tflite" in repr(gru_int8)


def test_weights_are_most_of_the_flash(gru_int8, gru_float32):
    weights = 16 * FEATURES + 3 * UNITS * (16 + UNITS) + UNITS
    biases = 4 * (16 + 2 * 3 * UNITS + 1)
    assert 0 < gru_int8.flash_bytes - weights - biases < 6500
    assert gru_float32.flash_bytes > 4 * weights


def test_per_channel_weights_cost_flash(gru_int8, gru, calibration, tmp_path):
    finer = micro.convert(gru, tmp_path / "channels.tflite", calibration, per_channel=True)
    assert finer.flash_bytes > gru_int8.flash_bytes + 8 * 2 * 3 * UNITS


@pytest.fixture(scope="module")
def two_layers():
    return trained(
        [
            layers.GRU(12, return_sequences=True, name="lower"),
            layers.GRU(20, return_sequences=True, reset_after=False, name="upper"),
        ]
    )


@pytest.fixture(scope="module")
def two_layers_int8(two_layers, calibration, exports):
    return micro.convert(two_layers, exports / "two.tflite", calibration)


def test_two_states_find_their_way(two_layers, two_layers_int8, test_streams):
    shapes = {info.name: info.shape for info in two_layers_int8.inputs}
    assert shapes == {"frame": (1, FEATURES), "state_0": (1, 12), "state_1": (1, 20)}
    assert posterior_errors(two_layers_int8, two_layers, test_streams).mean() <= 5e-3


def test_positions_do_not_matter(two_layers_int8, test_streams, tmp_path):
    file = Flatbuffer(two_layers_int8.path.read_bytes())
    file.graph.inputs = list(file.graph.inputs)[::-1]
    file.graph.outputs = [*file.graph.outputs[1:], file.graph.outputs[0]]
    shuffled = tmp_path / "shuffled.tflite"
    shuffled.write_bytes(file.tobytes())
    two_layers_int8.reset()
    np.testing.assert_array_equal(
        MicroModel(shuffled).stream(test_streams[0]), two_layers_int8.stream(test_streams[0])
    )


def background_only(seed):
    return np.random.default_rng(seed).uniform(0, BACKGROUND_MAX, (200, FEATURES))


def test_rejects_calibration_without_positives(gru, tmp_path):
    path = tmp_path / "silent.tflite"
    with pytest.raises(
        ValueError,
        match=r"(?s)`calibration` must contain positives.*400 frames.*channel 0 of `posterior` "
        r"never passes 0\.5 \(highest: 0\.\d+\)\. Train .* further \(`keras-sal train --steps`",
    ):
        micro.convert(gru, path, [background_only(0), background_only(1)])
    assert not path.exists()


def test_command_has_the_option_that_the_error_names(capsys):
    from keras_sal.cli import main

    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "--steps" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        (None, "`calibration` must be given for a quantized model"),
        ([], "`calibration` must hold at least one feature sequence"),
        (3, "`calibration` must be an iterable of feature sequences"),
        (
            [np.zeros((5, 39))],
            r"`calibration` sequence 0 must have shape \(frames, 40\).*\(5, 39\)",
        ),
        (np.zeros((5, 40)), r"`calibration` sequence 0 must have shape \(frames, 40\).*\(40,\)"),
        ([np.zeros((5, 40)), np.zeros((0, 40))], "sequence 1 must have at least one frame"),
        ([np.full((5, 40), np.nan)], "sequence 0 must be finite.*5 such frames, the first at 0"),
        ([[["a"] * 40]], "sequence 0 must be an array of numbers"),
    ],
    ids=["none", "empty", "number", "features", "bare", "no-frames", "nan", "text"],
)
def test_rejects_calibration(gru, tmp_path, calibration, message):
    path = tmp_path / "refused.tflite"
    with pytest.raises(ValueError, match=f"(?s){message}"):
        micro.convert(gru, path, calibration)
    assert not path.exists()


def test_rejects_quantization(gru, tmp_path):
    with pytest.raises(ValueError, match=r"`quantization` must be one of .*'int4'"):
        micro.convert(gru, tmp_path / "x.tflite", [], quantization="int4")


def test_rejects_a_folder_that_is_not_there(gru, tmp_path):
    with pytest.raises(ValueError, match="`path` must name a file in a folder that exists"):
        micro.convert(gru, tmp_path / "nowhere" / "x.tflite", [])


def test_rejects_a_file_of_another_kind(tmp_path):
    other = tmp_path / "other.tflite"
    other.write_bytes(b"PK\x03\x04" + bytes(60))
    with pytest.raises(ValueError, match="`path` must be a TensorFlow Lite file"):
        MicroModel(other)


def test_rejects_a_step_without_its_next_state(tmp_path):
    frame, state = keras.Input((4,), name="frame"), keras.Input((3,), name="state_0")
    output, _ = layers.GRUCell(3)(frame, state)
    broken = keras.Model([frame, state], {"posterior": output})
    with pytest.raises(ValueError, match=r"(?s)must be a step model.*state_0"):
        micro.convert(broken, tmp_path / "x.tflite", quantization="float32")


def looping_step():
    """A step model that loops over time inside: what the converter can't quantize."""
    frames = keras.Input((5, FEATURES), name="frame")
    x = layers.GRU(4, return_sequences=True, name="looping")(frames)
    return keras.Model(frames, {"posterior": layers.Dense(1, activation="sigmoid")(x)})


def test_converter_crash_is_an_exception(tmp_path):
    """The TensorFlow converter really segfaults on this model."""
    path = tmp_path / "crash.tflite"
    clips = [np.ones((3, 5, FEATURES))]
    with pytest.raises(ExportError) as caught:
        micro.convert(looping_step(), path, clips, min_posterior=0.0)
    text = str(caught.value)
    assert "The converter crashed (SIG" in text
    assert "when it was to convert the model to int8" in text
    assert "of layer `looping`" in text
    assert "step_model" in text
    assert "The end of its output:" in text
    assert not list(tmp_path.glob("*crash*"))


def test_a_killed_converter_leaves_nothing(gru, tmp_path, monkeypatch):
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "Path(sys.argv[1], 'converted').write_bytes(b'half a model')\n"
        "print('a last word', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "fragile_converter.py").write_text(program)
    monkeypatch.syspath_prepend(programs)
    monkeypatch.setattr(converter_process, "CONVERTER", "fragile_converter")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ExportError, match=r"(?s)converter crashed \(SIGKILL\).*a last word"):
        micro.convert(gru, tmp_path / "killed.tflite", quantization="float32")
    assert sorted(tmp_path.iterdir()) == before


def test_a_failed_conversion_keeps_the_file_that_was_there(gru, tmp_path):
    path = tmp_path / "kept.tflite"
    path.write_bytes(b"the last good model")
    with pytest.raises(ValueError, match="`calibration` must hold"):
        micro.convert(gru, path, [])
    assert path.read_bytes() == b"the last good model"


def test_loop_is_refused(tmp_path):
    with pytest.raises(ExportError, match=r"(?s)holds WHILE from layer `looping`.*step_model"):
        micro.convert(looping_step(), tmp_path / "loop.tflite", quantization="float32")


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda x: keras.ops.arctan2(x, x), "holds ATAN2 from layer `arctan2"),
        (keras.ops.erfinv, r"holds tf\.Erfinv from layer `erfinv"),
    ],
    ids=["not-in-micro", "not-in-lite"],
)
def test_unknown_operator_is_refused_by_layer(tmp_path, operation, message):
    frame = keras.Input((FEATURES,), name="frame")
    x = layers.Dense(4, activation="relu", name="known")(frame)
    x = operation(x)
    step = keras.Model(frame, {"posterior": layers.Dense(1)(x)})
    path = tmp_path / "exotic.tflite"
    with pytest.raises(
        ExportError, match=message + ".*: TensorFlow Lite Micro has no such operator"
    ):
        micro.convert(step, path, quantization="float32")
    assert not path.exists()


@pytest.mark.parametrize("activation", ["softplus", "mish"])
def test_an_operator_without_an_integer_kernel_is_refused_by_layer(tmp_path, activation):
    frame = keras.Input((FEATURES,), name="frame")
    x = layers.Dense(4, activation=activation, name="curved")(frame)
    step = keras.Model(frame, {"posterior": layers.Dense(1, activation="sigmoid")(x)})
    with pytest.raises(
        ExportError, match=r"holds \w+ from layer `curved` on int8: .*has no kernel"
    ):
        micro.convert(step, tmp_path / "x.tflite", [np.ones((9, FEATURES))], min_posterior=0.0)
    assert not list(tmp_path.iterdir())
