"""Rules of operators that compute: element-wise arithmetic, dense layers, convolutions, means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from keras_sal.export.tflite.node import LARGEST_STRIDE, QUANTIZED, Node

ARITHMETIC_TYPES = {
    ("float32", "float32", "float32"), ("int8", "int8", "int32"), ("int16", "int8", "int64"),
    ("int16", "int8", "int32"), ("float32", "int8", "float32"),
}  # fmt: skip
SAME_PADDING = 0


def element_wise(node: Node) -> None:
    """Check an operator on two tensors, of which one may be broadcast."""
    first, second = node.inputs
    node.same_types(first, second, node.outputs[0])
    node.quantized_whole(first, second, node.outputs[0])
    if hasattr(node.options, "fusedActivationFunction"):
        node.activation()
    shapes = node.shape(first), node.shape(second)
    longest = max(map(len, shapes))
    padded = [(1,) * (longest - len(shape)) + shape for shape in shapes]
    node.require(
        all(a == b or 1 in (a, b) for a, b in zip(*padded, strict=True)),
        f"of shapes {shapes}, which don't match",
    )
    node.gives([max(a, b) if a and b else 0 for a, b in zip(*padded, strict=True)])
    if node.name in ("ADD", "SUB") and node.dtype(first) in QUANTIZED:
        scales = [float(tensor.quantization.scale[0]) for tensor in (first, second)]
        shift = 15 if node.dtype(first) == "int16" else 20
        ratio = 2 * max(scales) / (float(node.outputs[0].quantization.scale[0]) * 2**shift)
        node.require(ratio < 1 and min(scales) > 0, "whose output has far too small a scale")


def same_shape(node: Node) -> None:
    """Check an operator on each value of one tensor."""
    node.same_types(node.inputs[0], node.outputs[0])
    node.quantized_whole(node.inputs[0], node.outputs[0])
    node.gives(node.shape(node.inputs[0]))


def conversion(node: Node) -> None:
    """Check a change of type."""
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


def fully_connected(node: Node) -> None:
    """Check a dense layer."""
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


def convolution(node: Node) -> None:
    """Check a convolution, depthwise or not."""
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


def pooling(node: Node) -> None:
    """Check a pooling."""
    given, made = node.inputs[0], node.outputs[0]
    node.same_types(given, made)
    node.quantized_whole(given, made)
    node.activation()
    node.require(len(node.shape(given)) == 4, f"of shape {node.shape(given)}")
    batch, *image, channels = node.shape(given)
    window = node.options.filterHeight, node.options.filterWidth
    node.gives((batch, *_window(node, image, window, window), channels))


def reduction(node: Node) -> None:
    """Check a mean, sum or extreme along axes."""
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


def softmax(node: Node) -> None:
    """Check a softmax."""
    given, made = node.inputs[0], node.outputs[0]
    node.quantized_whole(given, made)
    node.gives(node.shape(given))
    node.require(
        (node.dtype(given), node.dtype(made))
        in {("float32", "float32"), ("int8", "int8"), ("int8", "int16"), ("int16", "int16")},
        f"from {node.dtype(given)} to {node.dtype(made)}",
    )
    node.require(0 < node.options.beta <= LARGEST_STRIDE, f"with beta {node.options.beta}")
