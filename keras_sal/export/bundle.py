"""The folder a firmware engineer gets: model, C++ sources, README and manifest.

    bundle = write("detector.tflite", "bundle", threshold=0.8, frame_step_s=0.01)
    read("bundle").open().stream(features)  # what the device will answer

The sources quantise a frame, carry the state, run the model and apply the trigger as Python does,
to the bit. `manifest.json` says everything they hold as JSON, with the hash of every file; `read`
refuses a folder whose files are others. Format 1 of the manifest:

- `format`: version of this format.
- `model`, `quantization`, `state`: the file; how its numbers are kept; `"explicit"` (carried by
  the caller) or `"internal"` (kept by the interpreter).
- `inputs`, `outputs`: lists of `name`, `index`, `shape`, `dtype`, `scale`, `zero_point`. A
  quantised `q` stands for `(q - zero_point) * scale`; the sigmoid of an output named `logit` is the
  posterior.
- `states`: `[input, output]` for each state: what came out goes back in.
- `frame_step_s`, `frame_offset_s`: posterior `t` is answered at `offset + t * step` seconds.
- `delay_frames`: how many answers late the model is; so many at the start belong to no frame.
- `classes`: their names. `frontend`: its `kind` and parameters, or null for features of one's own.
- `trigger`: `threshold` (a list for several classes), `smooth_frames`, `on_frames`, `hysteresis`,
  `refractory_s`. `threshold`: how it was chosen, as `keras_sal.detection.threshold_record` says.
- `flash_bytes`, `arena_bytes` (64-bit host), `macs` (a step), `operators`, `resource_variables`.
- `sha256`: of every other file. `versions`: of the packages that made it.
"""

import dataclasses
import hashlib
import json
import math
from pathlib import Path

import numpy as np

from keras_sal import audio, provenance
from keras_sal.detection import Scoring
from keras_sal.detection.trigger import as_thresholds, check_delay
from keras_sal.export import firmware_readme, firmware_sources
from keras_sal.export.signature import NEXT
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.files import atomic_folder, json_ready

FORMAT = 1
MANIFEST = "manifest.json"
MODEL = "model.tflite"
TRIGGER = ("smooth_frames", "on_frames", "hysteresis", "refractory_s")
# The TensorFlow Lite Micro front-end as `keras_sal.audio.MicroFrontend` and `frontend.h` have it.
MICRO_FRONTEND = {
    "kind": "micro",
    "sample_rate": audio.SAMPLE_RATE,
    "window_ms": round(1000 * audio.FRAME_OFFSET_S),
    "step_ms": round(1000 * audio.FRAME_STEP_S),
    "features": audio.FEATURES,
    "lower_band_hz": audio.LOWEST_HZ,
    "upper_band_hz": audio.HIGHEST_HZ,
    "noise_smoothing_bits": 10,
    "noise_even_smoothing": 0.025,
    "noise_odd_smoothing": 0.06,
    "noise_min_signal_remaining": 0.05,
    "pcan_strength": 0.95,
    "pcan_offset": 80.0,
    "pcan_gain_bits": 21,
    "log_scale_shift": 6,
    "feature_scale": 0.0390625,
}
FIXED = (
    "detector.cc",
    "detector.h",
    "interpreter.h",
    "tflm_interpreter.h",
    "trigger.cc",
    "trigger.h",
)


@dataclasses.dataclass(frozen=True)
class Bundle:
    """A folder written by `write`.

    Attributes:
        folder: The folder.
        manifest: Its manifest.
    """

    folder: Path
    manifest: dict

    @property
    def model_path(self):
        """The `.tflite` file."""
        return self.folder / self.manifest["model"]

    @property
    def threshold(self):
        """The trigger's threshold; a list for several classes."""
        return self.manifest["trigger"]["threshold"]

    @property
    def scoring(self):
        """The other arguments of `keras_sal.detection.detect`."""
        times = {name: self.manifest[name] for name in ("frame_step_s", "frame_offset_s")}
        return times | {name: self.manifest["trigger"][name] for name in TRIGGER}

    def open(self):
        """The model in the interpreter of TensorFlow Lite Micro."""
        return _open(self.model_path)


