"""Anything that answers to features, behind one interface.

A *runner* answers the next frames of a stream and carries the state from call to call:

    runner = open_runner("detector.tflite")         # or .onnx, .keras, a Keras model, a bundle
    posteriors = runner.stream(features)            # (frames, 40) -> (frames, 1)
    runner.reset()                                  # a new stream

The runtimes, and when to take which:

- `"keras"` for Keras models, whole-clip or step models: long chunks, compiled, several streams side
  by side. The quickest way to score hours on TensorFlow and JAX; PyTorch runs recurrent layers
  frame by frame in Python. One frame at a time it costs the better part of a millisecond, and in a
  loop of one's own around an uncompiled `model(...)` several.
- `"micro"`, TensorFlow Lite Micro: what a microcontroller answers, to the bit.
- `"litert"`, LiteRT, and `"onnx"`, ONNX Runtime: what an app answers, tens of microseconds a frame.

`answer` runs a runner over whole recordings.
"""

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_sal.export.ports import NEXT, Ports
from keras_sal.export.runner import TensorInfo
from keras_sal.export.sequences import check_sequence
from keras_sal.streaming import chunk_model, delay_frames, initial_state, step_model

RUNTIMES = ("keras", "micro", "litert", "onnx")
CHUNK_STEPS = (4096, 512, 64, 8, 1)  # few sizes, so that few programs are compiled
SIDE_BY_SIDE = 32


def open_runner(model, runtime=None, *, max_delay_frames=0, jit_compile="auto"):
    """Opens whatever answers to features as a runner.

    Args:
        model: Whole-clip Keras model that `keras_sal.streaming.step_model` can stream, a step
            model, the path of a `.keras`, `.tflite` or `.onnx` file, the folder of a bundle, or a
            runner, which is returned as it is.
        runtime: `"keras"`, `"micro"` (TensorFlow Lite Micro), `"litert"` or `"onnx"`. Default
            `None`: by the kind of model; a `.tflite` file runs in TensorFlow Lite Micro if its ends
            are integers, else in LiteRT.
        max_delay_frames: For whole-clip Keras models, as in `keras_sal.streaming.step_model`: how
            many frames late the answers may come. Default 0.
        jit_compile: For Keras models, as in `keras.Model.compile`. Default `"auto"`, which on
            TensorFlow without a GPU leaves XLA out; with `True` a single long stream runs many
            times faster there.

    Returns:
        An object with `stream(features) -> posteriors`, features `(frames, features)` or a dict of
        such arrays by input name, posteriors float32 `(frames, classes)` or a dict; and `reset()`.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: The runtime is not installed.
        ValueError: Not a model, or one that the runtime does not run.

    Example:

    >>> import numpy as np
    >>> from keras_sal.models import gru_detector
    >>> runner = open_runner(gru_detector())
    >>> runner.stream(np.zeros((3, 40))).shape
    (3, 1)
    """
    if runtime is not None and runtime not in RUNTIMES:
        raise ValueError(
            f"`runtime` must be one of {', '.join(map(repr, RUNTIMES))} or None. "
            f"Received: runtime={runtime!r}. Leave it out to choose by the kind of model."
        )
    if isinstance(model, keras.Model):
        _check_runtime(model, runtime, ("keras",), "Convert the model with `keras_sal.export`.")
        return KerasRunner(model, max_delay_frames, jit_compile)
    if isinstance(model, str | Path):
        return _open_path(Path(model), runtime, max_delay_frames, jit_compile)
    if callable(getattr(model, "stream", None)) and callable(getattr(model, "reset", None)):
        _check_runtime(model, runtime, (), "It has a runtime already; leave it out.")
        return model
    raise ValueError(
        "`model` must be a Keras model, the path of a .keras, .tflite or .onnx file or of a "
        f"bundle, or a runner. Received: model={model!r}."
    )


