"""Start of the converter process, with the checks before and after it."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_sal.checks import require
from keras_sal.export import worker
from keras_sal.export.conversion.feature_ranges import scales_of_inputs, warn_of_drowned_features
from keras_sal.export.conversion.float_model import as_step_model, layer_modules, parts_of
from keras_sal.export.fork_server import ForkServer
from keras_sal.export.sequences import check_sequences
from keras_sal.export.signature import Signature
from keras_sal.export.tflite import gates
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.export.tflite.layer_names import layers_of_operators
from keras_sal.export.tflite.repair import repair
from keras_sal.export.tflite.scheduling import schedule
from keras_sal.extras import require_packages
from keras_sal.typing import Array, ArrayLike

if TYPE_CHECKING:
    import keras

CONVERTER = "keras_sal.export.conversion.converter"
MAX_SAMPLES = 10_000
NOT_OF_TENSORFLOW = re.compile(r"[^A-Za-z0-9_.\\/>-]")  # in the name of a scope
RUNTIMES = {"tflite": "TensorFlow Lite Micro", "onnx": "ONNX"}


_server: ForkServer | None = None


@contextlib.contextmanager
def shared_converter() -> Iterator[None]:
    """Import TensorFlow once for all conversions inside the context.

    Each conversion runs in a fork of one process, which makes it several times faster. Use it
    to convert many models. Files and errors are the same as without it. It has no effect on
    Windows, which has no fork.

    Example:

    >>> from keras_sal.export import micro, shared_converter
    >>> with shared_converter():  # doctest: +SKIP
    ...     for name, model in models.items():
    ...         micro.convert(model, f"{name}.tflite", calibration)
    """
    global _server
    if _server is not None or not hasattr(os, "fork"):
        yield
        return
    _server = ForkServer(("tensorflow", "keras"), worker.environment())
    try:
        yield
    finally:
        _server.close()
        _server = None


class ConvertedFile(NamedTuple):
    """What the converter made.

    Attributes:
        content: Bytes of the file.
        layers: The layer of each scope of the traced model.
        frames: All frames of the calibration by input name; empty without one.
    """

    content: bytes
    layers: dict[str, str]
    frames: dict[str, Array]


def to_tflite(
    model: keras.Model,
    calibration: Iterable[ArrayLike] | None,
    *,
    quantization: str,
    min_posterior: float,
    per_channel: bool,
    integer_io: bool,
    timeout_s: float,
) -> tuple[Flatbuffer, gates.LayersOfOperators]:
    """Convert a model to a `.tflite` file that is repaired and whose states can be carried.

    Args:
        model: Whole-clip model or step model.
        calibration: Feature sequences, or `None` if `quantization` is not integer.
        quantization: `"float32"`, `"float16"`, `"int8"` or `"int16x8"`.
        min_posterior: What every output channel must reach over `calibration`.
        per_channel: Whether fully connected weights get one scale for each output.
        integer_io: Whether inputs and outputs are integers too.
        timeout_s: Seconds until the converter is stopped.

    Returns:
        The file, and the layer that each of its operators came from.

    Raises:
        ValueError: If `model` or `calibration` is refused.
        ExportError: If the conversion fails, or a state can't be carried as bytes.
    """
    converted = run_converter(
        as_step_model(model),
        calibration,
        target="tflite",
        batch=1,
        quantization=quantization,
        min_posterior=min_posterior,
        per_channel=per_channel,
        integer_io=integer_io,
        timeout_s=timeout_s,
    )
    file = Flatbuffer(converted.content, check=False)
    if quantization == "int8":
        warn_of_drowned_features(converted.frames, scales_of_inputs(file))
    layers = layers_of_operators(file, converted.layers)
    repair(file, converted.layers)
    gates.check_states(file)
    schedule(file)
    return file, layers


def run_converter(
    model: keras.Model,
    calibration: Iterable[ArrayLike] | None,
    *,
    target: str,
    quantization: str,
    timeout_s: float,
    min_posterior: float = 0.5,
    **options: Any,
) -> ConvertedFile:
    """Convert a model in a process that runs Keras on TensorFlow.

    Args:
        model: Step model or whole-clip model, in float32.
        calibration: Feature sequences, or `None` if `quantization` is not integer.
        target: `"tflite"` or `"onnx"`.
        quantization: Name of the number format; integer ones need `calibration`.
        timeout_s: Seconds until the converter is stopped.
        min_posterior: What every output channel must reach over `calibration`, in [0, 1]. Defaults
            to 0.5.
        **options: More entries of the converter's job.

    Returns:
        The converted file.

    Raises:
        ValueError: If TensorFlow doesn't take the name of a layer or an input, or if `calibration`
            is refused or has no positives.
        ExportError: If the converter fails, or doesn't know an operation.
    """
    _check_names(model, target)
    with tempfile.TemporaryDirectory(prefix="keras_sal_export_") as name:
        folder = Path(name)
        frames = {}
        if "int" in quantization:
            frames = _save_calibration(folder / "calibration.npz", calibration, model)
        model.save(folder / "model.keras")
        job = {
            "target": target,
            "quantization": quantization,
            "modules": layer_modules(model),
            "min_posterior": min_posterior,
            "max_samples": MAX_SAMPLES,
            **options,
        }
        report = worker.run(
            "converter", ["-m", CONVERTER], folder, job, timeout_s=timeout_s, server=_server
        )
        if "silent" in report:
            raise _no_positives_error(report, min_posterior)
        if "untranslated" in report:
            described = ", ".join(dict.fromkeys(report["untranslated"]))
            raise gates.unsupported_error(described, RUNTIMES[target])
        return ConvertedFile((folder / "converted").read_bytes(), report["layers"], frames)


def check_choice(argument: str, value: Any, choices: Collection[Any], advice: str) -> None:
    """Refuse a value that is not among the choices.

    Args:
        argument: Name of the argument, for the error message.
        value: The value.
        choices: The allowed values.
        advice: A sentence that says which to choose.

    Raises:
        ValueError: If `value` is not among them.
    """
    require(
        value in choices,
        f"`{argument}` must be one of {tuple(choices)}. Received: {argument}={value!r}. {advice}",
    )


def check_packages(packages: Iterable[str], purpose: str, extra: str = "export") -> None:
    """Refuse before any work if packages are missing, and name all of them.

    Args:
        packages: Names of the packages.
        purpose: What they are needed for, as a verb phrase.
        extra: Extra that installs them. Defaults to `"export"`.

    Raises:
        ImportError: If one of them is not installed.
    """
    require_packages(packages, purpose, extra)


def _save_calibration(
    path: Path, calibration: Iterable[ArrayLike] | None, step: keras.Model
) -> dict[str, Array]:
    """Write the calibration sequences to a file; return all their frames by input name."""
    if calibration is None:
        raise ValueError(
            "`calibration` must be given for a quantized model; its scales come from real "
            "streams. Received: calibration=None. Give feature sequences (frames, features) with "
            'positives among them, or `quantization="float32"`.'
        )
    signature = Signature.from_names([tensor.name for tensor in step.inputs], step.output)
    shapes = {t.name: tuple(t.shape[1:]) for t in step.inputs if t.name in signature.frames}
    sequences = check_sequences(calibration, shapes, "calibration")
    lengths = [len(next(iter(sequence.values()))) for sequence in sequences]
    frames = {name: np.concatenate([s[name] for s in sequences]) for name in shapes}
    arrays: dict[str, Any] = {f"frames_{name}": values for name, values in frames.items()}
    np.savez(path, lengths=lengths, **arrays)
    return frames


def _no_positives_error(report: dict[str, Any], min_posterior: float) -> ValueError:
    name, channel, peak = report["silent"][0]
    return ValueError(
        "`calibration` must contain positives that the model detects; without them the range of "
        "the logits is never seen and the quantized posterior saturates. Received: "
        f"{report['frames']} frames over which channel {channel} of `{name}` never passes "
        f"{min_posterior:g} (highest: {peak:.3g}). Train the model further (`keras-sal train "
        "--steps`), give more recordings of the event, or convert to float32."
    )


def _check_names(model: keras.Model, target: str) -> None:
    """Refuse names that Keras takes and TensorFlow, which converts, doesn't."""
    inputs = {tensor.name for tensor in model.inputs}
    names = {part.name for part in parts_of(model)} - inputs
    names |= inputs if target == "tflite" else set()
    wrong = sorted(filter(NOT_OF_TENSORFLOW.search, names))
    require(
        not wrong,
        "`model` must have layers and inputs whose names TensorFlow takes, which converts it: "
        f"letters of English, digits and _ . - only. Received: the names {wrong}. Build the model "
        "with other names, and give it the weights: new.set_weights(model.get_weights()).",
    )
