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
import inspect
import os
import re
import tempfile
from pathlib import Path

import numpy as np

from keras_sal.export import arena, gates, worker
from keras_sal.export.extras import check, need
from keras_sal.export.flatbuffer import Flatbuffer
from keras_sal.export.mending import mend
from keras_sal.export.origins import origins
from keras_sal.export.ports import NEXT, Ports
from keras_sal.export.sequences import check_sequence, check_sequences
from keras_sal.export.worker import ExportError

QUANTIZATIONS = ("int8", "int16x8", "float32")
MAX_SAMPLES = 10_000
CONVERTER = "keras_sal.export.converter"


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
        quantization: `"int8"` (default), `"int16x8"` (int16 activations, int8 weights: about ten
            times less error for slightly more flash and arena) or `"float32"`.
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

    ```python
    from keras_sal.export import micro

    detector = micro.convert(model, "detector.tflite", [features_of(clip) for clip in clips])
    posteriors = detector.stream(features)  # (frames, 40) -> (frames, 1)
    ```
    """
    if quantization not in QUANTIZATIONS:
        raise ValueError(
            f"`quantization` must be one of {QUANTIZATIONS}. "
            f'Received: quantization={quantization!r}. Use "int8" for most microcontrollers.'
        )
    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(
            f"`path` must lie in a folder that exists. Received: path={str(path)!r}. "
            f"Make the folder {str(path.parent)!r} first."
        )
    for package in ("tensorflow", "flatbuffers", "tflite_micro"):
        check(package, "convert a model for TensorFlow Lite Micro")
    step = _step_model(model)
    ports = Ports.of([tensor.name for tensor in step.inputs], step.output)
    with tempfile.TemporaryDirectory(prefix="keras_sal_export_") as folder:
        folder = Path(folder)
        if quantization != "float32":
            _save_calibration(folder / "calibration.npz", calibration, step, ports)
        step.save(folder / "step.keras")
        job = {
            "quantization": quantization,
            "modules": _own_modules(step),
            "min_posterior": min_posterior,
            "per_channel": per_channel,
            "max_samples": MAX_SAMPLES,
        }
        report = worker.run("converter", ["-m", CONVERTER], folder, job, timeout_s=timeout_s)
        if "silent" in report:
            raise _no_positives(report, min_posterior)
        if "untranslated" in report:
            raise gates.unknown_operators(report["untranslated"])
        file = Flatbuffer((folder / "model.tflite").read_bytes())
    origin = origins(file, report["layers"])
    mend(file, report["layers"])
    gates.check_flow(file, origin)
    gates.check_states(file)
    if quantization != "float32":
        gates.check_integers(file, origin)
    content = file.tobytes()
    arena_bytes = _require_arena(content, origin)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    converted = MicroModel(path)
    converted.__dict__["arena_bytes"] = arena_bytes
    return converted


class MicroModel:
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
        arena_bytes: The smallest tensor arena, a multiple of 16 bytes, in which it runs here.
            Found by bisection on first use, in a second. An upper bound for a 32-bit device: the
            structures the interpreter keeps beside the tensors are smaller there.

    Raises:
        ImportError: `tflite_micro` is missing.
        ValueError: Not such a file, or its state cannot be carried as bytes.
        ExportError: The interpreter does not run the file.
    """

    def __init__(self, path):
        runtime = need("tflite_micro", "run a model in TensorFlow Lite Micro").runtime
        self.path = Path(path)
        content = self.path.read_bytes()
        file = Flatbuffer(content)
        gates.check_states(file)
        self._ports = Ports.of(file.inputs, file.outputs)
        self.flash_bytes = len(content)
        self.inputs = tuple(file.info(name) for name in self._ports.inputs)
        self.outputs = tuple(file.info(name) for name in self._ports.outputs)
        self.operators = tuple(sorted({op.name for op in file.operators()}))
        ends = {info.name: info for info in self.inputs + self.outputs}
        self._frames = [ends[name] for name in self._ports.frames]
        self._states = [ends[name] for name in self._ports.states]
        self._posteriors = [ends[name] for name in self._ports.posteriors]
        self._position = {
            **_positions(file.graph.inputs, file.inputs),
            **_positions(file.graph.outputs, file.outputs),
        }
        try:
            self._interpreter = runtime.Interpreter.from_bytes(content)
        except RuntimeError as error:
            raise ExportError(
                f"TensorFlow Lite Micro does not load {str(self.path)!r}: {error}. "
                "Convert the model again with `keras_sal.export.micro.convert`."
            ) from error
        self.reset()

    def __repr__(self):
        ends = ", ".join(f"{info.name} {info.dtype}{info.shape}" for info in self.inputs)
        return f"MicroModel({str(self.path)!r}: {self.flash_bytes} bytes, {ends})"

    @functools.cached_property
    def arena_bytes(self):
        """The smallest tensor arena in which the model runs here."""
        return _require_arena(self.path.read_bytes(), {})

    def reset(self):
        """Starts a new stream: every state back to zero, that is to its zero point."""
        self._carried = {
            info.name: np.full(info.shape, info.zero_point or 0, info.dtype)
            for info in self._states
        }

    def stream(self, features):
        """Answers the next frames of the stream, one by one, as firmware does.

        Args:
            features: Float frames `(frames, features)`; a dict of such arrays by input name where
                the model has several frame inputs. Cut a stream wherever you like: the state is
                carried between calls.

        Returns:
            Posteriors in [0, 1], float32 `(frames, classes)`; a dict by output name where the model
            has several posterior outputs.

        Raises:
            ValueError: Wrong shape, no frame, or NaN among the features.
        """
        shapes = {info.name: info.shape[1:] for info in self._frames}
        frames = check_sequence(features, shapes, "features")
        quantised = {info.name: quantise(frames[info.name], info) for info in self._frames}
        count = len(next(iter(quantised.values())))
        raw = {
            info.name: np.empty((count, *info.shape[1:]), info.dtype) for info in self._posteriors
        }
        interpreter, position = self._interpreter, self._position
        for t in range(count):
            for name, values in quantised.items():
                interpreter.set_input(values[t : t + 1], position[name])
            for name, values in self._carried.items():
                interpreter.set_input(values, position[name])
            interpreter.invoke()
            for name, values in raw.items():
                values[t] = interpreter.get_output(position[name])[0]
            for name in self._carried:
                self._carried[name] = interpreter.get_output(position[name + NEXT])
        posteriors = {info.name: dequantise(raw[info.name], info) for info in self._posteriors}
        return posteriors if len(posteriors) > 1 else next(iter(posteriors.values()))


