"""TensorFlow Lite Micro: conversion of a detector, and a runner of the converted file.

`convert` makes a one-frame step model with explicit state, quantizes it along real streams and
checks the result. `MicroModel` runs such a file as firmware does, in the interpreter of TensorFlow
Lite Micro itself:

    micro_model = convert(model, "detector.tflite", calibration)  # model trained on any backend
    posteriors = micro_model.stream(features)                     # (frames, 40) -> (frames, 1)
    micro_model.flash_bytes, micro_model.arena_bytes, micro_model.operators

`MicroModel.stream` does what firmware must do: quantize a frame with the scale and zero point of
`frame`, start each state at its *zero point* (not at byte 0), copy the bytes of `state_0_next` to
`state_0` after every step, and read the posterior as `(q - zero_point) * scale`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from keras_sal.export import arena
from keras_sal.export.conversion.converter_process import check_choice, check_packages, to_tflite
from keras_sal.export.errors import ExportError
from keras_sal.export.step_runner import StepRunner
from keras_sal.export.tflite import gates
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.extras import import_package
from keras_sal.files import check_path, write_atomically
from keras_sal.typing import Array, ArrayLike, PathLike

if TYPE_CHECKING:
    import keras

QUANTIZATIONS = ("int8", "int16x8", "float32")
ROOMY_ARENA_BYTES = 1 << 20


def convert(
    model: keras.Model,
    path: PathLike,
    calibration: Iterable[ArrayLike] | None = None,
    *,
    quantization: str = "int8",
    min_posterior: float = 0.5,
    per_channel: bool = False,
    timeout_s: float = 300.0,
) -> MicroModel:
    """Convert a trained streaming detector to a `.tflite` file for TensorFlow Lite Micro.

    Use it on the model as trained, on any backend: the one-frame step model is made inside, and
    TensorFlow runs in a process of its own, so that a crash of its converter is an exception here.

    Quantization is `real = (q - zero_point) * scale`, in 8 bits, or 16 for activations with
    `"int16x8"`. The scales come from the float model, which is run over `calibration` with its
    state carried. A state has the same scale and zero point where it leaves and where it comes
    back, so that a device carries it by copying bytes. See Jacob et al., "Quantization and Training
    of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018,
    arXiv:1712.05877.

    Args:
        model: Whole-clip Keras model `(batch, time, features)` to `(batch, time, classes)` that
            `keras_sal.streaming.step_model` can stream, or a step model made by it.
        path: Where to write the `.tflite` file. It appears complete or not at all.
        calibration: Iterable of feature sequences `(frames, features)`, float, with positives among
            them. A few dozen are enough; more than 50,000 frames are a waste. For several frame
            inputs, dicts of such arrays by input name. Unused with `"float32"`.
        quantization: `"int8"` (default), `"int16x8"` (int16 activations, int8 weights) or
            `"float32"`. An int8 state moves in steps of 1/128 and stands still where it should
            drift, which cost a trained GRU with an output every 10 ms up to 12 points of misses at
            a strict false-alarm rate. `frames_per_output=3` restores the float model's misses, and
            so does `"int16x8"`, for 2 KB of flash and no arena.
        min_posterior: Each output channel must reach this somewhere in `calibration`, in [0, 1].
            With 0, a calibration without positives is accepted. Defaults to 0.5.
        per_channel: Whether fully connected weights get one scale for each output instead of one
            for the matrix. Defaults to `False`: smaller, accepted by every kernel library, and no
            less accurate on the detectors measured.
        timeout_s: Seconds until the converter is stopped. Defaults to 300.

    Returns:
        The `MicroModel` of the file.

    Raises:
        ImportError: If a package of the `export` extra is missing.
        ValueError: If an argument is unusable, or `calibration` has no positives.
        ExportError: If the converter crashes or hangs, or its result would not run on a device; the
            message names the operator and layer if they are known.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> from keras_sal.export import micro
    >>> from keras_sal.models import gru_detector
    >>> model = gru_detector()  # train it first
    >>> clips = np.random.default_rng(0).uniform(0, 26, (4, 100, 40))  # take clips with positives
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
    check_choice(
        "quantization", quantization, QUANTIZATIONS, 'Use "int8" for most microcontrollers.'
    )
    path = check_path(path)
    packages = ["tensorflow", "flatbuffers", "tflite_micro"]
    check_packages(packages, "convert for TensorFlow Lite Micro", extra="micro")
    file, layers = to_tflite(
        model,
        calibration,
        quantization=quantization,
        min_posterior=min_posterior,
        per_channel=per_channel,
        integer_io=True,
        timeout_s=timeout_s,
    )
    gates.check_control_flow(file, layers)
    if quantization != "float32":
        gates.check_quantized(file, layers)
        gates.check_cmsis_nn(file, layers)
    content = file.tobytes()
    Flatbuffer(content)  # which checks it
    arena_bytes = _measure_arena(file, content, layers)
    write_atomically(path, content)
    micro = MicroModel(path)
    micro.__dict__["arena_bytes"] = arena_bytes  # where `cached_property` keeps it
    return micro


