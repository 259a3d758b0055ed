"""The frames of a clip tensor that one call of a streaming model works on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from keras import ops

from keras_sal.typing import Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Frames:
    """The newest frames of a clip tensor.

    Attributes:
        tensor: `(batch, frames_per_step + overlap, ...)`, or `(batch, ...)` where that is one
            frame; in a chunk `(batch, steps * frames_per_step + overlap, ...)`.
        frames_per_step: New frames in every step, >= 1.
        ahead: How many frames the clip tensor is ahead of the stream. It is ahead (> 0) if frames
            were put before the start of the clip; a step then needs as many frames from the past.
            It is late (< 0) if a layer before it looks ahead.
        extra_frames: How many frames longer than the stream the clip tensor is. This is more than
            `ahead` if its last frames depend on what comes after the end of the clip.
        sources: Indices of the inputs of the model that the frames depend on.
        chunked: Whether a call works on any number of steps, and not on one.
        lateness_error: The error to raise if the frames are late and no delay is allowed.
        receptive_field: How far back the newest frame reaches, in steps; one frame is
            `1 / frames_per_step`.
    """

    tensor: Tensor
    frames_per_step: int = 1
    ahead: int = 0
    extra_frames: int = 0
    sources: frozenset[int] = frozenset()
    chunked: bool = False
    lateness_error: ValueError | None = None
    receptive_field: Fraction | float = Fraction(1)

    @property
    def overlap(self) -> int:
        """How many frames of the tensor are in the tensor of the next step as well."""
        return max(self.ahead, 0)

    @property
    def is_single(self) -> bool:
        """Whether the tensor is one frame, which has no time axis."""
        return not self.chunked and self.frames_per_step + self.overlap == 1

    @property
    def feature_shape(self) -> tuple[int, ...]:
        """The shape of one frame, without batch and time."""
        return tuple(self.tensor.shape[1 if self.is_single else 2 :])

    @property
    def sequence(self) -> Tensor:
        """The tensor with a time axis, which has length 1 for a single frame."""
        if self.is_single:
            return ops.reshape(self.tensor, (-1, 1, *self.feature_shape))
        return self.tensor

    def with_tensor(self, tensor: Tensor, **changes: Any) -> Frames:
        """Return frames with another tensor, at the same place in time except for `changes`."""
        return dataclasses.replace(self, tensor=tensor, **changes)

    def with_sequence(self, sequence: Tensor, **changes: Any) -> Frames:
        """Return the same as `with_tensor`, from a tensor that has a time axis in any case."""
        frames = self.with_tensor(sequence, **changes)
        if not frames.is_single:
            return frames
        return frames.with_tensor(ops.reshape(sequence, (-1, *sequence.shape[2:])))


class LayerStep(NamedTuple):
    """What a layer computes in one step.

    Attributes:
        outputs: The frames that the layer returns.
        states: Input tensors `(batch, ...)` for what the layer remembers.
        next_states: What it remembers for the next step, one tensor for each of `states`.
    """

    outputs: Sequence[Frames]
    states: Sequence[Tensor] = ()
    next_states: Sequence[Tensor] = ()


class StepTooShort(Exception):  # noqa: N818, a signal to `traced_step` that never reaches a user
    """A step must bring more frames.

    Args:
        factor: How many times as many, > 1.
        sources: Indices of the inputs of the model whose steps must be longer.
    """

    def __init__(self, factor: int, sources: frozenset[int]) -> None:
        super().__init__(factor, sources)
        self.factor, self.sources = factor, sources
