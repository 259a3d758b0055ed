"""From a model trained on whole clips to one that runs frame by frame.

A detector is trained on clips, `(batch, time, features)`, with `fit`. On the device it sees
one frame at a time and has to remember the rest. `step_model` makes the second from the first:

    step = step_model(model)
    (frame, state_0, state_1, ...) -> (posterior, state_0_next, state_1_next, ...)

The step model is an ordinary functional Keras model that *shares its weights* with the given
one. Every tensor has a name and every state is explicit, so that it can be saved, exported and
run by anything that carries a few arrays from one call to the next.

What is inside a step has no time axis: a clip tensor `(batch, time, features)` becomes the frame
`(batch, features)`, a layer that treats every frame alike is called on that, and a layer with a
memory becomes its one-frame form with the memory as an input and an output.
"""

import functools

import keras
import numpy as np
from keras import layers

_PER_FRAME_LAYERS = (
    layers.Activation,
    layers.Add,
    layers.Average,
    layers.Concatenate,
    layers.Dense,
    layers.ELU,
    layers.Identity,
    layers.LeakyReLU,
    layers.Maximum,
    layers.Minimum,
    layers.Multiply,
    layers.ReLU,
    layers.Rescaling,
    layers.Subtract,
)
_TRAINING_ONLY_LAYERS = (
    layers.ActivityRegularization,
    layers.AlphaDropout,
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.SpatialDropout1D,
)


def step_model(model, batch_size=None):
    """Builds the one-frame model that computes what `model` computes on a whole clip.

    Use it to run a detector on a live stream, or as the model that is exported. Train the
    clip model: the step model shares its weights, so it follows them at any time.

    Started from `initial_state` and fed the frames of a clip in turn, with each `state_k_next`
    given back as `state_k`, it gives the posteriors that `model` gives for that clip, within
    float rounding. Dropout and other layers that act in training only are left out.

    Args:
        model: Built functional or `Sequential` model of causal layers. Its input is
            `(batch, time, features)`, its output has one frame per input frame.
        batch_size: Number of streams run side by side, or `None` to leave it free.
            Default `None`.

    Returns:
        A functional `keras.Model`. Its input is a dict of `frame` `(batch, features)` and
        `state_0`, `state_1`, ...; its output a dict of `posterior` `(batch, classes)` and
        `state_0_next`, `state_1_next`, ... A model with several inputs or outputs has
        `frame_<input name>` and `posterior_<output name>`.

    Raises:
        ValueError: If a layer cannot run frame by frame. The message names the layer, the
            reason and what to use instead.

    Example:

    >>> import keras, numpy as np
    >>> from keras_sal.streaming import initial_state, step_model
    >>> model = keras.Sequential([
    ...     keras.Input((None, 3)),
    ...     keras.layers.GRU(4, return_sequences=True),
    ...     keras.layers.Dense(1, activation="sigmoid"),
    ... ])
    >>> step = step_model(model)
    >>> sorted(step.input), sorted(step.output)
    (['frame', 'state_0'], ['posterior', 'state_0_next'])

    >>> clip = np.random.default_rng(0).normal(size=(1, 5, 3)).astype("float32")
    >>> state = initial_state(step)
    >>> posteriors = []
    >>> for t in range(5):
    ...     result = step.predict_on_batch({"frame": clip[:, t], **state})
    ...     state = {name: result[f"{name}_next"] for name in state}
    ...     posteriors.append(result["posterior"])
    >>> whole_clip = model.predict(clip, verbose=0)
    >>> bool(np.allclose(np.stack(posteriors, axis=1), whole_clip, atol=1e-5))
    True
    """
    graph = _graph(model)
    for clip in graph.inputs:
        if len(clip.shape) < 3:
            raise ValueError(
                "`model` must take clips of shape (batch, time, features); a stream is cut along "
                f"the time axis. Received: input {clip.name!r} of shape {clip.shape} in model "
                f"{model.name!r}. Give the clips a feature axis: keras.Input((None, 1))."
            )
    frame_names = _names("frame", [clip.name for clip in graph.inputs])
    posterior_names = _names("posterior", graph.output_names)
    stream = _Stream(graph, batch_size, frame_names)
    return keras.Model(
        {**dict(zip(frame_names, stream.frames, strict=True)), **stream.states},
        {**dict(zip(posterior_names, stream.posteriors, strict=True)), **stream.next_states},
        name=f"{model.name}_step",
    )


def initial_state(step, batch_size=1):
    """Returns the state of streams that have not heard anything yet: zeros.

    Args:
        step: Model made by `step_model`, or loaded from a file that holds one.
        batch_size: Number of streams. Default 1.

    Returns:
        Dict of state name to a float32 NumPy array of zeros.

    Example:

    >>> import keras
    >>> from keras_sal.streaming import initial_state, step_model
    >>> model = keras.Sequential(
    ...     [keras.Input((None, 3)), keras.layers.GRU(4, return_sequences=True)]
    ... )
    >>> {name: state.shape for name, state in initial_state(step_model(model), 2).items()}
    {'state_0': (2, 4)}
    """
    return {
        name: np.zeros((batch_size, *state.shape[1:]), dtype="float32")
        for name, state in step.input.items()
        if name.startswith("state_")
    }


