"""Conversion to LiteRT, and files for microcontrollers in its interpreter."""

import numpy as np
import pytest
from export_task import need

from keras_sal.export import litert
from keras_sal.export.litert import LiteModel

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
