"""The manifest of a bundle: reading of a folder that anybody may have written.

`keras_sal.export.bundle` describes the format. A manifest is used only if every field that a
detector needs is there and in range, and if the model is a file of the folder with a known hash.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_sal.checks import require
from keras_sal.detection import Scoring
from keras_sal.detection.validation import validate_delay_frames, validate_thresholds
from keras_sal.export.firmware.contents import FORMAT, MICRO_FRONTEND, TRIGGER
from keras_sal.files import file_sha256
from keras_sal.typing import PathLike

MANIFEST = "manifest.json"
MOST_BYTES = 16 << 20
LONGEST_NAME = 120
SHA256 = re.compile("[0-9a-f]{64}")


def read_manifest(folder: PathLike) -> dict[str, Any]:
    """Read the manifest of a bundle, after its files were compared with their hashes.

    Args:
        folder: A folder written by `keras_sal.export.bundle.write`.

    Returns:
        The content of `manifest.json`.

    Raises:
        ValueError: If it is not a bundle, has another format, its files have changed, or a field
            that a detector needs is missing or out of range.
    """
    folder = Path(folder)
    manifest = _load(folder)
    found = manifest.get("format")
    require(
        found == FORMAT and not isinstance(found, bool),
        f"`folder` must hold a bundle of format {FORMAT}, the one this version reads. "
        f"Received: format={found!r} in {str(folder)!r}. "
        "Write it again, or use the version of keras_sal that wrote it.",
    )
    _check_files(folder, manifest)
    for name, check in _CHECKS.items():
        try:
            check(manifest)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else error
            value = manifest.get(name, "nothing")
            raise ValueError(
                f"`folder` must hold a {MANIFEST} whose {name!r} can be used; a detector needs it. "
                f"Received: {name}={_short(value)} in {str(folder)!r} ({reason}). "
                "Write the bundle again with `keras_sal.export.bundle.write`."
            ) from error
    return manifest


def _load(folder: Path) -> dict[str, Any]:
    """Read the JSON of a manifest; `Infinity` and `NaN` are not JSON."""
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
        manifest = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        if not isinstance(manifest, dict):
            raise ValueError(f"it holds {type(manifest).__name__}, not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"`folder` must hold a readable {MANIFEST}; it makes a folder a bundle. Received: "
            f"folder={str(folder)!r} ({type(error).__name__}: {error}). "
            "Write it with `keras_sal.export.bundle.write`."
        ) from error
    return manifest


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not a finite number")


def _check_files(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Compare every file with its hash."""
    hashes: Any = manifest.get("sha256")
    require(
        isinstance(hashes, dict)
        and len(hashes) > 0
        and all(isinstance(value, str) and SHA256.fullmatch(value) for value in hashes.values()),
        f"`folder` must hold a {MANIFEST} with the SHA-256 of every file; changed files are found "
        f"by it. Received: sha256={_short(hashes)} in {str(folder)!r}. Write the bundle again.",
    )
    for name, expected in hashes.items():
        require(
            _is_plain(name),
            "`folder` must hold its files itself; a manifest may name no others. "
            f"Received: {name!r} in {str(folder)!r}. Do not use this bundle.",
        )
        path = folder / name
        require(path.is_file(), _changed_message(folder, name, "is missing"))
        require(
            file_sha256(path) == expected,
            _changed_message(folder, name, "has another hash than in the manifest"),
        )


def _is_plain(name: str) -> bool:
    """Whether a name is that of a file in the folder itself, on every system."""
    short = 0 < len(name) <= LONGEST_NAME and name not in (".", "..")
    return short and not set(name) & set('/\\:\0"<>|?*')


def _check_model(manifest: Mapping[str, Any]) -> None:
    name = manifest["model"]
    if not (isinstance(name, str) and name.endswith(".tflite") and name in manifest["sha256"]):
        raise ValueError("it must be a .tflite file of the folder whose SHA-256 is given")


def _check_classes(manifest: Mapping[str, Any]) -> None:
    names = manifest["classes"]
    texts = isinstance(names, list) and all(isinstance(name, str) and name for name in names)
    if not (names and texts):
        raise ValueError("it must be a list of names")


def _check_times(manifest: Mapping[str, Any]) -> None:
    Scoring(frame_step_s=manifest["frame_step_s"], frame_offset_s=manifest["frame_offset_s"])


def _check_delay(manifest: Mapping[str, Any]) -> None:
    validate_delay_frames(manifest["delay_frames"])


def _check_frontend(manifest: Mapping[str, Any]) -> None:
    found = manifest["frontend"]
    if found is None:
        return
    if not isinstance(found, dict) or found.get("kind") != MICRO_FRONTEND["kind"]:
        raise ValueError(
            "it must be null or of the kind 'micro'; others are not known here. Pass your own to "
            "StreamingDetector(model, frontend=...)"
        )
    other = {
        key: found.get(key, "nothing")
        for key in sorted({*found, *MICRO_FRONTEND})
        if key not in found or key not in MICRO_FRONTEND or found[key] != MICRO_FRONTEND[key]
    }
    if other:
        raise ValueError(f"the front-end that runs has other parameters than {_short(other)}")


def _check_trigger(manifest: Mapping[str, Any]) -> None:
    trigger = manifest["trigger"]
    rule = {name: trigger[name] for name in TRIGGER}
    Scoring(frame_step_s=manifest["frame_step_s"], **rule)
    thresholds = validate_thresholds(trigger["threshold"], len(manifest["classes"]))
    if not np.isfinite(thresholds).all():
        raise ValueError("a threshold that is not finite never fires")


def _check_record(manifest: Mapping[str, Any]) -> None:
    if not isinstance(manifest["threshold"], dict | None):
        raise ValueError("it must be an object that tells how the threshold was chosen, or null")


_CHECKS: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "model": _check_model,
    "classes": _check_classes,
    "frame_step_s": _check_times,
    "delay_frames": _check_delay,
    "frontend": _check_frontend,
    "trigger": _check_trigger,
    "threshold": _check_record,
}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."


def _changed_message(folder: Path, name: str, change: str) -> str:
    return (
        f"`folder` must hold the files that were written to it; one {change}. Received: {name!r} "
        f"in {str(folder)!r}. Write the bundle again; edit a copy of it if you must."
    )
