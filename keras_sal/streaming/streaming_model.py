"""Models that run frame by frame, made from models that are trained on whole clips.

A detector is trained on clips, `(batch, time, features)`, with `fit`. On the device it gets one
frame at a time and has to remember the rest. `step_model` makes the second from the first:

    step = step_model(model)
    (frame, state_0, state_1, ...) -> (posterior, state_0_next, state_1_next, ...)

The step model is an ordinary functional Keras model that *shares its weights* with the given
one. Every tensor has a name and every state is explicit, so that it can be saved, exported and
run by anything that carries a few arrays from one call to the next.

The tensors inside a step model have no time axis: a clip `(batch, time, features)` becomes a frame
`(batch, features)`. `keras_sal.streaming.rules` says what becomes of each kind of layer.

A call of the step model costs about the same whether it computes one frame or a thousand. So
`chunk_model` makes the same model for many frames a call, with the same states. Use it to score
hours; use the step model for live streams and for export.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np

from keras_sal.checks import require
from keras_sal.streaming.rules import Frames, as_functional
from keras_sal.streaming.rules.delay import OutputDelay, delay
from keras_sal.streaming.traced_step import prefixed, trace_step
from keras_sal.typing import Array


def step_model(
    model: keras.Model, batch_size: int | None = None, *, max_delay_frames: int = 0
) -> keras.Model:
    """Build the one-frame model that computes what `model` computes on a whole clip.

    Use it to run a detector on a live stream, or as the model that is exported. Train the
    clip model: the step model shares its weights, so it follows them at any time.

    Start from `initial_state`, feed the frames of a clip in turn, and pass each `state_k_next` back
    as `state_k`. The posteriors are then those of `model` for that clip, within float rounding. To
    reset a stream, start from a fresh `initial_state`.

    What can stream: layers and `keras.ops` that treat every frame alike (dense layers, activations,
    normalisation over features, merging, reshaping of features, `TimeDistributed`); GRU, LSTM,
    SimpleRNN and RNN of any cells, with a `Masking` before them or not; causal `Conv1D`; any other
    convolution or pooling with `padding="valid"` behind a `ZeroPadding` at the start of the clip;
    cumulative pooling and the other layers of `keras_sal.layers`; strides; nested models and layers
    called more than once; `SpectralNormalization` of any of these; attention within a frame; and
    custom layers with two methods, see `keras_sal.streaming.rules.custom`. Dropout and other layers
    that act in training only are left out. Functions of your own, such as activations, are tried
    on random clips: see `keras_sal.streaming.rules.trial`.

    A model that looks k frames ahead (`padding="same"`, `ZeroPadding1D((1, 1))`, a convolution
    without padding) can stream if its outputs may be k frames late: the posterior of step t + k is
    that of frame t of the clip. All branches are delayed to match the latest. Layers with a memory
    start at the first frame of the clip. The first k outputs belong to no
    frame. At the end of a clip each layer that looks ahead sees zeros. A stream has no end, so the
    last k posteriors of a padded clip have no counterpart. `delay_frames` reads k from the model.

    One call in Keras costs milliseconds. `step.predict_on_batch` is compiled, `step(...)` is not;
    to stream for long, export the step model.

    Args:
        model: Built functional or `Sequential` model of causal layers. Its inputs are
            `(batch, time, features)`, or have more axes after time, or are samples `(batch, time)`
            for a front-end such as `keras_sal.audio.MicroFeatures`.
        batch_size: Number of streams run side by side, an integer >= 1, or `None` to leave it free.
            Defaults to `None`.
        max_delay_frames: How many frames late the outputs may be, an integer >= 0, in output
            frames. Defaults to 0, which rejects layers that look ahead.

    Returns:
        A functional `keras.Model`. Its input is a dict of `frame` `(batch, features)` and
        `state_0`, `state_1`, ...; its output is a dict of `posterior` `(batch, classes)` and
        `state_0_next`, `state_1_next`, ... A model with several inputs or outputs has
        `frame_<input name>` and `posterior_<output name>`. If strides leave one frame in n, a step
        takes n frames, `(batch, n, features)`, for one output; inputs of different rates each have
        an n of their own.

    Raises:
        ValueError: If a layer cannot run frame by frame, or not within `max_delay_frames`. The
            message names the layer, the reason and what to use instead.

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
    return _streaming_model(model, batch_size, max_delay_frames)


