"""The rules by kind of layer, and how a rule refuses."""

import functools


@functools.singledispatch
def step(layer, stream, *inputs, **kwargs):
    """Calls `layer` on the frames of one step; returns the frames it gives."""
    raise TypeError(f"`layer` must be a Keras operation. Received: layer={layer!r}.")


def refusal(layer, reason, instead):
    """The error for a layer that cannot run frame by frame."""
    return ValueError(
        f"`model` must be made of layers that can run frame by frame; {reason}. Received: "
        f"layer {layer.name!r} ({type(layer).__name__}). {instead}"
    )


def refuse_if(layer, *objections):
    """Raises the first of the objections `(holds, reason, instead)` that holds."""
    for holds, reason, instead in objections:
        if holds:
            raise refusal(layer, reason, instead)
