"""The walk through a model that calls each of its layers on the frames of one call."""

import dataclasses

import keras

from keras_sal.streaming.rules.custom import is_own, own_step
from keras_sal.streaming.rules.delay import Part
from keras_sal.streaming.rules.frames import Frames
from keras_sal.streaming.rules.registry import refuse_if, step


def plain_graph(model):
    """The same layers as a plain functional model: no compile state, flat inputs and outputs."""
    inputs = getattr(model, "inputs", None)
    if not isinstance(model, keras.Model) or not inputs or is_own(model):
        raise ValueError(
            "`model` must be a built functional or Sequential model; the layers of a subclassed "
            f"or unbuilt model cannot be followed. Received: model={model!r}. Build it with "
            "keras.Model(inputs, outputs), or start a Sequential with keras.Input."
        )
    return keras.Model(inputs, model.outputs)


class Stream:
    """The frames and states of one graph, made by calling each of its layers step-wise.

    The layers are called on whole clips as well: Keras walks the graph for us that way, and the
    clip tensors tell which frames go where.
    """

    def __init__(self, batch_size):
        self.batch_size = batch_size
        self.states = {}
        self.next_states = {}
        self._frames = {}  # id of a clip tensor -> (that tensor, to keep it alive; its frames)
        self._steps = {}  # (id of a layer, where it is called) -> its step
        self._parts = {}  # what is no layer of the model -> itself, its frames

    def follow(self, graph, inputs):
        """Calls every layer of `graph` step-wise; returns the `Frames` of its outputs."""
        clips = [keras.Input(batch_shape=x.shape, dtype=x.dtype) for x in graph.inputs]
        self._pair(clips, inputs)
        traced = keras.models.clone_model(
            graph,
            input_tensors=clips,
            clone_function=lambda layer: layer,
            call_function=self._call,
        )
        return [self._frames_of(clip) for clip in traced.outputs]

    def new_state(self, shape, dtype):
        """A new state `(batch, *shape)`, for a step in the making."""
        dtype = keras.backend.standardize_dtype(dtype)
        return keras.Input(shape, batch_size=self.batch_size, dtype=dtype)

    def call(self, layer, make_step, *inputs):
        """Calls the step of a layer, with new states of the stream; returns the frames it gives.

        `make_step(*inputs)` gives the outputs, the states and the next states. What it makes
        becomes a model with the layer's name, once, however often the layer is called there: so
        names are unique and weights are shared in the saved step model as they are here.
        """
        key = id(layer), *((x.hop, x.lead, x.longer) for x in inputs)
        if key not in self._steps:
            places = sum(1 for layer_of_step, *_ in self._steps if layer_of_step == id(layer))
            name = f"{layer.name}_{places}" if places else layer.name
            self._steps[key] = _step_of_layer(name, make_step, inputs)
        one_step, outputs = self._steps[key]
        states = [self._carry(x) for x in one_step.inputs[len(inputs) :]]
        results = keras.tree.flatten(one_step([*(x.tensor for x in inputs), *states]))
        for state, next_state in zip(states, results[len(outputs) :], strict=True):
            self.next_states[f"{state.name}_next"] = next_state
        return [x.of(tensor) for x, tensor in zip(outputs, results, strict=False)]

    def once(self, kind, key, make_step, x):
        """Calls a step that belongs to no layer, the first time it is asked for."""
        if (kind, key) not in self._parts:
            part = Part(f"{kind}_{len(self._parts)}")
            self._parts[kind, key] = part, *self.call(part, make_step, x)
        return self._parts[kind, key][1]

    def _carry(self, like):
        name = f"state_{len(self.states)}"
        self.states[name] = keras.Input(batch_shape=like.shape, dtype=like.dtype, name=name)
        return self.states[name]

    def _pair(self, clips, frames):
        for clip, x in zip(keras.tree.flatten(clips), keras.tree.flatten(frames), strict=True):
            self._frames[id(clip)] = clip, x

    def _frames_of(self, clip):
        return self._frames[id(clip)][1] if isinstance(clip, keras.KerasTensor) else clip

    def _call(self, layer, *args, **kwargs):
        refuse_if(
            layer,
            (
                kwargs.get("training"),
                "it is called with training=True and never twice gives the same",
                "Leave training out.",
            ),
        )
        clips = layer(*args, **kwargs)
        args, kwargs = keras.tree.map_structure(self._frames_of, (args, kwargs))
        rule = own_step if is_own(layer) else step
        frames = keras.tree.flatten(rule(layer, self, *args, **kwargs))
        given = [x for x in keras.tree.flatten((args, kwargs)) if isinstance(x, Frames)]
        sources = frozenset().union(*(x.sources for x in given))
        self._pair(clips, [dataclasses.replace(x, sources=sources) for x in frames])
        return clips


def _step_of_layer(name, make_step, inputs):
    inputs = [x.of(keras.Input(batch_shape=x.tensor.shape, dtype=x.tensor.dtype)) for x in inputs]
    outputs, states, next_states = make_step(*inputs)
    step_of_layer = keras.Model(
        [*(x.tensor for x in inputs), *states],
        [*(x.tensor for x in outputs), *next_states],
        name=name,
    )
    return step_of_layer, outputs


@step.register
def _(layer: keras.Model, stream, inputs, **kwargs):
    def make_step(*inputs):
        inner = Stream(stream.batch_size)
        outputs = inner.follow(plain_graph(layer), inputs)
        return outputs, inner.states.values(), inner.next_states.values()

    return stream.call(layer, make_step, *keras.tree.flatten(inputs))