def answer(runner, streams):
    """Runs a runner over whole streams, each from a fresh state.

    Use it to score recordings. A Keras model answers `SIDE_BY_SIDE` of them at once.

    Args:
        runner: What `open_runner` gives. It is left reset.
        streams: List of features, `(frames, features)` each, or dicts of such arrays. Frames at the
            end that do not fill a step of a model with strides get no answer.

    Returns:
        List of posteriors, float32 `(frames, classes)` each; dicts if the model has several
        outputs.

    Example:

    >>> import numpy as np
    >>> from keras_sal.models import gru_detector
    >>> runner = open_runner(gru_detector())
    >>> [p.shape for p in answer(runner, [np.zeros((3, 40)), np.zeros((5, 40))])]
    [(3, 1), (5, 1)]
    """
    streams = [whole_steps(runner, features)[0] for features in streams]
    if isinstance(runner, KerasRunner):
        return runner.answer(streams)
    answers = []
    for features in streams:
        runner.reset()
        answers.append(runner.stream(features))
    runner.reset()
    return answers


def frames_per_step(runner):
    """Returns how many frames a runner takes for one answer: the model's stride.

    With inputs of different rates it is that of the fastest.
    """
    if isinstance(runner, KerasRunner):
        return runner.frames_per_step
    return max(map(_usual_hop, _step_shapes(runner).values()))


