"""New tensors and operators for a `.tflite` file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.typing import ArrayLike


class Editor:
    """A maker of tensors and operators; the caller puts the operators where they belong.

    Args:
        file: The file they are for.
    """

    def __init__(self, file: Flatbuffer) -> None:
        self.file = file
        self.schema = file.schema
        self._codes = {file.operator_name(op): op.opcodeIndex for op in file.graph.operators or ()}

    def tensor(
        self,
        graph: Any,
        name: str,
        shape: Sequence[int],
        dtype: str,
        *,
        scale: float | None = None,
        zero_point: int | None = None,
        data: ArrayLike | None = None,
    ) -> int:
        """Add a tensor to a graph.

        Args:
            graph: The subgraph.
            name: Name of the tensor.
            shape: Sizes of its axes.
            dtype: Name of its type in the schema, such as `"INT8"`.
            scale: Its scale, if it is quantized. Defaults to `None`.
            zero_point: Its zero point, if it is quantized. Defaults to `None`.
            data: Its values, if it is constant. Defaults to `None`.

        Returns:
            The index of the tensor.
        """
        tensor = self.schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, list(shape), 0
        tensor.type = getattr(self.schema.TensorType, dtype)
        if scale is not None:
            tensor.quantization = self.schema.QuantizationParametersT()
            tensor.quantization.scale = np.array([scale], "float32")
            tensor.quantization.zeroPoint = np.array([zero_point], "int64")
        if data is not None:
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), "uint8")
            self.file.tree.buffers.append(buffer)
            tensor.buffer = len(self.file.tree.buffers) - 1
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def operator(
        self,
        name: str,
        inputs: list[int],
        outputs: list[int],
        **options: dict[str, Any],
    ) -> Any:
        """Make an operator.

        Args:
            name: Name of the operator, such as `"RESHAPE"`.
            inputs: Indices of its input tensors.
            outputs: Indices of its output tensors.
            **options: One keyword, the name of the operator's options in the schema, with a dict of
                their values.

        Returns:
            The schema's `OperatorT`.
        """
        operator = self.schema.OperatorT()
        operator.opcodeIndex = self._code_index(name)
        operator.inputs, operator.outputs = inputs, outputs
        for kind, values in options.items():
            operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
            operator.builtinOptions = getattr(self.schema, f"{kind}T")()
            vars(operator.builtinOptions).update(values)
        return operator

    def _code_index(self, name: str) -> int:
        """Return the index of an operator's code, which is added on first use."""
        if name not in self._codes:
            code = self.schema.OperatorCodeT()
            code.builtinCode = getattr(self.schema.BuiltinOperator, name)
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
            code.version = 1
            self.file.tree.operatorCodes.append(code)
            self._codes[name] = len(self.file.tree.operatorCodes) - 1
        return self._codes[name]
