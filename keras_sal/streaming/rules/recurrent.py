"""The rule for recurrent layers: one call of the cell for each frame.

In a chunk the layer itself runs over the frames, in the loop of the backend.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import layers, ops

from keras_sal.streaming.rules.delay import align, validity, zero_invalid
from keras_sal.streaming.rules.frames import Frames, LayerStep
from keras_sal.streaming.rules.registry import reject_if, reject_overrides, rule
from keras_sal.typing import Tensor

if TYPE_CHECKING:
    from keras_sal.streaming.rules.step_builder import StepBuilder


@rule.register(layers.RNN)
def _(
    layer: layers.RNN,
    builder: StepBuilder,
    frames: Frames,
    initial_state: Any = None,
    mask: Frames | None = None,
    **kwargs: Any,
) -> list[Frames]:
    reject_overrides(layer)
    _check_options(layer, initial_state)
    reject_padded_start(layer, frames)
    recurrence = _Recurrence(layer, is_masked=mask is not None)
    masks = [] if mask is None else [mask]
    frames, *masks = align(builder, [frames, *masks])
    make_step = functools.partial(recurrence.make_step, builder)
    return builder.call(layer, make_step, frames, *masks, *validity(builder, frames))


def for_each_frame(
    one_frame: Callable[[list[Tensor], Sequence[Tensor]], tuple[Tensor, Sequence[Tensor]]],
    inputs: Sequence[Frames],
    states: Sequence[Tensor],
) -> tuple[Frames, Sequence[Tensor]]:
    """Run a function over the frames of one step, and carry the states.

    Args:
        one_frame: `one_frame(tensors, states) -> (output, next_states)`.
        inputs: The frames.
        states: The states before the first frame.

    Returns:
        The outputs; the states after the last frame.
    """
    first = inputs[0]
    if first.is_single:
        output, states = one_frame([frames.tensor for frames in inputs], states)
        return first.with_tensor(output), states
    outputs = []
    for t in range(first.frames_per_step):
        output, states = one_frame([frames.tensor[:, t] for frames in inputs], states)
        outputs.append(output)
    return first.with_tensor(ops.stack(outputs, axis=1)), states


def reject_padded_start(layer: keras.Operation, frames: Frames) -> None:
    """Reject frames before the start of the stream: a memory would not begin with zeros.

    Raises:
        ValueError: If there are such frames.
    """
    reject_if(
        layer,
        (
            frames.ahead > 0,
            "its input is longer than the stream, by zeros put before the start",
            "Use the padding up in convolutions or pooling before this layer.",
        ),
    )


def _check_options(layer: layers.RNN, initial_state: Any) -> None:
    reject_if(
        layer,
        (layer.go_backwards, "it reads the clip from its end", "Set go_backwards=False."),
        (
            not layer.return_sequences,
            "it has only one output, at the end of the clip",
            "Set return_sequences=True and give every frame a label.",
        ),
        (
            layer.return_state,
            "the state at the end of the clip is no output of a stream",
            "Set return_state=False; the step model returns every state.",
        ),
        (
            layer.stateful,
            "its state is hidden and outlives the clip",
            "Set stateful=False; the step model carries the state.",
        ),
        (
            initial_state is not None,
            "it starts from a computed state, and a stream starts from zeros",
            "Call it without initial_state.",
        ),
        (
            isinstance(layer, layers.ConvLSTM1D | layers.ConvLSTM2D | layers.ConvLSTM3D)
            or not isinstance(layer.cell, layers.Layer),
            "there is no rule for its cell",
            "Use a cell that is a Keras layer and whose states are vectors.",
        ),
    )


class _Recurrence:
    """A recurrent layer as a step: inputs are frames, then a mask and their validity, if any."""

    def __init__(self, layer: layers.RNN, is_masked: bool) -> None:
        self.layer = layer
        self.masks = int(is_masked)
        self.first_states = layer.get_initial_state(batch_size=1)
        reject_if(
            layer,
            (
                any(ops.any(state != 0) for state in keras.tree.flatten(self.first_states)),
                "its first state is not zero",
                "Let get_initial_state of its cell return zeros.",
            ),
        )
        # A masked frame repeats the last output. Built-in cells keep it as their first state.
        cells = layers.GRUCell | layers.LSTMCell | layers.SimpleRNNCell
        repeats_output = is_masked and not layer.zero_output_for_mask
        self.keeps_output = repeats_output and not isinstance(layer.cell, cells)

    def make_step(self, builder: StepBuilder, *inputs: Frames) -> LayerStep:
        states = [
            builder.new_state(state.shape[1:], state.dtype)
            for state in keras.tree.flatten(self.first_states)
        ]
        if self.keeps_output:
            shape = (self.layer.cell.output_size,)
            states.append(builder.new_state(shape, self.layer.compute_dtype))
        next_states: Sequence[Tensor]
        if inputs[0].chunked:
            output, next_states = self.run_chunk(inputs, states)
        else:
            output, next_states = for_each_frame(self.run_frame, inputs, states)
        output = output.with_tensor(output.tensor, receptive_field=math.inf)
        return LayerStep([output], states, next_states)

    def run_frame(
        self, inputs: Sequence[Tensor], states: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the output for one frame, and the next states."""
        frame, *others = inputs
        masks, valid = others[: self.masks], others[self.masks :]
        before, last_output = self._split(states)
        output, after = self.layer.cell(frame, self._packed(before))
        after = keras.tree.flatten(after)
        for mask in masks:
            is_seen = ops.expand_dims(mask, -1)
            silent = ops.zeros_like(output) if self.layer.zero_output_for_mask else last_output
            output = ops.where(is_seen, output, silent)
            after = [ops.where(is_seen, x, y) for x, y in zip(after, before, strict=True)]
        after = [*after, output] if self.keeps_output else after
        return output, [zero_invalid(state, valid) for state in after]

    def run_chunk(
        self, inputs: Sequence[Frames], states: Sequence[Tensor]
    ) -> tuple[Frames, list[Tensor]]:
        """Return the outputs for the frames of a chunk, and the next states."""
        sequence, *others = (frames.tensor for frames in inputs)
        masks, valid = others[: self.masks], others[self.masks :]
        seen = [*masks, *(is_valid[..., 0] > 0 for is_valid in valid)]
        is_seen = functools.reduce(ops.logical_and, seen) if seen else None
        before, last_output = self._split(states)
        outputs, *after = layers.RNN(
            self.layer.cell,
            return_sequences=True,
            return_state=True,
            zero_output_for_mask=self.layer.zero_output_for_mask,
            dtype=self.layer.dtype_policy,
        )(sequence, initial_state=self._packed(before), mask=is_seen)
        after = keras.tree.flatten(after)
        if masks and not self.layer.zero_output_for_mask:
            # Until a frame is seen, the layer repeats zeros; it knows of no earlier chunk.
            has_seen = ops.cumsum(ops.cast(is_seen, "int32"), axis=1) > 0
            repeated = ops.expand_dims(last_output, 1)
            outputs = ops.where(ops.expand_dims(has_seen, -1), outputs, repeated)
        after = [*after, outputs[:, -1]] if self.keeps_output else after
        return inputs[0].with_tensor(outputs), after

    def _split(self, states: Sequence[Tensor]) -> tuple[Sequence[Tensor], Tensor]:
        """Return the states of the cell, and the output that a masked frame repeats."""
        return (states[:-1], states[-1]) if self.keeps_output else (states, states[0])

    def _packed(self, states: Sequence[Tensor]) -> Any:
        """Return states in the structure that the cell expects."""
        return keras.tree.pack_sequence_as(self.first_states, states)
