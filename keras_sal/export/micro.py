"""TensorFlow Lite Micro: a trained detector to a file a microcontroller runs frame by frame.

`convert` makes a one-frame step model with explicit state, quantises it along real streams and
gates the result; `MicroModel` runs such a file as firmware does, in the interpreter of TensorFlow
Lite Micro itself:

    micro = convert(model, "detector.tflite", calibration)   # model trained on any backend
    posteriors = micro.stream(features)                      # (frames, 40) -> (frames, 1)
    micro.flash_bytes, micro.arena_bytes, micro.operators

What firmware must do, `MicroModel.stream` does: quantise a frame with the scale and zero point of
`frame`, start each state at its *zero point* (not at byte 0), copy the bytes of `state_0_next` to
`state_0` after every step, and read the posterior as `(q - zero_point) * scale`.
"""

import functools
import re
from pathlib import Path

from keras_sal import files
from keras_sal.export import arena, conversion
from keras_sal.export.step_runner import StepRunner
from keras_sal.export.tflite import gates
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.export.tflite.layer_names import origins
from keras_sal.export.tflite.repair import mend
from keras_sal.export.worker import ExportError
from keras_sal.extras import import_package

QUANTIZATIONS = ("int8", "int16x8", "float32")
ROOMY_ARENA_BYTES = 1 << 20


def convert(
    model,
    path,
    calibration=None,
    *,
    quantization="int8",
    min_posterior=0.5,
    per_channel=False,
    timeout_s=300.0,
):
    """Converts a trained streaming detector to a `.tflite` file for TensorFlow Lite Micro.

    Use it on the model as trained, on any backend: the one-frame step model is made inside, and
    TensorFlow runs in a process of its own, so that a crash of its converter is an exception here.

    Quantisation is `real = (q - zero_point) * scale`, in 8 bits, or 16 for activations with
    `"int16x8"`; scales come from the float model rolled through `calibration`, state carried. A
    state has the same scale and zero point where it leaves and where it comes back, so that a
    device carries it by copying bytes. See Jacob et al., "Quantization and Training of Neural
    Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018, arXiv:1712.05877.

    Args:
        model: Whole-clip Keras model `(batch, time, features)` to `(batch, time, classes)` that
            `keras_sal.streaming.step_model` can stream, or a step model made by it.
        path: Where to write the `.tflite` file. It appears complete or not at all.
        calibration: Iterable of feature sequences `(frames, features)`, float, positives among
            them: a few dozen are enough, more than 50,000 frames are a waste. For several frame
            inputs, dicts of such arrays by input name. Unused with `"float32"`.
        quantization: `"int8"` (default), `"int16x8"` (int16 activations, int8 weights) or
            `"float32"`. An int8 state moves in steps of 1/128 and stands still where it should
            drift, which cost a trained GRU that answers every 10 ms up to 12 points of misses at a
            strict false-alarm rate. `frames_per_output=3` brings it back to the float model's
            misses, and so does `"int16x8"`, for 2 KB of flash and no arena.
        min_posterior: Each output channel must pass this somewhere in `calibration`, in [0, 1];
            default 0.5. With 0 a calibration without positives is let through.
        per_channel: Whether fully connected weights get one scale per output instead of one per
            matrix. Default False: smaller, accepted by every kernel library, and no less accurate
            on the detectors measured.
        timeout_s: Seconds until the converter is stopped; default 300.

    Returns:
        The `MicroModel` of the file.

    Raises:
        ImportError: A package of the `export` extra is missing.
        ValueError: An argument is unusable, or `calibration` has no positives.
        ExportError: The converter crashed or hung, or its result would not run on a device; the
            message names the operator and layer where they are known.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> from keras_sal.export import micro
    >>> from keras_sal.models import gru_detector
    >>> model = gru_detector()  # to be trained
    >>> clips = np.random.default_rng(0).uniform(0, 26, (4, 100, 40))  # to have positives
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/detector.tflite"
    ...     detector = micro.convert(model, path, clips, min_posterior=0.0)
    ...     posteriors = detector.stream(clips[0])
    ...     detector.flash_bytes < 21_000, detector.arena_bytes <= 6_656
    (True, True)
    >>> posteriors.shape, detector.inputs[0].name, detector.inputs[0].dtype
    ((100, 1), 'frame', 'int8')
    >>> " ".join(detector.operators)
    'ADD FULLY_CONNECTED LOGISTIC MUL SPLIT STRIDED_SLICE SUB TANH'
    """
    conversion.check_choice(
        "quantization", quantization, QUANTIZATIONS, 'Use "int8" for most microcontrollers.'
    )
    path = files.check_path(path)
    conversion.check_packages(
        ["tensorflow", "flatbuffers", "tflite_micro"], "convert for TensorFlow Lite Micro"
    )
    converted = conversion.convert(
        conversion.step_model(model),
        calibration,
        target="tflite",
        batch=1,
        quantization=quantization,
        min_posterior=min_posterior,
        per_channel=per_channel,
        integer_ends=True,
        timeout_s=timeout_s,
    )
    file = Flatbuffer(converted.content)
    layers = origins(file, converted.layers)
    mend(file, converted.layers)
    gates.check_flow(file, layers)
    gates.check_states(file)
    if quantization != "float32":
        gates.check_integers(file, layers)
    content = file.tobytes()
    arena_bytes = _arena_bytes(file, content, layers)
    files.write_atomically(path, content)
    micro = MicroModel(path)
    micro.__dict__["arena_bytes"] = arena_bytes
    return micro


