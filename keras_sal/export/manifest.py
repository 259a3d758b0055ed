"""Manifests: reading of JSON files that anybody may have written.

`keras_sal.export.bundle` and `keras_sal.export.detector_file` describe their formats. A manifest is
used only if every field that a detector needs is there and in range, and if the model is a file of
the folder with a known hash.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_sal.checks import require
from keras_sal.detection import Scoring
from keras_sal.detection.validation import validate_delay_frames, validate_thresholds
from keras_sal.export.detector_settings import TRIGGER, is_class_name
from keras_sal.export.firmware import sources
from keras_sal.export.firmware.contents import FORMAT, MICRO_FRONTEND
from keras_sal.files import file_sha256
from keras_sal.typing import PathLike

MANIFEST = "manifest.json"
DIGEST = "manifest_sha256"
MOST_BYTES = 16 << 20
LONGEST_NAME = 120
MOST_PARTS = 4  # examples/detect/main/light.h
SETTINGS_FILES = re.compile(r"(.*/)?detector_settings[.](h|cc|cpp)")
SHA256 = re.compile("[0-9a-f]{64}")

Manifest = Mapping[str, Any]
Check = Callable[[Manifest], None]


class Kind(NamedTuple):
    """A kind of manifest, and what error messages say about it.

    Attributes:
        format: The version that is read.
        holder: What holds such a manifest, as the subject of a sentence.
        thing: What the manifest makes of its folder or file.
        writer: The function that writes it.
        checks: A check for each field that a detector needs.
    """

    format: int
    holder: str
    thing: str
    writer: str
    checks: Mapping[str, Check]


def read_manifest(folder: PathLike) -> dict[str, Any]:
    """Read the manifest of a bundle, after its files were compared with their hashes.

    Args:
        folder: A folder written by `keras_sal.export.bundle.write`.

    Returns:
        The content of `manifest.json`.

    Raises:
        ValueError: If it is not a bundle, has another format, its files have changed, a field
            that a detector needs is missing or out of range, the sources have another trigger, or
            anything else in it was changed.
    """
    manifest = read_json(Path(folder) / MANIFEST, BUNDLE)
    _check_sources(Path(folder), manifest)
    _check_digest(Path(folder), manifest)
    return manifest


def sealed(manifest: Manifest) -> dict[str, Any]:
    """Return a manifest with the hash of its own content, by which changes of it are found.

    Args:
        manifest: Its content as JSON holds it; an older hash is replaced.
    """
    content = {name: value for name, value in manifest.items() if name != DIGEST}
    text = json.dumps(content, sort_keys=True)
    return content | {DIGEST: hashlib.sha256(text.encode()).hexdigest()}


def read_json(path: Path, kind: Kind) -> dict[str, Any]:
    """Read a manifest of some kind.

    Args:
        path: The file.
        kind: Its kind.

    Returns:
        Its content.

    Raises:
        ValueError: As from `read_manifest`.
    """
    manifest = load_json(path, kind)
    found = manifest.get("format")
    place = str(path.parent if kind is BUNDLE else path)
    require(
        found == kind.format and not isinstance(found, bool),
        f"{kind.holder} {kind.thing} of format {kind.format}, the one this version reads. "
        f"Received: format={found!r} in {place!r}. "
        "Write it again, or use the version of keras_sal that wrote it.",
    )
    _check_files(path.parent, manifest, kind)
    for name, check in kind.checks.items():
        try:
            check(manifest)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else error
            value = manifest.get(name, "nothing")
            raise ValueError(
                f"{kind.holder} a {path.name} whose {name!r} can be used; a detector needs it. "
                f"Received: {name}={_short(value)} in {place!r} ({reason}). "
                f"Write it again with `{kind.writer}`."
            ) from error
    return manifest


def load_json(path: Path, kind: Kind) -> dict[str, Any]:
    """Read the JSON of a manifest, unchecked; `Infinity` and `NaN` are not JSON.

    Args:
        path: The file.
        kind: Its kind, for the error message.

    Raises:
        ValueError: If it is no JSON object, or too large.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
        manifest = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        if not isinstance(manifest, dict):
            raise ValueError(f"it holds {type(manifest).__name__}, not an object")
    except (OSError, ValueError, RecursionError) as error:
        inside = path.parent / "firmware"  # where a training puts its bundle
        is_there = kind is BUNDLE and (inside / MANIFEST).is_file() and not path.exists()
        raise ValueError(
            f"{kind.holder} a readable {path.name}; it makes {kind.thing}. Received: "
            f"{str(path.parent)!r} ({type(error).__name__}: {error}). "
            + (f"Name {str(inside)!r}." if is_there else f"Write it with `{kind.writer}`.")
        ) from error
    return manifest


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not a finite number")


def _check_files(folder: Path, manifest: Manifest, kind: Kind) -> None:
    """Compare every file with its hash."""
    hashes: Any = manifest.get("sha256")
    require(
        isinstance(hashes, dict)
        and len(hashes) > 0
        and all(isinstance(value, str) and SHA256.fullmatch(value) for value in hashes.values()),
        f"{kind.holder} {kind.thing} with the SHA-256 of every file; changed files are found by "
        f"it. Received: sha256={_short(hashes)} in {str(folder)!r}. Write it again.",
    )
    for name, expected in hashes.items():
        require(
            _is_plain(name),
            "`folder` must hold its files itself; a manifest may name no others. "
            f"Received: {name!r} in {str(folder)!r}. Do not use it.",
        )
        path = folder / name
        require(path.is_file(), _changed_message(folder, name, "is missing"))
        require(
            file_sha256(path) == expected,
            _changed_message(folder, name, "has another hash than in the manifest"),
        )


