"""The resampler of live sound: chunks at one rate in, chunks at another rate out."""

from __future__ import annotations

import numpy as np

from keras_sal.audio.samples import from_pcm16, to_pcm16
from keras_sal.checks import require
from keras_sal.extras import import_package
from keras_sal.typing import Array, ArrayLike

LEAST_RATE = 1000  # a lower rate is in kHz by mistake
GREATEST_RATE = 768_000


class StreamResampler:
    """A resampler that keeps its state from chunk to chunk.

    Whatever the chunks, their results are together what `keras_sal.audio.resample` gives for the
    whole. The filter looks ahead a few milliseconds, so a chunk brings the samples up to a moment
    before its end; the last chunk brings the rest. Sample `n` of the result is at `n / new_rate`
    seconds.

    Args:
        rate: Sample rate of the chunks in Hz, 1,000 to 768,000.
        new_rate: Sample rate of the result in Hz.

    Raises:
        ImportError: If `soxr` is missing.
        ValueError: If a rate is out of range.

    Example:

    >>> import numpy as np
    >>> resampler = StreamResampler(48_000, 16_000)
    >>> first = resampler(np.zeros(24_000))
    >>> second = resampler(np.zeros(24_000), last=True)
    >>> len(first) + len(second)
    16000
    """

    def __init__(self, rate: float, new_rate: float) -> None:
        for name, value in (("rate", rate), ("new_rate", new_rate)):
            _check_rate(name, value)
        self.rate, self.new_rate = rate, new_rate
        self._package = import_package("soxr", "resample sound", "audio")
        self.reset()

    def reset(self) -> None:
        """Start a new stream."""
        self._stream = self._package.ResampleStream(self.rate, self.new_rate, 1, dtype="float32")
        self._taken = self._given = 0
        self._ended = False

    def __call__(self, samples: ArrayLike, *, last: bool = False) -> Array:
        """Resample the next chunk.

        Args:
            samples: Array of shape `(samples,)`, any length: float in `[-1, 1]`, or `int16`.
            last: Whether the stream ends with this chunk. Defaults to `False`.

        Returns:
            A `float32` array of shape `(new samples,)` in `[-1, 1]`.

        Raises:
            ValueError: If `samples` is not one channel in range, or the stream has ended. The chunk
                is then left out of the stream.
        """
        require(
            not self._ended,
            "`samples` must belong to a stream that goes on; this one ended with its last chunk. "
            f"Received: {len(np.atleast_1d(samples))} samples. Call reset() to start a new one.",
        )
        samples = np.asarray(samples)
        integers = to_pcm16(samples)  # refuses what is no sound
        if samples.dtype == np.int16:
            samples = from_pcm16(integers)
        resampled = self._stream.resample_chunk(samples.astype("float32"), last=last)
        self._taken += len(samples)
        if last:
            self._ended = True
            left = round(self._taken * self.new_rate / self.rate) - self._given
            resampled = np.pad(resampled[:left], (0, max(0, left - len(resampled))))
        self._given += len(resampled)
        return np.clip(resampled, -1, 1)


def _check_rate(name: str, value: float) -> None:
    require(
        isinstance(value, int | float | np.integer | np.floating)
        and not isinstance(value, bool)
        and LEAST_RATE <= value <= GREATEST_RATE,
        f"`{name}` must be at least {LEAST_RATE} and at most {GREATEST_RATE}; it is in samples a "
        f"second. Received: {name}={value!r}. Write 44100 for 44.1 kHz.",
    )