def chunk_model(
    model: keras.Model,
    frames: int | None = None,
    batch_size: int | None = None,
    *,
    max_delay_frames: int = 0,
) -> keras.Model:
    """Build the model that computes what `model` computes, one chunk of frames at a time.

    Use it to score long recordings. The state goes from chunk to chunk, so that hours take a few
    calls in constant memory and give what one endless clip would give. Its states have the names,
    shapes and values of those of `step_model`: a stream can change from one to the other at any
    frame.

    Recurrent layers run in the loop of the backend, compiled in `predict_on_batch`. JAX and XLA
    compile again for each new number of frames: cut a recording into chunks of equal size (a
    few thousand frames) and a shorter last one.

    Args:
        model: As for `step_model`.
        frames: Frames of a chunk, an integer >= 1, or `None` to leave them free. If strides leave
            one frame in n, a multiple of n; with inputs of different rates, those of the fastest.
            Defaults to `None`.
        batch_size: Number of streams run side by side, an integer >= 1, or `None` to leave it free.
            Defaults to `None`.
        max_delay_frames: As for `step_model`. Defaults to 0.

    Returns:
        A functional `keras.Model` like that of `step_model`, except that `frame` is
        `(batch, frames, features)` and `posterior` is `(batch, frames, classes)`, or with strides
        `(batch, frames / n, classes)`. `initial_state` gives its states.

    Raises:
        ValueError: If a layer cannot stream, as in `step_model`; if `frames` is not a multiple of
            the model's stride; and, when called, if the length of a chunk is not.

    Example:

    >>> import keras, numpy as np
    >>> from keras_sal.streaming import chunk_model, initial_state
    >>> model = keras.Sequential([
    ...     keras.Input((None, 3)),
    ...     keras.layers.GRU(4, return_sequences=True),
    ...     keras.layers.Dense(1, activation="sigmoid"),
    ... ])
    >>> chunk = chunk_model(model)
    >>> chunk.input["frame"].shape, chunk.output["posterior"].shape
    ((None, None, 3), (None, None, 1))

    >>> clip = np.random.default_rng(0).normal(size=(1, 50, 3)).astype("float32")
    >>> state = initial_state(chunk)
    >>> posteriors = []
    >>> for frames in (clip[:, :20], clip[:, 20:40], clip[:, 40:]):
    ...     result = chunk.predict_on_batch({"frame": frames, **state})
    ...     state = {name: result[f"{name}_next"] for name in state}
    ...     posteriors.append(result["posterior"])
    >>> whole_clip = model.predict(clip, verbose=0)
    >>> bool(np.allclose(np.concatenate(posteriors, axis=1), whole_clip, atol=1e-5))
    True
    """
    require(
        frames is None or (isinstance(frames, int) and frames > 0),
        "`frames` must be a positive integer or None; it is the length of a chunk. "
        f"Received: frames={frames!r}. Leave it out to take chunks of any length.",
    )
    return _streaming_model(model, batch_size, max_delay_frames, chunked=True, frames=frames)


def initial_state(step: keras.Model, batch_size: int = 1) -> dict[str, Array]:
    """Return the state at the start of a stream, which is all zeros.

    Args:
        step: Model made by `step_model` or `chunk_model`, or loaded from a file that holds one.
        batch_size: Number of streams, an integer >= 1. Defaults to 1.

    Returns:
        Dict of state name to a float32 NumPy array `(batch_size, ...)`.

    Raises:
        ValueError: If `step` is not a step model.

    Example:

    >>> import keras
    >>> from keras_sal.streaming import initial_state, step_model
    >>> model = keras.Sequential(
    ...     [keras.Input((None, 3)), keras.layers.GRU(4, return_sequences=True)]
    ... )
    >>> {name: state.shape for name, state in initial_state(step_model(model), 2).items()}
    {'state_0': (2, 4)}
    """
    require(
        isinstance(getattr(step, "input", None), dict),
        "`step` must be a step model; only that has states. "
        f"Received: step={step!r}. Make one with step_model(model).",
    )
    return {
        name: np.zeros((batch_size, *state.shape[1:]), dtype="float32")
        for name, state in step.input.items()
        if name.startswith("state_")
    }


