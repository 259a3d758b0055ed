"""A `.tflite` file as objects: its tensors, operators, inputs and outputs, to read and change.

The schema is the one of `tflite_micro`, or of `ai_edge_litert` where that is missing, so that
TensorFlow need not be imported to read a file. A file may be damaged or hostile: `structure` and
`operator_rules` check it when it is read. Runtimes get `tobytes()`, a file written anew from the
objects, whose tables and offsets are therefore right.
"""

from __future__ import annotations

import functools
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from keras_sal.checks import require
from keras_sal.export.step_runner import TensorInfo
from keras_sal.export.tflite.operator_rules import check_operators
from keras_sal.export.tflite.structure import check_structure, damaged
from keras_sal.extras import import_package
from keras_sal.typing import Array, ArrayLike, PathLike

MAX_TABLES = 100_000
MAX_OVERLAP = 4  # how often the vectors of a file may share its bytes, as equal names do
UNREADABLE = (
    struct.error, IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError,
)  # fmt: skip
"""What the reader of the schema raises on bytes that are no file of the schema."""


class Operator(NamedTuple):
    """An operator of a graph.

    Attributes:
        name: Its TensorFlow Lite name, such as `"FULLY_CONNECTED"`.
        inputs: Indices of its input tensors; -1 for one that is left out.
        outputs: Indices of its output tensors.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@functools.cache
def _schema() -> Any:
    of_litert = "ai_edge_litert.schema_py_generated"
    of_micro = "tflite_micro.tensorflow.lite.micro.python.schema_py_generated"
    has_micro = find_spec("tflite_micro") is not None  # which is for Linux on x86-64 only
    return import_package(of_micro if has_micro else of_litert, "read .tflite files", "detect")


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


@functools.cache
def _names(enumeration: type) -> dict[int, str]:
    return {value: key for key, value in vars(enumeration).items() if isinstance(value, int)}


class Flatbuffer:
    """The object tree of a `.tflite` file with one signature.

    Args:
        content: Bytes of the file.
        check: Whether to check it for damage, as every file must be that a runtime gets. The
            converter's own files are checked when they are repaired. Defaults to `True`.

    Attributes:
        schema: The generated module of the file format.
        tree: The schema's `ModelT`.
        inputs: Tensor index of each input, by its name in the signature.
        outputs: Tensor index of each output, by its name in the signature.

    Raises:
        ImportError: If neither `tflite_micro` nor `ai_edge_litert` is installed.
        ValueError: If `content` is not a TensorFlow Lite file with one signature.
    """

    def __init__(self, content: bytes, *, check: bool = True) -> None:
        require(
            content[4:8] == b"TFL3",
            "`path` must be a TensorFlow Lite file; it does not start like one. Received: "
            f"{len(content)} bytes starting with {bytes(content[:8])!r}. "
            "Give a file written by `keras_sal.export`.",
        )
        self.schema = _schema()
        self.tree = _read_tree(self.schema, bytes(content))
        signatures = self.tree.signatureDefs or []
        require(
            len(signatures) == 1 and bool(self.tree.subgraphs),
            "`path` must be a TensorFlow Lite file with one signature, which gives its tensors "
            f"their names. Received: {len(signatures)} signatures. "
            "Give a file written by `keras_sal.export`.",
        )
        if check:
            self.check()
        (signature,) = signatures
        self.inputs = {_text(e.name): e.tensorIndex for e in signature.inputs or []}
        self.outputs = {_text(e.name): e.tensorIndex for e in signature.outputs or []}

    @classmethod
    def from_file(cls, path: PathLike) -> Self:
        """Read a file.

        Args:
            path: Path of a `.tflite` file.

        Returns:
            Its object tree.

        Raises:
            ImportError: If neither `tflite_micro` nor `ai_edge_litert` is installed.
            ValueError: If it is not a TensorFlow Lite file with one signature, or damaged. The
                message names the file.
        """
        try:
            return cls(Path(path).read_bytes())
        except ValueError as error:
            raise ValueError(f"{error} The file is {str(path)!r}.") from error

    def check(self) -> None:
        """Refuse a file whose indices, sizes or operators a runtime could not follow safely.

        Raises:
            ValueError: If it is damaged; the message names the place.
        """
        check_structure(self)
        check_operators(self)

    @property
    def graph(self) -> Any:
        """The main subgraph."""
        return self.tree.subgraphs[0]

    def operators(self) -> list[Operator]:
        """Return the operators of the main subgraph, in order of execution."""
        return [
            Operator(self.operator_name(op), tuple(op.inputs), tuple(op.outputs))
            for op in self.graph.operators or ()
        ]

    def operator_names(self) -> tuple[str, ...]:
        """Return the names of the operators of the main subgraph, sorted, each once."""
        return tuple(sorted({op.name for op in self.operators()}))

    def operator_name(self, op: Any) -> str:
        """Return the name of the schema's `OperatorT`, such as `"FULLY_CONNECTED"`."""
        code = self.tree.operatorCodes[op.opcodeIndex]
        name = self.known_operators()[max(code.builtinCode, code.deprecatedBuiltinCode)]
        return _text(code.customCode) if name == "CUSTOM" else name

    def known_operators(self) -> dict[int, str]:
        """Return the names of all operators of the format, by number."""
        return _names(self.schema.BuiltinOperator)

    def type_name(self, number: int) -> str | None:
        """Return the name of a type of the format, such as `"int8"`, `None` if there is none."""
        name = _names(self.schema.TensorType).get(number)
        return None if name is None else name.lower()

    def resource_variables(self) -> int:
        """Return the number of variables in which the file keeps its state itself."""
        return sum(op.name == "VAR_HANDLE" for op in self.operators())

    def quantization(self) -> str:
        """Return the type of the numbers: `"float32"`, `"float16"`, `"int8"` or `"int16x8"`."""
        types = {
            self.dtype(index)
            for op in self.operators()
            for index in op.inputs
            if index >= 0 and not self._is_stored(op, index)
        }
        if "int16" in types:
            return "int16x8"
        return next((kind for kind in ("int8", "float16") if kind in types), "float32")

    def _is_stored(self, op: Operator, index: int) -> bool:
        """Return whether an input is a constant that `compaction` stores as integers."""
        return (
            op.name in ("DEQUANTIZE", "CAST")
            and self.tensor(index).buffer != 0
            and self.dtype(index) != "float16"
        )

    def has_mixed_types(self) -> bool:
        """Return whether inputs are float32 and weights smaller, as in files for phones."""
        inputs = {self.dtype(index) for index in self.inputs.values()}
        return "float32" in inputs and self.quantization() != "float32"

    def macs(self) -> int:
        """Return the multiply-accumulates of a step in dense layers and convolutions."""
        return sum(self._macs(op) for op in self.operators())

    def _macs(self, op: Operator) -> int:
        if op.name not in ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"):
            return 0
        weights, output = self.shape(op.inputs[1]), self.shape(op.outputs[0])
        if op.name == "DEPTHWISE_CONV_2D":  # (1, height, width, channels)
            return int(np.prod(output) * np.prod(weights[1:3]))
        return int(np.prod(output) * np.prod(weights[1:]))

    def shape(self, index: int) -> tuple[int, ...]:
        """Return the sizes of a tensor's axes; none for a scalar."""
        shape = self.tensor(index).shape
        return () if shape is None else tuple(int(size) for size in shape)

    def tensor(self, index: int) -> Any:
        """Return the schema's `TensorT` at an index."""
        return self.graph.tensors[index]

    def tensor_name(self, index: int) -> str:
        """Return the name of a tensor, a path through the model's layers; it may be empty."""
        return _text(self.tensor(index).name or "")

    def dtype(self, index: int) -> str:
        """Return the name of a tensor's type, such as `"int8"`."""
        return _names(self.schema.TensorType)[self.tensor(index).type].lower()

    def scale(self, index: int) -> float | None:
        """Return the scale of a tensor that has one scale for all values, or `None`."""
        quantization = self.tensor(index).quantization
        if quantization is None or quantization.scale is None or len(quantization.scale) != 1:
            return None
        return float(quantization.scale[0])

    def zero_point(self, index: int) -> int | None:
        """Return the zero point of a tensor that has one for all values, or `None`."""
        if self.scale(index) is None:
            return None
        return int(self.tensor(index).quantization.zeroPoint[0])

    def info(self, name: str) -> TensorInfo:
        """Return the `TensorInfo` of an input or output, by name."""
        index = self.inputs[name] if name in self.inputs else self.outputs[name]
        return TensorInfo(
            name,
            self.shape(index),
            self.dtype(index),
            self.scale(index),
            self.zero_point(index),
        )

    def tensor_infos(self) -> tuple[list[TensorInfo], list[TensorInfo]]:
        """Return the `TensorInfo` of all inputs, and of all outputs."""
        return [self.info(name) for name in self.inputs], [self.info(name) for name in self.outputs]

    def positions(self) -> dict[str, int]:
        """Return the position of each input among the inputs, of each output among the outputs.

        The interpreter of TensorFlow Lite Micro knows no names.
        """
        inputs, outputs = list(self.graph.inputs), list(self.graph.outputs)
        return {name: inputs.index(index) for name, index in self.inputs.items()} | {
            name: outputs.index(index) for name, index in self.outputs.items()
        }

    def values(self, index: int) -> Array:
        """Return a copy of a constant tensor's values, as a flat array."""
        tensor = self.tensor(index)
        raw = np.asarray(self.tree.buffers[tensor.buffer].data, "uint8").tobytes()
        return np.frombuffer(raw, self.dtype(index))

    def set_values(self, index: int, values: ArrayLike) -> None:
        """Replace a constant tensor's values; other tensors that share its buffer keep theirs."""
        tensor = self.tensor(index)
        shared = sum(t.buffer == tensor.buffer for g in self.tree.subgraphs for t in g.tensors) > 1
        if shared:
            self.tree.buffers.append(self.schema.BufferT())
            tensor.buffer = len(self.tree.buffers) - 1
        raw = np.ascontiguousarray(values, self.dtype(index)).tobytes()
        self.tree.buffers[tensor.buffer].data = np.frombuffer(raw, "uint8")

    def tobytes(self) -> bytes:
        """Return the file, in which equal parts are written once: see `SharingBuilder`."""
        from keras_sal.export.tflite.sharing_builder import SharingBuilder

        builder = SharingBuilder()
        builder.Finish(self.tree.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _read_tree(schema: Any, content: bytes) -> Any:
    """Return the schema's `ModelT` of a file.

    Raises:
        ValueError: If the bytes are no file of the schema.
    """
    try:
        model = schema.Model.GetRootAsModel(content, 0)
        tables, values = _extent(model)
        fits = tables <= MAX_TABLES and values <= MAX_OVERLAP * len(content)
        tree = schema.ModelT.InitFromObj(model) if fits else None
    except UNREADABLE as error:
        damaged(f"{len(content):,} bytes that don't hold together ({type(error).__name__})")
    if not fits:
        damaged(f"{len(content):,} bytes with {tables:,} tables of {values:,} values")
    return tree


def _extent(model: Any) -> tuple[int, int]:
    """Return the number of tables of a file, and of the values in their vectors.

    They are counted before they are read: vectors that lie over one another make a small file fill
    the memory.
    """
    tables = model.OperatorCodesLength() + model.BuffersLength() + model.MetadataLength()
    values = sum(model.Buffers(k).DataLength() for k in _some(model.BuffersLength()))
    for number in _some(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        tables += 1 + graph.TensorsLength() + graph.OperatorsLength()
        values += graph.InputsLength() + graph.OutputsLength()
        for index in _some(graph.OperatorsLength()):
            operator = graph.Operators(index)
            values += operator.InputsLength() + operator.OutputsLength()
            values += operator.CustomOptionsLength() + operator.IntermediatesLength()
        for index in _some(graph.TensorsLength()):
            tensor = graph.Tensors(index)
            values += tensor.ShapeLength() + len(tensor.Name() or b"")
            if (quantization := tensor.Quantization()) is not None:
                values += quantization.ScaleLength() + quantization.ZeroPointLength()
        if tables > MAX_TABLES:
            break
    return tables, values


def _some(count: int) -> range:
    """Return the numbers of tables, no more than a file may have of all kinds."""
    return range(min(count, MAX_TABLES))