def _names(prefix, own_names):
    return [prefix] if len(own_names) == 1 else [f"{prefix}_{name}" for name in own_names]


def _graph(model):
    """The same layers as a plain functional model: no compile state, flat inputs and outputs."""
    inputs = getattr(model, "inputs", None)
    if not isinstance(model, keras.Model) or not inputs:
        raise ValueError(
            "`model` must be a built functional or Sequential model; the layers of a subclassed "
            f"or unbuilt model cannot be followed. Received: model={model!r}. Build it with "
            "keras.Model(inputs, outputs), or start a Sequential with keras.Input."
        )
    return keras.Model(inputs, model.outputs)


class _Stream:
    """The frames and states of one graph, made by calling each of its layers frame-wise.

    The layers are called on whole clips as well: Keras walks the graph for us that way, and the
    clip tensors tell which frame goes where.
    """

    def __init__(self, graph, batch_size, frame_names=None):
        self.batch_size = batch_size
        self.states = {}
        self.next_states = {}
        self.frames = [
            keras.Input(clip.shape[2:], batch_size=batch_size, dtype=clip.dtype, name=name)
            for clip, name in zip(
                graph.inputs, frame_names or [None] * len(graph.inputs), strict=True
            )
        ]
        self._frame_of = {}  # id of a clip tensor -> (that tensor, to keep it alive; its frame)
        self._steps = {}  # id of a layer with a memory -> its one-frame form
        clips = [keras.Input(batch_shape=x.shape, dtype=x.dtype) for x in graph.inputs]
        self._pair(clips, self.frames)
        traced = keras.models.clone_model(
            graph,
            input_tensors=clips,
            clone_function=lambda layer: layer,
            call_function=self._call,
        )
        self.posteriors = [self._frame(clip) for clip in traced.outputs]

    def remember(self, layer, make_step, *frames):
        """Calls the one-frame form of a layer with new states of the stream.

        `make_step()` returns a model from frames and states to outputs and next states. It has
        the layer's name and is made once, however often the layer is called: names stay unique
        and weights stay shared when the step model is saved.
        """
        if id(layer) not in self._steps:
            self._steps[id(layer)] = make_step()
        step = self._steps[id(layer)]
        states = [self._carry(x) for x in step.inputs[len(frames) :]]
        results = keras.tree.flatten(step([*frames, *states]))
        outputs = len(results) - len(states)
        for state, next_state in zip(states, results[outputs:], strict=True):
            self.next_states[f"{state.name}_next"] = next_state
        return results[:outputs]

    def _carry(self, like):
        name = f"state_{len(self.states)}"
        self.states[name] = keras.Input(batch_shape=like.shape, dtype=like.dtype, name=name)
        return self.states[name]

    def _pair(self, clips, frames):
        for clip, frame in zip(keras.tree.flatten(clips), keras.tree.flatten(frames), strict=True):
            self._frame_of[id(clip)] = clip, frame

    def _frame(self, clip):
        return self._frame_of[id(clip)][1] if isinstance(clip, keras.KerasTensor) else clip

    def _call(self, layer, *args, **kwargs):
        clips = layer(*args, **kwargs)
        args, kwargs = keras.tree.map_structure(self._frame, (args, kwargs))
        self._pair(clips, _step(layer, self, *args, **kwargs))
        return clips


def _refusal(layer, reason, instead):
    return ValueError(
        f"`model` must be made of layers that can run frame by frame; {reason}. Received: "
        f"layer {layer.name!r} ({type(layer).__name__}). {instead}"
    )


@functools.singledispatch
def _step(layer, stream, *frames, **kwargs):
    """Calls `layer` on one frame. One registration for each kind of layer."""
    if isinstance(layer, _PER_FRAME_LAYERS):
        return layer(*frames, **kwargs)
    if isinstance(layer, _TRAINING_ONLY_LAYERS):
        return frames[0]
    raise _refusal(
        layer,
        "it is not known what this one does along time",
        "Build the model from causal layers.",
    )


@_step.register
def _(layer: keras.Model, stream, frames, **kwargs):
    def make_step():
        inner = _Stream(_graph(layer), stream.batch_size)
        return keras.Model(
            [*inner.frames, *inner.states.values()],
            [*inner.posteriors, *inner.next_states.values()],
            name=layer.name,
        )

    return stream.remember(layer, make_step, *keras.tree.flatten(frames))


@_step.register
def _(layer: layers.GRU, stream, frame, **kwargs):
    if layer.go_backwards:
        raise _refusal(layer, "it reads the clip from its end", "Set go_backwards=False.")
    if not layer.return_sequences:
        raise _refusal(
            layer, "it answers once, at the end of the clip", "Set return_sequences=True."
        )

    def make_step():
        x = keras.Input(batch_shape=frame.shape, dtype=frame.dtype)
        h = keras.Input((layer.units,), batch_size=stream.batch_size, dtype=layer.compute_dtype)
        output, next_states = layer.cell(x, [h])
        return keras.Model([x, h], [output, *next_states], name=layer.name)

    return stream.remember(layer, make_step, frame)
