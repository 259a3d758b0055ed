"""Noise tracks: varied noise that is played under training streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from keras_sal.checks import require
from keras_sal.data.placed_recording import PlacedRecording
from keras_sal.data.recordings import Recording
from keras_sal.data.stream_builder import endless_shuffle, on_sample


@dataclass(frozen=True)
class NoiseVariety:
    """Variation of the noise under training streams.

    Use it where a folder has few recordings of noise. Each of them is played at another speed
    (with another pitch) and level, sometimes two at once. Some streams have babble instead: several
    people who say negatives of the split all the time.

    Args:
        speed: Least and greatest speed of a noise recording, within `[0.5, 2]`. Defaults to
            `(0.7, 1.4)`.
        gain_db: Least and greatest gain of a noise recording in dB, relative to the level that the
            signal-to-noise ratio of the stream asks for. Defaults to `(-6, 6)`.
        overlap: Share of noise recordings during which another one is played, in `[0, 1]`. Defaults
            to 0.2.
        babble: Share of noisy streams whose noise is babble, in `[0, 1]`. Defaults to 0.2.
        voices: Least and greatest number of people who babble, at least 1. Defaults to `(3, 7)`.

    Raises:
        ValueError: If a parameter is out of range.

    Example:
        >>> from pathlib import Path
        >>> hum = Recording(Path("hum.wav"), "train", "", 4.0, noise=True)
        >>> track = NoiseVariety(overlap=0.0).track([hum], [], 10.0, np.random.default_rng(0))
        >>> [round(placed.start_s, 1) for placed in track]
        [0.0, 4.5, 7.7]
    """

    speed: tuple[float, float] = (0.7, 1.4)
    gain_db: tuple[float, float] = (-6.0, 6.0)
    overlap: float = 0.2
    babble: float = 0.2
    voices: tuple[int, int] = (3, 7)

    def __post_init__(self) -> None:
        require(
            0.5 <= self.speed[0] <= self.speed[1] <= 2
            and -100 <= self.gain_db[0] <= self.gain_db[1] <= 100
            and 1 <= self.voices[0] <= self.voices[1],
            "`speed`, `gain_db` and `voices` must be (least, greatest), speeds within [0.5, 2] and "
            f"at least one voice; values are drawn between the two. Received: {self}. Give the "
            "smaller first.",
        )
        require(
            0 <= self.overlap <= 1 and 0 <= self.babble <= 1,
            "`overlap` and `babble` must lie in [0, 1]; they are shares. Received: "
            f"overlap={self.overlap}, babble={self.babble}. 0 switches them off.",
        )

    def track(
        self,
        noise: Sequence[Recording],
        speech: Sequence[Recording],
        duration_s: float,
        rng: np.random.Generator,
    ) -> tuple[PlacedRecording, ...]:
        """Draw the noise under a stream.

        Args:
            noise: Recordings of noise.
            speech: Recordings of speech without the wake word.
            duration_s: Least duration of the track in seconds.
            rng: A `numpy.random.Generator`.

        Returns:
            A tuple of `PlacedRecording`, for `Stream.noise`; empty without recordings.
        """
        if speech and rng.random() < self.babble:
            voices = int(rng.integers(self.voices[0], self.voices[1], endpoint=True))
            return tuple(
                placed
                for _ in range(voices)
                for placed in self._one_after_another(speech, duration_s, rng, speed=(1.0, 1.0))
            )
        track = []
        for placed in self._one_after_another(noise, duration_s, rng, self.speed):
            track.append(placed)
            if rng.random() < self.overlap:
                recording = noise[int(rng.integers(len(noise)))]
                other = self._altered(recording, placed.start_s, rng, self.speed)
                longest_s = (placed.end_s - placed.start_s) * other.rate
                track.append(replace(other, part_s=(0.0, min(recording.duration_s, longest_s))))
        return tuple(track)

    def _one_after_another(
        self,
        recordings: Sequence[Recording],
        duration_s: float,
        rng: np.random.Generator,
        speed: tuple[float, float],
    ) -> Iterator[PlacedRecording]:
        start_s, shuffled = 0.0, endless_shuffle(recordings, rng)
        while recordings and start_s < duration_s:
            placed = self._altered(next(shuffled), start_s, rng, speed)
            yield placed
            start_s = on_sample(placed.end_s)

    def _altered(
        self,
        recording: Recording,
        start_s: float,
        rng: np.random.Generator,
        speed: tuple[float, float],
    ) -> PlacedRecording:
        return PlacedRecording(
            recording, start_s, gain_db=rng.uniform(*self.gain_db), speed=rng.uniform(*speed)
        )