def _check_sources(folder: Path, manifest: Manifest) -> None:
    """Compare the trigger, the classes and the delay with those of the sources."""
    paths = [folder / name for name in manifest["sha256"] if SETTINGS_FILES.fullmatch(name)]
    if not paths:
        return
    text = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in paths)
    rule = {name: manifest["trigger"][name] for name in TRIGGER}
    wanted = {
        "trigger": sources.trigger_table(
            Scoring(frame_step_s=manifest["frame_step_s"], **rule), _thresholds(manifest)
        ),
        "classes": sources.class_table(manifest["classes"]),
        "delay_frames": sources.delay_line(manifest["delay_frames"]),
    }
    for name, lines in wanted.items():
        require(
            lines in text,
            f"`folder` must hold a {MANIFEST} whose {name!r} is that of its sources; Python must "
            f"detect what the device does. Received: {name}={_short(manifest[name])} in "
            f"{str(folder)!r}, and another one in {paths[-1].name}. Write the bundle again with "
            f"`{BUNDLE.writer}`, for another trigger too.",
        )


def _check_digest(folder: Path, manifest: Manifest) -> None:
    """Compare a manifest with its own hash; those of earlier versions have none."""
    require(
        DIGEST not in manifest or sealed(manifest) == manifest,
        f"`folder` must hold the {MANIFEST} that was written to it; it describes the model and the "
        f"sources. Received: one whose content has another SHA-256 than its {DIGEST!r}, in "
        f"{str(folder)!r}. Write the bundle again with `{BUNDLE.writer}`.",
    )


def _is_plain(name: str) -> bool:
    """Whether a name is that of a file in the folder or in folders in it, on every system."""
    parts = name.split("/")
    inside = len(parts) <= MOST_PARTS and not {"", ".", ".."} & {*parts}
    short = all(len(part) <= LONGEST_NAME for part in parts)
    return inside and short and not set(name) & set('\\:\0"<>|?*')


def check_model(suffixes: tuple[str, ...]) -> Check:
    """Return the check that the model is a file with one of these suffixes."""

    def check(manifest: Manifest) -> None:
        name = manifest["model"]
        if not (isinstance(name, str) and name.endswith(suffixes) and name in manifest["sha256"]):
            described = " or ".join(suffixes)
            raise ValueError(f"it must be a {described} file of the folder whose SHA-256 is given")

    return check


def _check_classes(manifest: Manifest) -> None:
    names = manifest["classes"]
    if not (names and isinstance(names, list) and all(map(is_class_name, names))):
        raise ValueError("it must be a list of names")


def _check_times(manifest: Manifest) -> None:
    Scoring(frame_step_s=manifest["frame_step_s"], frame_offset_s=manifest["frame_offset_s"])


def _check_delay(manifest: Manifest) -> None:
    validate_delay_frames(manifest["delay_frames"])


def _check_frontend(manifest: Manifest) -> None:
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


def _check_trigger(manifest: Manifest) -> None:
    trigger = manifest["trigger"]
    rule = {name: trigger[name] for name in TRIGGER}
    Scoring(frame_step_s=manifest["frame_step_s"], **rule)
    if not np.isfinite(_thresholds(manifest)).all():
        raise ValueError("a threshold that is not finite never fires")


def _thresholds(manifest: Manifest) -> list[float]:
    """The threshold of each class."""
    classes = len(manifest["classes"])
    found = validate_thresholds(manifest["trigger"]["threshold"], classes)
    return np.broadcast_to(found, classes).tolist()


def _check_record(manifest: Manifest) -> None:
    record = manifest["threshold"]
    if not isinstance(record, dict | None):
        raise ValueError("it must be an object that tells how the threshold was chosen, or null")
    if record is None:
        return
    chosen = np.broadcast_to(np.ravel(record["threshold"]), len(manifest["classes"])).tolist()
    if chosen != _thresholds(manifest):
        raise ValueError(
            f"the trigger has the threshold {_short(manifest['trigger']['threshold'])}, which is "
            "not the one chosen"
        )


SETTINGS: dict[str, Check] = {
    "classes": _check_classes,
    "frame_step_s": _check_times,
    "delay_frames": _check_delay,
    "frontend": _check_frontend,
    "trigger": _check_trigger,
    "threshold": _check_record,
}
BUNDLE = Kind(
    FORMAT,
    holder="`folder` must hold",
    thing="a bundle",
    writer="keras_sal.export.bundle.write",
    checks={"model": check_model((".tflite",)), **SETTINGS},
)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."


def _changed_message(folder: Path, name: str, change: str) -> str:
    return (
        f"`folder` must hold the files that were written to it; one {change}. Received: {name!r} "
        f"in {str(folder)!r}. Write it again; edit a copy of it if you must."
    )
