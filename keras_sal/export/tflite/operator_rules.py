"""Rules of operators: the types, shapes and options with which a runtime's kernels are safe.

Kernels check some of this and trust the file with the rest: a stride of 0 divides by it, a weight
matrix of another depth than its input reads beyond it, an axis out of range writes beyond a shape.
A rule computes the shape of the output where it can, and the file must state the same.

An operator without a rule has only its indices checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras_sal.export.tflite import arithmetic_rules, layout_rules
from keras_sal.export.tflite.node import Node
from keras_sal.export.tflite.structure import constant_bytes, damaged

if TYPE_CHECKING:
    from keras_sal.export.tflite.flatbuffer import Flatbuffer

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
    "ADD": (arithmetic_rules.element_wise, (2, 2), 1, "Add"),
    "SUB": (arithmetic_rules.element_wise, (2, 2), 1, "Sub"),
    "MUL": (arithmetic_rules.element_wise, (2, 2), 1, "Mul"),
    "DIV": (arithmetic_rules.element_wise, (2, 2), 1, "Div"),
    "MAXIMUM": (arithmetic_rules.element_wise, (2, 2), 1, None),
    "MINIMUM": (arithmetic_rules.element_wise, (2, 2), 1, None),
    "SQUARED_DIFFERENCE": (arithmetic_rules.element_wise, (2, 2), 1, None),
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
        (arithmetic_rules.same_shape, (1, 1), 1, None),
    ),
    "QUANTIZE": (arithmetic_rules.conversion, (1, 1), 1, None),
    "DEQUANTIZE": (arithmetic_rules.conversion, (1, 1), 1, None),
    "CAST": (arithmetic_rules.conversion, (1, 1), 1, None),
    "FULLY_CONNECTED": (arithmetic_rules.fully_connected, (2, 3), 1, "FullyConnected"),
    "CONV_2D": (arithmetic_rules.convolution, (2, 3), 1, "Conv2D"),
    "DEPTHWISE_CONV_2D": (arithmetic_rules.convolution, (2, 3), 1, "DepthwiseConv2D"),
    "AVERAGE_POOL_2D": (arithmetic_rules.pooling, (1, 1), 1, "Pool2D"),
    "MAX_POOL_2D": (arithmetic_rules.pooling, (1, 1), 1, "Pool2D"),
    "RESHAPE": (layout_rules.reshape, (1, 2), 1, None),
    "EXPAND_DIMS": (layout_rules.same_count, (2, 2), 1, None),
    "SQUEEZE": (layout_rules.same_count, (1, 1), 1, "Squeeze"),
    "SPLIT": (layout_rules.split, (2, 2), ANY_NUMBER, "Split"),
    "STRIDED_SLICE": (layout_rules.strided_slice, (4, 4), 1, "StridedSlice"),
    "SLICE": (layout_rules.slice_values, (3, 3), 1, None),
    "CONCATENATION": (layout_rules.concatenation, (1, MANY), 1, "Concatenation"),
    "PAD": (layout_rules.pad, (2, 2), 1, None),
    "PADV2": (layout_rules.pad, (3, 3), 1, None),
    "TRANSPOSE": (layout_rules.transpose, (2, 2), 1, None),
    "GATHER": (layout_rules.gather, (2, 2), 1, "Gather"),
    "PACK": (layout_rules.pack, (1, MANY), 1, "Pack"),
    "UNPACK": (layout_rules.unpack, (1, 1), ANY_NUMBER, "Unpack"),
    **dict.fromkeys(
        ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"),
        (arithmetic_rules.reduction, (2, 2), 1, "Reducer"),
    ),
    "SOFTMAX": (arithmetic_rules.softmax, (1, 1), 1, "Softmax"),
    "CALL_ONCE": (_call_once, (0, 0), 0, "CallOnce"),
    "VAR_HANDLE": (_variable, (0, 0), 1, "VarHandle"),
    "READ_VARIABLE": (_variable, (1, 1), 1, None),
    "ASSIGN_VARIABLE": (_variable, (2, 2), 0, None),
}
