"""Frames that come late, because what they are made of had not come yet.

A layer that looks k frames ahead gives its frame t when frame t + k has come. What is merged with
it has to wait as long, in a delay line. And in the first k steps it gives something that belongs
to no frame of the clip. Layers without memory may compute on with that. Layers with memory have to
begin with zeros, as they do at the start of a clip: `heard` tells them when the clip begins. It is
a delay line too, that 1 is put into at every step, so that nothing has to count.
"""

import dataclasses
import fractions

import keras
from keras import layers, ops


@dataclasses.dataclass(frozen=True)
class Part:
    """Something in a step that is no layer of the model."""

    name: str


def past_and_new(stream, x, past):
    """Puts `past` older frames before `x`: (window with time axis, states, next states)."""
    if past <= 0:
        return x.timed[:, -past:] if past else x.timed, [], []
    state = stream.new_state((past, *x.features), x.tensor.dtype)
    window = ops.concatenate([state, x.timed], axis=1)
    if not x.chunked:
        return window, [state], [window[:, x.hop : x.hop + past]]
    newest = window[:, -x.kept - past : -x.kept or None]
    return window, [state], [ops.reshape(newest, (-1, past, *x.features))]


def aligned(stream, frames):
    """The same frames, all as late as the latest of them."""
    latest = min(frames, key=lambda x: x.lead)
    moved = [delayed(stream, x, latest.lead) for x in frames]
    sees = max(x.sees for x in moved)
    return [dataclasses.replace(x, objection=latest.objection, sees=sees) for x in moved]


def delayed(stream, x, lead):
    """The frames `x` at a smaller lead."""
    if x.lead == lead:
        return x

    def make_step(x):
        dtype = x.tensor.dtype
        if dtype == "bool":  # a state is a number
            x = x.of(ops.cast(x.tensor, "float32"))
        window, states, next_states = past_and_new(stream, x, min(x.lead, 0) - min(lead, 0))
        sees = x.sees + fractions.Fraction(x.lead - lead, x.hop)
        y = x.at(lead=lead, sees=sees).of_timed(window[:, : lead - x.lead])
        return [y.of(ops.cast(y.tensor, dtype))], states, next_states

    return stream.once("delay", (id(x.tensor), lead), make_step, x)


def heard(stream, x):
    """1 for frames of the clip, 0 for what late frames `x` are before it: [(batch, hop, 1)]."""
    if x.lead >= 0:
        return []

    def make_step(x):
        one_feature = (slice(None), slice(None), *(0,) * (len(x.features) - 1), slice(0, 1))
        ones = x.at(lead=0).of_timed(ops.ones_like(x.timed[one_feature], dtype="float32"))
        window, states, next_states = past_and_new(stream, ones, -x.lead)
        return [x.of_timed(window[:, : x.lead])], states, next_states

    return [stream.once("heard", (x.hop, x.lead), make_step, x)]


def silenced(tensor, heard):
    """Zeros in place of frames that are not of the clip; `heard` is `[]` if there are none."""
    for mark in heard:
        mark = ops.cast(mark, tensor.dtype)
        for _ in range(len(tensor.shape) - len(mark.shape)):
            mark = ops.expand_dims(mark, -1)
        tensor = tensor * mark
    return tensor


@keras.saving.register_keras_serializable(package="keras_sal")
class Late(layers.Layer):
    """Does nothing: it states in a saved model how many frames late the answers come.

    Args:
        delay_frames: Frames, >= 1.
        **kwargs: See `keras.layers.Layer`.
    """

    def __init__(self, delay_frames, **kwargs):
        super().__init__(**kwargs)
        self.delay_frames = delay_frames

    def call(self, frames):
        """Returns the frames."""
        return frames

    def get_config(self):
        """Returns what `from_config` needs."""
        return {**super().get_config(), "delay_frames": self.delay_frames}
