"""Recurrent layers: one call of the cell for each frame."""

import functools
import math

import keras
from keras import layers, ops

from keras_sal.streaming.rules.delay import aligned, heard, silenced
from keras_sal.streaming.rules.registry import refuse_if, step


def for_each_frame(one_frame, inputs, states):
    """Runs `one_frame(tensors, states) -> (output, next states)` over the frames of one step."""
    first = inputs[0]
    if first.single:
        output, states = one_frame([x.tensor for x in inputs], states)
        return first.of(output), states
    outputs = []
    for t in range(first.hop):
        output, states = one_frame([x.tensor[:, t] for x in inputs], states)
        outputs.append(output)
    return first.of(ops.stack(outputs, axis=1)), states


def refuse_lead(layer, frames):
    """Refuses frames before the start of the stream: a memory would not begin with zeros."""
    refuse_if(
        layer,
        (
            frames.lead > 0,
            "its input is longer than the stream, by zeros put before the start",
            "Use the padding up in convolutions or pooling before this layer.",
        ),
    )


@step.register
def _(layer: layers.RNN, stream, frames, initial_state=None, mask=None, **kwargs):
    refuse_if(
        layer,
        (layer.go_backwards, "it reads the clip from its end", "Set go_backwards=False."),
        (
            not layer.return_sequences,
            "it answers once, at the end of the clip",
            "Set return_sequences=True and give every frame a label.",
        ),
        (
            layer.return_state,
            "the state at the end of the clip is no output of a stream",
            "Set return_state=False; the step model gives every state.",
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
    refuse_lead(layer, frames)
    first_states = layer.get_initial_state(batch_size=1)
    refuse_if(
        layer,
        (
            any(ops.any(state != 0) for state in keras.tree.flatten(first_states)),
            "its first state is not zero",
            "Let get_initial_state of its cell give zeros.",
        ),
    )
    # A masked frame repeats the last output. That of the built-in cells is their first state.
    repeats_state = isinstance(layer.cell, layers.GRUCell | layers.LSTMCell | layers.SimpleRNNCell)
    keeps_output = mask is not None and not layer.zero_output_for_mask and not repeats_state

    masks = [] if mask is None else [mask]
    frames, *masks = aligned(stream, [frames, *masks])
    marks = heard(stream, frames)

    def one_frame(inputs, states):
        x, *others = inputs
        before = states[:-1] if keeps_output else states
        output, after = layer.cell(x, keras.tree.pack_sequence_as(first_states, before))
        after = keras.tree.flatten(after)
        for mask in others[: len(masks)]:
            is_seen = ops.expand_dims(mask, -1)
            repeated = states[-1] if keeps_output else states[0]
            silent = ops.zeros_like(output) if layer.zero_output_for_mask else repeated
            output = ops.where(is_seen, output, silent)
            after = [ops.where(is_seen, x, y) for x, y in zip(after, before, strict=True)]
        after = [*after, output] if keeps_output else after
        return output, [silenced(state, others[len(masks) :]) for state in after]

    def all_frames(inputs, states):
        x, *others = (frames.tensor for frames in inputs)
        seen = [*others[: len(masks)], *(mark[..., 0] > 0 for mark in others[len(masks) :])]
        seen = functools.reduce(ops.logical_and, seen) if seen else None
        before = states[:-1] if keeps_output else states
        outputs, *after = layers.RNN(
            layer.cell,
            return_sequences=True,
            return_state=True,
            zero_output_for_mask=layer.zero_output_for_mask,
            dtype=layer.dtype_policy,
        )(x, initial_state=keras.tree.pack_sequence_as(first_states, before), mask=seen)
        after = keras.tree.flatten(after)
        if masks and not layer.zero_output_for_mask:
            # Until a frame is seen, the layer repeats zeros: it knows of no earlier chunk.
            is_known = ops.cumsum(ops.cast(seen, "int32"), axis=1) > 0
            repeated = ops.expand_dims(states[-1] if keeps_output else states[0], 1)
            outputs = ops.where(ops.expand_dims(is_known, -1), outputs, repeated)
        return inputs[0].of(outputs), [*after, outputs[:, -1]] if keeps_output else after

    def make_step(*inputs):
        states = [stream.new_state(s.shape[1:], s.dtype) for s in keras.tree.flatten(first_states)]
        if keeps_output:
            states.append(stream.new_state((layer.cell.output_size,), layer.compute_dtype))
        if inputs[0].chunked:
            output, next_states = all_frames(inputs, states)
        else:
            output, next_states = for_each_frame(one_frame, inputs, states)
        return [output.at(sees=math.inf).of(output.tensor)], states, next_states

    return stream.call(layer, make_step, frames, *masks, *marks)
