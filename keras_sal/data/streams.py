"""Streams: recordings laid one after another, with pauses, noise and exact event times.

A stream is first a plan: which recording starts when, how loud, how fast, over which noise. Its
sound and its features follow from the plan alone. They are the same in whatever order and on
however many threads they are computed, and the sound can be computed again for listening.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from keras_sal import audio, augmentation
from keras_sal.audio import SAMPLE_RATE, energy_db
from keras_sal.audio.energy import WINDOW_S
from keras_sal.checks import require
from keras_sal.data.features_cache import FeaturesCache
from keras_sal.data.placed_recording import PlacedRecording
from keras_sal.data.recordings import Recording
from keras_sal.memory import release_freed_memory
from keras_sal.typing import Array, PathLike, Progress

FADE_S = 0.01
BACKGROUND_PERCENTILE = 10
BLOCK = 1 << 16  # samples


@dataclass(frozen=True)
class Stream:
    """A long sequence of recordings with their events and their features.

    Args:
        name: Name in reports.
        placed: The recordings in it, as `PlacedRecording`s in the order of time.
        duration_s: Length in seconds.
        seed: Seed of the background noise in the pauses. Defaults to 0.
        noise: Noise under the whole stream. `Recording`s are played one after another at one level;
            `PlacedRecording`s are played each from its start, over one another, with gains relative
            to each other (see `keras_sal.data.noise_tracks`). Empty (default) means pink noise.
        snr_db: Signal-to-noise ratio in dB, kept for each recording; `None` (default) adds no
            noise.
        features: Features of the stream: `float32 (frames, 40)` from `compute_features`, or arrays
            of another input. Defaults to `None`.

    Example:
        >>> from pathlib import Path
        >>> from keras_sal.data import PlacedRecording, Recording
        >>> recording = Recording(Path("a.flac"), "test", "computer", 2.0, 0.5, 1.0)
        >>> placed = PlacedRecording(recording, start_s=10.0, class_index=0)
        >>> stream = Stream("one word", (placed,), 36.0)
        >>> stream.events.tolist(), stream.hours
        ([[10.5, 11.0, 0.0]], 0.01)
        >>> stream.placed_at(13.0).recording.path.name
        'a.flac'
    """

    name: str
    placed: tuple[PlacedRecording, ...]
    duration_s: float
    seed: int = 0
    noise: tuple[Recording | PlacedRecording, ...] = ()
    snr_db: float | None = None
    features: Any = field(default=None, repr=False, compare=False)

    @property
    def events(self) -> Array:
        """Event times: `float64 (events, 3)`, rows `(onset_s, offset_s, class)`."""
        events = [placed.event for placed in self.placed if placed.class_index is not None]
        return np.array(events, "float64").reshape(-1, 3)

    @property
    def hours(self) -> float:
        """Length in hours, events included."""
        return self.duration_s / 3600

    def only_class(self, class_index: int) -> Stream:
        """Return the stream for a detector of one class of its events: the others are negatives.

        Args:
            class_index: The class, which becomes class 0.

        Returns:
            A `Stream` of the same sound and features.
        """
        placed = tuple(
            each
            if each.class_index is None
            else replace(each, class_index=0 if each.class_index == class_index else None)
            for each in self.placed
        )
        return replace(self, placed=placed)

    def placed_at(self, time_s: float) -> PlacedRecording | None:
        """Return the last recording that started by a time, such as the time of a false alarm.

        Args:
            time_s: Seconds from the start of the stream.

        Returns:
            A `PlacedRecording`, or `None` before the first one.
        """
        started = [placed for placed in self.placed if placed.start_s <= time_s]
        return started[-1] if started else None

    def samples(self) -> Array:
        """Return the sound of the stream.

        Pauses hold pink noise at the background level of the recordings on either side, so that a
        detector can't recognise the joints by their silence.

        Returns:
            A `float32` array of shape `(samples,)` in `[-1, 1]` at 16 kHz.

        Raises:
            ValueError: If there are no recordings in it, or one has become unreadable.
        """
        require(
            bool(self.placed),
            "`placed` must hold a recording; the pauses have the level of the recordings on either "
            f"side. Received: none in the stream {self.name!r}. Place one.",
        )
        pieces = [placed.samples() for placed in self.placed]
        background_db = [_background_db(p, x) for p, x in zip(self.placed, pieces, strict=True)]
        rng = np.random.default_rng(self.seed)
        mix = augmentation.pink_noise(round(self.duration_s * SAMPLE_RATE), rng)
        mix *= self._gains(background_db)
        for placed, piece in zip(self.placed, pieces, strict=True):
            start = round(placed.start_s * SAMPLE_RATE)
            heard = mix[start : start + len(piece)]  # the last may be a sample too long
            fade = _fade(len(heard))
            heard[:] = fade * piece[: len(heard)] + (1 - fade) * heard
        if self.snr_db is not None:
            speech_db = [augmentation.speech_level_db(_measurable(piece)) for piece in pieces]
            noise = self._noise(len(mix), rng)
            noise *= self._gains(speech_db, below_db=self.snr_db)
            mix += noise
        return np.clip(mix, -1, 1, out=mix)

    def _gains(self, levels_db: Sequence[float], below_db: float = 0.0) -> Array:
        """One gain per sample: constant over each recording, in dB interpolated over the pauses."""
        knots_s = np.array([(placed.start_s, placed.end_s) for placed in self.placed]).ravel()
        gains = np.empty(round(self.duration_s * SAMPLE_RATE), "float32")
        for start in range(0, len(gains), BLOCK):  # as times and levels take double the memory
            block = gains[start : start + BLOCK]
            time_s = np.arange(start, start + len(block)) / SAMPLE_RATE
            level_db = np.interp(time_s, knots_s, np.repeat(levels_db, 2))
            block[:] = augmentation.db_to_amplitude(level_db - below_db)
        return gains

    def _noise(self, length: int, rng: np.random.Generator) -> Array:
        if not self.noise:
            return augmentation.pink_noise(length, rng)
        if placed := [noise for noise in self.noise if isinstance(noise, PlacedRecording)]:
            return _overlaid(placed, length)
        pieces = [augmentation.scale_to_unit_power(recording.samples()) for recording in self.noise]
        return np.resize(np.concatenate([_fade(len(p)) * p for p in pieces]), length)


def compute_features(
    streams: Sequence[Stream],
    *,
    workers: int = 2,
    cache: PathLike | None = None,
    progress: Progress | None = None,
) -> list[Stream]:
    """Compute the features of streams on several threads.

    Args:
        streams: A sequence of `Stream`.
        workers: Number of threads, at least 1. The features do not depend on it. Defaults to 2.
        cache: Folder in which features are kept, or `None` (default), for in memory. A stream is
            found again by its plan and by the size and modification time of its files; see
            `keras_sal.data.features_cache`. Its features stay on disk: what is indexed is read
            (`keras_sal.data.features_file.StoredFeatures`), so memory does not grow with the hours.
        progress: Called as `progress(done, total)` after each stream, or `None` (default).

    Returns:
        A list of `Stream` with `features` set.

    Raises:
        ValueError: If a recording has become unreadable.

    Example:
        >>> import tempfile, soundfile
        >>> from pathlib import Path
        >>> from keras_sal.data import PlacedRecording, Recording
        >>> path = Path(tempfile.mkdtemp()) / "a.wav"
        >>> soundfile.write(path, np.sin(np.arange(16_000)), 16_000)
        >>> recording = Recording(path, "test", "", 1.0)
        >>> [stream] = compute_features([Stream("short", (PlacedRecording(recording, 0.5),), 2.0)])
        >>> stream.features.shape
        (198, 40)
    """
    if progress:
        progress(0, len(streams))
    compute: Callable[[Stream], Any] = _features
    if cache is not None:
        compute = functools.partial(FeaturesCache(cache).get, compute=_features)
    found = []
    with ThreadPoolExecutor(workers) as pool:
        for features in pool.map(compute, streams):
            found.append(features)
            if progress:
                progress(len(found), len(streams))
    release_freed_memory()
    return [replace(s, features=f) for s, f in zip(streams, found, strict=True)]


def _features(stream: Stream) -> Array:
    return audio.features(stream.samples())


def _overlaid(noise: Sequence[PlacedRecording], length: int) -> Array:
    """The sum of placed recordings of noise, scaled to a mean power of 1."""
    track = np.zeros(length, "float32")
    for placed in noise:
        start = round(placed.start_s * SAMPLE_RATE)
        piece = replace(placed, gain_db=0.0).samples()
        if start < length and piece.any():
            gain = augmentation.db_to_amplitude(placed.gain_db)
            heard = _fade(len(piece)) * augmentation.scale_to_unit_power(piece) * gain
            heard = heard[: length - start]
            track[start : start + len(heard)] += heard
    return augmentation.scale_to_unit_power(track) if track.any() else track


def _background_db(placed: PlacedRecording, piece: Array) -> float:
    """The background level of a recording. All of it is measured; a part may hold none."""
    heard = piece if placed.part_s is None else replace(placed, part_s=None).samples()
    level_db = energy_db(_measurable(heard), SAMPLE_RATE)
    return float(np.percentile(level_db, BACKGROUND_PERCENTILE))


def _measurable(piece: Array) -> Array:
    """A piece, repeated if it is shorter than the window over which a level is measured."""
    return np.resize(piece, max(len(piece), round(WINDOW_S * SAMPLE_RATE)))


def _fade(length: int) -> Array:
    """Gains that rise from 0 to 1 over the first 10 ms and fall to 0 over the last 10 ms."""
    edge = np.arange(1, length + 1, dtype="float32") / (FADE_S * SAMPLE_RATE)
    return np.minimum(1, np.minimum(edge, edge[::-1]))
