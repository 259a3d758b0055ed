"""The step of a clip model, with as few frames as the strides of the model allow."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import keras

from keras_sal.checks import require
from keras_sal.streaming.rules import Frames, StepBuilder, StepTooShort
from keras_sal.streaming.rules.whole_steps import WholeSteps
from keras_sal.typing import Tensor


class TracedStep(NamedTuple):
    """A step, as symbolic tensors.

    Attributes:
        inputs: Input tensors for the frames of a call.
        outputs: Frames of the outputs.
        builder: The `StepBuilder`, which holds the states.
    """

    inputs: list[Tensor]
    outputs: list[Frames]
    builder: StepBuilder


def trace_step(
    graph: keras.Model,
    batch_size: int | None = None,
    *,
    chunked: bool = False,
    frames: int | None = None,
) -> TracedStep:
    """Trace the step of a functional model.

    Args:
        graph: Functional model with flat inputs and outputs.
        batch_size: Number of streams run side by side, or `None` to leave it free.
        chunked: Whether a call takes a chunk of any number of steps, and not one step.
        frames: Frames of a chunk, or `None` to leave them free.

    Raises:
        ValueError: If a layer cannot run frame by frame, or `frames` are not whole steps.
    """
    frames_per_step = [1] * len(graph.inputs)
    while True:
        try:
            with warnings.catch_warnings():  # Keras warned when the model was built
                warnings.simplefilter("ignore")
                traced = _trace(graph, frames_per_step, batch_size, chunked)
                if frames is None:
                    return traced
                steps = _steps_in_chunk(frames, max(frames_per_step))
                return _trace(graph, frames_per_step, batch_size, chunked, steps)
        except StepTooShort as too_short:
            for i in too_short.sources:
                frames_per_step[i] *= too_short.factor


def _trace(
    graph: keras.Model,
    frames_per_step: Sequence[int],
    batch_size: int | None,
    chunked: bool,
    steps: int | None = None,
) -> TracedStep:
    """Trace `steps` steps, each with given numbers of frames of the inputs."""
    inputs, first_frames = [], []
    names = prefixed("frame", [clip.name for clip in graph.inputs])
    for i, (name, clip) in enumerate(zip(names, graph.inputs, strict=True)):
        count = frames_per_step[i]
        chunk_frames = steps and steps * count
        time = (chunk_frames,) if chunked else () if count == 1 else (count,)
        x = keras.Input((*time, *clip.shape[2:]), batch_size, dtype=clip.dtype, name=name)
        whole = WholeSteps(count, dtype=clip.dtype)(x) if chunked and count > 1 else x
        inputs.append(x)
        first_frames.append(
            Frames(
                whole,
                count,
                sources=frozenset([i]),
                chunked=chunked,
                receptive_field=Fraction(1, count),
            )
        )
    builder = StepBuilder(batch_size)
    return TracedStep(inputs, builder.build(graph, first_frames), builder)


def _steps_in_chunk(frames: int, frames_per_step: int) -> int:
    steps, rest = divmod(frames, frames_per_step)
    require(
        not rest,
        f"`frames` must be a multiple of {frames_per_step}; the model takes {frames_per_step} "
        f"frames for each output. Received: frames={frames}. Give "
        f"{(steps + 1) * frames_per_step}, for example.",
    )
    return steps


def prefixed(prefix: str, names: Sequence[str]) -> list[str]:
    """Return the names of the frames or posteriors of a step model.

    Args:
        prefix: `"frame"` or `"posterior"`.
        names: Names of the inputs or outputs of the clip model.

    Returns:
        The prefix alone if there is one name, else `<prefix>_<name>` for each.
    """
    return [prefix] if len(names) == 1 else [f"{prefix}_{name}" for name in names]
