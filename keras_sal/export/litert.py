"""LiteRT: a trained detector to a `.tflite` file for phones and desktops.

`convert` makes a one-frame step model with explicit state and a signature that names its tensors;
`LiteModel` runs such a file in the LiteRT interpreter, as an app does:

    lite = convert(model, "detector.tflite")            # model trained on any backend
    posteriors = lite.stream(features)                  # (frames, 40) -> (frames, 1)

On Android and iOS, run signature `step`: feed `frame` and the states, zeros at first, and feed
each `state_k_next` back as `state_k`. All ends are float32, whatever is inside.
"""

from pathlib import Path

from keras_sal import files
from keras_sal.export import conversion
from keras_sal.export.step_runner import StepRunner
from keras_sal.export.tflite import gates
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.export.tflite.repair import mend
from keras_sal.extras import import_package

QUANTIZATIONS = ("float32", "float16", "int8")


def convert(
    model,
    path,
    calibration=None,
    *,
    quantization="float32",
    min_posterior=0.5,
    timeout_s=300.0,
):
    """Converts a trained streaming detector to a `.tflite` file for LiteRT.

    Use it for phones and desktops, where frames and states are floats on both sides. For
    microcontrollers use `keras_sal.export.micro.convert`, whose files are integer throughout.

    Args:
        model: Whole-clip Keras model `(batch, time, features)` to `(batch, time, classes)` that
            `keras_sal.streaming.step_model` can stream, or a step model made by it; on any backend.
        path: Where to write the `.tflite` file. It appears complete or not at all.
        calibration: Iterable of feature sequences `(frames, features)` with positives among them;
            needed for `"int8"` only. For several frame inputs, dicts of such arrays by input name.
        quantization: `"float32"` (default), `"float16"` (weights of half the size, float
            arithmetic) or `"int8"` (weights a quarter of the size, integer arithmetic).
        min_posterior: Each output channel must pass this somewhere in `calibration`, in [0, 1];
            default 0.5. With 0 a calibration without positives is let through.
        timeout_s: Seconds until the converter is stopped; default 300.

    Returns:
        The `LiteModel` of the file.

    Raises:
        ImportError: A package of the `export` extra is missing.
        ValueError: An argument is unusable, or `calibration` has no positives.
        ExportError: The converter crashed or hung, or does not know an operation.

    Example:

    >>> from keras_sal.export import litert
    >>> detector = litert.convert(model, "detector.tflite")  # doctest: +SKIP
    >>> detector.stream(features).shape  # doctest: +SKIP
    (100, 1)
    """
    conversion.check_choice(
        "quantization", quantization, QUANTIZATIONS, 'Use "float32" where size does not matter.'
    )
    path = files.check_path(path)
    conversion.check_packages(
        ["tensorflow", "flatbuffers", "tflite_micro", "ai_edge_litert"], "convert for LiteRT"
    )
    converted = conversion.convert(
        conversion.step_model(model),
        calibration,
        target="tflite",
        batch=1,
        quantization=quantization,
        min_posterior=min_posterior,
        per_channel=False,
        integer_ends=False,
        timeout_s=timeout_s,
    )
    file = Flatbuffer(converted.content)
    mend(file, converted.layers)
    gates.check_states(file)
    files.write_atomically(path, file.tobytes())
    return LiteModel(path)


class LiteModel(StepRunner):
    """A step model's `.tflite` file in the LiteRT interpreter, on one thread.

    Use it to know what an app will answer. Files for microcontrollers run too; their integers are
    converted on the way. The state is carried from one call of `stream` to the next, until `reset`.

    Args:
        path: A file written by `convert` or `keras_sal.export.micro.convert`.

    Attributes:
        path: The file.
        flash_bytes: Its size.
        inputs: `TensorInfo` (name, shape, dtype, scale, zero_point) of frames, then states.
        outputs: `TensorInfo` of posteriors, then next states.

    Raises:
        ImportError: `ai_edge_litert` is missing.
        ValueError: Not such a file.
        ExportError: Its state cannot be carried.
    """

    def __init__(self, path):
        interpreter = import_package("ai_edge_litert.interpreter", "run a model in LiteRT")
        content = Path(path).read_bytes()
        file = Flatbuffer(content)
        gates.check_states(file)
        self._interpreter = interpreter.Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        self._index = file.inputs | file.outputs
        super().__init__(path, *file.ends())

    def _step(self, tensors):
        for name, values in tensors.items():
            self._interpreter.set_tensor(self._index[name], values)
        self._interpreter.invoke()
        return {
            info.name: self._interpreter.get_tensor(self._index[info.name]) for info in self.outputs
        }
