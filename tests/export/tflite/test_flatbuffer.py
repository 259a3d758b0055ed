"""Reading and writing of `.tflite` files as objects."""

import copy
from pathlib import Path

import numpy as np
import pytest

from keras_sal.export import litert
from keras_sal.export.tflite import flatbuffer
from keras_sal.export.tflite.flatbuffer import Flatbuffer

pytestmark = pytest.mark.any_backend
STORED = Path(litert.__file__).with_name("frontend_3.tflite")


def test_litert_brings_the_schema_where_tflite_micro_is_missing(monkeypatch):
    """`tflite_micro` is for Linux on x86-64 only."""
    pytest.importorskip("ai_edge_litert", reason="needs the detect extra")
    usual = Flatbuffer.from_file(STORED)
    monkeypatch.setattr(flatbuffer, "find_spec", lambda package: None)
    flatbuffer._schema.cache_clear()
    try:
        file = Flatbuffer.from_file(STORED)
    finally:
        flatbuffer._schema.cache_clear()
    assert file.schema.__name__.startswith("ai_edge_litert")
    assert file.operators() == usual.operators()
    assert file.tobytes() == usual.tobytes()


def test_equal_parts_are_written_once():
    file = Flatbuffer.from_file(STORED)
    size, count = len(file.tobytes()), len(file.graph.tensors)
    constant = next(tensor for tensor in file.graph.tensors if tensor.buffer)
    file.graph.tensors += [copy.deepcopy(constant) for _ in range(100)]
    content = file.tobytes()
    assert len(content) < size + 100 * 4 + 64  # an offset each
    again = Flatbuffer(content)
    assert again.operators() == file.operators()
    for index in range(count + 100):
        assert again.tensor_name(index) == file.tensor_name(index)
        assert again.shape(index) == file.shape(index)
        assert again.dtype(index) == file.dtype(index)
        if file.tensor(index).buffer:
            np.testing.assert_array_equal(again.values(index), file.values(index))
