"""Which layer an operator of a converted model came from.

The converter names a tensor after the operation it came from, `scope/of/layer/MatMul`, and joins
the names of operations it fuses with `;`. Keras makes scopes unique in its own way (`gru_1` may
become `gru_1_2`), so that a scope is not a layer's name: which layer opened which scope is noted
while the model is traced.
"""

import contextlib
import functools


def scope(name):
    """The name scope of an operation or tensor."""
    return name.rpartition("/")[0]


@contextlib.contextmanager
def noting(model, layers):
    """Fills `layers`, `{scope or operation: path of layer names}`, with what is traced inside."""
    watched = list(_leaves(model))
    for path, layer in watched:
        layer.call = _noting_call(path, layer, layers)
    try:
        yield
    finally:
        for _, layer in watched:
            del layer.call


def layer_of(name, layers):
    """The layer a tensor or operation came from, or None."""
    for part in name.split(";"):
        while part:
            if part in layers:
                return layers[part]
            part = scope(part)
    return None


def origins(file, layers):
    """`{operator: layer it came from}`; an operator without a scope has its operand's."""
    found = {}
    for op in file.operators():
        names = [file.tensor_name(index) for index in (*op.outputs, *op.inputs) if index >= 0]
        found[op] = next(filter(None, (layer_of(name, layers) for name in names)), None)
    return found


def _leaves(model, path=""):
    for operation in getattr(model, "operations", model.layers):
        if hasattr(operation, "layers"):
            yield from _leaves(operation, f"{path}{operation.name}/")
        else:
            yield path + operation.name, operation


def _noting_call(path, layer, layers):
    import keras
    import tensorflow as tf

    original = layer.call

    @functools.wraps(original)
    def call(*args, **kwargs):
        graph = tf.compat.v1.get_default_graph()
        before = len(graph.get_operations())
        outputs = original(*args, **kwargs)
        for operation in graph.get_operations()[before:]:
            layers.setdefault(operation.name, path)
            if isinstance(layer, keras.layers.Layer):
                layers.setdefault(scope(operation.name), path)
        return outputs

    return call
