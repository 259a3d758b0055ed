"""Storage of a trained detector, so that an interrupted or repeated job can resume."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_sal import __version__
from keras_sal.data import Recording
from keras_sal.files import file_state, write_atomically
from keras_sal.progress import Reporter
from keras_sal.runtime.keras_file import load_keras_file


def describe_material(recordings: Sequence[Recording]) -> list[list[Any]]:
    """Return what is known of the recordings that are trained on, and the state of their files.

    Like for cached features, a file is another one if its size or modification time is.

    Args:
        recordings: The recordings of a job, of which those of the train split count.

    Returns:
        A list for each of them, ready for JSON.
    """
    return [
        [str(r.path), r.text, r.duration_s, r.onset_s, r.offset_s, r.noise, *_state(r.path)]
        for r in recordings
        if r.split == "train"
    ]


def kept_path(
    folder: Path, name: str, options: dict[str, Any], material: Sequence[Sequence[Any]]
) -> Path:
    """Return the file of the detector that these options and recordings lead to.

    Args:
        folder: Folder of the file.
        name: Beginning of its name.
        options: All options that the detector depends on.
        material: What it is trained on, from `describe_material`.

    Returns:
        A path that is another one for any other options or recordings to train on.
    """
    text = json.dumps([__version__, options, material], sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return folder / f"trained-{name}-{digest}.keras"


def load_or_train(
    path: Path, train: Callable[[Path], keras.Model], *, resume: bool, reporter: Reporter
) -> keras.Model:
    """Load the detector that is kept, or train it and keep it.

    Args:
        path: File of the detector, `*.keras`.
        train: Function that trains it, called with the file `*.npz` of its state after each epoch,
            from which it goes on.
        resume: Whether to load what is kept, or to go on with a training that was interrupted.
        reporter: Receiver of a line about what was found.

    Returns:
        The detector.
    """
    if resume and path.is_file():
        reporter.say(f"Trained before: {path}")
        return load_keras_file(path)
    checkpoint = path.with_suffix(".npz")
    if not resume:
        checkpoint.unlink(missing_ok=True)
    model = train(checkpoint)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, model.save)
    checkpoint.unlink(missing_ok=True)
    return model


def _state(path: Path) -> tuple[int, ...]:
    try:
        return file_state(Path(path))
    except OSError:
        return ()  # reading reports it
