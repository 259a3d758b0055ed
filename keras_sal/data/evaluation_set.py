"""Evaluation streams: the recordings of a split, each once, to score detectors on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

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

_Labelled = tuple[Recording, int | None]  # with its class, or `None` for a negative


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

    Recordings that are `apart`, such as further negatives, come last, in streams of their own: so
    they change neither what is heard around the word nor, with it, which words are missed, and
    their streams are the same for every word in none of their texts.

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
    words = compared_words(word)
    beside: list[_Labelled] = [(recording, class_of(recording, words)) for recording in positives]
    beside += [(recording, None) for recording in negatives if not recording.apart]
    apart: list[_Labelled] = [(recording, None) for recording in negatives if recording.apart]
    key = [seed, SPLITS.index(split)]
    condition = "clean" if snr_db is None else f"{snr_db:g}dB"
    streams: list[Stream] = []
    for labelled, own in ((beside, key), (apart, [*key, 1])):
        rng = np.random.default_rng(own)
        for part in _parts(labelled, stream_s, pause_s, rng):
            builder = StreamBuilder(pause_s, rng)
            for recording, class_index in part:
                start_s = builder.draw_start_s()
                builder.placed.append(PlacedRecording(recording, start_s, class_index=class_index))
            name = f"{split}-{condition}-{len(streams):02d}"
            streams.append(builder.finish(name, noise, snr_db))
    return compute_features(streams, workers=workers, cache=cache, progress=progress)


def _parts(
    labelled: Sequence[_Labelled],
    stream_s: float,
    pause_s: tuple[float, float],
    rng: np.random.Generator,
) -> Iterator[list[_Labelled]]:
    """The recordings of each stream, in random order."""
    if not labelled:
        return
    order = rng.permutation(len(labelled))
    total_s = sum(recording.duration_s + np.mean(pause_s) for recording, _ in labelled)
    count = min(len(labelled), max(1, round(total_s / stream_s)))
    for part in np.array_split(order, count):
        yield [labelled[place] for place in part]


def _warn_of_duplicates(positives: list[Recording], split: str, workers: int) -> None:
    utterances = group_duplicates(positives, workers=workers)
    if len(utterances) < len(positives):
        warnings.warn(
            f"{len(positives)} recordings of the word in {split} are {len(utterances)} utterances; "
            f"one of them is there {max(map(len, utterances))} times. A detector hits or misses "
            "all copies of an utterance together.",
            stacklevel=3,
        )
