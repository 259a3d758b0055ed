"""Conversion to LiteRT, and files for microcontrollers in its interpreter."""

from pathlib import Path

import numpy as np
import pytest
from export_task import need

from keras_sal import pretrained
from keras_sal.export import litert
from keras_sal.export.internal_state import move_states_inside
from keras_sal.export.litert import LiteModel
from keras_sal.export.tflite.flatbuffer import Flatbuffer

STORED = Path(litert.__file__).with_name("frontend_3.tflite")

pytestmark = [pytest.mark.any_backend, pytest.mark.usefixtures("exports")]


@pytest.fixture(autouse=True)
def runtime():
    need("ai_edge_litert")


@pytest.mark.parametrize(
    ("quantization", "error", "bound"),
    [
        ("float32", np.max, 1e-5),
        ("float16", np.mean, 1e-4),
        ("int8", np.mean, 5e-3),
    ],
)
def test_litert_equals_keras(gru, calibration, test_streams, tmp_path, quantization, error, bound):
    lite = litert.convert(
        gru, tmp_path / f"{quantization}.tflite", calibration, quantization=quantization
    )
    assert [info.name for info in lite.inputs] == ["frame", "state_0"]
    assert {info.dtype for info in lite.inputs + lite.outputs} == {"float32"}
    stream = test_streams[0]
    expected = np.asarray(gru.predict(stream[None], verbose=0))[0]
    assert error(np.abs(lite.stream(stream) - expected)) <= bound


def test_litert_rejects_quantization(gru, tmp_path):
    with pytest.raises(ValueError, match=r"`quantization` must be one of .*'int16x8'"):
        litert.convert(gru, tmp_path / "x.tflite", quantization="int16x8")


def test_a_micro_file_runs_in_litert(gru_int8, test_streams):
    lite, stream = LiteModel(gru_int8.path), test_streams[0]
    assert lite.inputs == gru_int8.inputs
    gru_int8.reset()
    assert np.abs(lite.stream(stream) - gru_int8.stream(stream)).mean() <= 2e-3


def as_logits(source, path):
    """Writes a file without its last sigmoid, whose output is the logit."""
    file = Flatbuffer.from_file(source)
    [sigmoid] = [op for op in file.operators() if op.outputs == (file.outputs["posterior"],)]
    assert sigmoid.name == "LOGISTIC"
    file.graph.operators = [
        op for op in file.graph.operators if tuple(op.outputs) != sigmoid.outputs
    ]
    [entry] = [e for e in file.tree.signatureDefs[0].outputs if e.name == b"posterior"]
    entry.name, entry.tensorIndex = "logit", sigmoid.inputs[0]
    file.graph.outputs = [
        sigmoid.inputs[0] if index == sigmoid.outputs[0] else index for index in file.graph.outputs
    ]
    path.write_bytes(file.tobytes())
    return path


def test_a_micro_file_gets_float_edges_around_the_same_integers(
    two_states_int8, test_streams, tmp_path
):
    lite = litert.from_micro(two_states_int8, tmp_path / "float.tflite")
    assert {info.dtype for info in lite.inputs + lite.outputs} == {"float32"}
    assert [info.shape for info in lite.inputs] == [info.shape for info in two_states_int8.inputs]
    integers = LiteModel(two_states_int8.path)
    for stream in test_streams:
        lite.reset()
        integers.reset()
        np.testing.assert_array_equal(lite.stream(stream), integers.stream(stream))


def test_the_float_edge_of_a_logit_is_its_posterior(gru_int8, test_streams, tmp_path):
    logits = as_logits(gru_int8.path, tmp_path / "logits.tflite")
    assert LiteModel(logits).outputs[0].name == "logit"
    lite, stream = litert.from_micro(logits, tmp_path / "float.tflite"), test_streams[0]
    assert lite.outputs[0].name == "posterior"
    posteriors = LiteModel(gru_int8.path).stream(stream)
    assert np.ptp(posteriors) > 0.5
    np.testing.assert_allclose(lite.stream(stream), posteriors, atol=1 / 256)


def test_a_float_file_stays_as_it_is(gru_float32, test_streams, tmp_path):
    lite, stream = litert.from_micro(gru_float32, tmp_path / "same.tflite"), test_streams[0]
    assert lite.inputs == gru_float32.inputs
    np.testing.assert_array_equal(lite.stream(stream), LiteModel(gru_float32.path).stream(stream))


def test_from_micro_rejects_a_front_end_for_other_features(gru_int8, tmp_path):
    with pytest.raises(ValueError, match=r"`frontend` must be one of .*Received: frontend='mel'"):
        litert.from_micro(gru_int8, tmp_path / "x.tflite", frontend="mel")


def test_from_micro_rejects_a_front_end_for_internal_state(gru_int8, tmp_path):
    file = Flatbuffer.from_file(gru_int8.path)
    move_states_inside(file)
    (tmp_path / "inside.tflite").write_bytes(file.tobytes())
    with pytest.raises(ValueError, match="`model` must have explicit state to take a front-end"):
        litert.from_micro(tmp_path / "inside.tflite", tmp_path / "x.tflite", frontend="micro")
    assert not (tmp_path / "x.tflite").exists()


def test_the_front_end_goes_before_the_integers(tmp_path):
    source = pretrained.path("computer") / "model.tflite"
    heard = litert.from_micro(source, tmp_path / "heard.tflite", frontend="micro")
    sound = np.random.default_rng(0).standard_normal((60, 480)).astype("float32") / 8
    features = LiteModel(STORED).stream(sound).reshape(-1, 3, 40)
    expected = LiteModel(source).stream(features)
    assert np.ptp(expected) > 0.05
    assert np.abs(heard.stream(sound) - expected).mean() <= 2e-3  # LiteRT rounds some frames itself


@pytest.mark.slow
def test_the_stored_front_end_is_the_converted_one():
    converted, kept = litert.convert_frontend(3), Flatbuffer.from_file(STORED)
    assert converted.operators() == kept.operators()
    assert converted.tensor_infos() == kept.tensor_infos()
    for index, tensor in enumerate(kept.graph.tensors):
        if tensor.buffer and len(np.atleast_1d(kept.tree.buffers[tensor.buffer].data)) > 1:
            np.testing.assert_array_equal(converted.values(index), kept.values(index))
