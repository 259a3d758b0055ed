"""The signature of a step model: which of its tensors are frames, states and posteriors.

The convention is that of `keras_sal.streaming.step_model`: an output named `x_next` is the value of
the input named `x` on the next frame. Every other input is a frame, every other output a posterior.
Tensors are identified by name and never by position, because converters reorder them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import keras

NEXT_SUFFIX = "_next"


class Signature(NamedTuple):
    """The names of the inputs and outputs of a step model, by what they hold.

    Attributes:
        frames: Names of the inputs that are frames.
        states: Names of the inputs that are states. The output `<state>_next` belongs to each.
        posteriors: Names of the outputs that are posteriors.

    Example:
        >>> Signature.from_names(["state_0", "frame"], ["posterior", "state_0_next"])
        Signature(frames=('frame',), states=('state_0',), posteriors=('posterior',))
    """

    frames: tuple[str, ...]
    states: tuple[str, ...]
    posteriors: tuple[str, ...]

    @classmethod
    def from_names(cls, inputs: Iterable[str], outputs: Iterable[str]) -> Signature:
        """Derive the signature from the names of a model's inputs and outputs.

        Args:
            inputs: Names of the inputs, in any order.
            outputs: Names of the outputs, in any order.

        Returns:
            The signature, with the names in the given order.

        Raises:
            ValueError: If a state lacks its partner, or there is no frame or no posterior.
        """
        inputs, outputs = list(inputs), list(outputs)
        states = tuple(name for name in inputs if name + NEXT_SUFFIX in outputs)
        next_states = {name + NEXT_SUFFIX for name in states}
        posteriors = tuple(name for name in outputs if name not in next_states)
        frames = tuple(name for name in inputs if name not in states)
        lost = [name for name in frames if name.startswith("state_")]
        lost += [name for name in posteriors if name.endswith(NEXT_SUFFIX)]
        if lost or not frames or not posteriors:
            raise ValueError(
                "`model` must be a step model whose outputs hold `<state>_next` for each state "
                "input, and at least one frame input and one posterior output; otherwise the "
                f"state cannot be carried. Received: inputs={inputs}, outputs={outputs}. "
                "Make it with `keras_sal.streaming.step_model(model)`."
            )
        return cls(frames, states, posteriors)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs in the order of the files: frames, then states."""
        return self.frames + self.states

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs in the order of the files: posteriors, then next states."""
        return self.posteriors + tuple(state + NEXT_SUFFIX for state in self.states)


def is_step_model(model: keras.Model) -> bool:
    """Tell a step model, as `keras_sal.streaming.step_model` makes it, from a whole-clip model.

    Its outputs are a dict, its inputs are named as there, and its frames, `frame` or
    `frame_<input>`, have no time of any length.

    Args:
        model: A model.
    """
    inputs = getattr(model, "inputs", None) or ()
    frames = [tensor for tensor in inputs if not tensor.name.startswith("state_")]
    named = all(x.name == "frame" or x.name.startswith("frame_") for x in frames)
    fixed = all(None not in x.shape[1:] for x in frames)
    return bool(frames) and named and fixed and isinstance(getattr(model, "output", None), Mapping)