class MicroModel(StepRunner):
    """A step model's `.tflite` file in the interpreter of TensorFlow Lite Micro.

    Use it to know on a desk what a device will answer: kernels, rounding and state handling are
    those of the firmware. The state is carried from one call of `stream` to the next, until
    `reset`.

    Args:
        path: A file written by `convert`, or any step model's `.tflite` file whose signature names
            its tensors as `keras_sal.streaming.step_model` does.

    Attributes:
        path: The file.
        flash_bytes: Its size.
        inputs: `TensorInfo` (name, shape, dtype, scale, zero_point) of frames, then states.
        outputs: `TensorInfo` of posteriors, then next states.
        operators: Sorted names of the operators it uses.
        macs: Multiply-accumulates of one frame.
        arena_bytes: The smallest tensor arena, a multiple of 16 bytes, in which it runs here.
            Found by bisection on first use, in a second. An upper bound for a 32-bit device: the
            structures the interpreter keeps beside the tensors are smaller there.

    Raises:
        ImportError: `tflite_micro` is missing.
        ValueError: Not such a file.
        ExportError: Its state cannot be carried as bytes, or the interpreter does not run it.
    """

    def __init__(self, path):
        runtime = import_package("tflite_micro", "run a model in TensorFlow Lite Micro").runtime
        content = Path(path).read_bytes()
        file = Flatbuffer(content)
        gates.check_states(file)
        gates.check_flow(file, {})
        self.operators = tuple(sorted({op.name for op in file.operators()}))
        self.macs = file.macs()
        self._position = _positions(file)
        try:
            self._interpreter = runtime.Interpreter.from_bytes(
                content, arena_size=max(ROOMY_ARENA_BYTES, 10 * len(content))
            )
        except RuntimeError as error:
            raise ExportError(
                f"TensorFlow Lite Micro does not load {str(path)!r}: {error}. "
                "Convert the model again with `keras_sal.export.micro.convert`."
            ) from error
        super().__init__(path, *file.ends())

    @functools.cached_property
    def arena_bytes(self):
        """The smallest tensor arena in which the model runs here."""
        content = self.path.read_bytes()
        return _arena_bytes(Flatbuffer(content), content, {})

    def _step(self, tensors):
        for name, values in tensors.items():
            self._interpreter.set_input(values, self._position[name])
        self._interpreter.invoke()
        return {
            info.name: self._interpreter.get_output(self._position[info.name])
            for info in self.outputs
        }


def _arena_bytes(file, content, layers):
    """The arena the model runs in, or the reason why TensorFlow Lite Micro does not run it."""
    measured = arena.measure(content)
    if "arena_bytes" in measured:
        return measured["arena_bytes"]
    failure = measured["failure"]
    if unknown := re.search(r"Didn't find op for builtin opcode '(\w+)'", failure):
        gates.check_known(file, unknown.group(1), layers)
    raise ExportError(
        f"TensorFlow Lite Micro does not run the converted model. It says:\n{failure}\n"
        "Simplify the layers it names, or report it with the model."
    )


def _positions(file):
    """At which place the interpreter knows each named end."""
    inputs, outputs = list(file.graph.inputs), list(file.graph.outputs)
    return {name: inputs.index(index) for name, index in file.inputs.items()} | {
        name: outputs.index(index) for name, index in file.outputs.items()
    }
