"""Streams: recordings laid end to end, with pauses, noise and exact event times.

A stream is first a plan (which recording starts when, how loud, how fast, over which noise). Its
sound and its features follow from the plan alone, so they are the same whoever computes them, in
whatever order, and can be computed again to be listened to.
"""

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from keras_sal import audio, augmentation
from keras_sal.audio import SAMPLE_RATE, energy_db
from keras_sal.data.features_cache import FeaturesCache

FADE_S = 0.01
ROOM_PERCENTILE = 10


@dataclass(frozen=True)
class Clip:
    """A recording placed in a stream.

    Args:
        recording: The `keras_sal.data.Recording`.
        start_s: Where it starts, in seconds from the start of the stream.
        gain_db: Gain in dB, default 0.
        speed: How many times faster it is played, and higher, in `[0.5, 2]`, default 1.
        class_index: The class of its event, or `None` (default) if it is a negative.
        tempo: How many times faster it is said, in `[0.5, 2]`, default 1.
        tilt_db: How much brighter it is, in dB per octave, default 0.
        room: The room it is heard across, see `keras_sal.augmentation.add_room`, or `None`
            (default).
        part_s: From when to when it is heard, in seconds of the recording; `None` (default) is from
            begin to end.

    Example:
        >>> from pathlib import Path
        >>> from keras_sal.data import Recording
        >>> recording = Recording(Path("a.flac"), "test", "computer", 2.0, 0.5, 1.0)
        >>> clip = Clip(recording, start_s=10.0, speed=1.25, class_index=0)
        >>> clip.end_s, clip.event
        (11.6, (10.4, 10.8, 0.0))
        >>> Clip(recording, start_s=10.0, part_s=(0.0, 0.75)).end_s  # half of the word
        10.75
    """

    recording: object
    start_s: float
    gain_db: float = 0.0
    speed: float = 1.0
    class_index: int | None = None
    tempo: float = 1.0
    tilt_db: float = 0.0
    room: int | None = None
    part_s: tuple[float, float] | None = None

    @property
    def end_s(self):
        """Where it ends, in seconds from the start of the stream."""
        from_s, to_s = self.part_s or (0.0, self.recording.duration_s)
        return self.start_s + (to_s - from_s) / self.rate

    @property
    def rate(self):
        """How many times faster it is than the recording."""
        return self.speed * self.tempo

    @property
    def event(self):
        """`(onset_s, offset_s, class)` in the stream, or `None` for a negative."""
        if self.class_index is None:
            return None
        onset_s, offset_s = self.recording.onset_s, self.recording.offset_s
        start_s, rate, from_s = self.start_s, self.rate, (self.part_s or (0.0,))[0]
        times_s = (start_s + (time_s - from_s) / rate for time_s in (onset_s, offset_s))
        return *times_s, float(self.class_index)

    def samples(self):
        """What is heard of it: `float32 (samples,)`, altered as planned."""
        samples, none = self.recording.samples(), np.empty((0, 2))
        if self.part_s is not None:
            first, beyond = (round(time_s * SAMPLE_RATE) for time_s in self.part_s)
            samples = samples[first:beyond]
        if self.speed != 1:
            samples, _ = augmentation.change_speed(samples, none, self.speed)
        if self.tempo != 1:
            samples, _ = augmentation.change_tempo(samples, none, self.tempo)
        if self.tilt_db:
            samples = augmentation.tilt(samples, self.tilt_db)
        if self.room is not None:
            samples = augmentation.add_room(samples, self.room)
        return augmentation.amplify(samples, self.gain_db)


