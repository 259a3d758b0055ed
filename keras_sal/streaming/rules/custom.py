"""The rule for custom layers, which define themselves what they do with one frame.

A custom layer streams if it has two methods besides `call`. This one smooths its input:

    @keras.saving.register_keras_serializable(package="my_package")
    class Smooth(keras.layers.Layer):
        def call(self, clips):                    # (batch, time, features)
            ...

        def streaming_state_spec(self):           # shapes without the batch; [] for no memory
            return [(self.features,)]

        def stream_step(self, frame, states):     # (batch, features): no time axis
            mean = 0.9 * states[0] + 0.1 * frame
            return mean, [mean]                   # the output for this frame, the next states

A layer that computes each frame from a window of its input, such as a front-end that takes samples,
has a property and a method for that. What they give goes to `stream_step`, if the layer has one:

        streaming_window = (480, 160)    # samples of a window, and from one window to the next
        streaming_padding = 320          # zeros that `call` puts before the clip; may be left out

        def stream_windows(self, clips): # (batch, samples), or more axes: as many windows as fit
            ...                          # (batch, windows, features), as many as `call` returns

A layer that computes several frames of a step with less work than one by one may have a method for
that, too:

        def stream_frames(self, frames, states):  # (batch, frames, features)
            ...                                   # the outputs for them, the next states

States start as zeros. Test in the layer's own tests that `call` and `stream_step` give the same
numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from keras_sal.layers import CausalDepthwiseConv1D
from keras_sal.streaming.rules.convolution import over_window
from keras_sal.streaming.rules.delay import validity, zero_invalid
from keras_sal.streaming.rules.frames import Frames, LayerStep
from keras_sal.streaming.rules.recurrent import for_each_frame, reject_padded_start
from keras_sal.streaming.rules.registry import reject_if, unsupported_error
from keras_sal.streaming.rules.weight_sharing import WeightSharingLayer
from keras_sal.typing import Tensor

if TYPE_CHECKING:
    from keras_sal.streaming.rules.step_builder import StepBuilder


def is_custom(layer: keras.Operation) -> bool:
    """Return whether a layer defines its step, or its `call` is written outside Keras."""
    call = layer.call
    if hasattr(layer, "stream_step") or hasattr(layer, "streaming_window"):
        return True
    if getattr(call, "__func__", None) is CausalDepthwiseConv1D.call:
        return False
    return not (getattr(call, "__module__", None) or "").startswith("keras.")


def custom_rule(
    layer: keras.layers.Layer, builder: StepBuilder, frames: Frames, **kwargs: Any
) -> list[Frames]:
    """Apply a custom layer to the frames of one step.

    Args:
        layer: The layer.
        builder: The `StepBuilder`.
        frames: The frames.
        **kwargs: Keyword arguments of the layer, which are left out.

    Returns:
        The frames that it returns, as a list of one.

    Raises:
        ValueError: If the layer has neither `stream_step` nor `streaming_window`, or several
            inputs.
    """
    has_step, has_windows = hasattr(layer, "stream_step"), hasattr(layer, "streaming_window")
    if not has_step and not has_windows:
        raise unsupported_error(
            layer,
            "what a custom layer does along time cannot be known",
            "Give it `streaming_state_spec` and `stream_step`: see "
            "keras_sal.streaming.rules.custom.",
        )
    reject_if(
        layer,
        (
            not isinstance(frames, Frames),
            "a custom layer can stream with one input only",
            "Concatenate the inputs before it.",
        ),
    )
    if has_windows:
        [frames] = _over_its_windows(layer, builder, frames)
    return _frame_by_frame(layer, builder, frames) if has_step else [frames]


def _over_its_windows(
    layer: keras.layers.Layer, builder: StepBuilder, frames: Frames
) -> list[Frames]:
    span, stride = layer.streaming_window
    padding = getattr(layer, "streaming_padding", 0), 0
    instead = (
        f"Put {span - stride} zeros before the clip, as MicroFeatures(padding='causal') does, and "
        "state them in `streaming_padding`."
    )
    windows = OwnWindows(layer, dtype=_inner_dtype(layer))
    return over_window(layer, builder, frames, windows, padding, span, stride, instead)


def _inner_dtype(layer: keras.layers.Layer) -> str:
    """Return the type of what a layer remembers."""
    return layer.compute_dtype if layer.autocast else layer.variable_dtype


def _frame_by_frame(
    layer: keras.layers.Layer, builder: StepBuilder, frames: Frames
) -> list[Frames]:
    reject_padded_start(layer, frames)
    # Converted files contain the names that Keras gives to layers of these two classes.
    frame_step, chunk_step = OwnStep(layer), OwnChunk(layer)

    def one_frame(
        inputs: Sequence[Tensor], states: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        frame, *valid = inputs
        output, *next_states = frame_step([frame, *states])
        return output, [zero_invalid(state, valid) for state in next_states]

    def make_step(frames: Frames, *valid: Frames) -> LayerStep:
        shapes = layer.streaming_state_spec()
        states = [builder.new_state(shape, _inner_dtype(layer)) for shape in shapes]
        next_states: Sequence[Tensor]
        if frames.chunked:
            inputs = [frames.tensor, *states, *(is_valid.tensor for is_valid in valid)]
            output, *next_states = chunk_step(inputs)
        elif hasattr(layer, "stream_frames") and not frames.is_single and not valid:
            output, *next_states = OwnFrames(layer)([frames.tensor, *states])
        else:
            outputs, next_states = for_each_frame(one_frame, [frames, *valid], states)
            output = outputs.tensor
        receptive_field = math.inf if states else frames.receptive_field
        outputs = frames.with_tensor(output, receptive_field=receptive_field)
        return LayerStep([outputs], states, next_states)

    return builder.call(layer, make_step, frames, *validity(builder, frames))


@keras.saving.register_keras_serializable(package="keras_sal")
class OwnWindows(WeightSharingLayer):
    """The `stream_windows` of a layer as a layer."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Build the layer for such clips, if it is not built."""
        if not self.layer.built:
            self.layer.build(shape)

    def call(self, window: Tensor) -> Tensor:
        """Call `stream_windows`."""
        return ops.cast(self.layer.stream_windows(window), self.compute_dtype)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the layer's own output, of as many frames as there are windows."""
        span, stride = self.layer.streaming_window
        batch, _, *features = self.layer.compute_output_shape(shape)
        return batch, None if shape[1] is None else (shape[1] - span) // stride + 1, *features


