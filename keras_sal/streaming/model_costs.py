"""Costs of a detector on a device: parameters, multiply-adds, state, receptive field, flash.

`costs(model)` works for any model that streams, before anything is exported:

>>> from keras_sal.streaming import costs
>>> from keras_sal.models import gru_detector
>>> print(costs(gru_detector()))
layer      type       parameters  multiply-adds  state
scale      Rescaling           0              0      0
dense      Dense           1,312          1,280      0
gru        GRU            11,808         11,520     48
posterior  Dense              49             48      0
total                     13,169         12,848     48
<BLANKLINE>
outputs a second     100
multiply-adds/s      1,284,800
state                48 bytes in int8, 192 in float32
receptive field      unlimited
int8 flash, about    18 KB
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras
from keras import layers

from keras_sal.checks import require
from keras_sal.streaming.rules.custom import OwnStep
from keras_sal.streaming.rules.delay import OutputDelay
from keras_sal.streaming.rules.weight_sharing import WeightSharingLayer
from keras_sal.streaming.streaming_model import step_model
from keras_sal.streaming.timing import frames_per_step, receptive_field
from keras_sal.typing import Tensor

# Bytes of operators and tensors in the files that `keras_sal.export.micro` writes.
FILE_BYTES, BYTES_OF_MEMORY, BYTES_OF_CELL = 2_900, 1_200, 1_450
BYTES_OF_BIAS, BYTES_OF_CHANNEL_SCALE = 4, 12


@dataclasses.dataclass(frozen=True)
class LayerCosts:
    """Costs of one layer.

    Attributes:
        name: Name of the layer.
        type: Name of its class.
        parameters: Numbers that it has, trainable or not.
        macs: Multiply-adds for one output frame.
        state_values: Numbers that it remembers.
    """

    name: str
    type: str
    parameters: int
    macs: int
    state_values: int


@dataclasses.dataclass(frozen=True)
class Costs:
    """Costs of a model; `print` it for a table.

    Attributes:
        layers: A `LayerCosts` for each layer, in the order in which they run.
        parameters: Numbers of the model, each counted once.
        macs_per_output: Multiply-adds of matrix products and convolutions for one output frame, as
            `keras_sal.export.micro.MicroModel.macs` counts them.
        macs_per_second: Multiply-adds for a second.
        outputs_per_second: Output frames a second.
        state_values: Numbers that a stream remembers, which is its state in int8 in bytes.
        state_bytes: Bytes of state in float32.
        receptive_field_frames: Frames that an output depends on; `math.inf` without limit.
        flash_bytes: An estimate of the int8 file of `keras_sal.export.micro`, within a fifth for
            the detectors of `keras_sal.models`. Convert the model to know the number.
    """

    layers: tuple[LayerCosts, ...]
    parameters: int
    macs_per_output: int
    macs_per_second: float
    outputs_per_second: float
    state_values: int
    state_bytes: int
    receptive_field_frames: float
    flash_bytes: int

    def __str__(self) -> str:
        total = LayerCosts("total", "", self.parameters, self.macs_per_output, self.state_values)
        head = ("layer", "type", "parameters", "multiply-adds", "state")
        rows = [head, *(_texts(layer) for layer in (*self.layers, total))]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        sides = "<<>>>"
        lines = [
            "  ".join(f"{x:{side}{w}}" for x, side, w in zip(row, sides, widths, strict=True))
            for row in rows
        ]
        field = self.receptive_field_frames
        figures = {
            "outputs a second": f"{self.outputs_per_second:g}",
            "multiply-adds/s": f"{self.macs_per_second:,.0f}",
            "state": f"{self.state_values:,} bytes in int8, {self.state_bytes:,} in float32",
            "receptive field": "unlimited" if field == math.inf else f"{field} frames",
            "int8 flash, about": f"{self.flash_bytes / 1000:.0f} KB",
        }
        return "\n".join([*lines, "", *(f"{name:<21}{text}" for name, text in figures.items())])


def costs(model: keras.Model, frame_step_s: float = 0.01) -> Costs:
    """Return what a clip model costs as a streaming model.

    Use it while choosing a model: it takes a moment, and nothing is converted.

    Args:
        model: As for `keras_sal.streaming.step_model`.
        frame_step_s: Seconds from frame to frame of the fastest input, > 0. Defaults to 0.01.

    Returns:
        A `Costs`. A custom layer counts each number of its matrices once for every output frame.

    Raises:
        ValueError: If the model cannot stream, or `frame_step_s` is not positive.

    Example:

    >>> from keras_sal.streaming import costs
    >>> from keras_sal.models import conv_detector
    >>> detector = costs(conv_detector(features=40, channels=16, kernel_frames=3, dilations=(1, 2)))
    >>> detector.macs_per_output, 40 * 16 + 2 * (3 * 16 + 16 * 16) + 16
    (1264, 1264)
    >>> detector.state_values, detector.receptive_field_frames
    (96, 7)
    """
    require(
        frame_step_s > 0,
        "`frame_step_s` must be positive; it is the time from frame to frame. "
        f"Received: frame_step_s={frame_step_s!r}. Give seconds, such as 0.01.",
    )
    step = step_model(model, batch_size=1, max_delay_frames=10**6)
    rows, flash_bytes = [], FILE_BYTES
    types = {layer.name: type(layer).__name__ for layer in model.layers}
    for layer, inputs, outputs in _calls(step):
        if isinstance(layer, OutputDelay):
            continue
        macs = _macs(layer, outputs)
        states = [x for x in keras.tree.flatten(inputs) if x.name.startswith("state_")]
        state_values = sum(math.prod(x.shape) for x in states)
        type_name = types.get(layer.name, type(layer).__name__)
        parameters = layer.count_params() if isinstance(layer, layers.Layer) else 0
        rows.append(LayerCosts(layer.name, type_name, parameters, macs, state_values))
        flash_bytes += BYTES_OF_CELL if _has_cell(layer) else BYTES_OF_MEMORY * bool(states)
    state_values = sum(row.state_values for row in rows)
    macs = sum(row.macs for row in rows)
    outputs_per_second = 1 / (frame_step_s * frames_per_step(step, model))
    return Costs(
        layers=tuple(rows),
        parameters=model.count_params(),
        macs_per_output=macs,
        macs_per_second=macs * outputs_per_second,
        outputs_per_second=outputs_per_second,
        state_values=state_values,
        state_bytes=4 * state_values,
        receptive_field_frames=receptive_field(model),
        flash_bytes=flash_bytes + _weight_bytes(model),
    )


def _texts(layer: LayerCosts) -> tuple[str, ...]:
    return (
        layer.name,
        layer.type,
        f"{layer.parameters:,}",
        f"{layer.macs:,}",
        f"{layer.state_values:,}",
    )


def _calls(model: keras.Model) -> list[tuple[Any, list[Tensor], list[Tensor]]]:
    """Return (layer, input tensors, output tensors) for every call in a functional model."""
    calls = []

    def record(layer: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = layer(*args, **kwargs)
        tensors = keras.tree.flatten((args, kwargs))
        inputs = [x for x in tensors if isinstance(x, keras.KerasTensor)]
        calls.append((layer, inputs, keras.tree.flatten(outputs)))
        return outputs

    graph = keras.Model(model.inputs, keras.tree.flatten(model.outputs))
    keras.models.clone_model(
        graph,
        input_tensors=[
            keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name) for x in graph.inputs
        ],
        clone_function=lambda layer: layer,
        call_function=record,
    )
    return calls


def _macs(layer: Any, outputs: list[Tensor]) -> int:
    """Count each number of a matrix once for each place that it is applied to."""
    if isinstance(layer, keras.Model):
        return sum(_macs(inner, inner_outputs) for inner, _, inner_outputs in _calls(layer))
    holder = layer.layer if isinstance(layer, WeightSharingLayer | layers.Wrapper) else layer
    if not isinstance(holder, layers.Layer) or isinstance(holder, layers.Embedding | layers.PReLU):
        return 0
    is_applied_once = isinstance(layer, OwnStep) or _has_cell(layer)
    places = 1 if is_applied_once else math.prod(outputs[0].shape[1:-1])
    return places * sum(math.prod(w.shape) for w in holder.weights if _is_matrix(w))


def _is_matrix(weight: Any) -> bool:
    return len(weight.shape) > 1 and "bias" not in weight.name


def _has_cell(layer: Any) -> bool:
    inner = layer.layers if isinstance(layer, keras.Model) else []
    return hasattr(layer, "state_size") or any(map(_has_cell, inner))


def _weight_bytes(layer: Any) -> int:
    """Estimate the bytes of weights: int8 matrices, biases of 32 bits.

    A batch normalisation becomes the bias of the layer before it.
    """
    if isinstance(layer, keras.Model):
        return sum(map(_weight_bytes, layer.layers))
    if isinstance(layer, layers.BatchNormalization):
        return BYTES_OF_BIAS * layer.moving_mean.shape[0]
    matrices = [w for w in layer.weights if _is_matrix(w)]
    numbers, of_matrices = (sum(math.prod(w.shape) for w in ws) for ws in (layer.weights, matrices))
    is_conv = hasattr(layer, "kernel_size")
    channels = sum(max(w.shape[-2:]) for w in matrices) if is_conv else 0
    biases = numbers - of_matrices
    return of_matrices + BYTES_OF_BIAS * biases + BYTES_OF_CHANNEL_SCALE * channels
