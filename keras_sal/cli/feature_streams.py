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


def answer_times(runner, options):
    """When a model answers: as asked for, else by how many frames of 10 ms an answer takes."""
    from keras_sal import audio
    from keras_sal.runtime import runners

    times = audio.answer_times(runners.frames_per_output(runner))
    return {name: time if options[name] is None else options[name] for name, time in times.items()}


def calibration_streams(runner, recordings, word, *, cache, progress):
    """Streams of the train split to roll a model through, in whole answers."""
    from keras_sal.data import training_streams
    from keras_sal.runtime import drop_remainder
    from keras_sal.training.release import calibration_sequences

    streams = training_streams(
        recordings, word, hours=CALIBRATION_HOURS, cache=cache, progress=progress
    )
    return drop_remainder(runner, calibration_sequences(streams))


def held_out_streams(runner, recordings, word, split, *, cache, progress):
    """Streams of the dev or test split, clean and with noise, in whole answers."""
    from keras_sal.data import evaluation_streams
    from keras_sal.runtime import drop_remainder

    streams = [
        stream
        for snr_db in (None, SNR_DB)
        for stream in evaluation_streams(
            recordings, word, split, snr_db=snr_db, cache=cache, progress=progress
        )
    ]
    features = drop_remainder(runner, [stream.features for stream in streams])
    return Streams(features, [stream.events[:, 1] for stream in streams])


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
