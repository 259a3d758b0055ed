"""Opening of models as runners, and predictions of runners for whole streams.

A *runner* is a loaded model in some runtime. It predicts the next frames of a stream, and carries
the state from call to call:

    runner = open_runner("detector.tflite")         # or .onnx, .keras, a Keras model, a bundle
    posteriors = runner.stream(features)            # (frames, 40) -> (frames, 1)
    runner.reset()                                  # a new stream

These are the runtimes, and what a frame of `keras_sal.models.gru_detector` costs in each on one
core of a server (`benchmarks/speed_streaming.py`):

- `"keras"` for Keras models, clip or step models: compiled, in long chunks, several streams side by
  side. It is the fastest for hours: 1 us a frame, 10,000 times real time, on JAX and TensorFlow;
  20 us on PyTorch, which runs recurrent layers frame by frame in Python. A call for one frame costs
  0.2 to 4 ms, so give it a live stream in chunks. A loop around `step(...)` costs 3 to 6 ms a
  frame, because Keras runs that eagerly.
- `"micro"`, TensorFlow Lite Micro, computes what a microcontroller computes: 50 us a frame.
- `"litert"`, LiteRT, 17 us, and `"onnx"`, ONNX Runtime, 35 us, compute what an app computes.

`predict` runs a runner over whole recordings.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_sal.checks import require
from keras_sal.runtime.keras_file import load_keras_file
from keras_sal.runtime.keras_runner import KerasRunner
from keras_sal.runtime.runner import Runner
from keras_sal.runtime.runner_steps import split_remainder
from keras_sal.typing import ArrayLike

RUNTIMES = ("keras", "micro", "litert", "onnx")
_DAMAGED = (
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError),
    *(RuntimeError, SystemError, struct.error),
)


def open_runner(
    model: keras.Model | str | Path | Runner,
    runtime: str | None = None,
    *,
    max_delay_frames: int = 0,
    jit_compile: bool | str = "auto",
) -> Runner:
    """Open a model as a runner.

    Args:
        model: Whole-clip Keras model that `keras_sal.streaming.step_model` can stream, a step
            model, the path of a `.keras`, `.tflite` or `.onnx` file, the folder of a bundle, or a
            runner, which is returned as it is.
        runtime: `"keras"`, `"micro"` (TensorFlow Lite Micro), `"litert"` or `"onnx"`. Defaults to
            `None`, which chooses by the kind of model: a bundle runs in TensorFlow Lite Micro, and
            so does a `.tflite` file whose inputs are integers; other `.tflite` files run in LiteRT.
        max_delay_frames: For whole-clip Keras models: how many frames late the outputs may be, an
            integer >= 0, as in `keras_sal.streaming.step_model`. Defaults to 0.
        jit_compile: For Keras models, as in `keras.Model.compile`. Defaults to `"auto"`, which does
            not use XLA on TensorFlow without a GPU; there `True` makes a single long stream many
            times faster.

    Returns:
        A `Runner`: an object with `stream(features) -> posteriors` and `reset()`.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If the runtime is not installed.
        ValueError: If it is not a model, is damaged, or one that the runtime does not run.

    Example:

    >>> import numpy as np
    >>> from keras_sal.models import gru_detector
    >>> runner = open_runner(gru_detector())
    >>> runner.stream(np.zeros((3, 40))).shape
    (3, 1)
    """
    require(
        runtime is None or runtime in RUNTIMES,
        f"`runtime` must be one of {', '.join(map(repr, RUNTIMES))} or None. "
        f"Received: runtime={runtime!r}. Leave it out to choose by the kind of model.",
    )
    if isinstance(model, keras.Model):
        _check_runtime(model, runtime, ("keras",), "Convert the model with `keras_sal.export`.")
        return KerasRunner(model, max_delay_frames, jit_compile)
    if isinstance(model, str | Path):
        return _open_path(Path(model), runtime, max_delay_frames, jit_compile)
    if callable(getattr(model, "stream", None)) and callable(getattr(model, "reset", None)):
        _check_runtime(model, runtime, (), "It has a runtime already; leave `runtime` out.")
        return model
    raise ValueError(
        "`model` must be a Keras model, the path of a .keras, .tflite or .onnx file or of a "
        f"bundle, or a runner. Received: model={model!r}."
    )


def predict(runner: Runner, streams: Sequence[ArrayLike]) -> list[Any]:
    """Predict whole streams, each from a fresh state.

    Use it to score recordings. A Keras model runs over 32 of them at once.

    Args:
        runner: What `open_runner` returns. It is reset before and after.
        streams: Features, `(frames, features)` for each stream, or dicts of such arrays by input
            name. Frames at the end that do not fill a step of a model with strides are dropped.

    Returns:
        Posteriors, float32 `(frames, classes)` for each stream; dicts by output name if the model
        has several outputs.

    Example:

    >>> import numpy as np
    >>> from keras_sal.models import gru_detector
    >>> runner = open_runner(gru_detector())
    >>> [p.shape for p in predict(runner, [np.zeros((3, 40)), np.zeros((5, 40))])]
    [(3, 1), (5, 1)]
    """
    if isinstance(runner, KerasRunner):
        return runner.predict(streams)
    predictions = []
    for features in streams:
        runner.reset()
        predictions.append(runner.stream(split_remainder(runner, features)[0]))
    runner.reset()
    return predictions


def _open_path(path: Path, runtime: str | None, *keras_options: Any) -> Runner:
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
            return KerasRunner(load_keras_file(path), *keras_options)
        case ".onnx":
            _check_runtime(path, runtime, ("onnx",), "Convert the Keras model to .tflite.")
            from keras_sal.export.onnx import OnnxModel

            return _open_exported(path, OnnxModel)
        case ".tflite":
            _check_runtime(path, runtime, ("micro", "litert"), "Take the .keras or .onnx file.")
            return _open_exported(path, lambda path: _open_tflite(path, runtime))
    raise ValueError(
        "`model` must name a .keras, .tflite or .onnx file, or the folder of a bundle. "
        f"Received: model={str(path)!r}. Convert it with `keras_sal.export`."
    )


def _open_exported(path: Path, open_file: Callable[[Path], Any]) -> Runner:
    """Open a file that may be damaged, or that is no detector; every error names it."""
    try:
        runner = open_file(path)
    except _DAMAGED as error:
        if isinstance(error, ValueError | RuntimeError) and str(path) in str(error):
            raise
        raise ValueError(
            "`model` must be a detector that was exported by `keras_sal.export`; this file is "
            f"damaged or of another kind. Received: model={str(path)!r} "
            f"({type(error).__name__}: {error}). Export it again."
        ) from error
    _check_detector(runner, path)
    return runner


def _check_detector(runner: Any, path: Path) -> None:
    """Refuse the file of some other model, whose outputs would be taken for posteriors."""
    signature = runner.signature
    named = all(name.startswith("frame") for name in signature.frames) and all(
        name.startswith(("posterior", "logit")) for name in signature.posteriors
    )
    require(
        named,
        "`model` must be a detector with inputs `frame` and outputs `posterior`; tensors are "
        f"matched by name. Received: model={str(path)!r} with inputs {list(signature.frames)} and "
        f"outputs {list(signature.posteriors)}. Export it as a step model with `keras_sal.export`, "
        "or pass a runner of your own.",
    )
    for info in (*runner.inputs, *runner.outputs):
        require(
            all(isinstance(size, int) and size > 0 for size in info.shape)
            and info.dtype in ("float32", "int8", "int16", "uint8"),
            "`model` must have tensors of known shape, of float32 or small integers; a step has "
            f"them. Received: model={str(path)!r} with {info.name!r}, {info.dtype}{info.shape}. "
            "Export it as a step model with `keras_sal.export`.",
        )


def _open_tflite(path: Path, runtime: str | None) -> Runner:
    from keras_sal.export import internal_state
    from keras_sal.export.litert import LiteModel
    from keras_sal.export.micro import MicroModel
    from keras_sal.export.tflite.flatbuffer import Flatbuffer

    if runtime is None:
        inputs, _ = Flatbuffer.from_file(path).tensor_infos()
        integers = any(info.scale is not None for info in inputs)
        runtime = "micro" if integers else "litert"
    if internal_state.is_internal(path):  # which a plain runner can't reset
        classes: dict[str, Any] = {
            "micro": internal_state.InternalModel,
            "litert": internal_state.InternalLiteModel,
        }
    else:
        classes = {"micro": MicroModel, "litert": LiteModel}
    return classes[runtime](path)


def _check_runtime(model: Any, runtime: str | None, runtimes: Sequence[str], advice: str) -> None:
    require(
        runtime is None or runtime in runtimes,
        f"`runtime` must be one that runs the model. Received: runtime={runtime!r} for "
        f"model={str(model) if isinstance(model, Path) else type(model).__name__!r}. {advice}",
    )
