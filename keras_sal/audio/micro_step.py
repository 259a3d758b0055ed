"""The micro front-end in few operators, for files that are exported.

An operator takes about 60 bytes of a file, whatever it computes. So tables are products with small
matrices here, as is the Fourier transform, and few numbers are computed where the C code has them
only to round. One feature in some 8,000 differs from that of `MicroFeatures` by more than a step.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_sal.audio import micro_tables
from keras_sal.audio.fixed_point import FRACTION
from keras_sal.audio.fixed_point_fft import PAIRS, SIZE
from keras_sal.audio.fixed_point_logarithm import LN_2, SCALE
from keras_sal.audio.matrix_transform import MatrixTransform
from keras_sal.audio.micro_features import (
    AMPLITUDE,
    CORRECTION,
    FEATURE_STEP,
    GAIN,
    LEAST_SHARE,
    OUTPUT,
    RATIO,
    SMOOTHING,
    MicroFeatures,
    as_int16,
)
from keras_sal.audio.micro_frontend import FEATURES
from keras_sal.audio.micro_tables import WEIGHT_ONE, WINDOW_ONE
from keras_sal.typing import Array, Tensor

# A filter takes what rises in one interval, and what falls in the next.
RISING_THEN_FALLING = WEIGHT_ONE * np.eye(2, dtype="float32")[..., None]
BEND = OUTPUT**0.5  # where PCAN becomes linear
LOGARITHM = SCALE * LN_2 / np.log(2)
FEWEST_BITS, MOST_BITS = 7, 30  # of the noise estimate, in the table of the gain


class _Table:
    """A table of numbers by interval, read by adding up the differences of its rows.

    Args:
        starts: Where each interval begins but the first, `(rows - 1,)`.
        rows: What is to be read in each, `(rows, columns)`.
    """

    def __init__(self, starts: Array, rows: Array) -> None:
        self._starts = starts.astype("float32")
        self._first, self._changes = rows[0], np.diff(rows, axis=0)

    def at(self, x: Tensor) -> Tensor:
        """Return the rows for numbers, `(..., 1)` to `(..., columns)`."""
        passed = ops.greater_equal(x, self._starts)
        return ops.matmul(ops.cast(passed, "float32"), self._changes) + self._first


def _scales() -> _Table:
    """Return the power of 2 that makes a number 16 bits long."""
    bits = np.arange(16)
    return _Table(2.0 ** bits[:-1], (2.0 ** bits[::-1, None]).astype("float32"))


def _parabolas() -> _Table:
    """Return what the gain is computed of, by the noise estimate in units of amplitude."""
    bits = np.arange(FEWEST_BITS, MOST_BITS + 1)
    rows = micro_tables.gain_table()[bits] * np.array([1, 32, 1 / 32, AMPLITUDE], "float32")
    rows[:, 0] += 0.5  # to round
    return _Table(2.0 ** (bits[1:] - 1) / AMPLITUDE, rows)


def _next_noise(noise: Tensor, amplitudes: Tensor) -> Tensor:
    """The noise estimate with one more frame in it, in units of amplitude, `(batch, 40)`."""
    change = ops.floor(ops.multiply(amplitudes - noise, AMPLITUDE * SMOOTHING))
    return noise + change * (1 / AMPLITUDE)


@keras.saving.register_keras_serializable(package="keras_sal")
class MicroStep(MicroFeatures):
    """`MicroFeatures` in few operators.

    It is for conversion: its gradient is 0 where a number is rounded.

    Args:
        **kwargs: Arguments of `MicroFeatures`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._energies = MatrixTransform(micro_tables.lowest_bin(SIZE))
        bank, bins = micro_tables.filter_bank(SIZE), self._energies.bins
        used = bank.bins > 0
        falling, places = np.zeros(PAIRS + 1, "float32"), np.zeros(PAIRS + 1, "int32")
        falling[bank.bins[used]] = bank.falling[used] / WEIGHT_ONE
        places[bins] = np.arange(len(bins))  # that of bin 0, which is in no filter, is empty
        self._falling = falling[bins].reshape(-1, 2)
        self._places = places[bank.bins]
        self._window = micro_tables.hann_window(self.window) / WINDOW_ONE
        self._scales, self._parabolas = _scales(), _parabolas()

    def _amplitudes(self, samples: Tensor) -> Tensor:
        windows = self._frames(as_int16(samples))
        frames = ops.floor(ops.multiply(ops.reshape(windows, (-1, self.window)), self._window))
        scale = self._scales.at(ops.max(ops.abs(frames), axis=-1, keepdims=True))
        scaled = ops.pad(frames * scale, [(0, 0), (0, SIZE - self.window)])
        bands = self._bands(self._energies.of(scaled))
        amplitudes = ops.floor((ops.sqrt(bands) + 0.5) / scale)
        count = windows.shape[1]
        shape = (ops.shape(samples)[0], -1) if count is None else (-1, count)
        return ops.reshape(amplitudes, (*shape, FEATURES))

    def _frames(self, samples: Tensor) -> Tensor:
        if samples.shape[1] == self.window:
            return ops.expand_dims(samples, 1)
        return super()._frames(samples)

    def _bands(self, energies: Tensor) -> Tensor:
        falling = ops.multiply(energies, self._falling)
        shares = ops.stack([energies - falling, falling], axis=-1)
        shares = ops.reshape(shares, (-1, self._falling.size, 2))
        intervals = ops.sum(ops.take(shares, self._places, axis=1), axis=2)
        bands = ops.conv(intervals, RISING_THEN_FALLING, data_format="channels_last")
        return ops.squeeze(bands, -1)

    def stream_step(self, amplitudes: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Compute the features of one frame.

        Args:
            amplitudes: What the mel filters give, `(batch, 40)`.
            states: The noise estimate before it, in units of amplitude.

        Returns:
            The features, and the next states.
        """
        noise = _next_noise(states[0], amplitudes)
        return self._compressed(amplitudes, noise), [noise]

    def stream_frames(
        self, amplitudes: Tensor, states: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Compute the features of some frames; all but the noise estimate at once.

        Args:
            amplitudes: What the mel filters give, `(batch, frames, 40)`.
            states: The noise estimate before them, in units of amplitude.

        Returns:
            The features, and the next states.
        """
        noises = states
        for frame in ops.unstack(amplitudes, axis=1):
            noises = [*noises, _next_noise(noises[-1], frame)]
        return self._compressed(amplitudes, ops.stack(noises[1:], axis=1)), noises[-1:]

    def _features(self, amplitudes: Tensor, noise: Tensor) -> Tensor:
        return self._compressed(amplitudes, noise / AMPLITUDE)

    def _compressed(self, amplitudes: Tensor, noise: Tensor) -> Tensor:
        without_noise = ops.floor(ops.maximum(amplitudes - noise, LEAST_SHARE * amplitudes))
        ratio = ops.floor(without_noise * self._gain(noise) * (1 / GAIN)) * (BEND / 2 / RATIO)
        compressed = ops.floor(ops.square(ratio) - ops.square(ops.relu(ratio - BEND)))
        logarithm = ops.log(ops.maximum(CORRECTION * compressed, 1.0)) * LOGARITHM
        return ops.cast(FEATURE_STEP * ops.round(logarithm), self.compute_dtype)

    def _gain(self, noise: Tensor) -> Tensor:
        rows = self._parabolas.at(ops.expand_dims(noise, -1))
        start, linear, curved, unit = ops.unstack(rows, axis=-1)
        steps = ops.floor(noise * unit) - micro_tables.SEGMENT
        slope = ops.floor(curved * steps) + linear
        return ops.floor(start + slope * steps * (1 / FRACTION))
