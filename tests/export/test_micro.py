"""Conversion to TensorFlow Lite Micro: parity, gates, calibration, arena, names."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from export_task import (
    BACKGROUND_MAX,
    FEATURE_MAX,
    FEATURES,
    same_on_every_backend,
    streams_with_events,
    trained,
)
from keras import layers

pytest.importorskip("tflite_micro", reason="needs the export extra")
pytest.importorskip("flatbuffers", reason="needs the export extra")

from keras_sal.export import ExportError, arena, conversion, micro
from keras_sal.export.micro import MicroModel
from keras_sal.export.signature import Signature
from keras_sal.export.step_runner import quantize
from keras_sal.export.tflite import gates
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.export.tflite.repair import tie_states

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


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("micro")


@pytest.fixture(scope="module")
def model():
    return trained([layers.GRU(24, return_sequences=True, name="memory")])


@pytest.fixture(scope="module")
def calibration():
    return list(streams_with_events(16, 60, seed=1)[0])


@pytest.fixture(scope="module")
def test_streams():
    return streams_with_events(4, 150, seed=2)[0]


@pytest.fixture(scope="module")
def int8(model, calibration, folder):
    return micro.convert(model, folder / "int8.tflite", calibration)


@pytest.fixture(scope="module")
def float32(model, folder):
    return micro.convert(model, folder / "float32.tflite", quantization="float32")


def posterior_errors(micro_model, model, streams):
    expected = np.asarray(model.predict(streams, verbose=0))
    assert expected.max() > 0.9, "the test task was not learned"
    errors = []
    for features, posterior in zip(streams, expected, strict=True):
        micro_model.reset()
        errors.append(np.abs(micro_model.stream(features) - posterior))
    return np.stack(errors)


# --- the numbers -----------------------------------------------------------------------------


def test_float32_equals_keras(float32, model, test_streams):
    assert posterior_errors(float32, model, test_streams).max() <= 1e-5


def test_int8_is_within_its_bound(int8, model, test_streams):
    errors = posterior_errors(int8, model, test_streams)
    assert errors.size == 600
    assert errors.mean() <= 5e-3


@same_on_every_backend
def test_int16x8_is_closer_than_int8(int8, model, calibration, test_streams, folder):
    finer = micro.convert(model, folder / "int16.tflite", calibration, quantization="int16x8")
    error = posterior_errors(finer, model, test_streams).mean()
    assert error <= 5e-4
    assert error < posterior_errors(int8, model, test_streams).mean()
    assert {info.dtype for info in finer.inputs + finer.outputs} == {"int16"}


def test_stream_may_be_cut_anywhere(int8, test_streams):
    int8.reset()
    whole = int8.stream(test_streams[0])
    int8.reset()
    cuts = [1, 3, 10, 80]
    parts = [int8.stream(part) for part in np.split(test_streams[0], cuts)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_reset_starts_a_new_stream(int8, test_streams):
    int8.reset()
    first = int8.stream(test_streams[0])
    carried_on = int8.stream(test_streams[0])
    int8.reset()
    np.testing.assert_array_equal(int8.stream(test_streams[0]), first)
    assert not np.array_equal(carried_on, first)


def test_state_starts_at_its_zero_point(int8):
    state = next(info for info in int8.inputs if info.name == "state_0")
    int8.reset()
    np.testing.assert_array_equal(int8._carried["state_0"], np.full((1, 24), state.zero_point))


def test_quantise_rounds_half_away_from_zero_and_saturates(int8):
    info = int8.inputs[0]._replace(scale=0.5, zero_point=-3)
    #  value / scale:   0.5 -> 1   -0.5 -> -1   1.5 -> 2   1000 and -1000 saturate
    values = [0.25, -0.25, 0.75, 500.0, -500.0]
    np.testing.assert_array_equal(quantize(values, info), [-2, -4, -1, 127, -128])


# --- the file --------------------------------------------------------------------------------


def test_file_says_what_a_device_needs(int8):
    assert [info.name for info in int8.inputs] == ["frame", "state_0"]
    assert [info.name for info in int8.outputs] == ["posterior", "state_0_next"]
    assert [info.shape for info in int8.inputs] == [(1, FEATURES), (1, 24)]
    frame, state = int8.inputs
    posterior, state_next = int8.outputs
    assert state[1:] == state_next[1:]
    assert frame.scale == pytest.approx(FEATURE_MAX / 255, rel=1e-2)
    assert frame.zero_point == -128
    assert (posterior.scale, posterior.zero_point) == (1 / 256, -128)
    assert int8.flash_bytes == int8.path.stat().st_size
    assert int8.operators == GRU_OPERATORS
    assert int8.macs == 16 * FEATURES + 3 * 24 * (16 + 24) + 24
    assert "int8.tflite" in repr(int8)


def test_weights_are_most_of_the_flash(int8, float32):
    weights = 16 * FEATURES + 3 * 24 * (16 + 24) + 24
    biases = 4 * (16 + 2 * 3 * 24 + 1)
    assert 0 < int8.flash_bytes - weights - biases < 6500
    assert float32.flash_bytes > 4 * weights


def test_buffers_are_aligned(int8):
    content = int8.path.read_bytes()
    tree = Flatbuffer(content).tree
    starts = [
        np.asarray(buffer.data).__array_interface__["data"][0]
        - np.frombuffer(content, "uint8").__array_interface__["data"][0]
        for buffer in tree.buffers
        if buffer.data is not None and len(buffer.data)
    ]
    assert len(starts) > 5
    assert {start % 16 for start in starts} == {0}


@same_on_every_backend
def test_same_inputs_give_same_bytes(int8, model, calibration, folder):
    again = micro.convert(model, folder / "again.tflite", iter(calibration))
    assert again.path.read_bytes() == int8.path.read_bytes()


@same_on_every_backend
def test_per_channel_weights_cost_flash(int8, model, calibration, folder):
    finer = micro.convert(model, folder / "channels.tflite", calibration, per_channel=True)
    assert finer.flash_bytes > int8.flash_bytes + 8 * 2 * 3 * 24


def test_tying_a_state_rescales_the_bias_it_was_made_for(int8, test_streams, folder):
    """The same function, written for a state of another scale, is tied back to what it was."""
    file = Flatbuffer(int8.path.read_bytes())
    state = file.inputs["state_0"]
    reader = next(op for op in file.operators() if state in op.inputs and len(op.inputs) == 3)
    bias = reader.inputs[2]
    before = file.values(bias)
    assert np.abs(before).max() > 100
    file.tensor(state).quantization.scale = np.float32([1.25 * file.scale(state)])
    file.set_values(bias, np.rint(before / 1.25))
    file.tensor(bias).quantization.scale = np.float32([1.25 * file.scale(bias)])
    untied = folder / "untied.tflite"
    untied.write_bytes(file.tobytes())
    with pytest.raises(ExportError, match=r"(?s)State `state_0` must leave the model as it came"):
        MicroModel(untied)

    tie_states(file, Signature.from_names(file.inputs, file.outputs))
    assert file.info("state_0")[1:] == file.info("state_0_next")[1:]
    assert np.abs(file.values(bias) - before).max() <= 1
    tied = folder / "tied.tflite"
    tied.write_bytes(file.tobytes())
    int8.reset()
    difference = MicroModel(tied).stream(test_streams[0]) - int8.stream(test_streams[0])
    assert np.abs(difference).mean() <= 1e-3


# --- the arena -------------------------------------------------------------------------------


def runs_in(path, arena_bytes):
    program = (
        "import sys; from tflite_micro import runtime; "
        "content = open(sys.argv[1], 'rb').read(); "
        "runtime.Interpreter.from_bytes(content, arena_size=int(sys.argv[2])).invoke()"
    )
    command = [sys.executable, "-c", program, str(path), str(arena_bytes)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_arena_is_the_minimum(int8):
    assert int8.arena_bytes % 16 == 0
    assert runs_in(int8.path, int8.arena_bytes)
    assert not runs_in(int8.path, int8.arena_bytes - 16)


def test_arena_of_a_file_is_found_on_demand(int8):
    assert MicroModel(int8.path).arena_bytes == int8.arena_bytes


@pytest.mark.parametrize("smallest", [16, 32, 1008, 65536])
def test_bisection_finds_every_threshold(smallest):
    probes = []

    def runs(size):
        probes.append(size)
        return size >= smallest

    assert arena.bisect(runs, 65536) == smallest
    assert len(probes) <= 12


def test_arena_survives_a_broken_model():
    assert "failure" in arena.measure(b"\x00" * 4 + b"TFL3" + b"\x07" * 200)


# --- names, not positions --------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_layers():
    return trained(
        [
            layers.GRU(12, return_sequences=True, name="lower"),
            layers.GRU(20, return_sequences=True, reset_after=False, name="upper"),
        ]
    )


@pytest.fixture(scope="module")
def two_layers_int8(two_layers, calibration, folder):
    return micro.convert(two_layers, folder / "two.tflite", calibration)


def test_two_states_find_their_way(two_layers, two_layers_int8, test_streams):
    shapes = {info.name: info.shape for info in two_layers_int8.inputs}
    assert shapes == {"frame": (1, FEATURES), "state_0": (1, 12), "state_1": (1, 20)}
    assert posterior_errors(two_layers_int8, two_layers, test_streams).mean() <= 5e-3


def test_positions_do_not_matter(two_layers_int8, test_streams, folder):
    file = Flatbuffer(two_layers_int8.path.read_bytes())
    file.graph.inputs = list(file.graph.inputs)[::-1]
    file.graph.outputs = [*file.graph.outputs[1:], file.graph.outputs[0]]
    shuffled = folder / "shuffled.tflite"
    shuffled.write_bytes(file.tobytes())
    two_layers_int8.reset()
    np.testing.assert_array_equal(
        MicroModel(shuffled).stream(test_streams[0]), two_layers_int8.stream(test_streams[0])
    )


# --- refusals --------------------------------------------------------------------------------


def background_only(seed):
    return np.random.default_rng(seed).uniform(0, BACKGROUND_MAX, (200, FEATURES))


def test_rejects_calibration_without_positives(model, folder):
    path = folder / "silent.tflite"
    with pytest.raises(
        ValueError,
        match=r"(?s)`calibration` must contain positives.*400 frames.*channel 0 of `posterior` "
        r"never passes 0\.5 \(highest: 0\.\d+",
    ):
        micro.convert(model, path, [background_only(0), background_only(1)])
    assert not path.exists()


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        (None, "`calibration` must be given for a quantised model"),
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
def test_rejects_calibration(model, folder, calibration, message):
    path = folder / "refused.tflite"
    with pytest.raises(ValueError, match=f"(?s){message}"):
        micro.convert(model, path, calibration)
    assert not path.exists()


def test_rejects_quantization(model, folder):
    with pytest.raises(ValueError, match=r"`quantization` must be one of .*'int4'"):
        micro.convert(model, folder / "x.tflite", [], quantization="int4")


def test_rejects_a_folder_that_is_not_there(model, folder):
    with pytest.raises(ValueError, match="`path` must name a file in a folder that exists"):
        micro.convert(model, folder / "nowhere" / "x.tflite", [])


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((3, 41)), r"`features` must have shape \(frames, 40\)"),
        (np.full((3, 40), np.inf), "`features` must be finite"),
    ],
)
def test_stream_rejects_features(int8, features, message):
    with pytest.raises(ValueError, match=message):
        int8.stream(features)


def test_rejects_a_file_of_another_kind(folder):
    other = folder / "other.tflite"
    other.write_bytes(b"PK\x03\x04" + bytes(60))
    with pytest.raises(ValueError, match="`path` must be a TensorFlow Lite file"):
        MicroModel(other)


def test_rejects_a_step_without_its_next_state(folder):
    frame, state = keras.Input((4,), name="frame"), keras.Input((3,), name="state_0")
    output, _ = layers.GRUCell(3)(frame, state)
    broken = keras.Model([frame, state], {"posterior": output})
    with pytest.raises(ValueError, match=r"(?s)must be a step model.*state_0"):
        micro.convert(broken, folder / "x.tflite", quantization="float32")


# --- gates and crashes -----------------------------------------------------------------------


def looping_step():
    """A step model that loops over time inside: what the converter can't quantise."""
    frames = keras.Input((5, FEATURES), name="frame")
    x = layers.GRU(4, return_sequences=True, name="looping")(frames)
    return keras.Model(frames, {"posterior": layers.Dense(1, activation="sigmoid")(x)})


