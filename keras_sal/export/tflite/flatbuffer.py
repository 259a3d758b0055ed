"""A `.tflite` file as objects: its tensors, operators and named ends, to be read, mended, written.

The schema is the one that comes with `tflite_micro`, so that TensorFlow need not be imported to
look at a file.
"""

import functools
from typing import NamedTuple

import numpy as np

from keras_sal.export.step_runner import TensorInfo
from keras_sal.extras import import_package

ALIGNMENT_BYTES = 16


class Operator(NamedTuple):
    """One operator: its TensorFlow Lite name, and its inputs and outputs as tensor indices."""

    name: str
    inputs: tuple
    outputs: tuple


@functools.cache
def schema():
    """The generated schema module."""
    return import_package(
        "tflite_micro.tensorflow.lite.micro.python.schema_py_generated", "read .tflite files"
    )


def _text(name):
    return name.decode() if isinstance(name, bytes) else name


@functools.cache
def _names(enumeration):
    return {value: key for key, value in vars(enumeration).items() if isinstance(value, int)}


class Flatbuffer:
    """The object tree of a `.tflite` file with one signature.

    Attributes:
        tree: The schema's `ModelT`.
        inputs: `{name: tensor index}` from the signature.
        outputs: `{name: tensor index}` from the signature.
    """

    def __init__(self, content):
        if content[4:8] != b"TFL3":
            raise ValueError(
                "`path` must be a TensorFlow Lite file; it does not start like one. Received: "
                f"{len(content)} bytes starting with {bytes(content[:8])!r}. "
                "Give a file written by `keras_sal.export`."
            )
        self.schema = schema()
        self.tree = self.schema.ModelT.InitFromObj(self.schema.Model.GetRootAsModel(content, 0))
        signatures = self.tree.signatureDefs or []
        if len(signatures) != 1 or len(self.tree.subgraphs) < 1:
            raise ValueError(
                "`path` must be a TensorFlow Lite file with one signature, which gives its tensors "
                f"their names. Received: {len(signatures)} signatures. "
                "Give a file written by `keras_sal.export`."
            )
        (signature,) = signatures
        self.inputs = {_text(end.name): end.tensorIndex for end in signature.inputs}
        self.outputs = {_text(end.name): end.tensorIndex for end in signature.outputs}

    @property
    def graph(self):
        """The main subgraph."""
        return self.tree.subgraphs[0]

    def operators(self):
        """The operators of the main subgraph, in order of execution."""
        return [
            Operator(self._operator_name(op), tuple(op.inputs), tuple(op.outputs))
            for op in self.graph.operators
        ]

    def _operator_name(self, op):
        code = self.tree.operatorCodes[op.opcodeIndex]
        name = _names(self.schema.BuiltinOperator)[
            max(code.builtinCode, code.deprecatedBuiltinCode)
        ]
        return _text(code.customCode) if name == "CUSTOM" else name

    def quantization(self):
        """How the numbers inside are kept: `"float32"`, `"float16"`, `"int8"` or `"int16x8"`."""
        types = {self.dtype(index) for op in self.operators() for index in op.inputs if index >= 0}
        if "int16" in types:
            return "int16x8"
        return next((kind for kind in ("int8", "float16") if kind in types), "float32")

    def has_mixed_types(self):
        """Whether floats outside meet smaller numbers inside, as in files for phones."""
        ends = {self.dtype(index) for index in self.inputs.values()}
        return "float32" in ends and self.quantization() != "float32"

    def macs(self):
        """Multiply-accumulates of one invocation: dense layers and convolutions."""
        return sum(self._macs(op) for op in self.operators())

    def _macs(self, op):
        if op.name not in ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"):
            return 0
        weights, output = self.shape(op.inputs[1]), self.shape(op.outputs[0])
        if op.name == "DEPTHWISE_CONV_2D":  # (1, height, width, channels)
            return int(np.prod(output) * np.prod(weights[1:3]))
        return int(np.prod(output) * np.prod(weights[1:]))

    def shape(self, index):
        """Sizes of a tensor's axes; none for a scalar."""
        shape = self.tensor(index).shape
        return () if shape is None else tuple(int(size) for size in shape)

    def tensor(self, index):
        """The schema's `TensorT` at an index."""
        return self.graph.tensors[index]

    def tensor_name(self, index):
        """What the converter called a tensor: a path through the model's layers."""
        return _text(self.tensor(index).name)

    def dtype(self, index):
        """Name of a tensor's type, such as `"int8"`."""
        return _names(self.schema.TensorType)[self.tensor(index).type].lower()

    def scale(self, index):
        """Scale of a tensor quantised as a whole, or None."""
        quantization = self.tensor(index).quantization
        if quantization is None or quantization.scale is None or len(quantization.scale) != 1:
            return None
        return float(quantization.scale[0])

    def zero_point(self, index):
        """Zero point of a tensor quantised as a whole, or None."""
        if self.scale(index) is None:
            return None
        return int(self.tensor(index).quantization.zeroPoint[0])

    def info(self, name):
        """`TensorInfo` of a named end."""
        index = self.inputs[name] if name in self.inputs else self.outputs[name]
        return TensorInfo(
            name,
            self.shape(index),
            self.dtype(index),
            self.scale(index),
            self.zero_point(index),
        )

    def ends(self):
        """`TensorInfo` of all inputs, and of all outputs."""
        return [self.info(name) for name in self.inputs], [self.info(name) for name in self.outputs]

    def values(self, index):
        """A constant tensor's numbers, writable through `set_values`."""
        tensor = self.tensor(index)
        raw = np.asarray(self.tree.buffers[tensor.buffer].data, "uint8").tobytes()
        return np.frombuffer(raw, self.dtype(index))

    def set_values(self, index, values):
        """Replaces a constant's numbers; a buffer that others share is copied first."""
        tensor = self.tensor(index)
        shared = sum(t.buffer == tensor.buffer for g in self.tree.subgraphs for t in g.tensors) > 1
        if shared:
            self.tree.buffers.append(self.schema.BufferT())
            tensor.buffer = len(self.tree.buffers) - 1
        raw = np.ascontiguousarray(values, self.dtype(index)).tobytes()
        self.tree.buffers[tensor.buffer].data = np.frombuffer(raw, "uint8")

    def tobytes(self):
        """The file, every buffer on a 16-byte boundary as kernels with wide loads expect."""
        import flatbuffers

        builder = flatbuffers.Builder(1 << 16)
        for buffer in self.tree.buffers:
            buffer.Pack = _aligned(buffer)
        builder.Finish(self.tree.Pack(builder), b"TFL3")
        for buffer in self.tree.buffers:
            del buffer.Pack
        return bytes(builder.Output())


def _aligned(buffer):
    pack = buffer.Pack

    def aligned_pack(builder):
        if buffer.data is not None:
            builder.Prep(ALIGNMENT_BYTES, len(buffer.data))
        return pack(builder)

    return aligned_pack
