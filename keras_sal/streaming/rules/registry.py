"""The registry of rules by kind of layer, and the error for what no rule can stream."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from keras_sal.streaming.rules.step_builder import StepBuilder


@functools.singledispatch
def rule(layer: keras.Operation, builder: StepBuilder, *inputs: Any, **kwargs: Any) -> Any:
    """Apply a layer to the frames of one step.

    `@rule.register(kind)` registers the rule for a kind of layer.

    Args:
        layer: The layer or operation.
        builder: The `StepBuilder` that walks through the model.
        *inputs: Arguments of the layer, with `Frames` in place of tensors.
        **kwargs: Keyword arguments of the layer, likewise.

    Returns:
        `Frames`, in the structure in which the layer returns tensors.

    Raises:
        ValueError: If the layer cannot run frame by frame.
    """
    raise TypeError(f"`layer` must be a Keras operation. Received: layer={layer!r}.")


def unsupported_error(layer: keras.Operation, reason: str, instead: str) -> ValueError:
    """Return the error for a layer that cannot run frame by frame.

    Args:
        layer: The layer.
        reason: Why it cannot, a clause without a full stop.
        instead: A sentence that says what to use instead.
    """
    return ValueError(
        f"`model` must be made of layers that can run frame by frame; {reason}. Received: "
        f"layer {layer.name!r} ({type(layer).__name__}). {instead}"
    )


def reject_if(layer: keras.Operation, *problems: tuple[Any, str, str]) -> None:
    """Raise the error for the first problem that a layer has.

    Args:
        layer: The layer.
        *problems: `(condition, reason, instead)`: if the condition is true, the layer is rejected
            with `unsupported_error(layer, reason, instead)`.

    Raises:
        ValueError: If a condition is true.
    """
    for condition, reason, instead in problems:
        if condition:
            raise unsupported_error(layer, reason, instead)