def test_float_operators_are_refused_with_their_layers(float32):
    file = Flatbuffer(float32.path.read_bytes())
    first, *_, last = file.operators()
    with pytest.raises(
        ExportError,
        match=r"FULLY_CONNECTED from layer `dense`, .*LOGISTIC from layer `posterior` in float",
    ):
        gates.check_integers(file, {first: "dense", last: "posterior"})


def test_dequantize_is_refused(int8):
    file = Flatbuffer(int8.path.read_bytes())
    gates.check_integers(file, {})
    code = file.tree.operatorCodes[file.graph.operators[-1].opcodeIndex]
    code.builtinCode = file.schema.BuiltinOperator.DEQUANTIZE
    code.deprecatedBuiltinCode = file.schema.BuiltinOperator.DEQUANTIZE
    with pytest.raises(ExportError, match=r"holds (LOGISTIC|DEQUANTIZE).* in float: this part was"):
        gates.check_integers(file, {})


def test_tensors_are_named_by_layer(int8):
    file = Flatbuffer(int8.path.read_bytes())
    names = {file.tensor_name(index) for op in file.operators() for index in op.outputs}
    assert {"memory/Tanh", "posterior", "state_0_next"} <= names


@same_on_every_backend
def test_converter_crash_is_an_exception(folder):
    """The TensorFlow converter really segfaults on this model."""
    path = folder / "crash.tflite"
    clips = [np.ones((3, 5, FEATURES))]
    with pytest.raises(ExportError) as caught:
        micro.convert(looping_step(), path, clips, min_posterior=0.0)
    text = str(caught.value)
    assert "The converter crashed (SIG" in text
    assert "when it was to convert the model to int8" in text
    assert "of layer `looping`" in text
    assert "step_model" in text
    assert "The end of its output:" in text
    assert not list(folder.glob("*crash*"))


