"""Rules of operators that move values: reshapes, slices, splits, joins and padding."""

from __future__ import annotations

import math

from keras_sal.export.tflite.node import LARGEST_STRIDE, Node
from keras_sal.export.tflite.structure import constant_bytes


def reshape(node: Node) -> None:
    """Check a reshape."""
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


def same_count(node: Node) -> None:
    """Check an operator that only adds or removes axes of size 1."""
    given, made = node.inputs[0], node.outputs[0]
    node.same_types(given, made)
    rank = len(node.shape(given))
    if node.name == "EXPAND_DIMS":
        axes = node.constant(1, "an axis")
        node.require(len(axes) == 1, f"along {len(axes)} axes")
        node.axis(int(axes[0]), rank + 1)
    elif node.options is not None and node.options.squeezeDims is not None:
        for axis in node.options.squeezeDims:
            node.axis(int(axis), rank)
    node.require(
        math.prod(node.shape(given)) == math.prod(node.shape(made))
        and [s for s in node.shape(given) if s != 1] == [s for s in node.shape(made) if s != 1],
        f"from shape {node.shape(given)} to {node.shape(made)}",
    )


def split(node: Node) -> None:
    """Check a split into equal parts."""
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


def strided_slice(node: Node) -> None:
    """Check a slice with steps and masks."""
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


def slice_values(node: Node) -> None:
    """Check a slice."""
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


def concatenation(node: Node) -> None:
    """Check a concatenation."""
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


def pad(node: Node) -> None:
    """Check a padding."""
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


def transpose(node: Node) -> None:
    """Check a transposition."""
    given = node.inputs[0]
    node.same_types(given, node.outputs[0])
    order = node.constant(1, "an order of axes").tolist()
    shape = node.shape(given)
    node.require(sorted(order) == list(range(len(shape))), f"of {len(shape)} axes to {order}")
    node.gives([shape[axis] for axis in order])


def gather(node: Node) -> None:
    """Check a choice of values by index."""
    given, options = node.inputs[0], node.options
    node.same_types(given, node.outputs[0])
    shape = node.shape(given)
    axis = node.axis(options.axis, len(shape))
    node.require(options.batchDims == 0, "in batches")
    if constant_bytes(node.file, node.inputs[1]):
        indices = node.constant(1, "indices")
        node.require(all(0 <= index < shape[axis] for index in indices), f"of {shape[axis]} values")
    node.gives((*shape[:axis], *node.shape(node.inputs[1]), *shape[axis + 1 :]))


def pack(node: Node) -> None:
    """Check a stack of tensors."""
    node.same_types(*node.inputs, node.outputs[0])
    shapes = {node.shape(tensor) for tensor in node.inputs}
    node.require(
        len(shapes) == 1 and node.options.valuesCount == len(node.inputs),
        f"of {node.options.valuesCount} values with {len(node.inputs)} inputs",
    )
    (shape,) = shapes
    axis = node.axis(node.options.axis, len(shape) + 1)
    node.gives((*shape[:axis], len(node.inputs), *shape[axis:]))


def unpack(node: Node) -> None:
    """Check the parts of a stack."""
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
