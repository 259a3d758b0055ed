"""Notes: the plans of streams as JSON, with the paths of recordings relative to a folder."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from keras_sal.data.placed_recording import PlacedRecording
from keras_sal.data.recordings import Recording
from keras_sal.data.streams import Stream

MOST_SHARED = 100_000  # recordings


def note_of_stream(stream: Stream, root: Path) -> dict[str, Any]:
    """Return all of a stream but its features.

    Args:
        stream: The `keras_sal.data.Stream`.
        root: Folder above all of its recordings.

    Returns:
        A dict for JSON: the recordings, each once, then what is placed, by their numbers.
    """
    listed: dict[str, tuple[int, Recording]] = {}

    def number_of(recording: Recording) -> int:
        number, _ = listed.setdefault(repr(recording), (len(listed), recording))
        return number

    def note(item: Recording | PlacedRecording) -> dict[str, Any]:
        if isinstance(item, Recording):
            return {"recording": number_of(item)}
        return _set_fields(item) | {"recording": number_of(item.recording)}

    placed, noise = [note(each) for each in stream.placed], [note(each) for each in stream.noise]
    recordings = [note_of_recording(recording, root) for _, recording in listed.values()]
    plan = {"placed": placed, "noise": noise, "recordings": recordings}
    return _set_fields(stream) | plan


def stream_of_note(note: Mapping[str, Any], root: Path, features: Any = None) -> Stream:
    """Return the stream of a note.

    Args:
        note: A note of `note_of_stream`.
        root: Folder above all of its recordings.
        features: Features of the stream. Defaults to `None`.

    Returns:
        The `keras_sal.data.Stream`.

    Raises:
        KeyError, TypeError, IndexError: If it is a note of something else.
    """
    recordings = [_recording(root, **each) for each in note["recordings"]]

    def item(each: dict[str, Any]) -> Recording | PlacedRecording:
        recording = recordings[each["recording"]]
        if "start_s" not in each:
            return recording
        part = {"part_s": tuple(each["part_s"])} if "part_s" in each else {}
        return PlacedRecording(**{**each, **part, "recording": recording})

    known = {name: value for name, value in note.items() if name != "recordings"}
    placed = {name: tuple(item(each) for each in note[name]) for name in ("placed", "noise")}
    return Stream(**(known | placed | {"features": features}))


def note_of_recording(recording: Recording, root: Path) -> dict[str, Any]:
    """Return what is known about a recording.

    Args:
        recording: The `keras_sal.data.Recording`.
        root: Folder above it.

    Returns:
        A dict for JSON.
    """
    return _set_fields(recording) | {"path": recording.path.relative_to(root).as_posix()}


@functools.lru_cache(MOST_SHARED)
def _recording(root: Path, path: str, **known: Any) -> Recording:
    """A recording, which is the same object in all streams."""
    return Recording(root / path, **known)


def _set_fields(item: Any) -> dict[str, Any]:
    """The fields that differ from their defaults, one of which is `nan`."""
    values = [(each, getattr(item, each.name)) for each in fields(item) if each.compare]
    return {
        each.name: value
        for each, value in values
        if each.default is MISSING or repr(value) != repr(each.default)
    }
