"""An operator of a `.tflite` file, valid or damaged, with its tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_sal.export.tflite.structure import constant_bytes, damaged
from keras_sal.typing import Array

if TYPE_CHECKING:
    from keras_sal.export.tflite.flatbuffer import Flatbuffer

QUANTIZED = ("int8", "uint8", "int16")
LARGEST_STRIDE = 1 << 16
CLAMPING_ACTIVATIONS = range(4)  # none, ReLU, ReLU from -1 to 1, ReLU6


class Node:
    """An operator with its tensors, as the rules see it.

    Args:
        file: The file.
        graph: Its subgraph.
        operator: The schema's `OperatorT`.
        name: Name of the operator.
        place: Where it is, for error messages.
    """

    def __init__(self, file: Flatbuffer, graph: Any, operator: Any, name: str, place: str) -> None:
        self.file = file
        self.graph = graph
        self.name = name
        self.place = f"{place}, {name}"
        self.options = operator.builtinOptions
        self.inputs: list[Any] = [graph.tensors[i] if i >= 0 else None for i in operator.inputs]
        self.outputs = [graph.tensors[i] for i in operator.outputs]

    def require(self, condition: object, what: str) -> None:
        """Refuse the file unless a condition holds."""
        if not condition:
            damaged(f"{self.place}, {what}")

    def shape(self, tensor: Any) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        return () if tensor.shape is None else tuple(int(size) for size in tensor.shape)

    def dtype(self, tensor: Any) -> str:
        """Return the name of a tensor's type."""
        return self.file.type_name(tensor.type) or "unknown"

    def constant(self, number: int, what: str) -> Array:
        """Return the values of an input of integers that must be constant."""
        tensor = self.inputs[number]
        dtype = self.dtype(tensor)
        self.require(dtype in ("int32", "int64"), f"with {what} of type {dtype}")
        empty = math.prod(self.shape(tensor)) == 0
        self.require(empty or constant_bytes(self.file, tensor), f"with {what} not constant")
        if empty:
            return np.zeros(0, "int64")
        raw = np.asarray(self.file.tree.buffers[tensor.buffer].data, "uint8").tobytes()
        return np.frombuffer(raw, dtype).astype("int64")

    def axis(self, axis: int, rank: int) -> int:
        """Return an axis counted from the front."""
        self.require(-rank <= axis < rank, f"along axis {axis} of {rank}")
        return int(axis % rank)

    def gives(self, shape: Sequence[int], number: int = 0) -> None:
        """Refuse the file unless an output has a shape."""
        stated = self.shape(self.outputs[number])
        self.require(
            stated == tuple(shape), f"whose output has shape {stated} instead of {tuple(shape)}"
        )

    def same_types(self, *tensors: Any) -> None:
        """Refuse the file unless tensors have one type, and scales if that is quantized."""
        dtypes = {self.dtype(tensor) for tensor in tensors}
        self.require(len(dtypes) == 1, f"of types {sorted(dtypes)}")

    def scales(self, tensor: Any) -> int:
        """Return the number of scales of a tensor."""
        quantization = tensor.quantization
        return 0 if quantization is None or quantization.scale is None else len(quantization.scale)

    def quantized_whole(self, *tensors: Any) -> None:
        """Refuse the file unless every tensor of a quantized type has one scale."""
        for tensor in tensors:
            if self.dtype(tensor) in QUANTIZED:
                self.require(self.scales(tensor) == 1, "with a tensor that needs one scale")

    def activation(self) -> None:
        """Refuse a fused activation that kernels don't have."""
        fused = self.options.fusedActivationFunction
        self.require(fused in CLAMPING_ACTIVATIONS, f"with fused activation {fused}")
