"""Compaction leaves what a file computes as it is."""

import numpy as np
import pytest

from keras_sal.export.litert import LiteModel
from keras_sal.export.tflite.compaction import compact
from keras_sal.export.tflite.flatbuffer import Flatbuffer

pytestmark = [pytest.mark.any_backend, pytest.mark.usefixtures("exports")]


def test_constants_become_integers_where_that_is_exact(gru_float32, test_streams, tmp_path):
    pytest.importorskip("ai_edge_litert", reason="needs the export extra")
    file = Flatbuffer.from_file(gru_float32.path)
    for op in file.operators():
        if op.name == "FULLY_CONNECTED":
            weights = file.values(op.inputs[1])
            file.set_values(op.inputs[1], np.rint(weights * 64) / 64)
    before, after = tmp_path / "before.tflite", tmp_path / "after.tflite"
    before.write_bytes(file.tobytes())
    compact(file)
    after.write_bytes(file.tobytes())
    assert "DEQUANTIZE" in file.operator_names()
    assert file.quantization() == "float32"
    assert after.stat().st_size < before.stat().st_size / 2
    streams = [LiteModel(path).stream(test_streams[0]) for path in (before, after)]
    assert np.ptp(streams[0]) > 0.01
    np.testing.assert_allclose(*streams, rtol=0, atol=1e-6)  # sums of another order
