"""The frames of a clip tensor that one call of a streaming model works on."""

import dataclasses
import fractions

import keras
from keras import ops


@dataclasses.dataclass(frozen=True, eq=False)
class Frames:
    """The newest frames of a clip tensor.

    Attributes:
        tensor: `(batch, hop + max(lead, 0), ...)`, or `(batch, ...)` where that is one frame; in a
            chunk `(batch, steps * hop + max(lead, 0), ...)`.
        hop: New frames at every step.
        lead: Number of the newest frame of the clip tensor, counted from the newest frame of the
            stream. Above 0 frames were put before the start of the clip, and a step needs that
            many more, from the past. Below 0 the frames come that much late.
        longer: How many frames longer than the stream the clip tensor is. More than `lead`, if its
            last frames need what comes after the end.
        sources: Which inputs of the model they come from.
        chunked: Whether a call makes any number of steps, and not one.
        objection: The error for who cannot wait, if the frames come late.
        sees: How far back the newest frame reaches, in steps; 1 / hop is one frame.
    """

    tensor: keras.KerasTensor | None
    hop: int = 1
    lead: int = 0
    longer: int = 0
    sources: frozenset = frozenset()
    chunked: bool = False
    objection: Exception | None = None
    sees: fractions.Fraction | float = fractions.Fraction(1)

    @property
    def kept(self):
        """How many more than the new frames the tensor holds."""
        return max(self.lead, 0)

    @property
    def single(self):
        """Whether this is one frame, which has no time axis."""
        return not self.chunked and self.hop + self.kept == 1

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

    def at(self, **place):
        """Another place in time, for frames still to be made."""
        return dataclasses.replace(self, tensor=None, **place)

    def of_timed(self, tensor):
        """Other frames at the same place in time, from a tensor with a time axis."""
        return self.of(ops.reshape(tensor, (-1, *tensor.shape[2:])) if self.single else tensor)


class HopTooShort(Exception):  # noqa: N818, a signal to step_model and never an error
    """A step has to bring `factor` times as many frames of the inputs `sources`."""

    def __init__(self, factor, sources):
        super().__init__(factor, sources)
        self.factor, self.sources = factor, sources
