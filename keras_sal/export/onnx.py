"""ONNX: a trained detector to an `.onnx` file, for ONNX Runtime and whatever else reads it.

`convert` makes a one-frame step model with explicit, named state, or the whole-clip model;
`OnnxModel` runs the step model's file in ONNX Runtime:

    onnx_model = convert(model, "detector.onnx")        # model trained on any backend
    posteriors = onnx_model.stream(features)            # (frames, 40) -> (frames, 1)

In a server or app: feed `frame` and the states, zeros at first, any number of streams at once, and
feed each `state_k_next` back as `state_k`.
"""

from pathlib import Path

from keras_sal import files
from keras_sal.export import conversion
from keras_sal.export.step_runner import StepRunner, TensorInfo
from keras_sal.extras import import_package

OPSETS = range(13, 19)


def convert(model, path, *, form="step", opset=17, timeout_s=300.0):
    """Converts a trained streaming detector to an `.onnx` file, in float32.

    Args:
        model: Whole-clip Keras model `(batch, time, features)` to `(batch, time, classes)` that
            `keras_sal.streaming.step_model` can stream; on any backend. With `form="step"`, a step
            model made by it will do.
        path: Where to write the `.onnx` file. It appears complete or not at all.
        form: `"step"` (default): one frame with explicit state, for live streams. `"clip"`: the
            model as it is, any number of frames at once, for scoring recordings.
        opset: ONNX operator set, 13 to 18; default 17.
        timeout_s: Seconds until the converter is stopped; default 300.

    Returns:
        The `OnnxModel` of a step file; for a clip file, the `pathlib.Path` of it.

    Raises:
        ImportError: A package of the `export` extra is missing.
        ValueError: An argument is unusable.
        ExportError: The converter crashed or hung, or does not know an operation.

    Example:

    >>> from keras_sal.export import onnx
    >>> detector = onnx.convert(model, "detector.onnx")  # doctest: +SKIP
    >>> detector.stream(features).shape  # doctest: +SKIP
    (100, 1)
    """
    conversion.check_choice("form", form, ("step", "clip"), 'Use "step" for live streams.')
    conversion.check_choice("opset", opset, OPSETS, "Use 17 unless a runtime is older.")
    path = files.check_path(path)
    conversion.check_packages(["tensorflow", "tf2onnx", "onnxruntime"], "convert to ONNX")
    converted = conversion.convert(
        conversion.step_model(model) if form == "step" else conversion.clip_model(model),
        None,
        target="onnx",
        batch=None,
        quantization="float32",
        opset=opset,
        timeout_s=timeout_s,
    )
    files.write_atomically(path, converted.content)
    return OnnxModel(path) if form == "step" else path


class OnnxModel(StepRunner):
    """A step model's `.onnx` file in ONNX Runtime, on one thread of the CPU.

    The state is carried from one call of `stream` to the next, until `reset`.

    Args:
        path: A file written by `convert`.

    Attributes:
        path: The file.
        flash_bytes: Its size.
        inputs: `TensorInfo` (name, shape, dtype) of frames, then states, for one stream.
        outputs: `TensorInfo` of posteriors, then next states.

    Raises:
        ImportError: `onnxruntime` is missing.
        ValueError: Not a step model's file.
    """

    def __init__(self, path):
        runtime = import_package("onnxruntime", "run a model in ONNX Runtime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = runtime.InferenceSession(
            Path(path).read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        super().__init__(
            path,
            [_info(end) for end in self._session.get_inputs()],
            [_info(end) for end in self._session.get_outputs()],
        )

    def _step(self, tensors):
        names = [info.name for info in self.outputs]
        return dict(zip(names, self._session.run(names, tensors), strict=True))


def _info(end):
    shape = (1, *end.shape[1:])
    return TensorInfo(end.name, shape, {"tensor(float)": "float32"}.get(end.type, end.type))
