"""Construction of a stream: recordings laid one after another, with pauses between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from keras_sal.audio import SAMPLE_RATE
from keras_sal.data.placed_recording import PlacedRecording
from keras_sal.data.recordings import Recording
from keras_sal.data.streams import Stream

Drawn = TypeVar("Drawn")


class StreamBuilder:
    """A stream under construction, to which recordings are added one after another.

    Args:
        pause_s: Shortest and longest pause between recordings, in seconds.
        rng: A `numpy.random.Generator` from which the pauses and the stream's seed are drawn.

    Attributes:
        placed: The recordings added so far, a list of `PlacedRecording`.
    """

    def __init__(self, pause_s: tuple[float, float], rng: np.random.Generator) -> None:
        self.placed: list[PlacedRecording] = []
        self._pause_s, self._rng = pause_s, rng

    @property
    def end_s(self) -> float:
        """End of the last recording in seconds; 0 without one."""
        return self.placed[-1].end_s if self.placed else 0.0

    def draw_start_s(self) -> float:
        """Draw the start of the next recording, in seconds, after a pause."""
        return on_sample(self.end_s + self._rng.uniform(*self._pause_s))

    def finish(self, name: str, noise: Sequence[Recording], snr_db: float | None) -> Stream:
        """Return the stream.

        The same numbers are drawn from the generator with and without noise.

        Args:
            name: Name of the stream.
            noise: Recordings of noise, played in random order; without any it is pink noise.
            snr_db: Signal-to-noise ratio in dB, or `None` for no noise.

        Returns:
            A `Stream` without features.
        """
        duration_s = self.draw_start_s()
        seed = int(self._rng.integers(2**32))
        track: list[Recording] = []
        if snr_db is not None and noise:
            track_s = 0.0
            shuffled = endless_shuffle(noise, np.random.default_rng(seed))
            while track_s < duration_s:
                track.append(next(shuffled))
                track_s += track[-1].duration_s
        return Stream(name, tuple(self.placed), duration_s, seed, tuple(track), snr_db)


def endless_shuffle(items: Sequence[Drawn], rng: np.random.Generator) -> Iterator[Drawn]:
    """Yield each item once in random order, then all again in another order, without end.

    A single item takes nothing from the generator.

    Args:
        items: The items, such as recordings.
        rng: A `numpy.random.Generator`.

    Yields:
        The items.
    """
    while True:
        for index in rng.permutation(len(items)):
            yield items[index]


def on_sample(time_s: float) -> float:
    """Return the time of the sample nearest to a time.

    Args:
        time_s: Time in seconds.

    Returns:
        A whole number of samples at 16 kHz, in seconds.
    """
    return round(time_s * SAMPLE_RATE) / SAMPLE_RATE
