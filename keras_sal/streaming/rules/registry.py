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


# What a class may override without changing what the layer computes from its weights. `call` makes
# a layer custom; Keras sets `build` and `quantize` on every layer.
_HARMLESS = {
    "add_weight",
    "beta",
    "bias",
    "build",
    "call",
    "compute_mask",
    "compute_output_shape",
    "compute_output_spec",
    "from_config",
    "gamma",
    "get_build_config",
    "get_config",
    "kernel",
    "load_own_variables",
    "quantize",
    "save_own_variables",
}


def overridden_methods(layer: keras.Operation) -> list[str]:
    """Return the methods that a layer overrides outside Keras, by its class or by assignment.

    Args:
        layer: The layer.

    Returns:
        Names in alphabetical order, without those that a step calls in any case.
    """
    names = {name for name, value in vars(layer).items() if callable(value)}
    base: type = type(layer)
    for base in type(layer).__mro__:
        if base.__module__.startswith(("keras.", "keras_sal.")):
            break
        names |= vars(base).keys()
    return sorted(
        name
        for name in names - _HARMLESS
        if not name.startswith("__")
        and (callable(getattr(base, name, None)) or isinstance(getattr(base, name, None), property))
    )


def reject_overrides(
    layer: keras.Operation,
    instead: str = "Give the class `streaming_state_spec` and `stream_step`: see "
    "keras_sal.streaming.rules.custom.",
) -> None:
    """Reject a layer whose rule computes what the layer does, if methods of it are overridden.

    Args:
        layer: The layer.
        instead: A sentence that says what to use instead.

    Raises:
        ValueError: If methods are overridden.
    """
    names = " and ".join(f"`{name}`" for name in overridden_methods(layer))
    reject_if(layer, (names, f"it overrides {names}, which a step would leave out", instead))
