"""From a model trained on whole clips to one that runs frame by frame.

A detector is trained on clips, `(batch, time, features)`, with `fit`. On the device it sees
one frame at a time and has to remember the rest. `step_model` makes the second from the first:

    step = step_model(model)
    (frame, state_0, state_1, ...) -> (posterior, state_0_next, state_1_next, ...)

The step model is an ordinary functional Keras model that *shares its weights* with the given
one. Every tensor has a name and every state is explicit, so that it can be saved, exported and
run by anything that carries a few arrays from one call to the next.

What is inside a step has no time axis: a clip tensor `(batch, time, features)` becomes the frame
`(batch, features)`. `keras_sal.streaming.rules` says what becomes of each kind of layer.

A call of the step model costs about the same whether it computes one frame or a thousand. So
`chunk_model` makes the same model for many frames a call, with the same states: it is for scoring
hours, the step model is for live streams and for export.
"""

import math
import warnings
from fractions import Fraction

import keras
import numpy as np

from keras_sal.streaming.rules import Frames, HopTooShort, Stream, plain_graph
from keras_sal.streaming.rules.delay import Late, delayed
from keras_sal.streaming.rules.whole_steps import WholeSteps


def step_model(model, batch_size=None, *, max_delay_frames=0):
    """Builds the one-frame model that computes what `model` computes on a whole clip.

    Use it to run a detector on a live stream, or as the model that is exported. Train the
    clip model: the step model shares its weights, so it follows them at any time.

    Started from `initial_state` and fed the frames of a clip in turn, with each `state_k_next`
    given back as `state_k`, it gives the posteriors that `model` gives for that clip, within
    float rounding. A fresh `initial_state` is a reset.

    What can stream: layers and `keras.ops` that treat every frame alike (dense layers, activations,
    normalisation over features, merging, reshaping of features, `TimeDistributed`); GRU, LSTM,
    SimpleRNN and RNN of any cells, with a `Masking` before them or not; causal `Conv1D`; any other
    convolution or pooling with `padding="valid"` behind a `ZeroPadding` at the start of the clip;
    cumulative pooling and the other layers of `keras_sal.layers`;
    strides; nested models and layers called more than once; and your own layers with two methods,
    see `keras_sal.streaming.rules.custom`. Dropout and other layers that act in training only are left out.

    A model that looks k frames ahead (`padding="same"`, `ZeroPadding1D((1, 1))`, a convolution
    without padding) streams if it may answer k frames late: the posterior of step t + k is that of
    frame t of the clip. Every branch waits for the latest, and layers with a memory begin with the
    first frame of the clip, as they do in the clip. The first k answers belong to no frame. At the
    end of a clip its layers look ahead at zeros, each at its own; a stream has no end, so that the
    last k posteriors of a padded clip have no counterpart. `delay_frames` reads k from the model.

    One call in Keras costs milliseconds. `step.predict_on_batch` is compiled, `step(...)` is not;
    to stream for long, export the step model.

    Args:
        model: Built functional or `Sequential` model of causal layers. Its inputs are
            `(batch, time, features)`, or have more axes after time.
        batch_size: Number of streams run side by side, or `None` to leave it free.
            Default `None`.
        max_delay_frames: How many frames late the answers may come, >= 0, counted in answers.
            Default 0: a layer that looks ahead is refused.

    Returns:
        A functional `keras.Model`. Its input is a dict of `frame` `(batch, features)` and
        `state_0`, `state_1`, ...; its output a dict of `posterior` `(batch, classes)` and
        `state_0_next`, `state_1_next`, ... A model with several inputs or outputs has
        `frame_<input name>` and `posterior_<output name>`. With strides that leave one frame in
        n, a step takes n frames, `(batch, n, features)`, and answers once; inputs of different
        rates each have their own n.

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
    return _streaming_model(model, batch_size, max_delay_frames, chunked=False)


def chunk_model(model, frames=None, batch_size=None, *, max_delay_frames=0):
    """Builds the model that computes what `model` computes, chunk of frames by chunk of frames.

    Use it to score long recordings: the state goes from chunk to chunk, so that hours take a few
    calls in constant memory and give what one endless clip would give. Its states have the names,
    shapes and values of those of `step_model`: a stream can go from one to the other at any frame.

    Recurrent layers run in the loop of the backend, compiled in `predict_on_batch`. Each new
    number of frames is compiled anew on JAX and by XLA: cut a recording into chunks of one size
    (some thousand frames) and a rest.

    Args:
        model: As for `step_model`.
        frames: Frames of a chunk, >= 1, or `None` to leave them free. With strides that leave one
            frame in n, a multiple of n; with inputs of different rates, those of the fastest.
            Default `None`.
        batch_size: Number of streams run side by side, or `None` to leave it free.
            Default `None`.
        max_delay_frames: As for `step_model`. Default 0.

    Returns:
        A functional `keras.Model` like that of `step_model`, except that `frame` is
        `(batch, frames, features)` and `posterior` is `(batch, frames, classes)`, or with strides
        `(batch, frames / n, classes)`. `initial_state` gives its states.

    Raises:
        ValueError: If a layer cannot stream, as in `step_model`; if `frames` is not a multiple of
            the model's stride; and, when called, if a chunk is not.

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
    if frames is not None and (not isinstance(frames, int) or frames < 1):
        raise ValueError(
            "`frames` must be a positive integer or None; it is the length of a chunk. "
            f"Received: frames={frames!r}. Leave it out to take chunks of any length."
        )
    return _streaming_model(model, batch_size, max_delay_frames, chunked=True, frames=frames)


