"""The description of a detector file: what an app must know to run a `.tflite` or `.onnx` file.

    detector = litert.convert(model, "detector.tflite", frontend="micro")
    write(detector, threshold=0.8, class_names="computer", frontend="micro")  # detector.json
    StreamingDetector.from_file("detector.tflite")

`detector.json` lies beside `detector.tflite` and has its name. `read` refuses it if the file has
changed. The file is a function `(frame, states) -> (posterior, next states)` of float32 tensors.
Format 1 of the description, in which entries that the manifest of a bundle has too mean the same:

- `format`: version of this format. `name`: of the detector.
- `model`, `quantization`: the file; the type of its numbers inside.
- `input`: `"samples"` if the front-end is in the file, else `"features"`.
- `inputs`, `outputs`: lists of `name`, `shape`, `dtype`; the first input is the frame of a step,
  the first output the posterior of each class, the others are states.
- `states`: `[input, output]` for each state: the output of a step is the input of the next. All
  states are zeros at the start of a stream.
- `frame_step_s`, `frame_offset_s`: output `t`, from 0, is computed at `offset + t * step` seconds.
- `delay_frames`: by how many outputs the model is late; so many at the start belong to no frame.
- `classes`: their names. `frontend`: what computes the features from samples, inside the file or
  before it, with its `kind`, `sample_rate` and other parameters; null for features of one's own.
- `trigger`: `threshold` (a list for several classes), `smooth_frames`, `on_frames`, `hysteresis`,
  `refractory_s`. `threshold`: how it was chosen, as by `keras_sal.detection.threshold_record`, or
  for several classes by `join_threshold_records`.
- `sha256`: of the file. `versions`: of the packages that wrote it.

Samples are one channel in [-1, 1] at `frontend.sample_rate`; a step takes as many new ones as
`frame` holds.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_sal import provenance
from keras_sal.audio import FEATURES, output_times
from keras_sal.checks import require
from keras_sal.export.detector_settings import DetectorSettings, Threshold, WrittenDetector
from keras_sal.export.firmware.contents import MICRO_FRONTEND
from keras_sal.export.frontend import (
    FRONTENDS,
    STEP_SAMPLES,
    check_frontend_step,
    samples_per_step,
)
from keras_sal.export.litert import LiteModel
from keras_sal.export.manifest import SETTINGS, Kind, Manifest, check_model, load_json, read_json
from keras_sal.export.onnx import OnnxModel
from keras_sal.export.signature import NEXT_SUFFIX, Signature
from keras_sal.export.step_runner import StepRunner, TensorInfo
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.files import file_sha256, write_json
from keras_sal.typing import PathLike

FORMAT = 1
SUFFIXES = (".tflite", ".onnx")
INPUTS = ("samples", "features")


class DetectorFile(WrittenDetector):
    """A `.tflite` or `.onnx` file with its description.

    Attributes:
        folder: The folder of both.
        manifest: The description.
    """

    def open(self) -> StepRunner:
        """Load the file into its runtime."""
        return _open(self.model_path)

    @property
    def samples_per_step(self) -> int | None:
        """Samples that a step takes; `None` if it takes features."""
        if self.manifest["input"] != "samples":
            return None
        samples: int = self.manifest["inputs"][0]["shape"][-1]
        return samples


def write(
    model: LiteModel | OnnxModel | PathLike,
    *,
    threshold: Threshold,
    class_names: str | Sequence[str] | None = None,
    frontend: str | None = None,
    name: str | None = None,
    delay_frames: int = 0,
    **scoring: Any,
) -> DetectorFile:
    """Write the description of a converted file beside it.

    Args:
        model: What `keras_sal.export.litert.convert` or `keras_sal.export.onnx.convert` returned,
            or the path of the file.
        threshold: Float in [0, 1], or one for each class, or a record by
            `keras_sal.detection.threshold_record`, which brings its trigger along; for several
            classes by `keras_sal.detection.join_threshold_records`.
        class_names: Names of the classes. Defaults to `"detection"`, or `"class_0"` and so on.
        frontend: `"micro"` if the file takes the features of `keras_sal.audio.MicroFrontend`, or
            samples and computes those itself; else `None` (default).
        name: Name of the detector. Defaults to the name of the file, without its suffix.
        delay_frames: By how many outputs the model is late, if it looks ahead. Defaults to 0.
        **scoring: The trigger: fields of `keras_sal.detection.Scoring`. `frame_step_s`, seconds
            from one output to the next, is known with a front-end. In a file that takes samples an
            output has the time of the last sample of its step, whatever the `frame_offset_s`.

    Returns:
        The file with its description.

    Raises:
        ImportError: If the runtime of the file is missing.
        ValueError: If an argument is unusable, or the description of another file has the name.

    Example:

    >>> from keras_sal.export import detector_file, onnx
    >>> detector = onnx.convert(model, "detector.onnx", frontend="micro")  # doctest: +SKIP
    >>> detector_file.write(detector, threshold=0.8, frontend="micro")  # doctest: +SKIP
    """
    runner = model if isinstance(model, StepRunner) else _open(Path(model))
    file, path = runner.path, runner.path.with_suffix(".json")
    check_free(file)
    frame, posterior = _check_tensors(runner)
    steps = _frames_of_front_end(frame, frontend)
    times = output_times(steps) if steps and not isinstance(threshold, Mapping) else {}
    takes_samples = frontend is not None and samples_per_step(frame.shape) is not None
    settings = DetectorSettings.checked(
        math.prod(posterior.shape),
        threshold=threshold,
        class_names=class_names,
        delay_frames=delay_frames,
        scoring=times | scoring,
    )
    if steps:
        check_frontend_step(steps, settings.scoring.frame_step_s)
    if takes_samples:
        trigger = settings.scoring
        trigger = dataclasses.replace(trigger, frame_offset_s=trigger.frame_step_s)
        settings = dataclasses.replace(settings, scoring=trigger)
    write_json(
        path,
        {
            "format": FORMAT,
            "name": name or file.stem,
            "model": file.name,
            "quantization": quantization(runner),
            "input": "samples" if takes_samples else "features",
            "inputs": [_entry(info) for info in runner.inputs],
            "outputs": [_entry(info) for info in runner.outputs],
            "states": [[state, state + NEXT_SUFFIX] for state in runner.signature.states],
            **settings.entries(),
            "frontend": dict(MICRO_FRONTEND) if frontend else None,
            "sha256": {file.name: file_sha256(file)},
            "versions": provenance.versions(),
        },
    )
    return read(path)


def read(path: PathLike) -> DetectorFile:
    """Read the description of a detector file, after the file was compared with its hash.

    Args:
        path: The description, or the `.tflite` or `.onnx` file beside it.

    Returns:
        The file with its description.

    Raises:
        ValueError: If there is no such description, it has another format, the file has changed, or
            an entry that a detector needs is missing or out of range.
    """
    given = Path(path)
    path = given.with_suffix(".json")
    manifest = read_json(path, DESCRIPTION)
    require(
        given == path or manifest["model"] == given.name,
        "`path` must name a file that lies beside its own description. Received: "
        f"path={str(given)!r}, but {path.name} describes {manifest['model']!r}. Give files of "
        "different kinds different names.",
    )
    return DetectorFile(path.parent, manifest)


def find(path: PathLike) -> Path | None:
    """Return the description beside a `.tflite` or `.onnx` file, or `None` if there is none.

    Args:
        path: The file, or a description itself.

    Raises:
        ValueError: If the file beside it that has the name of a description is no JSON.
    """
    path = Path(path)
    description = path.with_suffix(".json")
    if path.suffix not in (*SUFFIXES, ".json") or not description.is_file():
        return None
    return description if "format" in load_json(description, DESCRIPTION) else None


def quantization(model: StepRunner) -> str:
    """Return the type of the numbers in a converted file, such as `"int8"`.

    Args:
        model: The file in its runtime.
    """
    if isinstance(model, OnnxModel):
        return "float32"
    return Flatbuffer.from_file(model.path).quantization()


def _open(path: Path) -> StepRunner:
    require(
        path.suffix in SUFFIXES,
        f"`model` must be a file that ends with {' or '.join(SUFFIXES)}. Received: "
        f"model={str(path)!r}. Write it with `keras_sal.export.litert` or `keras_sal.export.onnx`.",
    )
    return OnnxModel(path) if path.suffix == ".onnx" else LiteModel(path)


def check_free(model: Path) -> None:
    """Refuse the name of a file beside which is no description, or that of another file.

    Args:
        model: Path of the file.

    Raises:
        ValueError: If what is there must not be replaced.
    """
    path = model.with_suffix(".json")
    if not path.exists():
        return
    described = _described_by(path)
    require(
        bool(described),
        "`model` must have a name that is free for its description, which is written beside it. "
        f"Received: model={str(model)!r}, but {path.name} is something else. Name it otherwise.",
    )
    require(
        described == model.name or not path.with_name(described).exists(),
        "`model` must have a name whose description is not that of another file. Received: "
        f"model={str(model)!r}, but {path.name} describes {described!r}. Give files of different "
        "kinds different names.",
    )


def _described_by(path: Path) -> str:
    """The name of the file that a description is of; empty for what is no description."""
    try:
        return str(load_json(path, DESCRIPTION).get("model") or "")
    except ValueError:
        return ""


def _check_tensors(model: StepRunner) -> tuple[TensorInfo, TensorInfo]:
    """Return the frame and the posterior of a model that a description fits."""
    signature = model.signature
    dtypes = {info.dtype for info in (*model.inputs, *model.outputs)}
    require(
        len(signature.frames) == len(signature.posteriors) == 1 and dtypes == {"float32"},
        "`model` must have one frame input and one posterior output, and float32 tensors, as "
        "`keras_sal.export.litert.convert` and `keras_sal.export.onnx.convert` make them. "
        f"Received: frames={list(signature.frames)}, posteriors={list(signature.posteriors)}, "
        f"dtypes={sorted(dtypes)}. Convert it with one of them.",
    )
    return model.inputs[0], model.outputs[0]


def _frames_of_front_end(frame: TensorInfo, frontend: str | None) -> int | None:
    """Return for how many frames of the front-end a step takes features or samples."""
    if frontend is None:
        return None
    samples = samples_per_step(frame.shape)
    require(
        frontend in FRONTENDS and (samples is not None or frame.shape[-1] == FEATURES),
        f"`frontend` must be one of {FRONTENDS}, of which the file takes the {FEATURES} features, "
        f"or samples, {STEP_SAMPLES} a frame; or None. Received: frontend={frontend!r} for frames "
        f"of shape {frame.shape}. Leave it out for features of your own.",
    )
    return samples // STEP_SAMPLES if samples else math.prod(frame.shape[1:-1])


def _entry(info: TensorInfo) -> dict[str, Any]:
    return {"name": info.name, "shape": list(info.shape), "dtype": info.dtype}


def _check_name(manifest: Manifest) -> None:
    if not (isinstance(manifest["name"], str) and manifest["name"]):
        raise ValueError("it must be a name")


def _check_input(manifest: Manifest) -> None:
    if manifest["input"] not in INPUTS:
        raise ValueError(f"it must be one of {INPUTS}")
    if manifest["input"] == "samples" and manifest["frontend"] is None:
        raise ValueError("samples need the front-end that is in the file")


def _check_entries(key: str) -> Any:
    def check(manifest: Manifest) -> None:
        for entry in manifest[key]:
            shape = entry["shape"]
            sizes = isinstance(shape, list) and all(
                isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in shape
            )
            if not (isinstance(entry["name"], str) and shape and sizes):
                raise ValueError("it must be a list of tensors with a name and a shape")
            if entry["dtype"] != "float32":
                raise ValueError(f"tensor {entry['name']!r} must be float32")

    return check


def _check_states(manifest: Manifest) -> None:
    inputs, outputs = (
        {entry["name"]: entry["shape"] for entry in manifest[key]} for key in ("inputs", "outputs")
    )
    signature = Signature.from_names(inputs, outputs)
    states = [[name, name + NEXT_SUFFIX] for name in signature.states]
    ordered = (*inputs,) == signature.inputs and (*outputs,) == signature.outputs
    same = all(inputs[before] == outputs[after] for before, after in states)
    one = len(signature.frames) == len(signature.posteriors) == 1
    if not (one and ordered and same and manifest["states"] == states):
        raise ValueError(
            "inputs and outputs must be a frame, a posterior, and pairs of states of equal shape"
        )
    if math.prod(outputs[signature.posteriors[0]]) != len(manifest["classes"]):
        raise ValueError("the posterior must have as many channels as there are classes")


DESCRIPTION = Kind(
    FORMAT,
    holder="`path` must name",
    thing="the description of a detector file",
    writer="keras_sal.export.detector_file.write",
    checks={
        "name": _check_name,
        "model": check_model(SUFFIXES),
        **SETTINGS,
        "input": _check_input,
        "inputs": _check_entries("inputs"),
        "outputs": _check_entries("outputs"),
        "states": _check_states,
    },
)
