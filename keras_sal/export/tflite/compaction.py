"""Compaction of a `.tflite` file without a change of what it computes."""

from __future__ import annotations

import numpy as np

from keras_sal.export.tflite.editor import Editor
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.typing import Array

FEWEST_BYTES = 300  # of a constant that is worth an operator


def compact(file: Flatbuffer) -> None:
    """Store each constant once, in a small type that holds it exactly, without needless names.

    A constant of another type is made float32 by `DEQUANTIZE`, which runs once.

    Args:
        file: A file in float32; changed in place.
    """
    _store_exactly(file)
    _share_equal_buffers(file)
    named = {*file.inputs.values(), *file.outputs.values()}
    for index, tensor in enumerate(file.graph.tensors):
        if index not in named:
            tensor.name = None


def _store_exactly(file: Flatbuffer) -> None:
    editor, operators = Editor(file), []
    factors = {op.inputs[1] for op in file.operators() if op.name == "MUL"}
    for index in sorted(k for k in factors if file.tensor(k).buffer):
        values = file.values(index)
        dtype = _smallest_type(values)
        if values.nbytes < FEWEST_BYTES or dtype is None:
            continue
        stored = editor.tensor(
            file.graph,
            "",
            file.shape(index),
            dtype.upper(),
            scale=None if dtype == "float16" else 1.0,
            zero_point=None if dtype == "float16" else 0,
            data=values.astype(dtype),
        )
        file.tensor(index).buffer = 0
        operators.append(editor.operator("DEQUANTIZE", [stored], [index]))
    file.graph.operators = [*operators, *file.graph.operators]


def _smallest_type(values: Array) -> str | None:
    """Return the smallest type that holds all values exactly, `None` if float32 is needed."""
    exact = (t for t in ("int8", "float16", "int16") if np.array_equal(_cast(values, t), values))
    return next(exact, None)


def _cast(values: Array, dtype: str) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(dtype)


def _share_equal_buffers(file: Flatbuffer) -> None:
    buffers = file.tree.buffers
    first: dict[bytes, int] = {}
    for tensor in file.graph.tensors:
        data = buffers[tensor.buffer].data
        if tensor.buffer and data is not None and len(data):
            tensor.buffer = first.setdefault(bytes(bytearray(data)), tensor.buffer)
    used = sorted({0, *(tensor.buffer for tensor in file.graph.tensors)})
    for tensor in file.graph.tensors:
        tensor.buffer = used.index(tensor.buffer)
    file.tree.buffers = [buffers[number] for number in used]
