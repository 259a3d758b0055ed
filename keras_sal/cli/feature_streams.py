"""Feature streams: the inputs on which `export` calibrates and `verify` compares models.

They are made from recordings, or read from a file. The file is an `.npz` whose arrays
`(frames, features)` are streams, each under a name of its own. An array `NAME.anchors_s` holds the
anchors of the events of stream NAME, in seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from keras_sal.data import Recording
    from keras_sal.data.wake_words import Words
    from keras_sal.typing import Array, PathLike, Progress

ANCHORS = ".anchors_s"
CALIBRATION_HOURS = 1.0
SNR_DB = 10.0


class FeatureStreams(NamedTuple):
    """Feature streams with their anchors.

    Args:
        features: List of arrays `(frames, features)`.
        anchors_s: List of arrays with the anchors of each stream in seconds, or `None` where they
            are unknown.
        classes: List of arrays with the class of each anchor. Defaults to `None`, where they are
            unknown.
    """

    features: list[Array]
    anchors_s: list[Array] | None
    classes: list[Array] | None = None

    @property
    def negative_hours(self) -> float:
        """Hours outside the hit windows, of streams of frames of 10 ms or of samples."""
        from keras_sal.audio import FRAME_STEP_S, SAMPLE_RATE
        from keras_sal.detection import negative_hours

        time_s = sum(
            len(each) * (FRAME_STEP_S if each.ndim > 1 else 1 / SAMPLE_RATE)
            for each in self.features
        )
        return negative_hours(time_s / 3600, sum(map(len, self.anchors_s or [])))


def output_times(runner: Any, options: argparse.Namespace) -> dict[str, float]:
    """Return the times of the outputs of a model.

    Args:
        runner: Runner of the model.
        options: Parsed arguments, of which `frame_step_s` and `frame_offset_s` come first where
            they are given.

    Returns:
        `frame_step_s` and `frame_offset_s`. Without arguments, frames are 10 ms apart.
    """
    from keras_sal import audio
    from keras_sal.runtime import runner_steps

    times = audio.output_times(runner_steps.frames_per_output(runner))
    given = {name: getattr(options, name) for name in times}
    return {name: time if given[name] is None else given[name] for name, time in times.items()}


def calibration_streams(
    runner: Any,
    recordings: Sequence[Recording],
    word: Words,
    *,
    cache: PathLike | None,
    progress: Progress,
) -> list[Array]:
    """Return features of the train split to calibrate a model with, in whole outputs.

    Args:
        runner: Runner of the model.
        recordings: The recordings.
        word: The wake word, or a list of several.
        cache: Folder of features, or `None`.
        progress: Called as `progress(done, total)`.
    """
    from keras_sal.data import training_streams
    from keras_sal.runtime import drop_remainder
    from keras_sal.training.release import calibration_sequences

    streams = training_streams(
        recordings, word, hours=CALIBRATION_HOURS, cache=cache, progress=progress
    )
    return drop_remainder(runner, calibration_sequences(streams))


def held_out_streams(
    runner: Any,
    recordings: Sequence[Recording],
    word: Words,
    split: str,
    *,
    cache: PathLike | None,
    progress: Progress,
    sound: bool = False,
) -> FeatureStreams:
    """Return streams of the dev or test split, clean and with noise, in whole outputs.

    Args:
        runner: Runner of the model.
        recordings: The recordings.
        word: The wake word, or a list of several, which are classes in this order.
        split: `"dev"` or `"test"`.
        cache: Folder of features, or `None`.
        progress: Called as `progress(done, total)`.
        sound: Whether to return samples `(samples,)` in the place of features. Defaults to `False`.
    """
    from keras_sal.data import evaluation_streams
    from keras_sal.runtime import drop_remainder

    streams = [
        stream
        for snr_db in (None, SNR_DB)
        for stream in evaluation_streams(
            recordings, word, split, snr_db=snr_db, cache=cache, progress=progress
        )
    ]
    features = (
        [stream.samples() for stream in streams]
        if sound
        else drop_remainder(runner, [stream.features for stream in streams])
    )
    events = [stream.events for stream in streams]
    return FeatureStreams(features, [e[:, 1] for e in events], [e[:, 2] for e in events])


def read_feature_streams(path: PathLike) -> FeatureStreams:
    """Read a file of feature streams.

    Args:
        path: Path of the `.npz` file.

    Raises:
        ValueError: If it is no such file, or has anchors of a stream that it lacks.
    """
    import numpy as np

    from keras_sal.files import DAMAGED_ARRAYS

    path = Path(path)
    try:
        with np.load(path) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except DAMAGED_ARRAYS as error:
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
    anchors_s = [anchors.get(name, np.zeros(0)) for name in streams] if anchors else None
    return FeatureStreams(list(streams.values()), anchors_s)
