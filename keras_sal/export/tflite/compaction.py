"""Compaction of a `.tflite` file without a change of what it computes."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_sal.export.tflite.editor import Editor
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.export.tflite.structure import constant_bytes
from keras_sal.typing import Array

FEWEST_BYTES = 150  # of a constant that is worth an operator
MOST_HALVINGS = 15
INTEGERS = ("int8", "uint8", "int16")
READERS = {
    "MUL": 1,
    "BATCH_MATMUL": 0,
    "GATHER": 1,
    "FULLY_CONNECTED": 1,
}  # whose constants may be computed


def compact(file: Flatbuffer) -> None:
    """Store each constant once, in the smallest integers, and leave out what no runtime needs.

    A constant of floats becomes integers in a unit that is a power of 2, if that is exact.
    `DEQUANTIZE` makes it float32 when the file is loaded. Indices become bytes, which `CAST` makes
    int32 in each step.

    Args:
        file: A file in float32; changed in place.
    """
    _state_shapes_as_options(file)
    _store_as_integers(file)
    _share_constants(file)
    _remove_unread_tensors(file)
    _strip(file)


def _state_shapes_as_options(file: Flatbuffer) -> None:
    """Give `RESHAPE` its shape as the option that the shape of its output shares the place of."""
    editor = Editor(file)
    for op in file.graph.operators:
        if file.operator_name(op) == "RESHAPE":
            shape = np.array(file.shape(op.outputs[0]), "int32")
            options = {"ReshapeOptions": {"newShape": shape}}
            vars(op).update(vars(editor.operator("RESHAPE", op.inputs[:1], op.outputs, **options)))


def _store_as_integers(file: Flatbuffer) -> None:
    editor, operators = Editor(file), []
    read = {op.inputs[READERS[op.name]] for op in file.operators() if op.name in READERS}
    for index in sorted(read):
        if constant_bytes(file, file.tensor(index)) < FEWEST_BYTES:
            continue
        values = file.values(index)
        is_float = values.dtype == "float32"
        found = _as_integers(values, MOST_HALVINGS if is_float else 0)
        if found is None:
            continue
        integers, unit = found
        scale, zero_point = (unit, 0) if is_float else (None, None)
        stored = editor.tensor(
            file.graph, "", file.shape(index), integers.dtype.name.upper(),
            scale=scale, zero_point=zero_point, data=integers,
        )  # fmt: skip
        file.tensor(index).buffer = 0
        operators.append(editor.operator("DEQUANTIZE" if is_float else "CAST", [stored], [index]))
    file.graph.operators = [*operators, *file.graph.operators]


def _as_integers(values: Array, most_halvings: int) -> tuple[Array, float] | None:
    """Return values in the smallest integers, and the unit of these; `None` if that isn't exact."""
    for halvings in range(most_halvings + 1):
        counts = values * 2**halvings
        for dtype in INTEGERS if np.array_equal(np.rint(counts), counts) else ():
            limits = np.iinfo(dtype)
            if limits.min <= counts.min() and counts.max() <= limits.max:
                return counts.astype(dtype), 2.0**-halvings
    return None


def _share_constants(file: Flatbuffer) -> None:
    """Let operators read one tensor of all constants that are equal."""
    first: dict[Any, int] = {}
    same = {}
    for index, tensor in enumerate(file.graph.tensors):
        if constant_bytes(file, tensor) and not file.scale(index):
            content = bytes(bytearray(file.tree.buffers[tensor.buffer].data))
            same[index] = first.setdefault((tensor.type, file.shape(index), content), index)
    for op in file.graph.operators:
        op.inputs = np.array([same.get(index, index) for index in op.inputs], "int32")


def _remove_unread_tensors(file: Flatbuffer) -> None:
    """Leave out tensors and buffers that no operator reads or writes."""
    tree, graph = file.tree, file.graph
    sides = [graph.inputs, graph.outputs]
    sides += [side for op in graph.operators for side in (op.inputs, op.outputs)]
    used = sorted({int(index) for side in sides for index in side if index >= 0})
    place = {index: number for number, index in enumerate(used)} | {-1: -1}

    def moved(indices: Any) -> Array:
        return np.array([place[int(index)] for index in indices], "int32")

    graph.inputs, graph.outputs = moved(graph.inputs), moved(graph.outputs)
    for op in graph.operators:
        op.inputs, op.outputs = moved(op.inputs), moved(op.outputs)
    for entry in (*tree.signatureDefs[0].inputs, *tree.signatureDefs[0].outputs):
        entry.tensorIndex = place[entry.tensorIndex]
    for indices in (file.inputs, file.outputs):
        indices.update({name: place[index] for name, index in indices.items()})
    graph.tensors = [graph.tensors[index] for index in used]
    buffers = [0, *sorted({tensor.buffer for tensor in graph.tensors} - {0})]
    tree.buffers = [tree.buffers[number] for number in buffers]
    for tensor in graph.tensors:
        tensor.buffer = buffers.index(tensor.buffer)


def _strip(file: Flatbuffer) -> None:
    """Remove names, and statements about tensors that say nothing."""
    named = {*file.inputs.values(), *file.outputs.values()}
    for index, tensor in enumerate(file.graph.tensors):
        tensor.hasRank = False
        tensor.shapeSignature = None
        if file.scale(index) is None:
            tensor.quantization = None
        if index not in named:
            tensor.name = None