class MicroModel(StepRunner):
    """A step model's `.tflite` file in the interpreter of TensorFlow Lite Micro.

    Use it to know on a desk what a device will compute: kernels, rounding and state handling are
    those of the firmware. The state is carried from one call of `stream` to the next, until
    `reset`.

    Args:
        path: A file written by `convert`, or any step model's `.tflite` file whose signature names
            its tensors as `keras_sal.streaming.step_model` does.

    Attributes:
        path: The file.
        flash_bytes: Size of the file.
        inputs: `TensorInfo` (name, shape, dtype, scale, zero_point) of the frames, then of the
            states.
        outputs: `TensorInfo` of the posteriors, then of the next states.
        operators: Names of its operators, sorted.
        macs: Multiply-accumulates of one step.

    Raises:
        ImportError: If `tflite_micro` is missing.
        ValueError: If `path` is not such a file.
        ExportError: If its state can't be carried as bytes, or the interpreter does not run it.
    """

    def __init__(self, path: PathLike) -> None:
        runtime = import_package(
            "tflite_micro", "run a model in TensorFlow Lite Micro", "micro"
        ).runtime
        file = Flatbuffer.from_file(path)
        content = file.tobytes()
        gates.check_states(file)
        gates.check_control_flow(file, {})
        self.operators = file.operator_names()
        self.macs = file.macs()
        self._positions = file.positions()
        try:
            self._interpreter = runtime.Interpreter.from_bytes(
                content, arena_size=max(ROOMY_ARENA_BYTES, 10 * len(content))
            )
        except RuntimeError as error:
            raise ExportError(
                f"TensorFlow Lite Micro does not load {str(path)!r}: {error}. "
                "Convert the model again with `keras_sal.export.micro.convert`."
            ) from error
        super().__init__(path, *file.tensor_infos())

    @functools.cached_property
    def arena_bytes(self) -> int:
        """The smallest tensor arena, a multiple of 16 bytes, in which the model runs here.

        It is found by bisection on first use, in about a second. It is an upper bound for a 32-bit
        device, where the structures that the interpreter keeps beside the tensors are smaller.
        """
        return _measure_arena(Flatbuffer.from_file(self.path), self.path.read_bytes(), {})

    def _step(self, tensors: dict[str, Array]) -> dict[str, Array]:
        for name, values in tensors.items():
            self._interpreter.set_input(values, self._positions[name])
        self._interpreter.invoke()
        return {
            info.name: self._interpreter.get_output(self._positions[info.name])
            for info in self.outputs
        }


def _measure_arena(file: Flatbuffer, content: bytes, layers: gates.LayersOfOperators) -> int:
    """Return the arena that the model needs, or raise the reason why it runs in none."""
    measured = arena.measure(content)
    if "arena_bytes" in measured:
        return measured["arena_bytes"]
    failure = measured["failure"]
    if unknown := re.search(r"Didn't find op for builtin opcode '(\w+)'", failure):
        gates.check_supported(file, unknown.group(1), layers)
    if failed := re.search(r"Node (\w+) \(number (\d+)f?\) failed", failure):
        gates.check_kernel(file, failed.group(1), int(failed.group(2)), layers)
    raise ExportError(
        f"TensorFlow Lite Micro does not run the converted model. It says:\n{failure}\n"
        "Simplify the layers it names, or report it with the model."
    )