@keras.saving.register_keras_serializable(package="keras_sal")
class OwnStep(WeightSharingLayer):
    """The `stream_step` of a layer as a layer: `[frame, *states]` to `[output, *next_states]`."""

    def build(self, shapes: Sequence[tuple[int | None, ...]]) -> None:
        """Build the layer for clips of such frames, if it is not built."""
        if not self.layer.built:
            batch_size, *features = shapes[0]
            self.layer.build((batch_size, None, *features))

    def call(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Call `stream_step`."""
        frame, *states = inputs
        output, next_states = self.layer.stream_step(frame, states)
        return [output, *next_states]


@keras.saving.register_keras_serializable(package="keras_sal")
class OwnFrames(OwnStep):
    """The `stream_frames` of a layer as a layer: `[frames, *states]` to as many tensors."""

    def build(self, shapes: Sequence[tuple[int | None, ...]]) -> None:
        """Build the layer for such clips, if it is not built."""
        if not self.layer.built:
            self.layer.build(shapes[0])

    def call(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Call `stream_frames`."""
        frames, *states = inputs
        output, next_states = self.layer.stream_frames(frames, states)
        return [output, *next_states]


@keras.saving.register_keras_serializable(package="keras_sal")
class OwnChunk(OwnStep):
    """The `stream_step` of a layer over many frames: `[frames, *states]` to as many tensors.

    If the frames are late, their validity follows after the states: see
    `keras_sal.streaming.rules.delay`.
    """

    def build(self, shapes: Sequence[tuple[int | None, ...]]) -> None:
        """Build the layer for such clips, if it is not built."""
        if not self.layer.built:
            self.layer.build(shapes[0])

    def call(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Call `stream_step` in a loop of the backend."""
        frames, *states = inputs
        number = len(self.layer.streaming_state_spec())
        states, valid = states[:number], states[number:]

        features = frames.shape[-1]
        if valid:  # as one more feature: on TensorFlow only one tensor can be scanned
            ones = zero_invalid(ops.ones_like(frames[..., :1]), valid)
            frames = ops.concatenate([frames, ones], axis=-1)

        def one_frame(before: list[Tensor], frame: Tensor) -> tuple[list[Tensor], list[Tensor]]:
            output, after = self.layer.stream_step(frame[..., :features], before[1:])
            if valid:
                is_valid = ops.reshape(frame[..., features:], (ops.shape(frame)[0], -1))[:, :1]
                after = [zero_invalid(state, [is_valid]) for state in after]
            return ([output, *after],) * 2

        first, _ = self.layer.stream_step(frames[:, 0, ..., :features], states)
        start = [ops.zeros_like(first), *states]
        by_time = ops.moveaxis(frames, 1, 0)
        (_, *next_states), (outputs, *_) = ops.scan(one_frame, start, by_time)
        return [ops.moveaxis(outputs, 0, 1), *next_states]