def _streaming_model(
    model: keras.Model,
    batch_size: int | None,
    max_delay_frames: int,
    *,
    chunked: bool = False,
    frames: int | None = None,
) -> keras.Model:
    require(
        isinstance(max_delay_frames, int) and max_delay_frames >= 0,
        "`max_delay_frames` must be an integer of at least 0; the outputs may be that many "
        f"frames late. Received: max_delay_frames={max_delay_frames!r}. Leave it out for "
        "outputs that do not wait.",
    )
    graph = as_functional(model)
    _check_inputs(graph)
    inputs, outputs, builder = trace_step(graph, batch_size, chunked=chunked, frames=frames)
    delay_steps = _common_delay(graph, outputs, max_delay_frames)
    names = prefixed("posterior", _output_names(model, graph))
    posteriors = [delay(builder, x, -delay_steps * x.frames_per_step).tensor for x in outputs]
    results = dict(zip(names, posteriors, strict=True)) | builder.next_states
    if delay_steps:  # stated in a layer, which is saved; converters accept it on a state
        last = list(results)[-1]
        # Converted files contain the name.
        statement = OutputDelay(delay_steps, dtype=results[last].dtype, name="late")
        results[last] = statement(results[last])
    return keras.Model(
        {x.name: x for x in inputs} | builder.states,
        results,
        name=f"{model.name}_{'chunk' if chunked else 'step'}",
    )


def _check_inputs(graph: keras.Model) -> None:
    for clip in graph.inputs:
        are_samples = clip.shape[1:] == (None,)
        advice = "Give the clips a feature axis of fixed size: keras.Input((None, 1))."
        if len(clip.shape) == 2 and clip.shape[1] is not None:
            advice = (
                f"Give it a time axis: keras.Input((None, {clip.shape[1]})). What stays the same "
                "in a clip is given with every frame. If these are samples, their number must be "
                "free: keras.Input((None,))."
            )
        require(
            are_samples or (len(clip.shape) >= 3 and None not in clip.shape[2:]),
            "`model` must take clips of shape (batch, time, features) or samples of shape (batch, "
            "time); a stream is cut along time, and a frame has a fixed size. Received: input "
            f"{clip.name!r} of shape {clip.shape} in model {graph.name!r}. {advice}",
        )


def _common_delay(graph: keras.Model, outputs: Sequence[Frames], max_delay_frames: int) -> int:
    """Return by how many steps the latest output is late."""
    for name, output in zip(graph.output_names, outputs, strict=True):
        require(
            output.extra_frames <= 0,
            "`model` must have one output for every frame; a stream has no other frames. Received: "
            f"output {name!r}, {output.extra_frames} frames longer than the input. Use up the "
            "padding of the clip in a convolution or pooling, or pad less.",
        )
    latest = max(outputs, key=lambda output: -output.ahead / output.frames_per_step)
    steps = math.ceil(-latest.ahead / latest.frames_per_step)
    require(
        steps <= max_delay_frames,
        f"{latest.lateness_error} Or let the outputs be {steps} frames late: step_model(model, "
        f"max_delay_frames={steps}).",
    )
    return steps


def _output_names(model: keras.Model, graph: keras.Model) -> list[str]:
    """Return the keys of a dict of outputs, else the names of the layers that they come from."""
    names = graph.output_names
    if isinstance(getattr(model, "output", None), dict):
        names = keras.tree.flatten({key: key for key in model.output})
    require(
        len(set(names)) == len(names),
        "`model` must have outputs of different names; the posteriors are told apart by them. "
        f"Received: outputs {names}. Give the outputs as a dict, keras.Model(x, {{'name': y}}).",
    )
    return names