def test_a_killed_converter_leaves_nothing(model, folder, tmp_path, monkeypatch):
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "Path(sys.argv[1], 'converted').write_bytes(b'half a model')\n"
        "print('a last word', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    (tmp_path / "fragile_converter.py").write_text(program)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(conversion, "CONVERTER", "fragile_converter")
    before = sorted(folder.iterdir())
    with pytest.raises(ExportError, match=r"(?s)converter crashed \(SIGKILL\).*a last word"):
        micro.convert(model, folder / "killed.tflite", quantization="float32")
    assert sorted(folder.iterdir()) == before


def test_a_failed_conversion_keeps_the_file_that_was_there(model, tmp_path):
    path = tmp_path / "kept.tflite"
    path.write_bytes(b"the last good model")
    with pytest.raises(ValueError, match="`calibration` must hold"):
        micro.convert(model, path, [])
    assert path.read_bytes() == b"the last good model"


@same_on_every_backend
def test_loop_is_refused(folder):
    with pytest.raises(ExportError, match=r"(?s)holds WHILE from layer `looping`.*step_model"):
        micro.convert(looping_step(), folder / "loop.tflite", quantization="float32")


@same_on_every_backend
@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda x: keras.ops.arctan2(x, x), "holds ATAN2 from layer `arctan2"),
        (keras.ops.erfinv, r"holds tf\.Erfinv from layer `erfinv"),
    ],
    ids=["not-in-micro", "not-in-lite"],
)
def test_unknown_operator_is_refused_by_layer(folder, operation, message):
    frame = keras.Input((FEATURES,), name="frame")
    x = layers.Dense(4, activation="relu", name="known")(frame)
    x = operation(x)
    step = keras.Model(frame, {"posterior": layers.Dense(1)(x)})
    path = folder / "exotic.tflite"
    with pytest.raises(
        ExportError, match=message + ".*: TensorFlow Lite Micro has no such operator"
    ):
        micro.convert(step, path, quantization="float32")
    assert not path.exists()