def write(model, folder, *, threshold, class_names=None, frontend=None, delay_frames=0, **scoring):
    """Writes a bundle for a converted model.

    Use it after `keras_sal.export.micro.convert`, with the threshold that was chosen with the
    converted model: that of the float model is another one.

    Args:
        model: `MicroModel`, or the path of its `.tflite` file.
        folder: Where to write; its parent exists. The folder appears complete or not at all; a
            bundle that stood there is replaced then, any other folder is refused.
        threshold: Float in [0, 1], one for each class, or a record by
            `keras_sal.detection.threshold_record`, which brings its trigger along.
        class_names: Names of the classes. Default: `"detection"`, or `"class_0"` and so on.
        frontend: `"micro"` where the features are those of `keras_sal.audio.MicroFrontend`, else
            None (default).
        delay_frames: How many answers late the model is, if it looks ahead: what
            `keras_sal.streaming.delay_frames` says of its step model. Default 0.
        **scoring: The trigger: fields of `keras_sal.detection.Scoring`. `frame_step_s`, seconds from
            one posterior to the next, is required unless `threshold` is a record.

    Returns:
        The `Bundle`.

    Raises:
        ImportError: A package of the `export` extra is missing.
        ValueError: An argument is unusable.
        ExportError: The model runs in no interpreter of TensorFlow Lite Micro.

    Example:

    >>> from keras_sal.export import bundle, micro
    >>> detector = micro.convert(model, "detector.tflite", streams)  # doctest: +SKIP
    >>> bundle.write(detector, "firmware", threshold=0.8, frame_step_s=0.01)  # doctest: +SKIP
    """
    folder = _check_folder(folder)
    model = _open(model) if isinstance(model, str | Path) else model
    content = model.path.read_bytes()
    file = Flatbuffer(content)
    output = _check_ends(model)
    classes = int(np.prod(output.shape))
    names = _check_names(class_names, classes)
    threshold, record, scoring = _check_trigger(threshold, scoring)
    thresholds = np.broadcast_to(as_thresholds(threshold, classes), classes).tolist()
    _check_finite(thresholds)
    frontend = _check_frontend(frontend, model)
    variables = sum(op.name == "VAR_HANDLE" for op in file.operators())
    positions = _positions(file)

    manifest = {
        "format": FORMAT,
        "model": MODEL,
        "quantization": file.quantization(),
        "state": "internal" if variables else "explicit",
        "inputs": [_end(info, positions) for info in model.inputs],
        "outputs": [_end(info, positions) for info in model.outputs],
        "states": [[name, name + NEXT] for name in model.ports.states],
        "frame_step_s": scoring.frame_step_s,
        "frame_offset_s": scoring.frame_offset_s,
        "delay_frames": check_delay(delay_frames),
        "classes": names,
        "frontend": frontend,
        "trigger": {"threshold": thresholds[0] if classes == 1 else thresholds}
        | {name: getattr(scoring, name) for name in TRIGGER},
        "threshold": record,
        "flash_bytes": len(content),
        "arena_bytes": model.arena_bytes,
        "macs": model.macs,
        "operators": list(model.operators),
        "resource_variables": variables,
        "versions": provenance.versions(),
    }
    texts = {
        **firmware_sources.model_data(content),
        "op_resolver.h": firmware_sources.op_resolver(model.operators, variables),
        **firmware_sources.settings(
            model,
            positions,
            scoring=scoring,
            thresholds=thresholds,
            class_names=names,
            arena_bytes=model.arena_bytes,
            delay_frames=delay_frames,
        ),
        **{name: firmware_sources.fixed(name) for name in FIXED},
        "main.cc": firmware_sources.fixed("main_audio.cc" if frontend else "main_frames.cc"),
    }
    if frontend:
        texts |= {name: firmware_sources.fixed(name) for name in ("frontend.h", "micro_frontend.h")}
    texts["README.md"] = firmware_readme.text(folder.name, manifest)
    files = {name: text.encode() for name, text in texts.items()} | {MODEL: content}
    manifest["sha256"] = {name: _sha256(files[name]) for name in sorted(files)}
    with atomic_folder(folder) as unfinished:
        for name, data in files.items():
            (unfinished / name).write_bytes(data)
        text = json.dumps(json_ready(manifest), indent=1, ensure_ascii=False) + "\n"
        (unfinished / MANIFEST).write_text(text, encoding="utf-8")
    return Bundle(folder, read_manifest(folder))


def read(folder):
    """Opens a bundle and checks its files.

    Args:
        folder: A folder written by `write`.

    Returns:
        The `Bundle`.

    Raises:
        ValueError: Not a bundle, one of another format, or one whose files have changed.
    """
    return Bundle(Path(folder), read_manifest(folder))


