"""The named ends of a step model: which tensors are frames, states and posteriors.

The convention is the one of `keras_sal.streaming.step_model`: an output named `x_next` is what the
input named `x` holds on the next frame. Every other input is a frame, every other output a
posterior. Names decide, positions never do: converters reorder tensors as they like.
"""

from typing import NamedTuple

NEXT = "_next"


class Ports(NamedTuple):
    """Names of the inputs and outputs of a step model, by what they carry."""

    frames: tuple
    states: tuple
    posteriors: tuple

    @classmethod
    def of(cls, inputs, outputs):
        """Sorts names into ports; a state without its partner is refused."""
        inputs, outputs = list(inputs), list(outputs)
        states = tuple(name for name in inputs if name + NEXT in outputs)
        carried = {name + NEXT for name in states}
        posteriors = tuple(name for name in outputs if name not in carried)
        frames = tuple(name for name in inputs if name not in states)
        lost = [name for name in frames if name.startswith("state_")]
        lost += [name for name in posteriors if name.endswith(NEXT)]
        if lost or not frames or not posteriors:
            raise ValueError(
                "`model` must be a step model whose outputs hold `<state>_next` for each state "
                "input, and at least one frame input and one posterior output; otherwise the "
                f"state cannot be carried. Received: inputs={inputs}, outputs={outputs}. "
                "Make it with `keras_sal.streaming.step_model(model)`."
            )
        return cls(frames, states, posteriors)

    @property
    def inputs(self):
        """Input names in the order of the files: frames, then states."""
        return self.frames + self.states

    @property
    def outputs(self):
        """Output names in the order of the files: posteriors, then next states."""
        return self.posteriors + tuple(state + NEXT for state in self.states)
