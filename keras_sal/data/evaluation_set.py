"""Evaluation streams: the recordings of a split, each once, to score detectors on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from keras_sal.checks import in_range, positive
from keras_sal.data.duplicates import group_duplicates
from keras_sal.data.placed_recording import PlacedRecording
from keras_sal.data.recordings import Recording
from keras_sal.data.recordings_table import SPLITS
from keras_sal.data.selection import select_split
from keras_sal.data.stream_builder import StreamBuilder
from keras_sal.data.streams import Stream, compute_features
from keras_sal.data.wake_words import Words, class_of, compared_words
from keras_sal.typing import PathLike, Progress


def evaluation_streams(
    recordings: Sequence[Recording],
    word: Words,
    split: str,
    *,
    snr_db: float | None = None,
    stream_s: float = 300.0,
    pause_s: tuple[float, float] = (0.2, 1.0),
    seed: int = 0,
    workers: int = 2,
    cache: PathLike | None = None,
    progress: Progress | None = None,
) -> list[Stream]:
    """Lay a split into streams to score a detector on: each recording once, shuffled, unaltered.

    A warning gives the number of utterances if recordings of the word are duplicates of one
    another: a confidence interval that counts each recording on its own is too narrow then.

    Args:
        recordings: A sequence of `Recording`, from `load_recordings`.
        word: Wake word. Its recordings are the events, all others negatives. Of a list of several,
            each is a class of events, numbered from 0.
        split: `"train"`, `"dev"` or `"test"`; only recordings of this split are used.
        snr_db: Signal-to-noise ratio in dB at which noise is played under every recording: the
            noise of the split, or pink noise if it has none. `None` (default) adds no noise.
        stream_s: Approximate length of a stream in seconds, greater than 0. Defaults to 300.
        pause_s: Shortest and longest pause between recordings, in seconds. Defaults to
            `(0.2, 1.0)`.
        seed: Seed of order, pauses and noise. Defaults to 0.
        workers: Number of threads that compute the features. Defaults to 2.
        cache: Folder in which features are kept, or `None` (default).
        progress: Called as `progress(done, total)` after each stream, or `None` (default).

    Returns:
        A list of `Stream` with features.

    Raises:
        ValueError: If `word` or `split` fits no recordings, or a parameter is out of range.

    Example:
        >>> import pathlib, tempfile, numpy as np, soundfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> soundfile.write(folder / "a.wav", np.sin(np.arange(16_000)), 16_000)
        >>> soundfile.write(folder / "b.wav", np.cos(np.arange(32_000)), 16_000)
        >>> recordings = [
        ...     Recording(folder / "a.wav", "test", "computer", 1.0, onset_s=0.2, offset_s=0.8),
        ...     Recording(folder / "b.wav", "test", "alexa", 2.0),
        ... ]
        >>> [stream] = evaluation_streams(recordings, "computer", "test", pause_s=(0.5, 0.5))
        >>> stream.duration_s, len(stream.events), stream.features.shape
        (4.5, 1, (448, 40))
    """
    in_range("pause_s", pause_s, 0)
    positive("stream_s", stream_s)
    positives, negatives, noise = select_split(recordings, word, split, workers=workers)
    _warn_of_duplicates(positives, split, workers)
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    words = compared_words(word)
    labelled: list[tuple[Recording, int | None]]
    labelled = [(recording, class_of(recording, words)) for recording in positives]
    labelled += [(recording, None) for recording in negatives]
    order = rng.permutation(len(labelled))
    total_s = sum(recording.duration_s + np.mean(pause_s) for recording, _ in labelled)
    count = min(len(labelled), max(1, round(total_s / stream_s)))
    condition = "clean" if snr_db is None else f"{snr_db:g}dB"
    streams = []
    for index, part in enumerate(np.array_split(order, count)):
        builder = StreamBuilder(pause_s, rng)
        for recording, class_index in (labelled[place] for place in part):
            start_s = builder.draw_start_s()
            builder.placed.append(PlacedRecording(recording, start_s, class_index=class_index))
        streams.append(builder.finish(f"{split}-{condition}-{index:02d}", noise, snr_db))
    return compute_features(streams, workers=workers, cache=cache, progress=progress)


def _warn_of_duplicates(positives: list[Recording], split: str, workers: int) -> None:
    utterances = group_duplicates(positives, workers=workers)
    if len(utterances) < len(positives):
        warnings.warn(
            f"{len(positives)} recordings of the word in {split} are {len(utterances)} utterances; "
            f"one of them is there {max(map(len, utterances))} times. A detector hits or misses "
            "all copies of an utterance together.",
            stacklevel=3,
        )