def read_manifest(folder):
    """The manifest of a bundle, once every file has been found to be the one that was written.

    Args:
        folder: A folder written by `write`.

    Returns:
        The content of `manifest.json`.

    Raises:
        ValueError: Not a bundle, one of another format, or one whose files have changed.
    """
    folder = Path(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        found = manifest["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"`folder` must hold a readable {MANIFEST}; it makes a folder a bundle. Received: "
            f"folder={str(folder)!r} ({type(error).__name__}: {error}). "
            "Write it with `keras_sal.export.bundle.write`."
        ) from error
    if found != FORMAT:
        raise ValueError(
            f"`folder` must hold a bundle of format {FORMAT}, the one this version reads. "
            f"Received: format={found!r} in {str(folder)!r}. "
            "Write it again, or use the version of keras_sal that wrote it."
        )
    for name, expected in manifest["sha256"].items():
        path = folder / name
        if not path.is_file():
            raise ValueError(_changed(folder, name, "is missing"))
        if _sha256(path.read_bytes()) != expected:
            raise ValueError(_changed(folder, name, "has another hash than in the manifest"))
    return manifest


def _open(path):
    from keras_sal.export.internal_state import InternalModel, is_internal
    from keras_sal.export.micro import MicroModel

    return InternalModel(path) if is_internal(path) else MicroModel(path)


def _check_folder(folder):
    folder = Path(folder)
    if not folder.absolute().parent.is_dir():
        raise ValueError(
            "`folder` must be in a folder that exists. "
            f"Received: folder={str(folder)!r}. Make its parent first."
        )
    replaced = (folder / MANIFEST).is_file()
    if folder.exists() and not replaced and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(
            "`folder` must be new, empty or a bundle, which is replaced as a whole. "
            f"Received: folder={str(folder)!r}, which holds something else. Name another one."
        )
    return folder


def _check_ends(model):
    if len(model.ports.posteriors) != 1:
        raise ValueError(
            "`model` must have one output of posteriors, whose channels are the classes. "
            f"Received: {list(model.ports.posteriors)}. Concatenate them into one layer."
        )
    output = next(info for info in model.outputs if info.name == model.ports.posteriors[0])
    dtypes = {info.dtype for info in (*model.inputs, *model.outputs)}
    if dtypes != {output.dtype} or output.dtype not in firmware_sources.C_TYPES:
        raise ValueError(
            "`model` must have inputs and outputs of one type, one of "
            f"{tuple(firmware_sources.C_TYPES)}, as `keras_sal.export.micro.convert` makes them. "
            f"Received: {sorted(dtypes)}. Convert it with that."
        )
    return output


def _check_names(names, classes):
    if names is None:
        return ["detection"] if classes == 1 else [f"class_{c}" for c in range(classes)]
    names = [names] if isinstance(names, str) else list(names)
    if len(names) != classes or not all(isinstance(name, str) and name for name in names):
        raise ValueError(
            f"`class_names` must name each of the {classes} classes of the model. "
            f"Received: class_names={names}. Give them in the order of the output's channels."
        )
    return names


def _check_trigger(threshold, scoring):
    """The threshold, how it was chosen, and the `Scoring` that goes with it."""
    if not isinstance(threshold, dict):
        if "frame_step_s" not in scoring:
            raise ValueError(
                "`frame_step_s` must be given: seconds from one posterior to the next. "
                "Received: none. Give it, or a record by `keras_sal.detection.threshold_record`."
            )
        return threshold, {"rule": "set by hand", "threshold": threshold}, Scoring(**scoring)
    chosen = threshold.get("scoring")
    if chosen is None or "threshold" not in threshold:
        raise ValueError(
            "`threshold` must be a number, one for each class, or a record by "
            "`keras_sal.detection.threshold_record`. "
            f"Received: a dict with the keys {sorted(threshold)}. Give the whole record."
        )
    others = {name for name, value in scoring.items() if chosen.get(name, value) != value}
    if others:
        name = min(others)
        raise ValueError(
            f"`{name}` must be the one the threshold was chosen with: another trigger has another "
            f"threshold. Received: {name}={scoring[name]}, in the record {chosen[name]}. "
            "Leave it out, or choose the threshold again."
        )
    return threshold["threshold"], threshold, Scoring(**(scoring | chosen))


def _check_finite(thresholds):
    if not all(map(math.isfinite, thresholds)):
        raise ValueError(
            "`threshold` must be in [0, 1]; a detector that never fires needs no firmware. "
            f"Received: threshold={thresholds}. Choose it on development data."
        )


def _check_frontend(frontend, model):
    if frontend is None:
        return None
    if frontend != "micro":
        raise ValueError(
            "`frontend` must be 'micro' or None, for features of your own. "
            f"Received: frontend={frontend!r}. None leaves `frontend.h` out."
        )
    shapes = [info.shape for info in model.inputs if info.name in model.ports.frames]
    if len(shapes) != 1 or shapes[0][-1] != MICRO_FRONTEND["features"]:
        raise ValueError(
            f"`frontend` must be None for this model: 'micro' has {MICRO_FRONTEND['features']} "
            f"features a frame. Received: frontend='micro', frames of shapes {shapes}. "
            "Compute the features in your firmware as for training."
        )
    return dict(MICRO_FRONTEND)


def _positions(file):
    """At which place the interpreter knows each named end."""
    inputs, outputs = list(file.graph.inputs), list(file.graph.outputs)
    return {name: inputs.index(index) for name, index in file.inputs.items()} | {
        name: outputs.index(index) for name, index in file.outputs.items()
    }


def _end(info, positions):
    return {"name": info.name, "index": positions[info.name]} | info._asdict()


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def _changed(folder, name, what):
    return (
        f"`folder` must hold the files that were written to it; one {what}. Received: {name!r} in "
        f"{str(folder)!r}. Write the bundle again; edit a copy of it if you must."
    )
