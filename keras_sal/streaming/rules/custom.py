"""Layers of the user's own: they say themselves what they do with one frame.

A layer streams if it has two methods besides `call`. This one smooths its input:

    @keras.saving.register_keras_serializable(package="my_package")
    class Smooth(keras.layers.Layer):
        def call(self, clips):                    # (batch, time, features)
            ...

        def streaming_state_spec(self):           # shapes without the batch; [] for no memory
            return [(self.features,)]

        def stream_step(self, frame, states):     # (batch, features): no time axis
            mean = 0.9 * states[0] + 0.1 * frame
            return mean, [mean]                   # the output for this frame, the next states

States start as zeros. That both ways give the same numbers is for the layer's tests to show.
"""

import math

import keras
from keras import ops

from keras_sal.layers import CausalDepthwiseConv1D
from keras_sal.streaming.rules.delay import heard, silenced
from keras_sal.streaming.rules.frames import Frames
from keras_sal.streaming.rules.recurrent import for_each_frame, refuse_lead
from keras_sal.streaming.rules.registry import refusal, refuse_if
from keras_sal.streaming.rules.weight_sharing import Sharing


def is_own(layer):
    """Whether what the layer does is written outside Keras, and there is no rule for it here."""
    is_known = isinstance(layer, CausalDepthwiseConv1D)
    return not is_known and not type(layer).call.__module__.startswith("keras.")


def own_step(layer, stream, frames, **kwargs):
    """Calls a layer of the user's own on the frames of one step."""
    if not hasattr(layer, "stream_step"):
        raise refusal(
            layer,
            "what a layer of your own does along time cannot be known",
            "Give it `streaming_state_spec` and `stream_step`: see keras_sal.streaming.rules.custom.",
        )
    refuse_if(
        layer,
        (
            not isinstance(frames, Frames),
            "a layer of your own can stream with one input only",
            "Concatenate the inputs before it.",
        ),
    )
    refuse_lead(layer, frames)
    marks = heard(stream, frames)
    frame_step, chunk_step = OwnStep(layer), OwnChunk(layer)

    def one_frame(inputs, states):
        frame, *marks = inputs
        output, *next_states = frame_step([frame, *states])
        return output, [silenced(state, marks) for state in next_states]

    def make_step(x, *marks):
        shapes = layer.streaming_state_spec()
        states = [stream.new_state(shape, layer.compute_dtype) for shape in shapes]
        forever = x.at(sees=math.inf if states else x.sees)
        if x.chunked:
            output, *next_states = chunk_step([x.tensor, *states, *(mark.tensor for mark in marks)])
            return [forever.of(output)], states, next_states
        output, next_states = for_each_frame(one_frame, [x, *marks], states)
        return [forever.of(output.tensor)], states, next_states

    return stream.call(layer, make_step, frames, *marks)


@keras.saving.register_keras_serializable(package="keras_sal")
class OwnStep(Sharing):
    """What `layer.stream_step` does: `[frame, *states]` to `[output, *next_states]`."""

    def build(self, shapes):
        """Builds the layer for clips of such frames, if it is not built."""
        if not self.layer.built:
            batch_size, *features = shapes[0]
            self.layer.build((batch_size, None, *features))

    def call(self, inputs):
        """Calls `stream_step`."""
        frame, *states = inputs
        output, next_states = self.layer.stream_step(frame, states)
        return [output, *next_states]


@keras.saving.register_keras_serializable(package="keras_sal")
class OwnChunk(OwnStep):
    """What `layer.stream_step` does with frame after frame: `[frames, *states]` to as many.

    Late frames come with a mark each, after the states: see `keras_sal.streaming.rules.delay`.
    """

    def build(self, shapes):
        """Builds the layer for such clips, if it is not built."""
        if not self.layer.built:
            self.layer.build(shapes[0])

    def call(self, inputs):
        """Calls `stream_step` in a loop of the backend."""
        frames, *states = inputs
        number = len(self.layer.streaming_state_spec())
        states, marks = states[:number], states[number:]

        features = frames.shape[-1]
        if marks:  # as one more feature: on TensorFlow only one tensor can be scanned
            mark = silenced(ops.ones_like(frames[..., :1]), marks)
            frames = ops.concatenate([frames, mark], axis=-1)

        def one_frame(before, frame):
            output, after = self.layer.stream_step(frame[..., :features], before[1:])
            if marks:
                is_heard = ops.reshape(frame[..., features:], (ops.shape(frame)[0], -1))[:, :1]
                after = [silenced(state, [is_heard]) for state in after]
            return ([output, *after],) * 2

        first, _ = self.layer.stream_step(frames[:, 0, ..., :features], states)
        start = [ops.zeros_like(first), *states]
        by_time = ops.moveaxis(frames, 1, 0)
        (_, *next_states), (outputs, *_) = ops.scan(one_frame, start, by_time)
        return [ops.moveaxis(outputs, 0, 1), *next_states]
