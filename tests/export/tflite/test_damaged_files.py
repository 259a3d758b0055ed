"""Damaged and hostile `.tflite` files: refused before a runtime sees them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_sal.export import ExportError
from keras_sal.export.litert import LiteModel
from keras_sal.export.micro import MicroModel
from keras_sal.export.tflite.flatbuffer import Flatbuffer

pytestmark = pytest.mark.any_backend

TESTS = Path(__file__).parents[2]


@pytest.fixture
def file(gru_int8):
    return Flatbuffer(gru_int8.path.read_bytes())


def operator(file, name):
    """The first operator of that name."""
    return next(op for op in file.graph.operators if file.operator_name(op) == name)


def set_scale(file, value):
    file.tensor(0).quantization.scale = np.array([value], "float32")


def set_constant(file, op_name, number, values):
    file.set_values(operator(file, op_name).inputs[number], np.array(values, "int32"))


def slice_beyond_the_end(file):
    operator(file, "STRIDED_SLICE").builtinOptions.beginMask = 0
    set_constant(file, "STRIDED_SLICE", 1, [0, 1 << 20])


def halve_weights(file):
    """State half of the rows, so that there is more data than the shape has room for."""
    tensor = file.tensor(operator(file, "FULLY_CONNECTED").inputs[1])
    tensor.shape = [tensor.shape[0] // 2, tensor.shape[1]]


def overwrite_weights(file):
    dense = operator(file, "FULLY_CONNECTED")
    dense.outputs = [int(dense.inputs[1])]


CHANGES = {
    "tensor of an operator": (
        lambda f: setattr(operator(f, "TANH"), "inputs", [9999]),
        r"operator \d+ of subgraph 0, with tensor 9999 of \d+",
    ),
    "code of an operator": (
        lambda f: setattr(operator(f, "TANH"), "opcodeIndex", 77),
        "without an operator code",
    ),
    "operator unknown": (
        lambda f: setattr(f.tree.operatorCodes[0], "builtinCode", 9999),
        "operator code 0, 9999, which the format does not have",
    ),
    "buffer of a tensor": (
        lambda f: setattr(f.tensor(0), "buffer", 500),
        r"tensor 0 of subgraph 0, in buffer 500 of \d+",
    ),
    "size of weights": (halve_weights, r"bytes with [\d,]+ bytes of data"),
    "negative shape": (lambda f: setattr(f.tensor(0), "shape", [1, -40]), r"of shape \[1, -40\]"),
    "huge shape": (
        lambda f: setattr(f.tensor(0), "shape", [1 << 20, 1 << 20]),
        "of 1,099,511,627,776 bytes",
    ),
    "type of a tensor": (lambda f: setattr(f.tensor(0), "type", 99), "of type None"),
    "scale of nan": (lambda f: set_scale(f, np.nan), "of scale"),
    "scale of 0": (lambda f: set_scale(f, 0), "of scale"),
    "zero point": (
        lambda f: setattr(f.tensor(0).quantization, "zeroPoint", np.array([300])),
        "int8 with zero point 300",
    ),
    "input of the graph": (
        lambda f: setattr(f.graph, "inputs", [0, 9999]),
        r"inputs of subgraph 0, with tensor 9999",
    ),
    "subgraph of the signature": (
        lambda f: setattr(f.tree.signatureDefs[0], "subgraphIndex", 3),
        "a signature of subgraph 3",
    ),
    "number of inputs": (
        lambda f: setattr(
            operator(f, "FULLY_CONNECTED"), "inputs", operator(f, "FULLY_CONNECTED").inputs[:1]
        ),
        "FULLY_CONNECTED, with 1 inputs",
    ),
    "options of another kind": (
        lambda f: setattr(operator(f, "FULLY_CONNECTED"), "builtinOptionsType", 1),
        "with options of another kind",
    ),
    "fused activation": (
        lambda f: setattr(
            operator(f, "FULLY_CONNECTED").builtinOptions, "fusedActivationFunction", 100
        ),
        "with fused activation 100",
    ),
    "overwritten weights": (overwrite_weights, "over other values"),
    "split axis": (lambda f: set_constant(f, "SPLIT", 0, [7]), "SPLIT, along axis 7 of"),
    "split parts": (
        lambda f: setattr(operator(f, "SPLIT").builtinOptions, "numSplits", 0),
        "into 0 parts",
    ),
    "slice steps": (
        lambda f: set_constant(f, "STRIDED_SLICE", 3, [0, 0]),
        "STRIDED_SLICE, with step 0",
    ),
    "slice beyond the end": (slice_beyond_the_end, "STRIDED_SLICE, from 1048576 to"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_refuses_what_a_runtime_would_follow_blindly(file, change):
    make, message = CHANGES[change]
    make(file)
    with pytest.raises(ValueError, match=message) as caught:
        Flatbuffer(file.tobytes())
    assert str(caught.value).startswith("`path` must be an undamaged TensorFlow Lite file")


@pytest.mark.parametrize("start", [0, 4, 8, 100, 1000])
def test_refuses_truncated_files_by_name(gru_int8, tmp_path, start):
    """Also a file that ends within its header."""
    path = tmp_path / "short.tflite"
    path.write_bytes(gru_int8.path.read_bytes()[:start])
    for runner in (MicroModel, LiteModel):
        with pytest.raises(ValueError, match=r"`path` must be .*The file is '.*short\.tflite'"):
            runner(path)


def test_refuses_vectors_that_lie_over_one_another(file):
    """Names share their bytes in a file, so that many long ones would fill the memory."""
    from flatbuffers import builder

    shared = {}

    def create_shared(self, text, *arguments):
        if text not in shared:
            shared[text] = original(self, text, *arguments)
        return shared[text]

    original = builder.Builder.CreateString
    for tensor in file.graph.tensors:
        tensor.name = "x" * 100_000
    builder.Builder.CreateString = create_shared
    try:
        content = file.tobytes()
    finally:
        builder.Builder.CreateString = original
    assert len(content) < 200_000
    with pytest.raises(ValueError, match=r"bytes with \d+ tables of [\d,]+ values"):
        Flatbuffer(content)


HOSTILE = ["x\nint y = f();  //", "x\\", "x y", "*/ int y;", "café", "", "x\u2028y", 'x";']


@pytest.mark.parametrize("name", HOSTILE)
def test_refuses_names_that_would_be_code(file, name):
    for entry in file.tree.signatureDefs[0].outputs:
        if entry.name in (b"posterior", "posterior"):
            entry.name = name
    with pytest.raises(ValueError, match=r"`path` must name its outputs with letters, digits"):
        Flatbuffer(file.tobytes())


def test_what_a_runtime_gets_is_written_anew(gru_int8):
    """The same model: equal objects, and equal bytes the second time."""
    content = gru_int8.path.read_bytes()
    anew = Flatbuffer(content).tobytes()
    assert Flatbuffer(anew).tobytes() == anew
    assert Flatbuffer(anew).operators() == Flatbuffer(content).operators()


def test_a_refusal_of_litert_names_the_file(gru_int8, tmp_path, monkeypatch):
    import ai_edge_litert.interpreter as runtime

    def fail(self):
        raise RuntimeError("no kernel")

    monkeypatch.setattr(runtime.Interpreter, "allocate_tensors", fail)
    with pytest.raises(ExportError, match=r"LiteRT does not load '.*int8\.tflite': no kernel"):
        LiteModel(gru_int8.path)


def test_no_damaged_copy_ends_a_process(gru_int8):
    """A few copies here; by hand, `tests/fuzz/damaged_tflite.py` runs thousands."""
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    program = [sys.executable, str(TESTS / "fuzz" / "damaged_tflite.py"), str(gru_int8.path)]
    done = subprocess.run(
        [*program, "--copies", "30"],
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": "numpy", "PYTHONPATH": str(TESTS.parent)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "30 copies" in done.stdout