def _streaming_model(model, batch_size, max_delay_frames, chunked, frames=None):
    if not isinstance(max_delay_frames, int) or max_delay_frames < 0:
        raise ValueError(
            "`max_delay_frames` must be an integer of at least 0; the answers may come that many "
            f"frames late. Received: max_delay_frames={max_delay_frames!r}. Leave it out for "
            "answers that do not wait."
        )
    graph = plain_graph(model)
    for clip in graph.inputs:
        if len(clip.shape) < 3 or None in clip.shape[2:]:
            raise ValueError(
                "`model` must take clips of shape (batch, time, features); a stream is cut along "
                "time, and a frame has a fixed size. Received: input "
                f"{clip.name!r} of shape {clip.shape} in model {model.name!r}. Give the clips a "
                "feature axis of fixed size: keras.Input((None, 1))."
            )
    inputs, outputs, stream = _shortest_stream(graph, batch_size, chunked, frames)
    for name, x in zip(graph.output_names, outputs, strict=True):
        if x.longer > 0:
            raise ValueError(
                "`model` must answer once for every frame; a stream has no other frames. Received: "
                f"output {name!r}, {x.longer} frames longer than the input. Use up the padding "
                "of the clip in a convolution or pooling, or pad less."
            )
    latest = max(outputs, key=lambda x: -x.lead / x.hop)
    delay = math.ceil(-latest.lead / latest.hop)
    if delay > max_delay_frames:
        raise ValueError(
            f"{latest.objection} Or have the answers {delay} frames late: step_model(model, "
            f"max_delay_frames={delay})."
        )
    posterior_names = _names("posterior", _own_names(model, graph))
    posteriors = [delayed(stream, x, -delay * x.hop).tensor for x in outputs]
    answers = dict(zip(posterior_names, posteriors, strict=True)) | stream.next_states
    if delay:  # said by a layer, which is saved with the model; on a state it bothers no converter
        last = list(answers)[-1]
        answers[last] = Late(delay, dtype=answers[last].dtype)(answers[last])
    return keras.Model(
        {x.name: x for x in inputs} | stream.states,
        answers,
        name=f"{model.name}_{'chunk' if chunked else 'step'}",
    )


def delay_frames(step):
    """Returns how many frames late a streaming model answers.

    Use it to drop the answers that come before the first frame's, and to give a time to the
    others: posterior n of the stream is that of frame `n - delay_frames(step)`.

    Args:
        step: Model made by `step_model` or `chunk_model`, or loaded from a file that holds one.

    Returns:
        Number of answers, 0 for a causal model.

    Example:

    >>> import keras
    >>> from keras_sal.streaming import delay_frames, step_model
    >>> centred = keras.layers.Conv1D(1, 5, padding="same")
    >>> model = keras.Sequential([keras.Input((None, 3)), centred])
    >>> delay_frames(step_model(model, max_delay_frames=2))
    2
    """
    return sum(layer.delay_frames for layer in step.layers if isinstance(layer, Late))


