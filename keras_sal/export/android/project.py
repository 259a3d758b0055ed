"""The project: the files of the template, completed for a detector."""

from __future__ import annotations

import json
import string
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from keras_sal.checks import require
from keras_sal.export import detector_file
from keras_sal.export.android.golden import golden_values
from keras_sal.export.detector_file import DetectorFile
from keras_sal.export.firmware.readme import markdown_text
from keras_sal.export.firmware.sources import namespace_of
from keras_sal.files import atomic_folder, check_parent, is_new_or_empty, json_ready
from keras_sal.typing import PathLike

ASSETS = "detector/src/main/assets"
DESCRIPTION, GOLDEN = "detector.json", "golden.json"  # names that the Java opens
TEMPLATES = {
    "README.md",
    "settings.gradle.kts",
    "app/build.gradle.kts",
    "app/src/main/res/values/strings.xml",
}
NAMES = {"gitignore": ".gitignore"}  # in the package it would hide files


def write(detector: DetectorFile | PathLike, folder: PathLike) -> Path:
    """Write a project for Android Studio.

    Use it to try a detector on a phone, and to take its module `detector` into an app.

    Args:
        detector: A `.tflite` file from sound to posteriors with its description, as
            `keras_sal.export.detector_file.write` returns it, or the path of either.
        folder: Where to write; its parent exists. It is new or empty, since people change the code
            of a project. The folder appears complete or not at all.

    Returns:
        The path of the folder.

    Raises:
        ImportError: If LiteRT, which computes the golden posteriors, is missing.
        ValueError: If the detector takes features or is no `.tflite` file, or the folder can't be
            written.

    Example:

    >>> from keras_sal.export import android, detector_file, litert
    >>> detector = litert.convert(model, "detector.tflite", frontend="micro")  # doctest: +SKIP
    >>> detector_file.write(detector, threshold=0.8, frontend="micro")  # doctest: +SKIP
    >>> android.write("detector.tflite", "phone")  # doctest: +SKIP
    """
    folder = check_folder(folder)
    detector = detector if isinstance(detector, DetectorFile) else detector_file.read(detector)
    _check_detector(detector)
    assets = {
        DESCRIPTION: _json(detector.manifest),
        GOLDEN: _json(golden_values(detector)),
        detector.model_path.name: detector.model_path.read_bytes(),
    }
    files = _template(_values(detector)) | {f"{ASSETS}/{k}": v for k, v in assets.items()}
    with atomic_folder(folder) as unfinished:
        for name, content in files.items():
            path = unfinished / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return folder


def check_folder(folder: PathLike) -> Path:
    """Check that a project can be written to a folder.

    Args:
        folder: The folder.

    Returns:
        Its path.

    Raises:
        ValueError: If its parent is missing, or something is in it.
    """
    folder = check_parent(folder)
    require(
        is_new_or_empty(folder),
        "`folder` must be new or empty; code in a project may have been changed by hand. "
        f"Received: folder={str(folder)!r}, which holds something. Name another one, and copy its "
        f"{ASSETS} to this one.",
    )
    return folder


def _check_detector(detector: DetectorFile) -> None:
    samples, name = detector.samples_per_step, detector.manifest["model"]
    require(
        samples is not None and name.endswith(".tflite"),
        "`detector` must be a .tflite file that takes samples, as a microphone gives them. "
        f"Received: {name!r}, which takes {detector.manifest['input']}. Convert the model with "
        '`keras_sal.export.litert.convert(..., frontend="micro")`.',
    )


def _template(values: dict[str, Any]) -> dict[str, bytes]:
    """Return the files of the template by their paths in the project."""
    root = resources.files("keras_sal.export.android").joinpath("template")
    files = {}
    for name, file in _walk(root):
        content = file.read_bytes()
        if name in TEMPLATES:
            content = string.Template(content.decode()).substitute(values).encode()
        files[NAMES.get(name, name)] = content
    return files


def _walk(folder: Traversable, prefix: str = "") -> list[tuple[str, Traversable]]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = prefix + entry.name
        found += _walk(entry, f"{name}/") if entry.is_dir() else [(name, entry)]
    return found


def _values(detector: DetectorFile) -> dict[str, Any]:
    """Return what the templates hold of a detector."""
    manifest = detector.manifest
    classes = ", ".join(map(markdown_text, manifest["classes"]))
    return {
        "slug": namespace_of(manifest["name"]),
        "label": _resource_text(manifest["name"]),
        "title": markdown_text(manifest["name"]),
        "classes": classes,
        "thresholds": ", ".join(f"{level:.6g}" for level in detector.thresholds),
        "model": markdown_text(manifest["model"]),
        "bytes": f"{detector.model_path.stat().st_size:,}",
        "quantization": manifest["quantization"],
        "step_ms": f"{1000 * manifest['frame_step_s']:g}",
        "version": manifest["versions"].get("keras-sal", "unknown"),
    }


def _resource_text(text: str) -> str:
    r"""Return a text for `strings.xml`, in which quotes and a first @ or ? mean something else.

    Example:
        >>> print(_resource_text("@it's <b>\n"))
        \@it\'s &lt;b&gt;
    """
    in_one_line = " ".join(text.split())
    escaped = in_one_line.replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"')
    return escape("\\" + escaped if escaped[:1] in ("@", "?") else escaped)


def _json(value: Any) -> bytes:
    return (json.dumps(json_ready(value), ensure_ascii=False) + "\n").encode()
