"""A model trained on this backend, exported by TensorFlow."""

import numpy as np
import pytest
from export_task import need, trained
from keras import layers

from keras_sal.export import micro
from keras_sal.export.verify import verify


@pytest.fixture(scope="module")
def model():
    """A convolution and a GRU."""
    return trained(
        [
            layers.Conv1D(16, 3, padding="causal", activation="relu"),
            layers.GRU(16, return_sequences=True),
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_exported_files_equal_the_model_of_this_backend(
    exports, model, calibration, test_streams, quantization
):
    expected = np.asarray(model.predict(test_streams, verbose=0))
    assert expected.max() > 0.9, "the test task was not learned"
    need("ai_edge_litert")
    path = exports / f"of_this_backend_{quantization}.tflite"
    exported = micro.convert(model, path, calibration, quantization=quantization)
    report = verify(model, exported, test_streams)  # raises where an error is out of bounds
    assert [row.runtime for row in report.rows] == ["TensorFlow Lite Micro", "LiteRT"]
    exported.reset()
    assert np.abs(exported.stream(test_streams[0]) - expected[0]).mean() <= 5e-3
