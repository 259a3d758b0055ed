"""The layers that the operators of a converted model came from.

The converter names a tensor after the operation it came from, `scope/of/layer/MatMul`, and joins
the names of operations that it fuses with `;`. Keras makes scopes unique in its own way (`gru_1`
may become `gru_1_2`), so a scope is not the name of a layer. Therefore the layer of each scope is
recorded while the model is traced.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from keras_sal.export.tflite.flatbuffer import Flatbuffer, Operator


def name_scope(name: str) -> str:
    """Return the scope of an operation or tensor: its name without the last part."""
    return name.rpartition("/")[0]


@contextlib.contextmanager
def record_layers(model: Any, layers: dict[str, str]) -> Iterator[None]:
    """Record the layer of every operation that is traced inside the context.

    Args:
        model: The Keras model that is traced.
        layers: Filled with the path of layer names for each scope and operation.
    """
    watched = list(_leaves(model))
    for path, layer in watched:
        layer.call = _recording_call(path, layer, layers)
    try:
        yield
    finally:
        for _, layer in watched:
            del layer.call


def layer_of(name: str, layers: Mapping[str, str]) -> str | None:
    """Return the layer that a tensor or operation came from, or `None`.

    Args:
        name: Name of the tensor or operation.
        layers: What `record_layers` recorded.

    Example:
        >>> layer_of("model/gru_1_2/MatMul;other/Add", {"model/gru_1_2": "memory"})
        'memory'
    """
    for part in name.split(";"):
        while part:
            if part in layers:
                return layers[part]
            part = name_scope(part)
    return None


def layers_of_operators(file: Flatbuffer, layers: Mapping[str, str]) -> dict[Operator, str | None]:
    """Return the layer that each operator came from.

    Args:
        file: A file as the converter wrote it.
        layers: What `record_layers` recorded.

    Returns:
        The layer of each operator: that of its outputs, else that of its inputs, else `None`.
    """
    found = {}
    for op in file.operators():
        names = [file.tensor_name(index) for index in (*op.outputs, *op.inputs) if index >= 0]
        found[op] = next(filter(None, (layer_of(name, layers) for name in names)), None)
    return found


def _leaves(model: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for operation in getattr(model, "operations", model.layers):
        if hasattr(operation, "layers"):
            yield from _leaves(operation, f"{path}{operation.name}/")
        else:
            yield path + operation.name, operation


def _recording_call(path: str, layer: Any, layers: dict[str, str]) -> Callable[..., Any]:
    import keras
    import tensorflow as tf

    original = layer.call

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        graph = tf.compat.v1.get_default_graph()
        before = len(graph.get_operations())
        outputs = original(*args, **kwargs)
        for operation in graph.get_operations()[before:]:
            layers.setdefault(operation.name, path)
            if isinstance(layer, keras.layers.Layer):
                layers.setdefault(name_scope(operation.name), path)
        return outputs

    return call
