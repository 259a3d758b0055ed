"""Delay lines, for models with layers that look ahead.

A layer that looks k frames ahead returns frame t when frame t + k has come. Whatever is merged with
its output must wait as long, in a delay line.

In the first k steps such a layer returns something that belongs to no frame of the clip. Layers
without memory may compute with it, because what they return is dropped as well. Layers with memory
must begin with zeros, as they do at the start of a clip. So they need to know which frames are
*valid*: 1 for frames of the clip, 0 for what comes before. That is a delay line too. A 1 goes in at
every step, and its state starts as zeros, so that nothing has to count steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import keras
from keras import layers, ops

from keras_sal.streaming.rules.frames import Frames, LayerStep
from keras_sal.typing import Tensor

if TYPE_CHECKING:
    from keras_sal.streaming.rules.step_builder import StepBuilder


@dataclasses.dataclass(frozen=True)
class DelayLine:
    """A part of the step that is no layer of the model; `name` is its name in the step model."""

    name: str


def with_past(
    builder: StepBuilder, frames: Frames, past: int
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Put older frames before the frames of a step.

    Args:
        builder: The `StepBuilder`.
        frames: The frames.
        past: How many older frames. If it is negative, as many of the oldest frames are left out.

    Returns:
        The window, a tensor with a time axis; the states; the next states.
    """
    if past <= 0:
        return frames.sequence[:, -past:] if past else frames.sequence, [], []
    state = builder.new_state((past, *frames.feature_shape), frames.tensor.dtype)
    window = ops.concatenate([state, frames.sequence], axis=1)
    if not frames.chunked:
        return window, [state], [window[:, frames.frames_per_step : frames.frames_per_step + past]]
    newest = window[:, -frames.overlap - past : -frames.overlap or None]
    return window, [state], [ops.reshape(newest, (-1, past, *frames.feature_shape))]


def align(builder: StepBuilder, several: Sequence[Frames]) -> list[Frames]:
    """Delay frames until all are as late as the latest of them."""
    latest = min(several, key=lambda frames: frames.ahead)
    delayed = [delay(builder, frames, latest.ahead) for frames in several]
    receptive_field = max(frames.receptive_field for frames in delayed)
    return [
        dataclasses.replace(
            frames, lateness_error=latest.lateness_error, receptive_field=receptive_field
        )
        for frames in delayed
    ]


def delay(builder: StepBuilder, frames: Frames, ahead: int) -> Frames:
    """Delay frames until they are only `ahead` frames ahead of the stream."""
    if frames.ahead == ahead:
        return frames

    def make_step(frames: Frames) -> LayerStep:
        dtype = frames.tensor.dtype
        if dtype == "bool":  # a state is a number
            frames = frames.with_tensor(ops.cast(frames.tensor, "float32"))
        past = min(frames.ahead, 0) - min(ahead, 0)
        window, states, next_states = with_past(builder, frames, past)
        waiting = Fraction(frames.ahead - ahead, frames.frames_per_step)
        delayed = frames.with_sequence(
            window[:, : ahead - frames.ahead],
            ahead=ahead,
            receptive_field=frames.receptive_field + waiting,
        )
        delayed = delayed.with_tensor(ops.cast(delayed.tensor, dtype))
        return LayerStep([delayed], states, next_states)

    return builder.call_once("delay", (id(frames.tensor), ahead), make_step, frames)


def validity(builder: StepBuilder, frames: Frames) -> list[Frames]:
    """Return which of some frames belong to the clip.

    Args:
        builder: The `StepBuilder`.
        frames: The frames.

    Returns:
        One element `(batch, frames_per_step, 1)`: 1 for frames of the clip, 0 for what late frames
        are before it. An empty list if the frames are not late, so that all of them are valid.
    """
    if frames.ahead >= 0:
        return []

    def make_step(frames: Frames) -> LayerStep:
        other_axes = (0,) * (len(frames.feature_shape) - 1)
        one_feature = (slice(None), slice(None), *other_axes, slice(0, 1))
        ones = ops.ones_like(frames.sequence[one_feature], dtype="float32")
        on_time = frames.with_sequence(ones, ahead=0)
        window, states, next_states = with_past(builder, on_time, -frames.ahead)
        return LayerStep([frames.with_sequence(window[:, : frames.ahead])], states, next_states)

    # Converted files contain the name "heard".
    return [builder.call_once("heard", (frames.frames_per_step, frames.ahead), make_step, frames)]


def zero_invalid(tensor: Tensor, valid: Sequence[Tensor]) -> Tensor:
    """Replace what belongs to no frame of the clip by zeros.

    Args:
        tensor: The frames.
        valid: Tensors of `validity`; an empty list if all frames are valid.
    """
    for is_valid in valid:
        is_valid = ops.cast(is_valid, tensor.dtype)
        for _ in range(len(tensor.shape) - len(is_valid.shape)):
            is_valid = ops.expand_dims(is_valid, -1)
        tensor = tensor * is_valid
    return tensor


@keras.saving.register_keras_serializable(package="keras_sal")
class OutputDelay(layers.Layer):
    """An identity layer that states in a saved model how many frames late its outputs are.

    Args:
        delay_frames: Delay in output frames, an integer >= 1.
        **kwargs: See `keras.layers.Layer`.
    """

    def __init__(self, delay_frames: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.delay_frames = delay_frames

    def call(self, frames: Tensor) -> Tensor:
        """Return the frames."""
        return frames

    def get_config(self) -> dict[str, Any]:
        """Return the arguments for `from_config`."""
        return {**super().get_config(), "delay_frames": self.delay_frames}
