"""Rules of operators: the types, shapes and options with which a runtime's kernels are safe.

Kernels check some of this and trust the file with the rest: a stride of 0 divides by it, a weight
matrix of another depth than its input reads beyond it, an axis out of range writes beyond a shape.
A rule computes the shape of the output where it can, and the file must state the same.

An operator without a rule has only its indices checked. `unruled` names them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_sal.export.tflite.structure import constant_bytes, damaged
from keras_sal.typing import Array

if TYPE_CHECKING:
    from keras_sal.export.tflite.flatbuffer import Flatbuffer

ARITHMETIC_TYPES = {
    ("float32", "float32", "float32"), ("int8", "int8", "int32"), ("int16", "int8", "int64"),
    ("int16", "int8", "int32"), ("float32", "int8", "float32"),
}  # fmt: skip
QUANTIZED = ("int8", "uint8", "int16")
LARGEST_STRIDE = 1 << 16
CLAMPING_ACTIVATIONS = range(4)  # none, ReLU, ReLU from -1 to 1, ReLU6
SAME_PADDING = 0


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
        self.inputs = [graph.tensors[i] if i >= 0 else None for i in operator.inputs]
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
        return self.file.type_name(tensor.type)

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


Rule = Callable[[Node], None]


def check_operators(file: Flatbuffer) -> None:
    """Refuse a file whose operators a runtime can't execute safely.

    Args:
        file: A file that `check_structure` has accepted.

    Raises:
        ValueError: If an operator breaks its rule, overwrites a constant, or reads what nothing
            has computed.
    """
    for number, graph in enumerate(file.tree.subgraphs):
        computed = {int(index) for index in (() if graph.inputs is None else graph.inputs)}
        for index, operator in enumerate(graph.operators or ()):
            place = f"operator {index} of subgraph {number}"
            name = file.operator_name(operator)
            for read in operator.inputs:
                known = read < 0 or int(read) in computed or _is_constant(file, graph.tensors[read])
                if not known:
                    damaged(f"{place}, {name}, which reads tensor {read} before it is computed")
            for written in operator.outputs:
                tensor = graph.tensors[written]
                if int(written) in computed or constant_bytes(file, tensor):
                    damaged(f"{place}, {name}, which writes tensor {written} over other values")
                computed.add(int(written))
            if name in RULES:
                _apply(Node(file, graph, operator, name, place), operator)
        for index in () if graph.outputs is None else graph.outputs:
            if int(index) not in computed and not _is_constant(file, graph.tensors[index]):
                damaged(f"output tensor {index} of subgraph {number}, which nothing computes")
    _check_variables(file)


def unruled(file: Flatbuffer) -> list[str]:
    """Return the operators of a file for which there is no rule, sorted, each once.

    Args:
        file: The file.
    """
    names = {
        file.operator_name(operator)
        for graph in file.tree.subgraphs
        for operator in graph.operators or ()
    }
    return sorted(names - set(RULES))


def _is_constant(file: Flatbuffer, tensor: Any) -> bool:
    return constant_bytes(file, tensor) > 0 or 0 in (
        tensor.shape if tensor.shape is not None else ()
    )


def _apply(node: Node, operator: Any) -> None:
    rule, (least, most), outputs, options = RULES[node.name]
    count = len(node.inputs)
    node.require(least <= count <= most, f"with {count} inputs")
    node.require(None not in node.inputs[:least], "without a needed input")
    node.require(outputs in (len(node.outputs), ANY_NUMBER), f"with {len(node.outputs)} outputs")
    given = type(operator.builtinOptions).__name__.removesuffix("OptionsT")
    if options is None:
        rule(node)
        return
    expected = getattr(node.file.schema.BuiltinOptions, f"{options}Options")
    node.require(
        operator.builtinOptionsType == expected and given == options, "with options of another kind"
    )
    rule(node)


def _check_variables(file: Flatbuffer) -> None:
    """Refuse variables that are read or assigned in another type or shape than elsewhere."""
    kinds: dict[Any, Any] = {}
    for graph in file.tree.subgraphs:
        handles: dict[int, Any] = {}
        for operator in graph.operators or ():
            name = file.operator_name(operator)
            if name == "VAR_HANDLE":
                options = operator.builtinOptions
                handles[int(operator.outputs[0])] = (options.container, options.sharedName)
            elif name in ("READ_VARIABLE", "ASSIGN_VARIABLE"):
                handle, value = (
                    operator.inputs if name == "ASSIGN_VARIABLE"
                    else (operator.inputs[0], operator.outputs[0])
                )  # fmt: skip
                if int(handle) not in handles:
                    damaged(f"{name} of tensor {handle}, which is no variable")
                tensor = graph.tensors[value]
                kind = tensor.type, tuple(() if tensor.shape is None else tensor.shape)
                if kinds.setdefault(handles[int(handle)], kind) != kind:
                    damaged("a variable that is read and assigned in different shapes")


def _element_wise(node: Node) -> None:
    """Rule of operators on two tensors, of which one may be broadcast."""
    first, second = node.inputs
    node.same_types(first, second, node.outputs[0])
    node.quantized_whole(first, second, node.outputs[0])
    node.activation() if hasattr(node.options, "fusedActivationFunction") else None
    try:
        node.gives(np.broadcast_shapes(node.shape(first), node.shape(second)))
    except ValueError as error:
        if "`path`" in str(error):
            raise
        damaged(f"{node.place}, of shapes that don't match")
    if node.name in ("ADD", "SUB") and node.dtype(first) in QUANTIZED:
        scales = [float(tensor.quantization.scale[0]) for tensor in (first, second)]
        shift = 15 if node.dtype(first) == "int16" else 20
        ratio = 2 * max(scales) / (float(node.outputs[0].quantization.scale[0]) * 2**shift)
        node.require(ratio < 1 and min(scales) > 0, "whose output has far too small a scale")


def _same_shape(node: Node) -> None:
    """Rule of operators on each value of one tensor."""
    node.same_types(node.inputs[0], node.outputs[0])
    node.quantized_whole(node.inputs[0], node.outputs[0])
    node.gives(node.shape(node.inputs[0]))


def _conversion(node: Node) -> None:
    given, made = node.inputs[0], node.outputs[0]
    node.gives(node.shape(given))
    if node.name == "QUANTIZE":
        node.quantized_whole(given, made)
        node.require(node.dtype(made) in (*QUANTIZED, "int32"), "to another type")
    elif node.name == "DEQUANTIZE":
        node.require(node.dtype(made) == "float32", "to another type")
        node.require(
            node.dtype(given) == "float16" or node.scales(given) > 0, "of a tensor without a scale"
        )


def _arithmetic(node: Node) -> tuple[Any, Any, Any, Any]:
    """Check the types and scales of a dense layer or convolution; return its tensors."""
    given, weights = node.inputs[:2]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    made = node.outputs[0]
    types = node.dtype(given), node.dtype(weights), node.dtype(bias) if bias is not None else None
    node.require(
        any(types in (known, (*known[:2], None)) for known in ARITHMETIC_TYPES), f"of types {types}"
    )
    node.same_types(given, made)
    node.quantized_whole(given, made)
    channels = node.shape(made)[-1] if node.shape(made) else 0
    if bias is not None:
        node.require(node.shape(bias) == (channels,), f"with bias of shape {node.shape(bias)}")
    if types[1] in QUANTIZED:
        axis = 3 if node.name == "DEPTHWISE_CONV_2D" else 0
        count = node.scales(weights)
        by_channel = count == channels and weights.quantization.quantizedDimension == axis
        node.require(count == 1 or by_channel, f"with {count} scales of weights")
    node.activation()
    return given, weights, bias, made


def _fully_connected(node: Node) -> None:
    given, weights, _, made = _arithmetic(node)
    node.require(len(node.shape(weights)) == 2, f"with weights of shape {node.shape(weights)}")
    node.require(node.options.weightsFormat == 0, "with shuffled weights")
    units, depth = node.shape(weights)
    values = math.prod(node.shape(given))
    node.require(
        values % depth == 0 and math.prod(node.shape(made)) == values // depth * units,
        f"of {values} values, with weights of shape {(units, depth)}",
    )
    node.require(node.shape(made)[-1:] == (units,), f"of output shape {node.shape(made)}")
    if node.options.keepNumDims:
        node.gives((*node.shape(given)[:-1], units))


def _window(node: Node, sizes: Sequence[int], window: Sequence[int], filled: Sequence[int]) -> Any:
    """Return height and width of what a window gives that slides over an image."""
    options = node.options
    strides = options.strideH, options.strideW
    node.require(
        all(1 <= number <= LARGEST_STRIDE for number in (*strides, *window, *filled)),
        f"with strides {strides}, window {tuple(window)}",
    )
    node.require(options.padding in (0, 1), f"with padding {options.padding}")
    if options.padding == SAME_PADDING:
        return [-(-size // stride) for size, stride in zip(sizes, strides, strict=True)]
    return [
        (size - extent) // stride + 1
        for size, extent, stride in zip(sizes, filled, strides, strict=True)
    ]


def _convolution(node: Node) -> None:
    given, weights, _, made = _arithmetic(node)
    shapes = [node.shape(tensor) for tensor in (given, weights, made)]
    node.require(all(len(shape) == 4 for shape in shapes), f"of shapes {shapes}")
    (batch, *image, depth), filters, (*_, channels) = shapes
    options = node.options
    window = filters[1:3]
    dilations = options.dilationHFactor, options.dilationWFactor
    node.require(all(1 <= d <= LARGEST_STRIDE for d in dilations), f"with dilations {dilations}")
    filled = [(size - 1) * dilation + 1 for size, dilation in zip(window, dilations, strict=True)]
    image = _window(node, image, window, filled)
    if node.name == "DEPTHWISE_CONV_2D":
        multiplier = channels // depth
        fits = filters[0] == 1 and filters[3] == channels == depth * multiplier
        node.require(
            fits and options.depthMultiplier in (0, multiplier),
            f"of {depth} channels with weights of shape {filters}",
        )
    else:
        groups = depth // filters[3]
        node.require(
            depth == groups * filters[3] and filters[0] == channels and channels % groups == 0,
            f"of {depth} channels with weights of shape {filters}",
        )
    node.gives((batch, *image, channels))


def _pooling(node: Node) -> None:
    given, made = node.inputs[0], node.outputs[0]
    node.same_types(given, made)
    node.quantized_whole(given, made)
    node.activation()
    node.require(len(node.shape(given)) == 4, f"of shape {node.shape(given)}")
    batch, *image, channels = node.shape(given)
    window = node.options.filterHeight, node.options.filterWidth
    node.gives((batch, *_window(node, image, window, window), channels))


def _reshape(node: Node) -> None:
    given, made = node.inputs[0], node.outputs[0]
    node.same_types(given, made)
    stated = node.shape(made)
    node.require(math.prod(stated) == math.prod(node.shape(given)), f"to shape {stated}")
    sizes = None
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        sizes = node.constant(1, "a shape")
    elif getattr(node.options, "newShape", None) is not None:
        sizes = node.options.newShape
    if sizes is not None:
        free = sum(int(size) == -1 for size in sizes)
        fits = len(sizes) == len(stated) and all(
            int(size) in (-1, known) for size, known in zip(sizes, stated, strict=True)
        )
        node.require(fits and free <= 1, f"to shape {[int(size) for size in sizes]}")


def _same_count(node: Node) -> None:
    """Rule of operators that only change a shape."""
    given, made = node.inputs[0], node.outputs[0]
    node.same_types(given, made)
    rank = len(node.shape(given))
    if node.name == "EXPAND_DIMS":
        (axis,) = node.constant(1, "an axis")[:1] if len(node.constant(1, "an axis")) else (99,)
        node.axis(int(axis), rank + 1)
    elif node.options is not None and node.options.squeezeDims is not None:
        for axis in node.options.squeezeDims:
            node.axis(int(axis), rank)
    node.require(
        math.prod(node.shape(given)) == math.prod(node.shape(made))
        and [s for s in node.shape(given) if s != 1] == [s for s in node.shape(made) if s != 1],
        f"from shape {node.shape(given)} to {node.shape(made)}",
    )


def _split(node: Node) -> None:
    axes = node.constant(0, "an axis")
    given = node.inputs[1]
    shape = list(node.shape(given))
    node.require(len(axes) == 1, "along several axes")
    axis = node.axis(int(axes[0]), len(shape))
    parts = len(node.outputs)
    node.require(
        parts > 0 and node.options.numSplits == parts and shape[axis] % parts == 0,
        f"of {shape[axis]} into {node.options.numSplits} parts with {parts} outputs",
    )
    node.same_types(given, *node.outputs)
    shape[axis] //= parts
    for number in range(parts):
        node.gives(shape, number)


def _strided_slice(node: Node) -> None:
    given, options = node.inputs[0], node.options
    node.same_types(given, node.outputs[0])
    shape = node.shape(given)
    begins, ends, steps = (node.constant(k, "limits of integers") for k in (1, 2, 3))
    node.require(
        len(begins) == len(ends) == len(steps) == len(shape)
        and not (options.ellipsisMask or options.newAxisMask or options.offset),
        f"of shape {shape} with {len(begins)} begins",
    )
    result = []
    for axis, size in enumerate(shape):
        step, bit = int(steps[axis]), 1 << axis
        node.require(0 < abs(step) <= LARGEST_STRIDE, f"with step {step}")
        begin = None if options.beginMask & bit else int(begins[axis])
        end = None if options.endMask & bit else int(ends[axis])
        if options.shrinkAxisMask & bit:
            node.require(begin is not None and -size <= begin < size, f"at {begin} of {size}")
            continue
        node.require(
            (begin is None or -size <= begin <= size) and (end is None or abs(end) < 1 << 31),
            f"from {begin} to {end} of {size}",
        )
        result.append(len(range(*slice(begin, end, step).indices(size))))
    node.gives(result)
    node.require(math.prod(result) > 0, "of no values")


def _slice(node: Node) -> None:
    given = node.inputs[0]
    node.same_types(given, node.outputs[0])
    shape = node.shape(given)
    begins, sizes = (node.constant(k, "limits of integers") for k in (1, 2))
    node.require(len(begins) == len(sizes) == len(shape), f"of shape {shape}")
    result = []
    for begin, size, available in zip(begins, sizes, shape, strict=True):
        taken = int(available - begin) if size == -1 else int(size)
        node.require(begin >= 0 and 1 <= taken <= available - begin, f"from {begin}, {size} values")
        result.append(taken)
    node.gives(result)


def _concatenation(node: Node) -> None:
    node.same_types(*node.inputs, node.outputs[0])
    node.require(node.options.fusedActivationFunction == 0, "with a fused activation")
    shapes = [list(node.shape(tensor)) for tensor in node.inputs]
    axis = node.axis(node.options.axis, len(shapes[0]))
    node.require(
        all(
            len(shape) == len(shapes[0])
            and shape[:axis] + shape[axis + 1 :] == shapes[0][:axis] + shapes[0][axis + 1 :]
            for shape in shapes
        ),
        f"of shapes {shapes}",
    )
    result = [*shapes[0]]
    result[axis] = sum(shape[axis] for shape in shapes)
    node.gives(result)


def _pad(node: Node) -> None:
    given = node.inputs[0]
    node.same_types(given, node.outputs[0])
    shape = node.shape(given)
    amounts = node.constant(1, "amounts")
    node.require(
        len(amounts) == 2 * len(shape) and all(0 <= a <= LARGEST_STRIDE for a in amounts),
        f"of shape {shape} by {amounts.tolist()[:8]}",
    )
    if len(node.inputs) > 2:
        node.same_types(given, node.inputs[2])
        node.require(math.prod(node.shape(node.inputs[2])) == 1, "with several fill values")
    node.gives([size + int(sum(amounts[2 * k : 2 * k + 2])) for k, size in enumerate(shape)])


def _transpose(node: Node) -> None:
    given = node.inputs[0]
    node.same_types(given, node.outputs[0])
    order = node.constant(1, "an order of axes").tolist()
    shape = node.shape(given)
    node.require(sorted(order) == list(range(len(shape))), f"of {len(shape)} axes to {order}")
    node.gives([shape[axis] for axis in order])


def _gather(node: Node) -> None:
    given, options = node.inputs[0], node.options
    node.same_types(given, node.outputs[0])
    shape = node.shape(given)
    axis = node.axis(options.axis, len(shape))
    node.require(options.batchDims == 0, "in batches")
    if constant_bytes(node.file, node.inputs[1]):
        indices = node.constant(1, "indices")
        node.require(all(0 <= index < shape[axis] for index in indices), f"of {shape[axis]} values")
    node.gives((*shape[:axis], *node.shape(node.inputs[1]), *shape[axis + 1 :]))


def _pack(node: Node) -> None:
    node.same_types(*node.inputs, node.outputs[0])
    shapes = {node.shape(tensor) for tensor in node.inputs}
    node.require(
        len(shapes) == 1 and node.options.valuesCount == len(node.inputs),
        f"of {node.options.valuesCount} values with {len(node.inputs)} inputs",
    )
    (shape,) = shapes
    axis = node.axis(node.options.axis, len(shape) + 1)
    node.gives((*shape[:axis], len(node.inputs), *shape[axis:]))


def _unpack(node: Node) -> None:
    given = node.inputs[0]
    node.same_types(given, *node.outputs)
    shape = node.shape(given)
    axis = node.axis(node.options.axis, len(shape))
    node.require(
        node.options.num == len(node.outputs) == shape[axis],
        f"of {shape[axis]} values into {len(node.outputs)}",
    )
    for number in range(len(node.outputs)):
        node.gives(shape[:axis] + shape[axis + 1 :], number)


def _reduction(node: Node) -> None:
    given = node.inputs[0]
    node.same_types(given, node.outputs[0])
    node.quantized_whole(given, node.outputs[0])
    shape = node.shape(given)
    axes = {node.axis(int(axis), len(shape)) for axis in node.constant(1, "axes")}
    kept = [
        1 if axis in axes else size
        for axis, size in enumerate(shape)
        if node.options.keepDims or axis not in axes
    ]
    node.gives(kept)


def _softmax(node: Node) -> None:
    given, made = node.inputs[0], node.outputs[0]
    node.quantized_whole(given, made)
    node.gives(node.shape(given))
    node.require(
        (node.dtype(given), node.dtype(made))
        in {("float32", "float32"), ("int8", "int8"), ("int8", "int16"), ("int16", "int16")},
        f"from {node.dtype(given)} to {node.dtype(made)}",
    )
    node.require(0 < node.options.beta <= LARGEST_STRIDE, f"with beta {node.options.beta}")


def _call_once(node: Node) -> None:
    number, graphs = node.options.initSubgraphIndex, node.file.tree.subgraphs
    node.require(1 <= number < len(graphs), f"of subgraph {number} of {len(graphs)}")
    called = graphs[number]
    node.require(
        not any(node.file.operator_name(op) == "CALL_ONCE" for op in called.operators or ()),
        f"of subgraph {number}, which calls another",
    )
    node.require(called.inputs is None or not len(called.inputs), "of a subgraph with inputs")


def _variable(node: Node) -> None:
    handle = node.outputs[0] if node.name == "VAR_HANDLE" else node.inputs[0]
    node.require(node.dtype(handle) == "resource", f"of type {node.dtype(handle)}")
    values = [*node.inputs[1:], *(node.outputs if node.name == "READ_VARIABLE" else [])]
    node.require(all(node.dtype(value) != "resource" for value in values), "of a variable")


ANY_NUMBER = -1
MANY = 1 << 10
# The rule of an operator, how many inputs it has, how many outputs, and the kind of its options.
RULES: dict[str, tuple[Rule, tuple[int, int], int, str | None]] = {
    "ADD": (_element_wise, (2, 2), 1, "Add"),
    "SUB": (_element_wise, (2, 2), 1, "Sub"),
    "MUL": (_element_wise, (2, 2), 1, "Mul"),
    "DIV": (_element_wise, (2, 2), 1, "Div"),
    "MAXIMUM": (_element_wise, (2, 2), 1, None),
    "MINIMUM": (_element_wise, (2, 2), 1, None),
    "SQUARED_DIFFERENCE": (_element_wise, (2, 2), 1, None),
    **dict.fromkeys(
        (
            "LOGISTIC",
            "TANH",
            "RELU",
            "RELU6",
            "ABS",
            "EXP",
            "SQRT",
            "RSQRT",
            "SQUARE",
            "NEG",
            "LOG",
            "HARD_SWISH",
            "ELU",
        ),
        (_same_shape, (1, 1), 1, None),
    ),
    "QUANTIZE": (_conversion, (1, 1), 1, None),
    "DEQUANTIZE": (_conversion, (1, 1), 1, None),
    "CAST": (_conversion, (1, 1), 1, None),
    "FULLY_CONNECTED": (_fully_connected, (2, 3), 1, "FullyConnected"),
    "CONV_2D": (_convolution, (2, 3), 1, "Conv2D"),
    "DEPTHWISE_CONV_2D": (_convolution, (2, 3), 1, "DepthwiseConv2D"),
    "AVERAGE_POOL_2D": (_pooling, (1, 1), 1, "Pool2D"),
    "MAX_POOL_2D": (_pooling, (1, 1), 1, "Pool2D"),
    "RESHAPE": (_reshape, (1, 2), 1, None),
    "EXPAND_DIMS": (_same_count, (2, 2), 1, None),
    "SQUEEZE": (_same_count, (1, 1), 1, "Squeeze"),
    "SPLIT": (_split, (2, 2), ANY_NUMBER, "Split"),
    "STRIDED_SLICE": (_strided_slice, (4, 4), 1, "StridedSlice"),
    "SLICE": (_slice, (3, 3), 1, None),
    "CONCATENATION": (_concatenation, (1, MANY), 1, "Concatenation"),
    "PAD": (_pad, (2, 2), 1, None),
    "PADV2": (_pad, (3, 3), 1, None),
    "TRANSPOSE": (_transpose, (2, 2), 1, None),
    "GATHER": (_gather, (2, 2), 1, "Gather"),
    "PACK": (_pack, (1, MANY), 1, "Pack"),
    "UNPACK": (_unpack, (1, 1), ANY_NUMBER, "Unpack"),
    **dict.fromkeys(
        ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"), (_reduction, (2, 2), 1, "Reducer")
    ),
    "SOFTMAX": (_softmax, (1, 1), 1, "Softmax"),
    "CALL_ONCE": (_call_once, (0, 0), 0, "CallOnce"),
    "VAR_HANDLE": (_variable, (0, 0), 1, "VarHandle"),
    "READ_VARIABLE": (_variable, (1, 1), 1, None),
    "ASSIGN_VARIABLE": (_variable, (2, 2), 0, None),
}