@dataclass(frozen=True)
class Stream:
    """Minutes of sound with events, and the features a detector hears.

    Args:
        name: What reports call it.
        clips: The recordings in it, in the order of time.
        duration_s: Its length in seconds.
        seed: What its room tone is drawn from.
        noise: Recordings played one after another under it, from the beginning, all at one level;
            or clips, each from its start, one over the other, with gains relative to each other
            (see `keras_sal.data.noise_tracks`). None means pink noise.
        snr_db: Signal-to-noise ratio in dB, kept for each clip; `None` adds no noise.
        features: `float32 (frames, 40)`, or `None` until `compute_features` has run.

    Example:
        >>> from pathlib import Path
        >>> from keras_sal.data import Recording
        >>> recording = Recording(Path("a.flac"), "test", "computer", 2.0, 0.5, 1.0)
        >>> stream = Stream("one word", (Clip(recording, 10.0, class_index=0),), 36.0)
        >>> stream.events.tolist(), stream.hours
        ([[10.5, 11.0, 0.0]], 0.01)
        >>> stream.clip_at(13.0).recording.path.name
        'a.flac'
    """

    name: str
    clips: tuple[Clip, ...]
    duration_s: float
    seed: int = 0
    noise: tuple = ()
    snr_db: float | None = None
    features: np.ndarray | None = field(default=None, repr=False, compare=False)

    @property
    def events(self):
        """Event times: `float64 (events, 3)`, rows `(onset_s, offset_s, class)`."""
        events = [clip.event for clip in self.clips if clip.class_index is not None]
        return np.array(events, "float64").reshape(-1, 3)

    @property
    def hours(self):
        """Length in hours, events included."""
        return self.duration_s / 3600

    def clip_at(self, time_s):
        """The clip that is heard, or was heard last, at a time: the one to blame for an alarm.

        Args:
            time_s: Seconds from the start of the stream.

        Returns:
            A `Clip`, or `None` before the first.
        """
        started = [clip for clip in self.clips if clip.start_s <= time_s]
        return started[-1] if started else None

    def samples(self):
        """The sound of the stream: `float32 (samples,)` in `[-1, 1]` at 16 kHz.

        Pauses hold room tone: pink noise at the level of the background of the recordings on
        either side, so that a detector can't tell the seams by their silence.
        """
        pieces = [clip.samples() for clip in self.clips]
        rooms_db = [_room_db(clip, p) for clip, p in zip(self.clips, pieces, strict=True)]
        rng = np.random.default_rng(self.seed)
        mix = augmentation.pink_noise(round(self.duration_s * SAMPLE_RATE), rng)
        mix *= augmentation.decibels(self._between_clips(rooms_db))
        for clip, piece in zip(self.clips, pieces, strict=True):
            start, fade = round(clip.start_s * SAMPLE_RATE), _fade(len(piece))
            heard = mix[start : start + len(piece)]
            heard[:] = fade * piece + (1 - fade) * heard
        if self.snr_db is not None:
            levels_db = self._between_clips(
                [augmentation.speech_level_db(piece) for piece in pieces]
            )
            mix += self._noise(len(mix), rng) * augmentation.decibels(levels_db - self.snr_db)
        return np.clip(mix, -1, 1, out=mix)

    def _between_clips(self, values):
        """One value per sample: constant over each clip, a straight line between clips."""
        knots_s = np.array([(clip.start_s, clip.end_s) for clip in self.clips]).ravel()
        time_s = np.arange(round(self.duration_s * SAMPLE_RATE)) / SAMPLE_RATE
        return np.interp(time_s, knots_s, np.repeat(values, 2))

    def _noise(self, length, rng):
        if not self.noise:
            return augmentation.pink_noise(length, rng)
        if isinstance(self.noise[0], Clip):
            return self._placed_noise(length)
        pieces = [augmentation.amplify_to_unit(recording.samples()) for recording in self.noise]
        return np.resize(np.concatenate([_fade(len(p)) * p for p in pieces]), length)

    def _placed_noise(self, length):
        """Clips over one another; on average all together at a mean power of 1."""
        track = np.zeros(length, "float32")
        for clip in self.noise:
            start, piece = round(clip.start_s * SAMPLE_RATE), replace(clip, gain_db=0.0).samples()
            if start < length and piece.any():
                level = augmentation.decibels(clip.gain_db)
                heard = (_fade(len(piece)) * augmentation.amplify_to_unit(piece) * level)[
                    : length - start
                ]
                track[start : start + len(heard)] += heard
        return augmentation.amplify_to_unit(track) if track.any() else track


def compute_features(streams, *, workers=2, cache=None, progress=None):
    """Streams with their features, computed on several threads.

    Args:
        streams: A sequence of `Stream`.
        workers: Threads, at least 1, default 2. The features do not depend on it.
        cache: A folder to keep the features in, or `None` (default). Each stream is found again by
            its plan and by the size and time of the files it is made of; see
            `keras_sal.data.features_cache`.
        progress: Called as `progress(done, total)` after each stream, or `None`.

    Returns:
        A list of `Stream` with `features` set.

    Raises:
        ValueError: If a recording has become unreadable.

    Example:
        >>> import tempfile, soundfile
        >>> from pathlib import Path
        >>> from keras_sal.data import Recording
        >>> path = Path(tempfile.mkdtemp()) / "a.wav"
        >>> soundfile.write(path, np.sin(np.arange(16_000)), 16_000)
        >>> stream = Stream("short", (Clip(Recording(path, "test", "", 1.0), 0.5),), 2.0)
        >>> [stream] = compute_features([stream])
        >>> stream.features.shape
        (198, 40)
    """
    if progress:
        progress(0, len(streams))
    kept, found = None if cache is None else FeaturesCache(cache), []
    compute = _features if kept is None else functools.partial(kept.get, compute=_features)
    with ThreadPoolExecutor(workers) as pool:
        for features in pool.map(compute, streams):
            found.append(features)
            if progress:
                progress(len(found), len(streams))
    return [replace(s, features=f) for s, f in zip(streams, found, strict=True)]


def _features(stream):
    return audio.features(stream.samples())


def _room_db(clip, piece):
    """The level of the background of a clip; a part of a word may hold none of it."""
    heard = piece if clip.part_s is None else replace(clip, part_s=None).samples()
    return np.percentile(energy_db(heard, SAMPLE_RATE), ROOM_PERCENTILE)


def _fade(length):
    """Gain 1, but rising from 0 and falling to 0 over the first and last 10 ms."""
    edge = np.arange(1, length + 1, dtype="float32") / (FADE_S * SAMPLE_RATE)
    return np.minimum(1, np.minimum(edge, edge[::-1]))
