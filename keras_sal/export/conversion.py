"""From a trained model to a converted file: what is done before and after the converter process.

The model is saved, its calibration checked and saved beside it, the converter run in a process of
its own, and what it reports turned into errors.
"""

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_sal.export import worker
from keras_sal.export.sequences import check_sequences
from keras_sal.export.signature import Ports
from keras_sal.export.tflite import gates
from keras_sal.extras import require_package

CONVERTER = "keras_sal.export.converter"
MAX_SAMPLES = 10_000
HALF = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


class Conversion(NamedTuple):
    """What the converter made: the file, and `{scope: layer}` of what was traced."""

    content: bytes
    layers: dict


def convert(model, calibration, *, target, quantization, timeout_s, min_posterior=0.5, **options):
    """Converts a model in a process that runs Keras on TensorFlow.

    Args:
        model: Whole-clip model.
        calibration: Feature sequences, or None where `quantization` needs none.
        target: `"tflite"` or `"onnx"`.
        quantization: As the converter knows it; integer ones need `calibration`.
        timeout_s: Seconds until the converter is stopped.
        min_posterior: What every output channel must pass over `calibration`.
        **options: More of the converter's job.

    Returns:
        A `Conversion`.
    """
    with tempfile.TemporaryDirectory(prefix="keras_sal_export_") as folder:
        folder = Path(folder)
        if "int" in quantization:
            _save_calibration(folder / "calibration.npz", calibration, model)
        model.save(folder / "model.keras")
        job = {
            "target": target,
            "quantization": quantization,
            "modules": own_modules(model),
            "min_posterior": min_posterior,
            "max_samples": MAX_SAMPLES,
            **options,
        }
        report = worker.run("converter", ["-m", CONVERTER], folder, job, timeout_s=timeout_s)
        if "silent" in report:
            raise _no_positives(report, min_posterior)
        if "untranslated" in report:
            raise gates.lacking(", ".join(dict.fromkeys(report["untranslated"])))
        return Conversion((folder / "converted").read_bytes(), report["layers"])


def step_model(model):
    """The step model of `model`, which may be one already."""
    names = [tensor.name for tensor in getattr(model, "inputs", None) or []]
    if names and all(name.startswith(("frame", "state_")) for name in names):
        Ports.of(names, model.output)
        return in_float32(model)
    from keras_sal import streaming

    return in_float32(streaming.step_model(model))


def clip_model(model):
    """The layers of `model` as a functional model with flat inputs and outputs."""
    import keras

    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise ValueError(
            "`model` must be a built functional or Sequential model; a subclassed or unbuilt model "
            f"cannot be saved and traced. Received: model={model!r}. Build it with "
            "keras.Model(inputs, outputs), or start a Sequential with keras.Input."
        )
    return in_float32(keras.Model(model.inputs, model.outputs))


def in_float32(model):
    """The model as it is, or one that computes in float32 what it computes in mixed precision.

    Converters have no half-precision kernels; a device has the ranges of integers instead.
    """
    import keras

    if all(layer.compute_dtype == "float32" for layer in model.layers):
        return model
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        exact = type(model).from_config(_with_float32(model.get_config()))
    finally:
        keras.config.set_dtype_policy(policy)
    exact.set_weights(model.get_weights())
    return exact


def _with_float32(config):
    if isinstance(config, list | tuple):
        return type(config)(map(_with_float32, config))
    if not isinstance(config, dict):
        return config
    return {
        key: "float32" if value in HALF else _with_float32(value) for key, value in config.items()
    }


def check_choice(argument, value, choices, advice):
    """Refuses a value that is not among the choices."""
    if value not in choices:
        raise ValueError(
            f"`{argument}` must be one of {tuple(choices)}. "
            f"Received: {argument}={value!r}. {advice}"
        )


def check_packages(packages, purpose):
    """Refuses before any work when a package of the `export` extra is missing."""
    for package in packages:
        require_package(package, purpose)


def own_modules(model):
    """Modules that the converter process must import to know the model's layers."""
    modules = set()
    for layer in model.layers:
        if hasattr(layer, "layers"):
            modules |= set(own_modules(layer))
        parts = (layer, getattr(layer, "cell", None), getattr(layer, "layer", None))
        for part in filter(None, parts):
            module = type(part).__module__
            if module == "__main__":
                raise ValueError(
                    "`model` must be built of layers that another process can import; the "
                    f"converter runs in one. Received: layer `{layer.name}` of class "
                    f"`{type(part).__name__}`, defined in the running script. "
                    "Move the class to a module of its own."
                )
            if module.split(".")[0] not in ("keras", "builtins"):
                modules.add(module)
    return sorted(modules)


def _save_calibration(path, calibration, step):
    if calibration is None:
        raise ValueError(
            "`calibration` must be given for a quantised model; its scales come from real "
            "streams. Received: calibration=None. Give feature sequences (frames, features) with "
            'positives among them, or `quantization="float32"`.'
        )
    ports = Ports.of([tensor.name for tensor in step.inputs], step.output)
    shapes = {t.name: tuple(t.shape[1:]) for t in step.inputs if t.name in ports.frames}
    sequences = check_sequences(calibration, shapes, "calibration")
    np.savez(
        path,
        lengths=[len(next(iter(sequence.values()))) for sequence in sequences],
        **{f"frames_{name}": np.concatenate([s[name] for s in sequences]) for name in shapes},
    )


def _no_positives(report, min_posterior):
    name, channel, peak = report["silent"][0]
    return ValueError(
        "`calibration` must contain positives that the model answers; without them the range of "
        "the logits is never seen and the quantised posterior saturates. Received: "
        f"{report['frames']} frames over which channel {channel} of `{name}` never passes "
        f"{min_posterior:g} (highest: {peak:.3g}). Add recordings of the event, train the model "
        "further, or lower `min_posterior`."
    )
