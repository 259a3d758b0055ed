"""Training streams: augmented recordings in random order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from keras_sal.checks import in_range, positive
from keras_sal.data.placed_recording import PlacedRecording
from keras_sal.data.recordings import Recording
from keras_sal.data.recordings_table import SPLITS
from keras_sal.data.selection import select_split
from keras_sal.data.stream_augmentation import ROOMS, StreamAugmentation
from keras_sal.data.stream_builder import StreamBuilder, endless_shuffle
from keras_sal.data.streams import Stream, compute_features
from keras_sal.data.wake_words import Words, class_of, compared_words
from keras_sal.typing import PathLike, Progress

PARTIAL_WORD = (0.2, 0.6)  # least and greatest part of a word that is heard


def training_streams(
    recordings: Sequence[Recording],
    word: Words,
    *,
    split: str = "train",
    hours: float = 3.0,
    events_per_minute: float = 8.0,
    stream_s: float = 60.0,
    pause_s: tuple[float, float] = (0.1, 1.5),
    augmentation: StreamAugmentation | None = None,
    seed: int = 0,
    workers: int = 2,
    cache: PathLike | None = None,
    progress: Progress | None = None,
) -> list[Stream]:
    """Lay augmented recordings into streams to train on, in random order, until they fill `hours`.

    Each recording is drawn about as often as the others of its kind, each time with another gain,
    speed and room. Recordings of other wake words are negatives like all others: they are drawn
    as often as their share of the negatives.

    Args:
        recordings: A sequence of `Recording`, from `load_recordings`.
        word: Wake word. Its recordings are the events, all others negatives. Of a list of several,
            each is a class of events, numbered from 0; all come up equally often.
        split: Split to draw from; no other is touched. Defaults to `"train"`.
        hours: Length of all streams together, greater than 0. Defaults to 3.
        events_per_minute: Mean rate of events of all words, greater than 0. Defaults to 8.
        stream_s: Approximate length of a stream in seconds, greater than 0. Defaults to 60.
        pause_s: Shortest and longest pause between recordings, in seconds. Defaults to
            `(0.1, 1.5)`.
        augmentation: A `StreamAugmentation`; `None` (default) means its defaults.
        seed: Seed of everything random. Defaults to 0.
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
        ...     Recording(folder / "a.wav", "train", "computer", 1.0, onset_s=0.2, offset_s=0.8),
        ...     Recording(folder / "b.wav", "train", "alexa", 2.0),
        ... ]
        >>> dry = StreamAugmentation(rooms=0.0)
        >>> streams = training_streams(recordings, "computer", hours=2 / 60, augmentation=dry)
        >>> [stream.name for stream in streams], streams[0].features.shape[1]
        (['train-0000', 'train-0001'], 40)
    """
    in_range("pause_s", pause_s, 0)
    augmentation = StreamAugmentation() if augmentation is None else augmentation
    count = max(1, round(positive("hours", hours) * 3600 / positive("stream_s", stream_s)))
    words = compared_words(word)
    positives, negatives, noise = select_split(recordings, word, split, workers=workers)
    by_word = [[r for r in positives if class_of(r, words) == each] for each in range(len(words))]
    material = _Material(by_word, negatives, noise)
    share = material.share_of_positives(events_per_minute, pause_s, augmentation.partial_words)
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    draws = _Draws(material, share, augmentation, rng)
    streams = []
    for index in range(count):
        builder = StreamBuilder(pause_s, rng)
        while builder.end_s < stream_s:
            builder.placed.append(draws.place(builder))
        snr_db = draws.snr_db()
        stream = builder.finish(f"{split}-{index:04d}", material.noise, snr_db)
        streams.append(material.with_varied_noise(stream, augmentation))
    return compute_features(streams, workers=workers, cache=cache, progress=progress)


@dataclass(frozen=True)
class _Material:
    """The usable recordings of a split, positives by word; the noise is among the negatives."""

    positives: list[list[Recording]]
    negatives: list[Recording]
    noise: list[Recording]

    def share_of_positives(
        self, events_per_minute: float, pause_s: tuple[float, float], partial_words: float
    ) -> float:
        """The probability of a positive that gives the rate of events on average."""
        pause = np.mean(pause_s)
        positive_s = _mean_of_words(self.positives, lambda said: said.duration_s) + pause
        negative_s = np.mean([recording.duration_s for recording in self.negatives]) + pause
        part_s = _mean_of_words(self.positives, _mean_part_s) + pause
        others_s = partial_words * part_s + (1 - partial_words) * negative_s
        rate = positive("events_per_minute", events_per_minute) / 60
        share = rate * others_s / (1 - rate * (positive_s - negative_s))
        if not 0 < share < 1 - partial_words:
            raise ValueError(
                f"`events_per_minute` must leave room for negatives; recordings of the word last "
                f"{positive_s:.1f} s with their pause. Received: events_per_minute="
                f"{events_per_minute}, partial_words={partial_words}. Stay below "
                f"{60 / positive_s:.0f}."
            )
        return float(share)

    def with_varied_noise(self, stream: Stream, augmentation: StreamAugmentation) -> Stream:
        """The stream with other noise, from a generator of its own, if it has noise."""
        variety = augmentation.noise_variety
        if variety is None or stream.snr_db is None:
            return stream
        speech = [recording for recording in self.negatives if not recording.noise]
        rng = np.random.default_rng([stream.seed, 1])
        return replace(stream, noise=variety.track(self.noise, speech, stream.duration_s, rng))


class _Draws:
    """Random recordings and their random augmentation."""

    def __init__(
        self,
        material: _Material,
        share: float,
        augmentation: StreamAugmentation,
        rng: np.random.Generator,
    ) -> None:
        self._share, self._augmentation, self._rng = share, augmentation, rng
        self._classes = endless_shuffle(range(len(material.positives)), rng)
        self._words = [endless_shuffle(said, rng) for said in material.positives]
        self._partial_words = endless_shuffle([*itertools.chain(*material.positives)], rng)
        self._negatives = endless_shuffle(material.negatives, rng)

    def place(self, builder: StreamBuilder) -> PlacedRecording:
        """Draw the next recording of a stream."""
        rng, augmentation = self._rng, self._augmentation
        kind, class_index, part_s = rng.random(), None, None
        start_s = builder.draw_start_s()
        if kind < self._share:
            class_index = next(self._classes)
            recording = next(self._words[class_index])
        elif kind < self._share + augmentation.partial_words:
            recording = next(self._partial_words)
            part_s = self._part_of_word(recording)
        else:
            recording = next(self._negatives)
        return PlacedRecording(
            recording,
            start_s,
            gain_db=rng.uniform(*augmentation.gain_db),
            speed=rng.uniform(*augmentation.speed),
            tempo=rng.uniform(*augmentation.tempo),
            tilt_db=rng.uniform(*augmentation.tilt_db),
            room=int(rng.integers(ROOMS)) if rng.random() < augmentation.rooms else None,
            class_index=class_index,
            part_s=part_s,
        )

    def snr_db(self) -> float | None:
        """Draw the signal-to-noise ratio of a stream, `None` for a clean one."""
        if self._rng.random() < self._augmentation.clean:
            return None
        return self._rng.uniform(*self._augmentation.snr_db)

    def _part_of_word(self, recording: Recording) -> tuple[float, float]:
        """Draw the first or last part of the word, with what comes before or after it."""
        part_s = self._rng.uniform(*PARTIAL_WORD) * (recording.offset_s - recording.onset_s)
        if self._rng.random() < 0.5:
            return 0.0, recording.onset_s + part_s
        return recording.offset_s - part_s, recording.duration_s


def _mean_of_words(
    positives: Sequence[Sequence[Recording]], duration_s: Callable[[Recording], float]
) -> float:
    """The mean duration of what is drawn where all words come up equally often."""
    return float(np.mean([np.mean([duration_s(each) for each in said]) for said in positives]))


def _mean_part_s(recording: Recording) -> float:
    """The mean duration of the parts of a recording."""
    around_s = recording.onset_s + recording.duration_s - recording.offset_s
    mean_part = float(np.mean(PARTIAL_WORD))
    return mean_part * (recording.offset_s - recording.onset_s) + around_s / 2
