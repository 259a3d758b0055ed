"""Anything that answers to features, behind one interface.

A *runner* answers the next frames of a stream and carries the state from call to call:

    runner = open_runner("detector.tflite")         # or .onnx, .keras, a Keras model, a bundle
    posteriors = runner.stream(features)            # (frames, 40) -> (frames, 1)
    runner.reset()                                  # a new stream

The runtimes, and what a frame of `keras_sal.models.gru_detector` costs in each on one core of a
server (`benchmarks/speed_streaming.py`):

- `"keras"` for Keras models, whole-clip or step models: compiled, long chunks, several streams side
  by side. The quickest way to score hours: 1 us a frame, 10,000 times real time, on JAX and
  TensorFlow; 20 us on PyTorch, which runs recurrent layers frame by frame in Python. Frame by frame
  it costs 0.2 to 4 ms: give a live stream to it in chunks, and never in a loop around `step(...)`,
  which Keras runs eagerly, 3 to 6 ms a frame.
- `"micro"`, TensorFlow Lite Micro: what a microcontroller answers. 50 us a frame.
- `"litert"`, LiteRT, 17 us, and `"onnx"`, ONNX Runtime, 35 us: what an app answers.

`predict` runs a runner over whole recordings.
"""

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from keras_sal.runtime.keras_runner import KerasRunner, usual_hop

RUNTIMES = ("keras", "micro", "litert", "onnx")


def open_runner(model, runtime=None, *, max_delay_frames=0, jit_compile="auto"):
    """Opens whatever answers to features as a runner.

    Args:
        model: Whole-clip Keras model that `keras_sal.streaming.step_model` can stream, a step
            model, the path of a `.keras`, `.tflite` or `.onnx` file, the folder of a bundle, or a
            runner, which is returned as it is.
        runtime: `"keras"`, `"micro"` (TensorFlow Lite Micro), `"litert"` or `"onnx"`. Default
            `None`: by the kind of model; a bundle runs in TensorFlow Lite Micro, and so does a
            `.tflite` file whose ends are integers; others run in LiteRT.
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


def predict(runner, streams):
    """Runs a runner over whole streams, each from a fresh state.

    Use it to score recordings. A Keras model answers 32 of them at once.

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
    >>> [p.shape for p in predict(runner, [np.zeros((3, 40)), np.zeros((5, 40))])]
    [(3, 1), (5, 1)]
    """
    streams = drop_remainder(runner, streams)
    if isinstance(runner, KerasRunner):
        return runner.predict(streams)
    answers = []
    for features in streams:
        runner.reset()
        answers.append(runner.stream(features))
    runner.reset()
    return answers


def frames_per_output(runner):
    """Returns how many frames a runner takes for one answer: the model's stride.

    With inputs of different rates it is that of the fastest.
    """
    if isinstance(runner, KerasRunner):
        return runner.frames_per_output
    return max(map(usual_hop, _step_shapes(runner).values()))


def drop_remainder(runner, streams):
    """Leaves out the frames at the end of each stream that do not fill a step of a runner.

    Args:
        runner: What `open_runner` gives.
        streams: List of features, `(frames, features)` each, or dicts of such arrays.

    Returns:
        A list of them.

    Example:

    >>> import numpy as np
    >>> from keras_sal.models import gru_detector
    >>> runner = open_runner(gru_detector(frames_per_output=3))
    >>> [len(x) for x in drop_remainder(runner, [np.zeros((6, 40)), np.zeros((11, 40))])]
    [6, 9]
    """
    return [split_remainder(runner, features)[0] for features in streams]


def split_remainder(runner, features):
    """Splits features into what a runner can answer now and what waits for more frames.

    Args:
        runner: What `open_runner` gives.
        features: Frames `(frames, features)`, or a dict of such arrays by input name.

    Returns:
        Both parts: whole steps, and less than one.

    Example:

    >>> import numpy as np
    >>> from keras_sal.models import gru_detector
    >>> whole, rest = split_remainder(open_runner(gru_detector()), np.zeros((3, 40)))
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


def _open_path(path, runtime, *keras_options):
    if path.is_dir():
        from keras_sal.export import bundle

        path, runtime = path / bundle.read_manifest(path)["model"], runtime or "micro"
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
    from keras_sal.export import internal_state
    from keras_sal.export.litert import LiteModel
    from keras_sal.export.micro import MicroModel
    from keras_sal.export.tflite.flatbuffer import Flatbuffer

    if runtime is None:
        inputs, _ = Flatbuffer(path.read_bytes()).tensor_infos()
        integers = any(info.scale is not None for info in inputs)
        runtime = "micro" if integers else "litert"
    if internal_state.is_internal(path):  # which a plain runner can't reset
        kinds = {"micro": internal_state.InternalModel, "litert": internal_state.InternalLiteModel}
    else:
        kinds = {"micro": MicroModel, "litert": LiteModel}
    return kinds[runtime](path)


def _check_runtime(model, runtime, runtimes, advice):
    if runtime is not None and runtime not in runtimes:
        raise ValueError(
            f"`runtime` must be one that runs the model. Received: runtime={runtime!r} for "
            f"model={str(model) if isinstance(model, Path) else type(model).__name__!r}. {advice}"
        )


def _step_shapes(runner):
    """What a step takes of each input; nothing is known of a runner without a signature."""
    signature = getattr(runner, "signature", None)
    if signature is None:
        return {"": ()}
    return {info.name: info.shape[1:] for info in runner.inputs if info.name in signature.frames}


def _hop(features, shape):
    """Frames in a step of `shape`, whose first axis they are if a frame has one axis less."""
    return shape[0] if len(shape) > 1 and np.ndim(features) == len(shape) else 1
