"""The float32 model that is converted: a step model or a whole-clip model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from keras_sal.checks import require
from keras_sal.export.signature import Signature, is_step_model

if TYPE_CHECKING:
    import keras

OTHER_PRECISIONS = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16", "float64")


def as_step_model(model: keras.Model) -> keras.Model:
    """Return the step model of a model, in float32.

    Args:
        model: A whole-clip model that `keras_sal.streaming.step_model` takes, or a step model.

    Raises:
        ValueError: If the model can't be streamed.
    """
    _check_float_weights(model)
    if is_step_model(model):
        Signature.from_names([tensor.name for tensor in model.inputs], model.output)
        return in_float32(model)
    from keras_sal import streaming

    # Twice, as the layers of the step follow the global policy.
    return in_float32(streaming.step_model(in_float32(model)))


def as_clip_model(model: keras.Model) -> keras.Model:
    """Return a whole-clip model as a functional model with flat inputs and outputs, in float32.

    Args:
        model: A built functional or Sequential model.

    Raises:
        ValueError: If the model is of another kind.
    """
    import keras

    require(
        isinstance(model, keras.Model) and bool(getattr(model, "inputs", None)),
        "`model` must be a built functional or Sequential model; a subclassed or unbuilt model "
        f"cannot be saved and traced. Received: model={model!r}. Build it with "
        "keras.Model(inputs, outputs), or start a Sequential with keras.Input.",
    )
    _check_float_weights(model)
    is_named = isinstance(getattr(model, "output", None), Mapping)
    clip = keras.Model(model.inputs, model.output if is_named else model.outputs)
    require(
        is_named or len({*clip.output_names}) == len(clip.output_names),
        "`model` must have outputs of different layers, or a dict of them; a file knows its "
        f"outputs by name. Received: outputs {clip.output_names}. Name them: keras.Model(inputs, "
        '{"first": ..., "second": ...}).',
    )
    return in_float32(clip)


def in_float32(model: keras.Model) -> keras.Model:
    """Return a model that computes in float32, with the same weights.

    Converters have no kernels of half or double precision; a device has integers instead.

    Args:
        model: A model of any dtype policy.

    Returns:
        `model` itself if it computes in float32, else a copy of it that does.
    """
    import keras

    if all(part.compute_dtype == "float32" for part in parts_of(model)):
        return model
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        exact = type(model).from_config(_with_float32(model.get_config()))
    finally:
        keras.config.set_dtype_policy(policy)
    exact.set_weights(model.get_weights())
    return exact


def _with_float32(config: Any) -> Any:
    if isinstance(config, list | tuple):
        return type(config)(map(_with_float32, config))
    if not isinstance(config, dict):
        return config
    return {
        key: "float32" if value in OTHER_PRECISIONS else _with_float32(value)
        for key, value in config.items()
    }


def _check_float_weights(model: Any) -> None:
    """Refuse a model whose weights `model.quantize` has replaced by integers."""
    for part in parts_of(model):
        mode = getattr(getattr(part, "dtype_policy", None), "quantization_mode", None)
        require(
            mode is None,
            "`model` must have float weights, from which the export makes integers along real "
            "streams; those of `model.quantize` fit neither TensorFlow Lite nor ONNX. "
            f'Received: layer `{part.name}`, quantized to "{mode}". Export the model as it '
            'was before `model.quantize`, with `quantization="int8"` if it is to be small.',
        )


def parts_of(model: Any) -> Iterator[keras.Layer]:
    """Yield the layers of a model, their cells, the layers that they wrap, and those inside of all.

    Args:
        model: A model, or a layer.
    """
    inside = getattr(model, "cell", None), getattr(model, "layer", None)
    for part in (*getattr(model, "layers", ()), *filter(None, inside)):
        yield part
        yield from parts_of(part)


def layer_modules(model: keras.Model) -> list[str]:
    """Return the modules that another process must import to load a model.

    These are the modules of its layers and cells, and of the registered functions and objects that
    its config names: activations, initializers, constraints.

    Args:
        model: The model.

    Returns:
        Names of the modules outside Keras that define its layers, sorted.

    Raises:
        ValueError: If a layer or function is defined in the running script, which can't be
            imported.
    """
    modules = _registered_modules(model)
    for part in parts_of(model):
        module = type(part).__module__
        require(
            module != "__main__",
            "`model` must be built of layers that another process can import; the "
            f"converter runs in one. Received: layer `{part.name}` of class "
            f"`{type(part).__name__}`, defined in the running script. "
            "Move the class to a module of its own.",
        )
        if module.split(".")[0] not in ("keras", "builtins"):
            modules.add(module)
    return sorted(modules)


def _registered_modules(model: keras.Model) -> set[str]:
    """Return the modules outside Keras of what the config of a model names by registration."""
    import keras

    modules = set()
    for name in sorted(_texts(model.get_config())):
        registered = keras.saving.get_registered_object(name)
        module = getattr(registered, "__module__", None)
        if module is None or module.split(".")[0] in ("keras", "builtins"):
            continue
        require(
            module != "__main__",
            "`model` must be built of functions that another process can import; the converter "
            f"runs in one. Received: `{name}`, defined in the running script. Move it to a module "
            "of its own.",
        )
        modules.add(module)
    return modules


def _texts(config: Any) -> set[str]:
    """Return all texts in a config, among them the registered names."""
    if isinstance(config, str):
        return {config}
    if isinstance(config, dict):
        config = list(config.values())
    return set().union(*map(_texts, config)) if isinstance(config, list | tuple) else set()
