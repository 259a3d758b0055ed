"""LiteRT: conversion of a detector for phones and desktops, and a runner of the converted file.

`convert` makes a one-frame step model with explicit state and a signature that names its tensors.
`LiteModel` runs such a file in the LiteRT interpreter, as an app does:

    lite_model = convert(model, "detector.tflite")      # model trained on any backend
    posteriors = lite_model.stream(features)            # (frames, 40) -> (frames, 1)
    convert(model, "detector.tflite", frontend="micro") # takes samples
    from_micro("firmware/model.tflite", "detector.tflite") # the file of a bundle

On Android and iOS, run signature `step`: feed `frame` and the states, zeros at first, and feed
each `state_k_next` back as `state_k`. All inputs and outputs are float32, whatever the
quantization, and so is a front-end in the file.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from keras_sal.checks import require
from keras_sal.export.conversion.converter_process import check_choice, check_packages, to_tflite
from keras_sal.export.conversion.float_model import as_clip_model
from keras_sal.export.errors import ExportError
from keras_sal.export.frontend import check_frontend, check_frontend_shape, frontend_alone
from keras_sal.export.signature import Signature
from keras_sal.export.step_runner import StepRunner
from keras_sal.export.tflite import gates
from keras_sal.export.tflite.compaction import compact
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.export.tflite.float_edges import add_float_edges
from keras_sal.export.tflite.joining import join
from keras_sal.extras import import_package
from keras_sal.files import check_path, write_atomically
from keras_sal.typing import Array, ArrayLike, PathLike

if TYPE_CHECKING:
    import keras

QUANTIZATIONS = ("float32", "float16", "int8")


def convert(
    model: keras.Model,
    path: PathLike,
    calibration: Iterable[ArrayLike] | None = None,
    *,
    frontend: str | None = None,
    quantization: str = "float32",
    min_posterior: float = 0.5,
    timeout_s: float = 300.0,
) -> LiteModel:
    """Convert a trained streaming detector to a `.tflite` file for LiteRT.

    Use it for phones and desktops, where frames and states are floats on both sides. For
    microcontrollers use `keras_sal.export.micro.convert`, whose files are integer throughout.

    Args:
        model: Whole-clip Keras model `(batch, time, features)` to `(batch, time, classes)` that
            `keras_sal.streaming.step_model` can stream, or a step model made by it; on any backend.
        path: Where to write the `.tflite` file. It appears complete or not at all.
        calibration: Iterable of feature sequences `(frames, features)` with positives among them;
            needed for `"int8"` only. For several frame inputs, dicts of such arrays by input name.
        frontend: `"micro"` puts the micro front-end into the file, which then takes samples: see
            `keras_sal.export.frontend`. Defaults to `None`, for a file that takes features.
        quantization: `"float32"` (default), `"float16"` (weights of half the size, float
            arithmetic) or `"int8"` (weights a quarter of the size, integer arithmetic).
        min_posterior: Each output channel must reach this somewhere in `calibration`, in [0, 1].
            With 0, a calibration without positives is accepted. Defaults to 0.5.
        timeout_s: Seconds until the converter is stopped. Defaults to 300.

    Returns:
        The `LiteModel` of the file.

    Raises:
        ImportError: If a package of the `export` extra is missing.
        ValueError: If an argument is unusable, or `calibration` has no positives.
        ExportError: If the converter crashes or hangs, or does not know an operation.

    Example:

    >>> from keras_sal.export import litert
    >>> detector = litert.convert(model, "detector.tflite")  # doctest: +SKIP
    >>> detector.stream(features).shape  # doctest: +SKIP
    (100, 1)
    """
    check_choice(
        "quantization", quantization, QUANTIZATIONS, 'Use "float32" where size does not matter.'
    )
    path = check_path(path)
    check_packages(
        ["tensorflow", "flatbuffers", "tflite_micro", "ai_edge_litert"], "convert for LiteRT"
    )
    if frontend is not None:
        check_frontend(frontend, as_clip_model(model))
    file, _ = to_tflite(
        model,
        calibration,
        quantization=quantization,
        min_posterior=min_posterior,
        per_channel=False,
        integer_io=False,
        timeout_s=timeout_s,
    )
    return _write(file, path, frontend)


def from_micro(
    model: StepRunner | PathLike, path: PathLike, *, frontend: str | None = None
) -> LiteModel:
    """Rewrite a file for microcontrollers, such as that of a bundle, as one for LiteRT.

    The integers inside stay as they are. LiteRT quantizes the frames itself then, and rounds few of
    them to the next integer. With an output every 30 ms, as the detectors of `keras-sal train` have
    it, that takes no TensorFlow.

    Args:
        model: What `keras_sal.export.micro.convert` returned, or the path of its `.tflite` file.
        path: Where to write the new file. It appears complete or not at all.
        frontend: `"micro"` puts the micro front-end into the file, which then takes samples.
            Defaults to `None`, for a file that takes features.

    Returns:
        The `LiteModel` of the new file.

    Raises:
        ValueError: If `model` is not such a file, or with a front-end does not take its features or
            keeps its state itself.

    Example:

    >>> from keras_sal.export import litert
    >>> litert.from_micro("firmware/model.tflite", "detector.tflite")  # doctest: +SKIP
    """
    path = check_path(path)
    file = Flatbuffer.from_file(model.path if isinstance(model, StepRunner) else model)
    if frontend is not None:
        check_frontend_shape(frontend, [file.shape(index) for index in _frames(file)])
    require(
        frontend is None or not file.resource_variables(),
        "`model` must have explicit state to take a front-end; a file that keeps its state itself "
        "has a second graph that fills it. Received: internal state, frontend="
        f'{frontend!r}. Convert it with state="explicit", or leave the front-end out.',
    )
    add_float_edges(file)
    return _write(file, path, frontend)


def _frames(file: Flatbuffer) -> list[int]:
    """Return the tensors of the frames of a file."""
    names = Signature.from_names(file.inputs, file.outputs).frames
    return [file.inputs[name] for name in names]


def _write(file: Flatbuffer, path: Path, frontend: str | None) -> LiteModel:
    """Write a file, behind a front-end if there is one."""
    if frontend is not None:
        file = join(_frontend_file(max(1, math.prod(file.shape(file.inputs["frame"])[1:-1]))), file)
    content = file.tobytes()
    Flatbuffer(content)  # which checks it
    write_atomically(path, content)
    return LiteModel(path)


@functools.cache
def _frontend_file(frames: int) -> Flatbuffer:
    """Return the file of the front-end for some frames a step: a stored one, if there is one."""
    stored = Path(__file__).with_name(f"frontend_{frames}.tflite")
    return Flatbuffer.from_file(stored) if stored.is_file() else convert_frontend(frames)


def convert_frontend(frames: int) -> Flatbuffer:
    """Convert the micro front-end alone; it has no weights to train.

    Args:
        frames: For how many frames a step takes samples, at least 1.

    Returns:
        The file, from samples to `frames` times 40 features.
    """
    file, _ = to_tflite(
        frontend_alone(frames),
        None,
        quantization="float32",
        min_posterior=0.0,
        per_channel=False,
        integer_io=False,
        timeout_s=300.0,
    )
    compact(file)
    return file


class LiteModel(StepRunner):
    """A step model's `.tflite` file in the LiteRT interpreter, on one thread.

    Use it to know what an app will compute. Files for microcontrollers run too; their integers are
    converted on the way. The state is carried from one call of `stream` to the next, until `reset`.

    Args:
        path: A file written by `convert` or `keras_sal.export.micro.convert`.

    Attributes:
        path: The file.
        flash_bytes: Size of the file.
        inputs: `TensorInfo` (name, shape, dtype, scale, zero_point) of the frames, then of the
            states.
        outputs: `TensorInfo` of the posteriors, then of the next states.

    Raises:
        ImportError: If `ai_edge_litert` is missing.
        ValueError: If `path` is not such a file.
        ExportError: If its state can't be carried, or the interpreter does not load it.
    """

    def __init__(self, path: PathLike) -> None:
        file = Flatbuffer.from_file(path)
        gates.check_states(file)
        self._indices = file.inputs | file.outputs
        self._content, self._name = file.tobytes(), str(path)
        self._load()
        super().__init__(path, *file.tensor_infos())

    def _load(self) -> None:
        runtime = import_package("ai_edge_litert.interpreter", "run a model in LiteRT", "detect")
        try:
            self._interpreter = runtime.Interpreter(model_content=self._content, num_threads=1)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ExportError(
                f"LiteRT does not load {self._name!r}: {error}. "
                "Convert the model again with `keras_sal.export.litert.convert`."
            ) from error

    def _step(self, tensors: dict[str, Array]) -> dict[str, Array]:
        for name, values in tensors.items():
            self._interpreter.set_tensor(self._indices[name], values)
        self._interpreter.invoke()
        return {
            info.name: self._interpreter.get_tensor(self._indices[info.name])
            for info in self.outputs
        }
