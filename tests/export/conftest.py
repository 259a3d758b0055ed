"""Detectors and their exported files, converted once for all tests of the exports."""

import keras
import pytest
from export_task import need, streams_with_events, trained, untrained
from keras import layers

UNITS = 24


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    """The folder of the exported files, where the packages to export are installed."""
    need("tensorflow", "flatbuffers", "tflite_micro")
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="session")
def calibration():
    return list(streams_with_events(16, 60, seed=1)[0])


@pytest.fixture(scope="session")
def test_streams():
    return streams_with_events(4, 150, seed=2)[0]


@pytest.fixture(scope="session")
def gru():
    """A trained detector, `Dense 16, GRU 24, Dense 1`."""
    return trained([layers.GRU(UNITS, return_sequences=True, name="memory")])


@pytest.fixture(scope="session")
def gru_int8(exports, gru, calibration):
    from keras_sal.export import micro

    return micro.convert(gru, exports / "int8.tflite", calibration)


@pytest.fixture(scope="session")
def gru_float32(exports, gru):
    from keras_sal.export import micro

    return micro.convert(gru, exports / "float32.tflite", quantization="float32")


@pytest.fixture(scope="session")
def gru_onnx(exports, gru):
    need("tf2onnx", "onnxruntime")
    from keras_sal.export import onnx

    return onnx.convert(gru, exports / "step.onnx")


@pytest.fixture(scope="session")
def two_states():
    """Random weights and two states, one of which has a zero point far from 0."""
    keras.utils.set_random_seed(3)  # layers draw the seeds of their weights when they are made
    return untrained(
        [
            layers.Conv1D(6, 3, padding="causal", activation="relu"),
            layers.GRU(8, return_sequences=True),
        ]
    )


@pytest.fixture(scope="session")
def two_states_int8(exports, two_states, calibration):
    from keras_sal.export import micro

    path = exports / "two_states.tflite"
    model = micro.convert(two_states, path, calibration, min_posterior=0.0)
    assert any(info.zero_point for info in model.inputs[1:])
    return model
