"""New tensors and operators for a `.tflite` file."""

import numpy as np


class Editor:
    """Makes parts of a graph; who asks for an operator puts it where it belongs.

    Args:
        file: The `Flatbuffer` they are for.
    """

    def __init__(self, file):
        self.file = file
        self.schema = file.schema
        self._codes = {}

    def tensor(self, graph, name, shape, kind, *, scale=None, zero_point=None, data=None):
        """Adds a tensor to a graph.

        Args:
            graph: The subgraph.
            name: Its name.
            shape: Sizes of its axes.
            kind: Name of its type, such as `"INT8"`.
            scale: Its scale, where it is quantised.
            zero_point: Its zero point, where it is quantised.
            data: Its numbers, where it is constant.

        Returns:
            Its index.
        """
        tensor = self.schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, list(shape), 0
        tensor.type = getattr(self.schema.TensorType, kind)
        if scale is not None:
            tensor.quantization = self.schema.QuantizationParametersT()
            tensor.quantization.scale = np.float32([scale])
            tensor.quantization.zeroPoint = np.int64([zero_point])
        if data is not None:
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), "uint8")
            self.file.tree.buffers.append(buffer)
            tensor.buffer = len(self.file.tree.buffers) - 1
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def operator(self, name, inputs, outputs, **options):
        """Makes an operator.

        Args:
            name: Its name, such as `"RESHAPE"`.
            inputs: Tensor indices.
            outputs: Tensor indices.
            **options: One keyword: the name of its options, with a dict of their values.

        Returns:
            The schema's `OperatorT`.
        """
        operator = self.schema.OperatorT()
        operator.opcodeIndex = self._code(name)
        operator.inputs, operator.outputs = inputs, outputs
        for kind, values in options.items():
            operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
            operator.builtinOptions = getattr(self.schema, f"{kind}T")()
            vars(operator.builtinOptions).update(values)
        return operator

    def _code(self, name):
        """Index of an operator's code, added on first use."""
        if name not in self._codes:
            code = self.schema.OperatorCodeT()
            code.builtinCode = getattr(self.schema.BuiltinOperator, name)
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
            code.version = 1
            self.file.tree.operatorCodes.append(code)
            self._codes[name] = len(self.file.tree.operatorCodes) - 1
        return self._codes[name]
