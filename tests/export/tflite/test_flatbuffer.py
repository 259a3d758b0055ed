"""Reading and writing of `.tflite` files as objects."""

from pathlib import Path

import pytest

from keras_sal.export import litert
from keras_sal.export.tflite import flatbuffer
from keras_sal.export.tflite.flatbuffer import Flatbuffer

pytestmark = pytest.mark.any_backend


def test_litert_brings_the_schema_where_tflite_micro_is_missing(monkeypatch):
    """`tflite_micro` is for Linux on x86-64 only."""
    pytest.importorskip("ai_edge_litert", reason="needs the detect extra")
    path = Path(litert.__file__).with_name("frontend_3.tflite")
    usual = Flatbuffer.from_file(path)
    monkeypatch.setattr(flatbuffer, "find_spec", lambda package: None)
    flatbuffer._schema.cache_clear()
    try:
        file = Flatbuffer.from_file(path)
    finally:
        flatbuffer._schema.cache_clear()
    assert file.schema.__name__.startswith("ai_edge_litert")
    assert file.operators() == usual.operators()
    assert file.tobytes() == usual.tobytes()