def whole_steps(runner, features):
    """Splits features into what a runner can answer now and what waits for more frames.

    Args:
        runner: What `open_runner` gives.
        features: Frames `(frames, features)`, or a dict of such arrays by input name.

    Returns:
        Both parts: whole steps, and less than one.

    Example:

    >>> import numpy as np
    >>> from keras_sal.models import gru_detector
    >>> whole, rest = whole_steps(open_runner(gru_detector()), np.zeros((3, 40)))
    >>> len(whole), len(rest)
    (3, 0)
    """
    shapes = _step_shapes(runner)
    if not isinstance(features, Mapping):
        hop = _hop(features, next(iter(shapes.values())))
        end = len(features) // hop * hop
        return features[:end], features[end:]
    hops = {name: _hop(x, shapes.get(name, ())) for name, x in features.items()}
    steps = min(len(x) // hops[name] for name, x in features.items())
    ends = {name: steps * hop for name, hop in hops.items()}
    whole = {name: x[: ends[name]] for name, x in features.items()}
    return whole, {name: x[ends[name] :] for name, x in features.items()}


class KerasRunner:
    """A Keras model over streams, long chunks at a time, compiled.

    Use it through `open_runner`. Chunks are cut into pieces of 4096, 512, 64, 8 and 1 steps, so
    that five programs are compiled at most, each the first time it is needed.

    Args:
        model: Whole-clip Keras model, or a step model. Weights are shared: train it on, and the
            runner follows.
        max_delay_frames: As in `keras_sal.streaming.step_model`. Default 0.
        jit_compile: As in `keras.Model.compile`. Default `"auto"`.

    Attributes:
        ports: Names of its frames, states and posteriors.
        inputs: `TensorInfo` of frames, then states, of one stream.
        outputs: `TensorInfo` of posteriors, then next states.
        frames_per_step: Frames it takes for one answer.
        delay_frames: How many answers late it is; the first so many of a stream belong to no frame.
    """

    def __init__(self, model, max_delay_frames=0, jit_compile="auto"):
        if _is_step(model):
            step, chunk = model, _Rolled(model)
        else:
            late = {"max_delay_frames": max_delay_frames}
            step, chunk = step_model(model, **late), chunk_model(model, **late)
        chunk.compile(jit_compile=jit_compile)
        self.ports = Ports.of(step.input, step.output)
        self.inputs = tuple(_info(name, step.input[name]) for name in self.ports.inputs)
        self.outputs = tuple(_info(name, step.output[name]) for name in self.ports.outputs)
        steps = _step_shapes(self)
        if step is model:
            frames, hops = steps, map(_usual_hop, steps.values())
        else:
            frames = {name: chunk.input[name].shape[2:] for name in steps}
            hops = (1 if shape == frames[name] else shape[0] for name, shape in steps.items())
        self.frames_per_step = max(hops)
        self.delay_frames = delay_frames(step)
        self._step, self._chunk, self._frame_shapes = step, chunk, frames
        self.reset()

    def reset(self):
        """Starts a new stream."""
        self._state = initial_state(self._step)

    def stream(self, features):
        """Answers the next frames of the stream.

        Args:
            features: Float frames `(frames, features)`; a dict of such arrays by input name where
                the model has several frame inputs. Cut a stream wherever you like: the state is
                carried between calls.

        Returns:
            Posteriors, float32 `(frames, classes)`; a dict by output name where the model has
            several posterior outputs.

        Raises:
            ValueError: Wrong shape, no frame, or NaN among the features.
        """
        frames = self._checked(features)
        pieces, start = [], 0
        for size in _pieces(_length(frames)):
            piece = {name: x[None, start : start + size] for name, x in frames.items()}
            posteriors, self._state = self._run(piece, self._state)
            pieces.append(posteriors)
            start += size
        return self._joined([{name: x[0] for name, x in piece.items()} for piece in pieces])

    def answer(self, streams):
        """Answers whole streams side by side, each from a fresh state; see `answer`.

        The state that `stream` carries is reset.
        """
        self.reset()
        checked = [self._checked(features) for features in streams]
        answers = [None] * len(checked)
        longest_first = sorted(range(len(checked)), key=lambda i: -_length(checked[i]))
        for first in range(0, len(checked), SIDE_BY_SIDE):
            chosen = longest_first[first : first + SIDE_BY_SIDE]
            together = self._together([checked[i] for i in chosen])
            for i, posteriors in zip(chosen, together, strict=True):
                answers[i] = posteriors
        return answers

    def _together(self, streams):
        """Answers streams of falling length in chunks of one size, zeros after their ends."""
        size = min(CHUNK_STEPS[0], _power_of_two(_length(streams[0])))
        batch_size = _power_of_two(len(streams))
        state = initial_state(self._step, batch_size)
        pieces = [[] for _ in streams]
        for start in range(0, _length(streams[0]), size):
            chunk = {
                name: np.zeros((batch_size, size, *x.shape[1:]), "float32")
                for name, x in streams[0].items()
            }
            for i, stream in enumerate(streams):
                for name, x in stream.items():
                    piece = x[start : start + size]
                    chunk[name][i, : len(piece)] = piece
            posteriors, state = self._run(chunk, state)
            for i, stream in enumerate(streams):
                left = max(0, _length(stream) - start)
                pieces[i].append({name: x[i, :left] for name, x in posteriors.items()})
        return [self._joined(parts) for parts in pieces]

    def _run(self, frames, state):
        """Answers frames `(batch, steps, ...)`."""
        frames = {
            name: x.reshape(len(x), -1, *self._frame_shapes[name]) for name, x in frames.items()
        }
        given = self._chunk.predict_on_batch(frames | state)
        posteriors = {name: np.asarray(given[name], "float32") for name in self.ports.posteriors}
        return posteriors, {name: given[name + NEXT] for name in self.ports.states}

    def _checked(self, features):
        shapes = {info.name: info.shape[1:] for info in self.inputs[: len(self.ports.frames)]}
        return check_sequence(features, shapes, "features")

    def _joined(self, pieces):
        joined = {name: np.concatenate([p[name] for p in pieces]) for name in self.ports.posteriors}
        return joined if len(joined) > 1 else next(iter(joined.values()))


class _Rolled(keras.Model):
    """A step model over several steps in one call: frames `(batch, steps, ...)`."""

    def __init__(self, step):
        super().__init__(name=f"{step.name}_rolled")
        self.step = step
        self.ports = Ports.of(step.input, step.output)

    def call(self, inputs):
        def one_step(t, state, answers):
            frame = {name: ops.take(x, t, axis=1) for name, x in frames.items()}
            given = self.step(frame | state, training=False)
            answers = {
                name: ops.slice_update(x, (t, *[0] * (len(x.shape) - 1)), given[name][None])
                for name, x in answers.items()
            }
            return t + 1, {name: given[name + NEXT] for name in state}, answers

        frames = {name: inputs[name] for name in self.ports.frames}
        batch_size, steps = ops.shape(frames[self.ports.frames[0]])[:2]
        posteriors = {name: self.step.output[name] for name in self.ports.posteriors}
        _, state, answers = ops.while_loop(
            lambda t, *_: t < steps,
            one_step,
            (
                ops.convert_to_tensor(0, "int32"),
                {name: inputs[name] for name in self.ports.states},
                {
                    name: ops.zeros((steps, batch_size, *x.shape[1:]), x.dtype)
                    for name, x in posteriors.items()
                },
            ),
        )
        return {name: ops.swapaxes(x, 0, 1) for name, x in answers.items()} | {
            name + NEXT: x for name, x in state.items()
        }


def _open_path(path, runtime, *keras_options):
    if path.is_dir():
        from keras_sal.export import bundle

        path = path / bundle.read_manifest(path)["model"]
    if not path.is_file():
        raise FileNotFoundError(
            f"`model` must name a file or a bundle; there is none. Received: model={str(path)!r}. "
            "Check the name."
        )
    match path.suffix:
        case ".keras":
            _check_runtime(path, runtime, ("keras",), "Convert it with `keras_sal.export`.")
            return KerasRunner(keras.models.load_model(path, compile=False), *keras_options)
        case ".onnx":
            _check_runtime(path, runtime, ("onnx",), "Convert the Keras model to .tflite.")
            from keras_sal.export.onnx import OnnxModel

            return OnnxModel(path)
        case ".tflite":
            _check_runtime(path, runtime, ("micro", "litert"), "Take the .keras or .onnx file.")
            return _open_tflite(path, runtime)
    raise ValueError(
        "`model` must name a .keras, .tflite or .onnx file, or the folder of a bundle. "
        f"Received: model={str(path)!r}. Convert it with `keras_sal.export`."
    )


def _open_tflite(path, runtime):
    from keras_sal.export.flatbuffer import Flatbuffer
    from keras_sal.export.litert import LiteModel
    from keras_sal.export.micro import MicroModel

    if runtime is None:
        inputs, _ = Flatbuffer(path.read_bytes()).ends()
        integers = any(info.scale is not None for info in inputs)
        runtime = "micro" if integers else "litert"
    return {"micro": MicroModel, "litert": LiteModel}[runtime](path)


def _check_runtime(model, runtime, runtimes, advice):
    if runtime is not None and runtime not in runtimes:
        raise ValueError(
            f"`runtime` must be one that runs the model. Received: runtime={runtime!r} for "
            f"model={str(model) if isinstance(model, Path) else type(model).__name__!r}. {advice}"
        )


def _is_step(model):
    names = model.input if isinstance(getattr(model, "input", None), Mapping) else ()
    return any(name.startswith("frame") for name in names) and all(
        name.startswith(("frame", "state_")) for name in names
    )


def _step_shapes(runner):
    """What a step takes of each input; nothing is known of a runner without ports."""
    ports = getattr(runner, "ports", None)
    if ports is None:
        return {"": ()}
    return {info.name: info.shape[1:] for info in runner.inputs if info.name in ports.frames}


def _hop(features, shape):
    """Frames in a step of `shape`, whose first axis they are if a frame has one axis less."""
    return shape[0] if len(shape) > 1 and np.ndim(features) == len(shape) else 1


def _usual_hop(shape):
    """Frames in a step of `shape`, where a frame has one axis, as features have."""
    return shape[0] if len(shape) == 2 else 1


def _info(name, tensor):
    return TensorInfo(name, (1, *tensor.shape[1:]), keras.backend.standardize_dtype(tensor.dtype))


def _length(frames):
    return len(next(iter(frames.values())))


def _pieces(length):
    """Cuts `length` into few sizes, the largest first."""
    for size in CHUNK_STEPS:
        yield from [size] * (length // size)
        length %= size


def _power_of_two(length):
    return 1 << (length - 1).bit_length()
