"""Augmentation of the recordings in training streams: the ranges that are drawn from."""

from __future__ import annotations

from dataclasses import dataclass

from keras_sal.checks import in_range
from keras_sal.data.noise_tracks import NoiseVariety

ROOMS = 200  # number of different simulated rooms


@dataclass(frozen=True)
class StreamAugmentation:
    """Ranges and shares from which the augmentation of training streams is drawn.

    Args:
        gain_db: Least and greatest gain of a recording in dB, within `[-100, 100]`. Defaults to
            `(-12, 6)`.
        speed: Least and greatest speed of a recording, whose pitch changes with it, within
            `[0.5, 2]`. Defaults to `(0.8, 1.4)`: few collections have voices as high as those of
            children.
        tempo: Least and greatest tempo of a recording at the same pitch, within `[0.5, 2]`.
            Defaults to `(0.7, 1.2)`: more slower than faster, as `speed` makes more faster than
            slower.
        tilt_db: Least and greatest tilt of a recording's spectrum in dB per octave, within
            `[-20, 20]`. Defaults to `(-3, 3)`.
        rooms: Share of recordings that are heard in a simulated room, in `[0, 1]`. Defaults to 0.5.
        snr_db: Least and greatest signal-to-noise ratio of a stream in dB, within `[-100, 100]`.
            Defaults to `(0, 30)`.
        clean: Share of streams without added noise, in `[0, 1]`. Defaults to 0.25.
        noise_variety: A `NoiseVariety`, which plays the noise at other speeds and levels, two at
            once, and babble; `None` (default) plays it as it was recorded.
        partial_words: Share of the recordings in a stream that are the first or last 20 to 60 % of
            a recording of the word, as negatives, in `[0, 1]`. They are hard for a detector that
            recognises the word by a part of it. Defaults to 0.

    Raises:
        ValueError: If a range or share is out of bounds.

    Example:
        >>> StreamAugmentation(rooms=0.0, speed=(0.9, 1.1)).speed
        (0.9, 1.1)
    """

    gain_db: tuple[float, float] = (-12.0, 6.0)
    speed: tuple[float, float] = (0.8, 1.4)
    tempo: tuple[float, float] = (0.7, 1.2)
    tilt_db: tuple[float, float] = (-3.0, 3.0)
    rooms: float = 0.5
    snr_db: tuple[float, float] = (0.0, 30.0)
    clean: float = 0.25
    noise_variety: NoiseVariety | None = None
    partial_words: float = 0.0

    def __post_init__(self) -> None:
        in_range("gain_db", self.gain_db, -100, 100)
        in_range("speed", self.speed, 0.5, 2)
        in_range("tempo", self.tempo, 0.5, 2)
        in_range("tilt_db", self.tilt_db, -20, 20)
        in_range("snr_db", self.snr_db, -100, 100)
        for name in ("rooms", "clean", "partial_words"):
            in_range(name, (0, getattr(self, name)), 0, 1)
