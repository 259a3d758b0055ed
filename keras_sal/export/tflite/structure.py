"""Checks of the indices, sizes and scales of a `.tflite` file, before a runtime sees it.

The runtimes trust a file. TensorFlow Lite Micro follows an index wherever it points, so a damaged
file ends the process, or reads memory that is not its own. So every index, size and scale of a file
is checked here, and `operator_rules` checks the operators. What is refused is a `ValueError`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

if TYPE_CHECKING:
    from keras_sal.export.tflite.flatbuffer import Flatbuffer

SCHEMA_VERSION = 3
MAX_RANK = 6
MAX_TENSOR_BYTES = 1 << 30
MAX_ALL_BYTES = 1 << 32
NAME = re.compile(r"[A-Za-z0-9_./:-]+")
ITEM_BYTES = {
    "float32": 4, "float16": 2, "int8": 1, "uint8": 1, "int16": 2, "int32": 4, "int64": 8,
    "uint32": 4, "bool": 1, "resource": 4, "complex64": 8,
}  # fmt: skip
ZERO_POINTS = {"int8": (-128, 127), "uint8": (0, 255)}  # of wider types they are 0
SMALLEST_SCALE, LARGEST_SCALE = 1e-20, 1e20


def damaged(what: str) -> NoReturn:
    """Refuse a file.

    Args:
        what: What is wrong with it, a noun phrase with its place.

    Raises:
        ValueError: Always.
    """
    raise ValueError(
        "`path` must be an undamaged TensorFlow Lite file, since a runtime follows its indices and "
        f"sizes unchecked. Received: {what}. Copy or convert the model again."
    )


def check_structure(file: Flatbuffer) -> None:
    """Refuse a file whose indices, sizes, scales or names can't be right.

    Args:
        file: The file as it was read.

    Raises:
        ValueError: If something in it is out of range; the message names the place.
    """
    tree = file.tree
    if tree.version != SCHEMA_VERSION:
        damaged(f"version {tree.version} of the format")
    _check_buffers(file)
    _check_operator_codes(file)
    total = 0
    for number, graph in enumerate(tree.subgraphs):
        place = f"of subgraph {number}"
        if graph is None or graph.tensors is None:
            damaged(f"no tensors {place}")
        total += sum(
            _check_tensor(file, tensor, f"tensor {index} {place}")
            for index, tensor in enumerate(graph.tensors)
        )
        if total > MAX_ALL_BYTES:
            damaged(f"tensors of {total:,} bytes")
        count = len(graph.tensors)
        for side in ("inputs", "outputs"):
            indices = getattr(graph, side)
            _check_indices(indices if indices is not None else (), count, f"{side} {place}")
        for index, operator in enumerate(graph.operators or ()):
            _check_operator(file, operator, count, f"operator {index} {place}")
    _check_signature(file)


def constant_bytes(file: Flatbuffer, tensor: Any) -> int:
    """Return the number of bytes that a file holds for a tensor, 0 if it is computed.

    Args:
        file: The file.
        tensor: The schema's `TensorT`.
    """
    data = file.tree.buffers[tensor.buffer].data
    return 0 if data is None else len(data)


def _check_buffers(file: Flatbuffer) -> None:
    tree = file.tree
    if not tree.buffers:
        damaged("no buffers")
    for index, buffer in enumerate(tree.buffers):
        if buffer is None or buffer.offset > 1 or buffer.size > 1:
            damaged(f"buffer {index}, whose data lies outside the file's tables")
    if tree.externalBuffers or tree.externalBufferGroups:
        damaged("buffers outside the file")
    for index in tree.metadataBuffer if tree.metadataBuffer is not None else ():
        if not 0 <= index < len(tree.buffers):
            damaged(f"buffer {index} for metadata, of {len(tree.buffers)}")
    for entry in tree.metadata or ():
        if entry is None or not 0 <= entry.buffer < len(tree.buffers):
            damaged("metadata without a buffer")


def _check_operator_codes(file: Flatbuffer) -> None:
    known = file.known_operators()
    for index, code in enumerate(file.tree.operatorCodes or ()):
        number = None if code is None else max(code.builtinCode, code.deprecatedBuiltinCode)
        if number not in known:
            damaged(f"operator code {index}, {number}, which the format does not have")
        if known[number] == "CUSTOM" and not code.customCode:
            damaged(f"operator code {index} of a custom operator without a name")
        if code.version < 1:
            damaged(f"operator code {index} of version {code.version}")


def _check_tensor(file: Flatbuffer, tensor: Any, place: str) -> int:
    """Check a tensor; return its bytes."""
    dtype = file.type_name(tensor.type) if tensor is not None else None
    if dtype not in ITEM_BYTES:
        damaged(f"{place}, of type {dtype}")
    shape = [int(size) for size in tensor.shape] if tensor.shape is not None else []
    least = 0 if len(shape) == 1 else 1
    if len(shape) > MAX_RANK or any(size < least for size in shape):
        damaged(f"{place}, of shape {shape}")
    size = math.prod(shape) * ITEM_BYTES[dtype]
    if size > MAX_TENSOR_BYTES:
        damaged(f"{place}, of {size:,} bytes")
    if tensor.shapeSignature is not None and len(tensor.shapeSignature):
        sizes = [int(size) for size in tensor.shapeSignature]
        if len(sizes) != len(shape) or any(
            s not in (-1, known) for s, known in zip(sizes, shape, strict=True)
        ):
            damaged(f"{place}, of shape {shape} and shape signature {sizes}")
    if not 0 <= tensor.buffer < len(file.tree.buffers):
        damaged(f"{place}, in buffer {tensor.buffer} of {len(file.tree.buffers)}")
    held = constant_bytes(file, tensor)
    if held and (held != size or dtype == "resource"):
        damaged(f"{place}, of {size:,} bytes with {held:,} bytes of data")
    if held and tensor.isVariable:
        damaged(f"{place}, a variable with constant data")
    if tensor.sparsity is not None or tensor.variantTensors or tensor.externalBuffer:
        damaged(f"{place}, whose values are sparse or outside the file")
    _check_quantization(tensor.quantization, dtype, shape, place)
    return size


def _check_quantization(quantization: Any, dtype: str, shape: Sequence[int], place: str) -> None:
    if quantization is None:
        return
    if quantization.details is not None or quantization.detailsType:
        damaged(f"{place}, quantized in a way of its own")
    scales, zero_points = (
        np.asarray([] if values is None else values)
        for values in (quantization.scale, quantization.zeroPoint)
    )
    if not len(scales):
        if len(zero_points):
            damaged(f"{place}, of {len(zero_points)} zero points without a scale")
        return
    axis = quantization.quantizedDimension
    by_channel = 0 <= axis < len(shape) and len(scales) == shape[axis]
    if len(zero_points) != len(scales) or not (by_channel or len(scales) == 1):
        damaged(f"{place}, of {len(scales)} scales and {len(zero_points)} zero points")
    if not ((scales >= SMALLEST_SCALE) & (scales <= LARGEST_SCALE)).all():  # also if one is NaN
        damaged(f"{place}, of scale {scales[~(scales >= SMALLEST_SCALE)][:1] or scales.max()}")
    low, high = ZERO_POINTS.get(dtype, (0, 0))
    if not ((zero_points >= low) & (zero_points <= high)).all():
        damaged(f"{place}, {dtype} with zero point {zero_points[0]}")


def _check_indices(indices: Iterable[int], count: int, place: str, least: int = 0) -> None:
    for index in indices:
        if not least <= index < count:
            damaged(f"{place}, with tensor {index} of {count}")


def _check_operator(file: Flatbuffer, operator: Any, count: int, place: str) -> None:
    if operator is None or not 0 <= operator.opcodeIndex < len(file.tree.operatorCodes or ()):
        damaged(f"{place}, without an operator code")
    for side, least in (("inputs", -1), ("outputs", 0)):
        indices = getattr(operator, side)
        if indices is None:
            setattr(operator, side, np.zeros(0, "int32"))  # an empty vector may be left out
            continue
        _check_indices(indices, count, place, least)
    if operator.intermediates is not None and len(operator.intermediates):
        damaged(f"{place}, with intermediate tensors")
    if (operator.builtinOptions is None) != (not operator.builtinOptionsType):
        damaged(f"{place}, with options of unknown kind {operator.builtinOptionsType}")
    if operator.builtinOptions2 is not None or operator.builtinOptions2Type:
        damaged(f"{place}, with options of StableHLO")
    if operator.largeCustomOptionsOffset or operator.largeCustomOptionsSize:
        damaged(f"{place}, with options outside the file's tables")


def _check_signature(file: Flatbuffer) -> None:
    (signature,) = file.tree.signatureDefs
    if signature.subgraphIndex != 0:
        damaged(f"a signature of subgraph {signature.subgraphIndex}")
    for side in ("inputs", "outputs"):
        entries = getattr(signature, side) or []
        graph_side = getattr(file.graph, side)
        indices = [] if graph_side is None else [int(index) for index in graph_side]
        named = [entry.tensorIndex for entry in entries]
        if set(named) != set(indices):
            damaged(f"{side} {named} in the signature, {indices} in the graph")
        names = [entry.name for entry in entries]
        if len(set(names)) != len(names):
            damaged(f"two {side} of one name in the signature")
        for name in names:
            _check_name(name, side)
    inputs = [int(index) for index in file.graph.inputs]
    for index in inputs:
        if constant_bytes(file, file.tensor(index)):
            damaged(f"input tensor {index}, which holds constant data")


def _check_name(name: bytes | None, side: str) -> None:
    text = (name or b"").decode("utf-8", errors="replace")
    if not NAME.fullmatch(text):
        raise ValueError(
            f"`path` must name its {side} with letters, digits and `_./:-` only, since names are "
            f"written into C++ sources. Received: {text!r}. Rename that layer and convert the "
            "model again."
        )