def receptive_field(model):
    """Returns how many frames an answer of a clip model depends on.

    Args:
        model: As for `step_model`. It may look ahead.

    Returns:
        Frames of its fastest input, from the oldest to the newest that count; `math.inf` if a layer
        remembers without limit, as recurrent and cumulative layers do, or is your own with a state.

    Raises:
        ValueError: If a layer cannot stream.

    Example:

    >>> from keras_sal.models import conv_detector, gru_detector
    >>> from keras_sal.streaming import receptive_field
    >>> receptive_field(conv_detector(kernel_frames=9, dilations=(1, 2, 4))), 1 + 8 * (1 + 2 + 4)
    (57, 57)
    >>> receptive_field(gru_detector())
    inf
    """
    graph = plain_graph(model)
    inputs, outputs, _ = _shortest_stream(graph, None, chunked=False, frames=None)
    sees = max(x.sees for x in outputs)
    return sees if sees == math.inf else int(sees * _fastest(inputs, graph.inputs))


def frames_per_step(step, model):
    """Returns how many frames of its fastest input a step takes, more than 1 with strides.

    Args:
        step: Step model of `model`.
        model: The clip model.

    Returns:
        Number of frames.

    Example:

    >>> from keras_sal.models import conv_gru_detector
    >>> from keras_sal.streaming import frames_per_step, step_model
    >>> model = conv_gru_detector(frames_per_output=3)
    >>> frames_per_step(step_model(model), model)
    3
    """
    frames = [x for name, x in step.input.items() if name.startswith("frame")]
    return _fastest(frames, plain_graph(model).inputs)


def _fastest(frames, clips):
    by_rank = zip(frames, clips, strict=True)
    return max(x.shape[1] if len(x.shape) == len(clip.shape) else 1 for x, clip in by_rank)


def initial_state(step, batch_size=1):
    """Returns the state of streams that have not heard anything yet: zeros.

    Args:
        step: Model made by `step_model`, or loaded from a file that holds one.
        batch_size: Number of streams. Default 1.

    Returns:
        Dict of state name to a float32 NumPy array of zeros.

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
    if not isinstance(getattr(step, "input", None), dict):
        raise ValueError(
            "`step` must be a step model; only that has states. "
            f"Received: step={step!r}. Make one with step_model(model)."
        )
    return {
        name: np.zeros((batch_size, *state.shape[1:]), dtype="float32")
        for name, state in step.input.items()
        if name.startswith("state_")
    }


def _names(prefix, own_names):
    return [prefix] if len(own_names) == 1 else [f"{prefix}_{name}" for name in own_names]


def _own_names(model, graph):
    """The names of the outputs: the keys of a dict, else the layers they come from."""
    names = graph.output_names
    if isinstance(getattr(model, "output", None), dict):
        names = keras.tree.flatten({key: key for key in model.output})
    if len(set(names)) < len(names):
        raise ValueError(
            "`model` must have outputs of different names; the posteriors are told apart by them. "
            f"Received: outputs {names}. Give the outputs as a dict, keras.Model(x, {{'name': y}})."
        )
    return names


def _shortest_stream(graph, batch_size, chunked, frames):
    """Follows `graph` with as few frames a step as its strides allow: inputs, outputs, stream."""
    hops = [1] * len(graph.inputs)
    while True:
        try:
            with warnings.catch_warnings():  # what Keras warns of was said as the model was built
                warnings.simplefilter("ignore")
                followed = _follow(graph, hops, batch_size, chunked)
                return (
                    followed
                    if frames is None
                    else _follow(graph, hops, batch_size, chunked, _whole_steps(frames, max(hops)))
                )
        except HopTooShort as too_short:
            for i in too_short.sources:
                hops[i] *= too_short.factor


def _whole_steps(frames, hop):
    if frames % hop:
        raise ValueError(
            f"`frames` must be a multiple of {hop}; the model answers once for every {hop} frames. "
            f"Received: frames={frames}. Give {frames - frames % hop + hop}, for example."
        )
    return frames // hop


def _follow(graph, hops, batch_size, chunked, steps=None):
    """Follows `graph` with `hops` frames a step of its inputs: inputs, outputs, stream."""
    inputs, first_frames = [], []
    names = _names("frame", [clip.name for clip in graph.inputs])
    for i, (name, clip, hop) in enumerate(zip(names, graph.inputs, hops, strict=True)):
        count = steps and steps * hop if chunked else hop
        time = () if count == 1 and not chunked else (count,)
        x = keras.Input((*time, *clip.shape[2:]), batch_size, dtype=clip.dtype, name=name)
        whole = WholeSteps(hop, dtype=clip.dtype)(x) if chunked and hop > 1 else x
        inputs.append(x)
        frames = Frames(whole, hop, sources=frozenset([i]), chunked=chunked, sees=Fraction(1, hop))
        first_frames.append(frames)
    stream = Stream(batch_size)
    return inputs, stream.follow(graph, first_frames), stream
