"""The arena on a device whose kernels are optimised, by their published scratch formulas.

Convolutions of CMSIS-NN and ESP-NN rearrange inputs and weights in scratch memory, which comes out
of the tensor arena. Scratch memory is shared by the operators, so the largest counts.

Facts, read in 2026: the `get_buffer_size` functions of CMSIS-NN 99f736a for DSP and for MVE, and
the `get_scratch_size` functions of ESP-NN d45b843 (1.2.3) for the ESP32-S3, whose needs are the
largest of Espressif's chips, as esp-tflite-micro 1.4.0 calls them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from keras_sal.export.tflite.flatbuffer import Flatbuffer

# On a 32-bit device the interpreter's own structures take about half the space, which leaves a part
# of the arena free. Kernels of ESP-NN want more from version to version.
ARENA_MARGINS = {"reference": 1.125, "cmsis_nn": 1.0, "cmsis_nn_mve": 1.0, "esp_nn": 1.125}
ARENA_GRAIN_BYTES = 16
CMSIS_NN_BLOCK = 124  # channels that an MVE kernel takes at once
SAME = 0  # the schema's number of padding that keeps the size


class Convolution(NamedTuple):
    """The sizes of a convolution; of an axis pair, height comes first.

    Attributes:
        depthwise: Whether each channel has a filter of its own.
        dtype: Type of its input.
        size: Size of the input.
        channels: Channels of the input.
        filter_size: Size of the filter.
        stride: Steps of the filter.
        padding: Zeros before the input.
        output_size: Size of the output.
        filters: Channels of the output.
    """

    depthwise: bool
    dtype: str
    size: tuple[int, int]
    channels: int
    filter_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    output_size: tuple[int, int]
    filters: int

    @property
    def window(self) -> int:
        """Number of inputs that an output of a depthwise filter sees."""
        return math.prod(self.filter_size)

    @property
    def overhang(self) -> tuple[int, int]:
        """How far the filter reaches beyond the input, in all."""
        sizes = zip(self.output_size, self.stride, self.filter_size, self.size, strict=True)
        ends = [max(0, out * step + reach - 1 - size) for out, step, reach, size in sizes]
        return ends[0], ends[1]

    def padded(self, extra: tuple[int, int], channels: int) -> int:
        """Return the number of values of the input with more rows and columns."""
        return (self.size[0] + extra[0]) * (self.size[1] + extra[1]) * channels


def arenas(file: Flatbuffer, reference_bytes: int) -> dict[str, int]:
    """Return the arena that a model needs, by the kernels it runs with.

    Args:
        file: The model.
        reference_bytes: Its arena with reference kernels on a 64-bit machine.

    Returns:
        Bytes for `"reference"`, `"cmsis_nn"` (Cortex-M4, M7, M33), `"cmsis_nn_mve"` (Cortex-M55,
        M85) and `"esp_nn"`, multiples of 16. They are bounds for a 32-bit device.
    """
    found = convolutions(file)
    dense = [file.shape(op.outputs[0])[-1] for op in file.operators() if _is_dense(op.name)]
    mve = max([*map(_cmsis_nn_mve, found), *(4 * width for width in dense), 0])
    esp_nn = max([*(_esp_nn(c) for c in found if c.dtype == "int8"), *_softmaxes(file), 0])
    dsp = max([*map(_cmsis_nn, found), 0])
    scratch = {"reference": 0, "cmsis_nn": dsp, "cmsis_nn_mve": mve, "esp_nn": esp_nn}
    return {name: _up(reference_bytes + more, ARENA_GRAIN_BYTES) for name, more in scratch.items()}


def least_arena(arenas: Mapping[str, int]) -> int:
    """Return an arena below which no device runs a model, a multiple of 16.

    It is half of what the interpreter needs on a 64-bit computer: on a 32-bit device pointers take
    half the space, all else as much.

    Args:
        arenas: What `arenas` returned.

    Example:
        >>> least_arena({"reference": 7008, "cmsis_nn": 7488})
        3504
    """
    return _up(arenas["reference"] // 2, ARENA_GRAIN_BYTES)


def with_margin(arena_bytes: int, kernels: str) -> int:
    """Return the arena to reserve, a multiple of 16.

    Args:
        arena_bytes: The arena that a model needs.
        kernels: A key of `arenas`.

    Example:
        >>> with_margin(8000, "esp_nn"), with_margin(8000, "cmsis_nn")
        (9008, 8000)
    """
    return _up(math.ceil(ARENA_MARGINS[kernels] * arena_bytes), ARENA_GRAIN_BYTES)


def convolutions(file: Flatbuffer) -> list[Convolution]:
    """Return the convolutions of a model."""
    return [
        _convolution(file, op)
        for op in file.graph.operators or ()
        if file.operator_name(op) in ("CONV_2D", "DEPTHWISE_CONV_2D")
    ]


def _convolution(file: Flatbuffer, op: Any) -> Convolution:
    _, *size, channels = file.shape(op.inputs[0])
    _, *filter_size, _ = file.shape(op.inputs[1])
    _, *output_size, filters = file.shape(op.outputs[0])
    options = op.builtinOptions
    stride = options.strideH, options.strideW
    sizes = zip(output_size, stride, filter_size, size, strict=True)
    before = [max(0, (out - 1) * step + reach - n) // 2 for out, step, reach, n in sizes]
    return Convolution(
        depthwise=file.operator_name(op) == "DEPTHWISE_CONV_2D",
        dtype=file.dtype(op.inputs[0]),
        size=(size[0], size[1]),
        channels=channels,
        filter_size=(filter_size[0], filter_size[1]),
        stride=stride,
        padding=(before[0], before[1]) if options.padding == SAME else (0, 0),
        output_size=(output_size[0], output_size[1]),
        filters=filters,
    )


def _is_dense(name: str) -> bool:
    return name == "FULLY_CONNECTED"


def _softmaxes(file: Flatbuffer) -> list[int]:
    """Scratch of each SOFTMAX in ESP-NN: an int32 for each value of a row."""
    ops = [op for op in file.operators() if op.name == "SOFTMAX"]
    return [4 * file.shape(op.inputs[0])[-1] for op in ops]


def _cmsis_nn(conv: Convolution) -> int:
    if conv.depthwise:
        return 2 * conv.channels * conv.window
    if conv.dtype == "int8" and conv.window == 1:
        return 0
    return 4 * _up(conv.window * conv.channels, 4)


def _cmsis_nn_mve(conv: Convolution) -> int:
    value_bytes = 2 if conv.dtype == "int16" else 1
    if conv.depthwise:
        return 4 * max(CMSIS_NN_BLOCK, conv.channels) * conv.window * value_bytes + 8
    if conv.dtype == "int8" and conv.window == 1:
        return 0
    return 4 * _up(conv.window * conv.channels, 16) * value_bytes


def _esp_nn(conv: Convolution) -> int:
    if conv.depthwise:
        return _esp_nn_depthwise(conv)
    if conv.window == 1 and conv.stride == (1, 1):
        return _esp_nn_pointwise(conv)
    row, window = conv.filter_size[1] * conv.channels, conv.window * conv.channels
    if row < 16 <= window:
        return conv.filters * (4 + _up(window, 16)) + _up(window, 16) + 96
    padded = conv.padded((2 * conv.padding[0], 2 * conv.padding[1]), conv.channels)
    overhanging = conv.padded(conv.overhang, conv.channels)
    weights = conv.filters * conv.window * _up(conv.channels, 16)
    aligned = conv.filters * conv.filter_size[0] * _up(row, 16)
    inputs = (any(conv.padding) and padded) + (any(conv.overhang) and overhanging)
    return inputs + weights + aligned + 4 * conv.filters + 64


def _esp_nn_pointwise(conv: Convolution) -> int:
    channels, positions = _up(conv.channels, 8), math.prod(conv.size)
    inputs = positions * channels if conv.channels % 8 else 0
    transposed = 16 * channels if positions >= 8 else 0
    return inputs + transposed + conv.filters * channels + 64


def _esp_nn_depthwise(conv: Convolution) -> int:
    """A bound of all paths: filters and padded inputs in int16, outputs, numbers of a channel."""
    channels = _up(max(conv.channels, conv.filters), 16)
    before, after = conv.padding, conv.overhang
    inputs = conv.padded((2 * before[0] + after[0], 2 * before[1] + after[1]), channels)
    outputs = math.prod(conv.output_size) * channels
    return 2 * (conv.window * channels + inputs) + outputs + 12 * channels + 64


def _up(value: int, grain: int) -> int:
    return -(-value // grain) * grain
