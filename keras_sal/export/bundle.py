"""The bundle: the folder that a firmware engineer gets, with model, C++, README and manifest.

    bundle = write("detector.tflite", "bundle", threshold=0.8, frame_step_s=0.01)
    write("detector.tflite", "component", threshold=0.8, frame_step_s=0.01, package="esp-idf")
    read("bundle").open().stream(features)  # the posteriors that the device will compute

The sources quantize a frame, carry the state, run the model and apply the trigger as Python does,
to the bit. `manifest.json` holds all their numbers as JSON, and the hash of every file; `read`
refuses a folder whose files or manifest have changed, or whose manifest says another trigger than
the sources have. Format 1 of the manifest:

- `format`: version of this format.
- `model`, `quantization`, `state`: the file; the type of its numbers; `"explicit"` (carried by the
  caller) or `"internal"` (kept by the interpreter).
- `inputs`, `outputs`: lists of `name`, `index`, `shape`, `dtype`, `scale`, `zero_point`. A
  quantized `q` stands for `(q - zero_point) * scale`. The posterior of an output named `logit` is
  its sigmoid.
- `states`: `[input, output]` for each state: the output of a step is the input of the next.
- `frame_step_s`, `frame_offset_s`: output `t` is computed at `offset + t * step` seconds.
- `delay_frames`: by how many outputs the model is late; so many at the start belong to no frame.
- `classes`: their names. `frontend`: its `kind` and parameters, or null for features of one's own.
- `frontend_cost`: its `flash_bytes`, `ram_bytes`, `stack_bytes` and `instructions` a frame on a
  Cortex-M4, or null.
- `trigger`: `threshold` (a list for several classes), `smooth_frames`, `on_frames`, `hysteresis`,
  `refractory_s`. `threshold`: how it was chosen, as by `keras_sal.detection.threshold_record`, or
  for several classes by `join_threshold_records`.
- `flash_bytes`, `macs` (a step), `operators`, `resource_variables`.
- `arena_bytes`: measured with reference kernels on a 64-bit host. `arenas`: what is needed with
  `reference`, `cmsis_nn`, `cmsis_nn_mve` and `esp_nn` kernels, by `keras_sal.export.scratch`.
- `costs`: what `keras_sal.export.firmware.costs` states for a Cortex-M4: flash and RAM by part,
  instructions and duty cycle, with `reference` and `cmsis_nn` kernels.
- `namespace`: that of the model in C++.
- `sha256`: of every other file; in a package, but for the files of the example that its README
  names as yours to edit. `yours`: of those, as they were written.
- `versions`: of the packages that wrote it.
- `manifest_sha256`: of all this as JSON with sorted keys; `read` refuses a manifest that was
  changed. Manifests of earlier versions have none.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_sal.audio import FEATURES
from keras_sal.checks import require
from keras_sal.export.detector_settings import DetectorSettings, Threshold, WrittenDetector
from keras_sal.export.firmware import sources
from keras_sal.export.firmware.contents import MICRO_FRONTEND, MODEL, Contents
from keras_sal.export.firmware.package import ECOSYSTEMS, Ecosystem
from keras_sal.export.firmware.readme import readme
from keras_sal.export.frontend import check_frontend_step
from keras_sal.export.internal_state import InternalModel, is_internal
from keras_sal.export.kept_files import check_places, copy_files, kept_files
from keras_sal.export.manifest import BUNDLE, MANIFEST, load_json, read_manifest, sealed
from keras_sal.export.micro import MicroModel
from keras_sal.export.step_runner import TensorInfo
from keras_sal.export.tflite import gates
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.files import (
    atomic_folder,
    check_parent,
    check_plain_name,
    is_new_or_empty,
    json_ready,
)
from keras_sal.typing import PathLike


@dataclasses.dataclass(frozen=True)
class Bundle(WrittenDetector):
    """A folder written by `write`.

    Attributes:
        folder: The folder.
        manifest: Its manifest.
    """

    def open(self) -> MicroModel:
        """Load the model into the interpreter of TensorFlow Lite Micro."""
        return _open(self.model_path)


def write(
    model: MicroModel | PathLike,
    folder: PathLike,
    *,
    threshold: Threshold,
    class_names: str | Sequence[str] | None = None,
    frontend: str | None = None,
    delay_frames: int = 0,
    package: str | None = None,
    **scoring: Any,
) -> Bundle:
    """Write a bundle for a converted model.

    Use it after `keras_sal.export.micro.convert`, with a threshold that was chosen with the
    converted model, since the float model has another one.

    Args:
        model: The converted model, or the path of its `.tflite` file.
        folder: Where to write; its parent exists. The folder appears complete or not at all. Of a
            bundle at this path the files that were written are replaced then. Other files stay, and
            so does what its README names as yours to edit, if it was edited, with a `UserWarning`.
            Any other folder is refused. The C++ namespace of the model is made of its name, which
            has no quotes and other characters that mean something to build tools.
        threshold: Float in [0, 1], or one for each class, or a record by
            `keras_sal.detection.threshold_record`, which brings its trigger along; for several
            classes by `keras_sal.detection.join_threshold_records`.
        class_names: Names of the classes. Defaults to `"detection"`, or `"class_0"` and so on.
        frontend: `"micro"` if the features are those of `keras_sal.audio.MicroFrontend`, else
            `None` (default).
        delay_frames: By how many outputs the model is late, if it looks ahead: what
            `keras_sal.streaming.delay_frames` returns for its step model. Defaults to 0.
        package: `"esp-idf"`, `"arduino"`, `"zephyr"` or `"cmake"` for a folder that the build tool
            of this ecosystem builds as it is: the sources in `src/`, build files, and an example
            with a microphone. Defaults to `None`, for the sources alone.
        **scoring: The trigger: fields of `keras_sal.detection.Scoring`. `frame_step_s`, seconds
            from one output to the next, is required unless `threshold` is a record.

    Returns:
        The bundle.

    Raises:
        ImportError: If a package of the `export` extra is missing.
        ValueError: If an argument is unusable, or a file that is not of the bundle has the place of
            one of its own.
        ExportError: If the model runs in no interpreter of TensorFlow Lite Micro, or stops there
            with the kernels of CMSIS-NN.

    Example:

    >>> from keras_sal.export import bundle, micro
    >>> detector = micro.convert(model, "detector.tflite", streams)  # doctest: +SKIP
    >>> bundle.write(detector, "firmware", threshold=0.8, frame_step_s=0.01)  # doctest: +SKIP
    """
    folder, ecosystem = check_folder(folder, package), _check_package(package)
    model = model if isinstance(model, MicroModel) else _open(Path(model))
    classes = int(np.prod(_check_signature(model).shape))
    settings = DetectorSettings.checked(
        classes,
        threshold=threshold,
        class_names=class_names,
        delay_frames=delay_frames,
        scoring=scoring,
    )
    contents = Contents(
        model,
        name=folder.absolute().name,
        settings=settings,
        frontend=_check_frontend(frontend, model, settings.scoring.frame_step_s),
    )
    manifest = contents.manifest()
    texts, yours = contents.sources(), frozenset[str]()
    if ecosystem is not None:
        hears_audio = contents.frontend is not None
        texts = ecosystem.files(texts, contents.namespace, hears_audio=hears_audio)
        yours = frozenset(ecosystem.yours)
    texts |= {"README.md": readme(folder.name, manifest, ecosystem)}
    files = {name: text.encode() for name, text in texts.items()} | {MODEL: contents.content}
    hashes = {name: _sha256(files[name]) for name in sorted(files)}
    manifest["sha256"] = {name: hashes[name] for name in hashes if name not in yours}
    manifest["yours"] = {name: hashes[name] for name in hashes if name in yours}
    text = json.dumps(sealed(json_ready(manifest)), indent=1, ensure_ascii=False) + "\n"
    _write_files(folder, files | {MANIFEST: text.encode()}, yours)
    return read(folder)


def read(folder: PathLike) -> Bundle:
    """Open a bundle and check its files.

    Args:
        folder: A folder written by `write`.

    Returns:
        The bundle.

    Raises:
        ValueError: As from `keras_sal.export.manifest.read_manifest`.
    """
    return Bundle(Path(folder), read_manifest(folder))


def _write_files(folder: Path, files: Mapping[str, bytes], yours: Collection[str]) -> None:
    """Write the files of a bundle, and keep those of the folder that are not its own."""
    former = load_json(folder / MANIFEST, BUNDLE) if _is_bundle(folder) else {}
    kept = kept_files(folder, former, own={MANIFEST})
    check_places(folder, kept, files.keys() - yours)
    edited = [name for name in kept if name in yours and not _holds(folder / name, files[name])]
    with atomic_folder(folder) as unfinished:
        for name in files.keys() - kept:
            (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
            (unfinished / name).write_bytes(files[name])
        copy_files(kept, folder, unfinished)
    if edited:
        warnings.warn(
            f"These files of {str(folder)!r} were edited and stay as they are: "
            f"{', '.join(edited)}. Move them away and write the bundle again to get new ones.",
            stacklevel=3,
        )


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _open(path: Path) -> MicroModel:
    return InternalModel(path) if is_internal(path) else MicroModel(path)


def check_folder(folder: PathLike, package: str | None = None) -> Path:
    """Check that a bundle can be written to a folder, before a model is converted for it.

    Args:
        folder: Where to write.
        package: The ecosystem, as for `write`. Defaults to `None`.

    Returns:
        The path, as a `pathlib.Path`.

    Raises:
        ValueError: If its parent doesn't exist, build tools can't handle its name, or something
            else than a bundle is there.
    """
    folder, ecosystem = check_parent(folder), _check_package(package)
    check_plain_name(folder)
    if ecosystem is not None:
        ecosystem.check_name(folder.absolute().name)
    require(
        is_new_or_empty(folder) or _is_bundle(folder),
        "`folder` must be new, empty or a bundle, which is replaced as a whole. "
        f"Received: folder={str(folder)!r}, which holds something else. Name another one.",
    )
    return folder


def _is_bundle(folder: Path) -> bool:
    """Whether a folder was written by `write`; its files may have changed since."""
    try:
        manifest = load_json(folder / MANIFEST, BUNDLE)
    except ValueError:
        return False
    return {"format", "model", "sha256"} <= manifest.keys()


def _check_package(package: str | None) -> Ecosystem | None:
    require(
        package is None or (isinstance(package, str) and package in ECOSYSTEMS),
        f"`package` must be one of {tuple(ECOSYSTEMS)}, or None for the sources alone. "
        f"Received: package={package!r}.",
    )
    return None if package is None else ECOSYSTEMS[package]


def _check_signature(model: MicroModel) -> TensorInfo:
    """Return the posterior output of a model that the C++ can run."""
    posteriors = model.signature.posteriors
    require(
        len(posteriors) == 1,
        "`model` must have one output of posteriors, whose channels are the classes. "
        f"Received: {list(posteriors)}. Concatenate them into one layer.",
    )
    output = next(info for info in model.outputs if info.name == posteriors[0])
    dtypes = {info.dtype for info in (*model.inputs, *model.outputs)}
    require(
        dtypes == {output.dtype} and output.dtype in sources.C_TYPES,
        f"`model` must have inputs and outputs of one type, one of {tuple(sources.C_TYPES)}, as "
        f"`keras_sal.export.micro.convert` makes them. Received: {sorted(dtypes)}. "
        "Convert it with that.",
    )
    gates.check_cmsis_nn(Flatbuffer.from_file(model.path), {})
    return output


def _check_frontend(
    frontend: str | None, model: MicroModel, frame_step_s: float
) -> dict[str, Any] | None:
    if frontend is None:
        return None
    require(
        frontend == "micro",
        "`frontend` must be 'micro' or None, for features of your own. "
        f"Received: frontend={frontend!r}. None leaves `frontend.h` out.",
    )
    shapes = [info.shape for info in model.inputs if info.name in model.signature.frames]
    require(
        len(shapes) == 1 and shapes[0][-1] == FEATURES,
        f"`frontend` must be None for this model: 'micro' has {FEATURES} "
        f"features a frame. Received: frontend='micro', frames of shapes {shapes}. "
        "Compute the features in your firmware as for training.",
    )
    check_frontend_step(math.prod(shapes[0]) // FEATURES, frame_step_s)
    return dict(MICRO_FRONTEND)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
