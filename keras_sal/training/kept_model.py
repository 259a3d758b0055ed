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
from keras_sal.files import write_atomically
from keras_sal.progress import Reporter
from keras_sal.runtime.keras_file import load_keras_file


def kept_path(
    folder: Path, name: str, options: dict[str, Any], recordings: Sequence[Recording]
) -> Path:
    """Return the file of the detector that these options and recordings lead to.

    Args:
        folder: Folder of the file.
        name: Beginning of its name.
        options: All options that the detector depends on.
        recordings: The recordings of the job, of which those of the train split count.

    Returns:
        A path that is another one for any other options or recordings to train on.
    """
    rows = [
        (str(r.path), r.text, r.duration_s, r.onset_s, r.offset_s)
        for r in recordings
        if r.split == "train"
    ]
    text = json.dumps([__version__, options, rows], sort_keys=True, default=str)
    return folder / f"trained-{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.keras"


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