def quantise(values, info):
    """Float values as the tensor `info` holds them: rounded half away from zero, saturated."""
    if info.scale is None:
        return np.ascontiguousarray(values, info.dtype)
    limits = np.iinfo(info.dtype)
    scaled = np.asarray(values, "float32") / np.float32(info.scale)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)) + info.zero_point
    return np.clip(rounded, limits.min, limits.max).astype(info.dtype)


def dequantise(values, info):
    """The float values that the tensor `info` stands for."""
    if info.scale is None:
        return np.asarray(values, "float32")
    return (values.astype("float32") - np.float32(info.zero_point)) * np.float32(info.scale)


def _step_model(model):
    """The step model of `model`, which may be one already."""
    names = [tensor.name for tensor in getattr(model, "inputs", None) or []]
    if names and all(name.startswith(("frame", "state_")) for name in names):
        return model
    from keras_sal.streaming import step_model

    return step_model(model)


def _save_calibration(path, calibration, step, ports):
    if calibration is None:
        raise ValueError(
            "`calibration` must be given for a quantised model; its scales come from real "
            "streams. Received: calibration=None. Give feature sequences (frames, features) with "
            'positives among them, or `quantization="float32"`.'
        )
    shapes = {tensor.name: tuple(tensor.shape[1:]) for tensor in step.inputs}
    sequences = check_sequences(
        calibration, {name: shapes[name] for name in ports.frames}, "calibration"
    )
    first = ports.frames[0]
    np.savez(
        path,
        lengths=[len(sequence[first]) for sequence in sequences],
        **{f"frames_{name}": np.concatenate([s[name] for s in sequences]) for name in ports.frames},
    )


def _own_modules(model):
    """Modules that the converter process must import to know the model's layers."""
    modules = set()
    for layer in model.layers:
        if hasattr(layer, "layers"):
            modules |= set(_own_modules(layer))
        for part in (layer, getattr(layer, "cell", None)):
            if part is None or type(part).__module__.split(".")[0] in ("keras", "builtins"):
                continue
            module = type(part).__module__
            if module == "__main__":
                raise ValueError(
                    "`model` must be built of layers that another process can import; the "
                    f"converter runs in one. Received: layer `{layer.name}` of class "
                    f"`{type(part).__name__}` from the running script. Move the class to a module "
                    f"of its own ({inspect.getsourcefile(type(part)) or 'interactive'} now)."
                )
            modules.add(module)
    return sorted(modules)


def _no_positives(report, min_posterior):
    name, channel, peak = report["silent"][0]
    return ValueError(
        "`calibration` must contain positives that the model answers; without them the range of "
        "the logits is never seen and the quantised posterior saturates. Received: "
        f"{report['frames']} frames over which channel {channel} of `{name}` never passes "
        f"{min_posterior:g} (highest: {peak:.3g}). Add recordings of the event, train the model "
        "further, or lower `min_posterior`."
    )


def _require_arena(content, origin):
    """The arena the model runs in, or the reason why TensorFlow Lite Micro does not run it."""
    measured = arena.measure(content)
    if "arena_bytes" in measured:
        return measured["arena_bytes"]
    failure = measured["failure"]
    if unknown := re.search(r"Didn't find op for builtin opcode '(\w+)'", failure):
        raise gates.unknown_operators({unknown.group(1): origin.get(unknown.group(1), [])})
    raise ExportError(
        f"TensorFlow Lite Micro does not run the converted model. It says:\n{failure}\n"
        "Simplify the layers it names, or report it with the model."
    )


def _positions(order, indices):
    """Where in an ordered list of tensor indices each name stands."""
    order = list(order)
    return {name: order.index(index) for name, index in indices.items()}
