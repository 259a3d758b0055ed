"""What `export` and `verify` let a model hear: streams of recordings, or features from a file.

A file of features is an `.npz` whose arrays `(frames, features)` are streams, each under a name of
its own; an array `NAME.anchors_s` holds the times of the events of stream NAME, in seconds.
"""

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

ANCHORS = ".anchors_s"
CALIBRATION_HOURS = 1.0
SNR_DB = 10.0


class Streams(NamedTuple):
    """Feature sequences and, where they are known, the times of their events."""

    features: list
    anchors_s: list | None


def load_model(path):
    """Reads a `.keras` file."""
    import keras

    path = Path(path)
    if path.suffix != ".keras" or not path.is_file():
        raise ValueError(
            "`MODEL` must be a .keras file, saved with model.save(). "
            f"Received: {str(path)!r}. Save the trained model, any backend will do."
        )
    return keras.models.load_model(path, compile=False)


def calibration_streams(recordings, word, *, cache, progress):
    """Streams of the train split to roll a model through."""
    from keras_sal.datasets import training_streams
    from keras_sal.shipping import calibration_sequences

    streams = training_streams(
        recordings, word, hours=CALIBRATION_HOURS, cache=cache, progress=progress
    )
    return calibration_sequences(streams)


def held_out_streams(recordings, word, split, *, cache, progress):
    """Streams of the dev or test split, clean and with noise."""
    from keras_sal.datasets import evaluation_streams

    streams = [
        stream
        for snr_db in (None, SNR_DB)
        for stream in evaluation_streams(
            recordings, word, split, snr_db=snr_db, cache=cache, progress=progress
        )
    ]
    return Streams([s.features for s in streams], [s.events[:, 1] for s in streams])


def read_features(path):
    """Streams of a file of features."""
    path = Path(path)
    try:
        with np.load(path) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise ValueError(
            "`--calibration` and `--streams` must name an .npz file with an array "
            f"(frames, features) for each stream. Received: {str(path)!r} ({error}). "
            "Write it with numpy.savez(path, *streams)."
        ) from error
    anchors = {n.removesuffix(ANCHORS): a for n, a in arrays.items() if n.endswith(ANCHORS)}
    streams = {name: array for name, array in arrays.items() if not name.endswith(ANCHORS)}
    lonely = sorted(set(anchors) - set(streams))
    if not streams or lonely:
        raise ValueError(
            f"{str(path)!r} must hold an array (frames, features) for each stream, and no anchors "
            f"without one. Received: streams={sorted(streams)}, anchors without a stream={lonely}. "
            f"Call the anchors of stream NAME NAME{ANCHORS}."
        )
    times = [anchors.get(name, np.zeros(0)) for name in streams] if anchors else None
    return Streams(list(streams.values()), times)
