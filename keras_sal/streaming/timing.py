"""Timing of streaming models: their delay, their receptive field, and the frames of a step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras

from keras_sal.streaming.rules import as_functional
from keras_sal.streaming.rules.delay import OutputDelay
from keras_sal.streaming.traced_step import trace_step
from keras_sal.typing import Tensor


def delay_frames(step: keras.Model) -> int:
    """Return how many frames late the outputs of a streaming model are.

    Use it to drop the outputs that come before that of the first frame, and to give a time to the
    others: posterior n of the stream is that of frame `n - delay_frames(step)`.

    Args:
        step: Model made by `step_model` or `chunk_model`, or loaded from a file that holds one.

    Returns:
        Number of output frames; 0 for a causal model.

    Example:

    >>> import keras
    >>> from keras_sal.streaming import delay_frames, step_model
    >>> centred = keras.layers.Conv1D(1, 5, padding="same")
    >>> model = keras.Sequential([keras.Input((None, 3)), centred])
    >>> delay_frames(step_model(model, max_delay_frames=2))
    2
    """
    return sum(layer.delay_frames for layer in step.layers if isinstance(layer, OutputDelay))


def receptive_field(model: keras.Model) -> int | float:
    """Return how many frames an output of a clip model depends on.

    Args:
        model: As for `step_model`. It may look ahead.

    Returns:
        Frames of its fastest input, from the oldest to the newest that count. `math.inf` if a layer
        remembers without limit, as recurrent and cumulative layers do and, for all that is known,
        custom layers with a state.

    Raises:
        ValueError: If a layer cannot stream.

    Example:

    >>> from keras_sal.models import conv_detector, gru_detector
    >>> from keras_sal.streaming import receptive_field
    >>> receptive_field(conv_detector(kernel_frames=9, dilations=(1, 2, 4))), 1 + 8 * (1 + 2 + 4)
    (57, 57)
    >>> receptive_field(gru_detector())
    inf
    """
    graph = as_functional(model)
    traced = trace_step(graph)
    steps = max(output.receptive_field for output in traced.outputs)
    return math.inf if steps == math.inf else int(steps * _fastest(traced.inputs, graph.inputs))


def frames_per_step(step: keras.Model, model: keras.Model) -> int:
    """Return how many frames of its fastest input a step model takes in each step.

    Args:
        step: Step model of `model`.
        model: The clip model.

    Returns:
        Number of frames, more than 1 if the model has strides.

    Example:

    >>> from keras_sal.models import conv_gru_detector
    >>> from keras_sal.streaming import frames_per_step, step_model
    >>> model = conv_gru_detector(frames_per_output=3)
    >>> frames_per_step(step_model(model), model)
    3
    """
    frames = [x for name, x in step.input.items() if name.startswith("frame")]
    return _fastest(frames, as_functional(model).inputs)


def _fastest(frames: Sequence[Tensor], clips: Sequence[Tensor]) -> int:
    """Return the largest number of frames; only several frames have a time axis, as clips have."""
    pairs = zip(frames, clips, strict=True)
    return max(x.shape[1] if len(x.shape) == len(clip.shape) else 1 for x, clip in pairs)
