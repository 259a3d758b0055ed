"""A `.tflite` file as objects: its tensors, operators and named ends, to be read, mended, written.

The schema is the one that comes with `tflite_micro`, so that TensorFlow need not be imported to
look at a file.
"""

import functools
from typing import NamedTuple

import numpy as np

from keras_sal.export.extras import need

ALIGNMENT_BYTES = 16


class TensorInfo(NamedTuple):
    """One end of a model: what a caller must know to fill or read it.

    A quantised value `q` means `(q - zero_point) * scale`; float tensors have neither.
    """

    name: str
    shape: tuple
    dtype: str
    scale: float | None
    zero_point: int | None


class Operator(NamedTuple):
    """One operator: its TensorFlow Lite name, and its inputs and outputs as tensor indices."""

    name: str
    inputs: tuple
    outputs: tuple


@functools.cache
def schema():
    """The generated schema module."""
    return need(
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
            tuple(int(size) for size in self.tensor(index).shape),
            self.dtype(index),
            self.scale(index),
            self.zero_point(index),
        )

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
