"""The frames of a clip tensor that one call of a streaming model works on."""

import dataclasses

import keras
from keras import ops


@dataclasses.dataclass(frozen=True, eq=False)
class Frames:
    """The newest frames of a clip tensor.

    Attributes:
        tensor: `(batch, hop + lead, ...)`, or `(batch, ...)` where that is one frame; in a chunk
            `(batch, steps * hop + lead, ...)`.
        hop: New frames at every step.
        lead: How many frames longer than the stream the clip tensor is, since frames were put
            before its start. A step needs that many more, from the past.
        sources: Which inputs of the model they come from.
        chunked: Whether a call makes any number of steps, and not one.
    """

    tensor: keras.KerasTensor | None
    hop: int = 1
    lead: int = 0
    sources: frozenset = frozenset()
    chunked: bool = False

    @property
    def single(self):
        """Whether this is one frame, which has no time axis."""
        return not self.chunked and self.hop + self.lead == 1

    @property
    def features(self):
        """The shape without batch and time."""
        return tuple(self.tensor.shape[1 if self.single else 2 :])

    @property
    def timed(self):
        """The tensor with a time axis, be it of length 1."""
        return ops.reshape(self.tensor, (-1, 1, *self.features)) if self.single else self.tensor

    def of(self, tensor):
        """Other frames at the same place in time."""
        return dataclasses.replace(self, tensor=tensor)

    def at(self, hop, lead):
        """The place of frames at another rate, or further from the start of the stream."""
        return dataclasses.replace(self, tensor=None, hop=hop, lead=lead)

    def of_timed(self, tensor):
        """Other frames at the same place in time, from a tensor with a time axis."""
        return self.of(ops.reshape(tensor, (-1, *tensor.shape[2:])) if self.single else tensor)


class HopTooShort(Exception):  # noqa: N818, a signal to step_model and never an error
    """A step has to bring `factor` times as many frames of the inputs `sources`."""

    def __init__(self, factor, sources):
        super().__init__(factor, sources)
        self.factor, self.sources = factor, sources
