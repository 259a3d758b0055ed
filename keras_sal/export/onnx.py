"""ONNX: conversion of a detector for ONNX Runtime and other readers, and a runner of the file.

`convert` makes a one-frame step model with explicit, named state, or the whole-clip model.
`OnnxModel` runs the file of a step model in ONNX Runtime:

    onnx_model = convert(model, "detector.onnx")        # model trained on any backend
    posteriors = onnx_model.stream(features)            # (frames, 40) -> (frames, 1)
    convert(model, "detector.onnx", frontend="micro")   # takes samples

In a server or app: feed `frame` and the states, zeros at first, any number of streams at once, and
feed each `state_k_next` back as `state_k`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_sal.export.conversion.converter_process import (
    check_choice,
    check_packages,
    run_converter,
)
from keras_sal.export.conversion.float_model import as_clip_model, as_step_model
from keras_sal.export.errors import ExportError
from keras_sal.export.frontend import with_frontend
from keras_sal.export.step_runner import StepRunner, TensorInfo
from keras_sal.extras import import_package
from keras_sal.files import check_path, write_atomically
from keras_sal.typing import Array, PathLike

if TYPE_CHECKING:
    import keras

OPSETS = range(13, 19)


def convert(
    model: keras.Model,
    path: PathLike,
    *,
    frontend: str | None = None,
    form: str = "step",
    opset: int = 17,
    timeout_s: float = 300.0,
) -> OnnxModel | Path:
    """Convert a trained streaming detector to an `.onnx` file, in float32.

    Args:
        model: Whole-clip Keras model `(batch, time, features)` to `(batch, time, classes)` that
            `keras_sal.streaming.step_model` can stream; on any backend. With `form="step"`, a step
            model made by it is accepted too.
        path: Where to write the `.onnx` file. It appears complete or not at all.
        frontend: `"micro"` puts the micro front-end into the file, which then takes samples: see
            `keras_sal.export.frontend`. Defaults to `None`, for a file that takes features.
        form: `"step"` (default): one frame with explicit state, for live streams. `"clip"`: the
            model as it is, any number of frames at once, for scoring recordings.
        opset: ONNX operator set, 13 to 18. Defaults to 17.
        timeout_s: Seconds until the converter is stopped. Defaults to 300.

    Returns:
        The `OnnxModel` of a step file, or the `pathlib.Path` of a clip file.

    Raises:
        ImportError: If a package of the `export` extra is missing.
        ValueError: If an argument is unusable.
        ExportError: If the converter crashes or hangs, or does not know an operation.

    Example:

    >>> from keras_sal.export import onnx
    >>> detector = onnx.convert(model, "detector.onnx")  # doctest: +SKIP
    >>> detector.stream(features).shape  # doctest: +SKIP
    (100, 1)
    """
    check_choice("form", form, ("step", "clip"), 'Use "step" for live streams.')
    check_choice("opset", opset, OPSETS, "Use 17 unless a runtime is older.")
    path = check_path(path)
    check_packages(["tensorflow", "tf2onnx", "onnxruntime"], "convert to ONNX")
    model = with_frontend(model, frontend, in_file=True)
    converted = run_converter(
        as_step_model(model) if form == "step" else as_clip_model(model),
        None,
        target="onnx",
        batch=None,
        quantization="float32",
        opset=opset,
        timeout_s=timeout_s,
    )
    try:
        _session(converted.content)
    except _errors() as error:
        raise ExportError(
            f"ONNX Runtime does not run the converted model. It says: {error}. "
            "Simplify the layers it names, or report it with the model."
        ) from error

    def write(unfinished: Path) -> None:
        unfinished.write_bytes(converted.content)
        if form == "step":
            OnnxModel(unfinished)  # which checks it

    write_atomically(path, write)
    return OnnxModel(path) if form == "step" else path


class OnnxModel(StepRunner):
    """A step model's `.onnx` file in ONNX Runtime, on one thread of the CPU.

    The state is carried from one call of `stream` to the next, until `reset`.

    Args:
        path: A file written by `convert`.

    Attributes:
        path: The file.
        flash_bytes: Size of the file.
        inputs: `TensorInfo` (name, shape, dtype) of the frames, then of the states, for one stream.
        outputs: `TensorInfo` of the posteriors, then of the next states.

    Raises:
        ImportError: If `onnxruntime` is missing.
        ValueError: If `path` is damaged, or not the file of a step model.
    """

    def __init__(self, path: PathLike) -> None:
        content = Path(path).read_bytes()
        try:
            self._session = _session(content)
        except _errors() as error:
            raise ValueError(
                "`path` must be an .onnx file that ONNX Runtime can load; it may be cut short or "
                f"of another kind. Received: path={str(path)!r}, of {len(content)} bytes "
                f"({error}). Convert the model again with `keras_sal.export.onnx.convert`."
            ) from error
        super().__init__(
            path,
            [_tensor_info(entry) for entry in self._session.get_inputs()],
            [_tensor_info(entry) for entry in self._session.get_outputs()],
        )

    def _step(self, tensors: dict[str, Array]) -> dict[str, Array]:
        names = [info.name for info in self.outputs]
        return dict(zip(names, self._session.run(names, tensors), strict=True))


def _session(content: bytes) -> Any:
    """Return an inference session of a file, on one thread of the CPU."""
    runtime = import_package("onnxruntime", "run a model in ONNX Runtime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of ONNX Runtime, which have no class in common."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = [kind for kind in vars(state).values() if isinstance(kind, type)]
    named = (kind for kind in kinds if issubclass(kind, Exception))
    return (*named, RuntimeError, ValueError, IndexError, MemoryError)


def _tensor_info(entry: Any) -> TensorInfo:
    dtype = {"tensor(float)": "float32"}.get(entry.type, entry.type)
    return TensorInfo(entry.name, (1, *entry.shape[1:]), dtype)
