"""The micro front-end in few operators, for files that are exported.

A step of 10 ms costs a call of each operator, whatever it computes, and each takes space in the
file. So the sums of the Fourier transform are products with small matrices of 0, 1 and -1 here.
They are exact on a CPU, where exported files run, and not on a GPU that shortens the factors of a
matrix product; `MicroFeatures` itself has no such products.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_sal.audio import micro_tables
from keras_sal.audio.fixed_point import FRACTION, HIGH, LOW, ComplexFractions
from keras_sal.audio.fixed_point_fft import PAIRS, RADIX, SIZE, STAGES, RealTransform
from keras_sal.audio.fixed_point_logarithm import LN_2, SCALE
from keras_sal.audio.micro_features import (
    AMPLITUDE,
    CORRECTION,
    FEATURE_STEP,
    GAIN,
    LEAST_SHARE,
    OUTPUT,
    RATIO,
    MicroFeatures,
)
from keras_sal.typing import Array, Tensor

GROUPS = PAIRS // RADIX
SWAPPED = np.eye(2 * RADIX, dtype="float32")[[1, 0, 3, 2, 5, 4, 7, 6]]


def _butterfly() -> Array:
    """The transform of four complex values, `(8, 8)`: real and imaginary parts by turns."""
    powers = np.round((-1j) ** np.outer(np.arange(RADIX), np.arange(RADIX)))
    parts = np.array([[powers.real, powers.imag], [-powers.imag, powers.real]])
    return parts.transpose(2, 0, 3, 1).reshape(2 * RADIX, 2 * RADIX).astype("float32")


def _divide(x: Tensor, divisor: int) -> Tensor:
    """As `keras_sal.audio.fixed_point.divide`: first less `ceil(x * divisor / 2**15)`."""
    rounded = ops.floor(x * (-divisor / FRACTION))
    return ops.floor((x + rounded) * (1 / divisor) + 0.5)


def _for_both(real: Array, imaginary: Array) -> Array:
    """What multiplies the parts of values, and what multiplies their swapped parts."""
    own = np.repeat(real, 2, axis=-1)
    swapped = np.stack([-imaginary, imaginary], axis=-1).reshape(own.shape)
    return np.concatenate([own, swapped], axis=-1)


class _Factors:
    """Complex factors of pairs of real and imaginary parts, `(..., 2 * pairs)`."""

    def __init__(self, phases: Array) -> None:
        """Take the phases, `(..., pairs)`."""
        factors = ComplexFractions.of_phases(phases)
        self._high = _for_both(factors.high_real, factors.high_imaginary)
        self._low = _for_both(factors.low_real, factors.low_imaginary)
        self._sums = np.concatenate([np.eye(2 * phases.shape[-1], dtype="float32")] * 2)

    def times(self, both: Tensor) -> Tensor:
        """Multiply values, and round each part to the nearest integer.

        Args:
            both: The values, then the same with real and imaginary parts swapped.
        """
        low = ops.floor(ops.matmul(ops.multiply(both, self._low), self._sums / LOW))
        high = ops.matmul(ops.multiply(both, self._high), self._sums) + HIGH // 2
        return ops.floor((high + low) * (1 / HIGH))


class MatrixTransform(RealTransform):
    """The same energies, to the bit, by products with matrices.

    Args:
        lowest: The lowest bin, at least 1.

    Attributes:
        bins: The bin of each energy, in the order in which they are computed.
    """

    def __init__(self, lowest: int) -> None:
        low = np.arange(lowest, PAIRS // 2 + 1)
        self.bins = np.stack([low, PAIRS - low], axis=1).ravel()
        self._low, self._mirrored = low, (PAIRS - low).astype("int32")
        self._stages = [self._factors_of(stage) for stage in range(1, STAGES)]
        self._last = _Factors(-np.pi * (low[:, None] / PAIRS + 0.5))
        self._both = np.concatenate([np.eye(2 * RADIX, dtype="float32"), SWAPPED], axis=1)
        self._butterfly = _butterfly()
        difference = np.concatenate([np.eye(2), -np.eye(2)])
        self._difference = np.concatenate([difference, difference[:, ::-1]], 1).astype("float32")
        self._halves = 0.5 * np.array(
            [
                *([1, 0, 1, 0], [0, 1, 0, -1], [1, 0, 1, 0], [0, 1, 0, -1]),
                *([1, 0, -1, 0], [0, 1, 0, 1]),
            ],
            "float32",
        )
        self._squares = np.repeat(np.eye(2, dtype="float32"), 2, axis=0)

    @staticmethod
    def _factors_of(stage: int) -> _Factors:
        """Return the factors of a stage by frequency and place."""
        frequency = np.arange(RADIX**stage)[:, None, None]
        return _Factors(-2 * np.pi * frequency * np.arange(RADIX) / RADIX ** (stage + 1))

    def energies(self, samples: Tensor) -> Tensor:
        """Compute the energies of samples, divided by 512**2.

        Args:
            samples: `(frames, 512)`: integers below 2**15.

        Returns:
            `(frames, bins)`: squares of integers.
        """
        z = ops.transpose(ops.reshape(samples, (-1, RADIX, GROUPS, 2)), (0, 2, 1, 3))
        for stage in range(STAGES):
            frequencies = RADIX**stage
            z = ops.reshape(z, (-1, frequencies, GROUPS // frequencies, 2 * RADIX))
            z = _divide(z, RADIX)
            if stage:
                z = self._stages[stage - 1].times(ops.matmul(z, self._both))
            z = ops.matmul(z, self._butterfly)
            z = self._for_next(z, stage)
        z = ops.reshape(z, (-1, PAIRS, 2))
        here = z[:, int(self._low[0]) : int(self._low[-1]) + 1]
        there = ops.multiply(ops.take(z, self._mirrored, axis=1), np.array([1, -1], "float32"))
        pairs = _divide(ops.concatenate([here, there], axis=-1), 2)
        turned = self._last.times(ops.matmul(pairs, self._difference))
        both = ops.concatenate([pairs, turned], axis=-1)
        parts = ops.floor(ops.matmul(both, self._halves))
        energies = ops.matmul(ops.square(parts), self._squares)
        return ops.reshape(energies, (-1, 2 * len(self._low)))

    @staticmethod
    def _for_next(z: Tensor, stage: int) -> Tensor:
        """Order frequencies, and put the places of the next stage together."""
        frequencies = RADIX**stage
        rest = GROUPS // frequencies
        if rest == 1:
            return ops.transpose(ops.reshape(z, (-1, frequencies, RADIX, 2)), (0, 2, 1, 3))
        z = ops.reshape(z, (-1, frequencies, RADIX, rest // RADIX, RADIX, 2))
        return ops.transpose(z, (0, 4, 1, 3, 2, 5))


@keras.saving.register_keras_serializable(package="keras_sal")
class MicroStep(MicroFeatures):
    """`MicroFeatures` in few operators.

    What the mel filters give is the same to the bit. The logarithm is exact where the C code has a
    table, so that one feature in a thousand is rounded to the next step. It is for conversion: its
    gradient is 0 where a number is rounded.

    Args:
        **kwargs: Arguments of `MicroFeatures`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        bank = micro_tables.filter_bank(SIZE)
        self._transform = MatrixTransform(micro_tables.lowest_bin(SIZE))
        self._places = self._transform.places_of(bank.bins)
        self._weights = np.stack([bank.rising, bank.falling], axis=1)  # (41, 2, widest)
        self._parabolas = self._gains * np.array([1, 32, 1 / 32, 1], "float32")

    def _bands(self, energies: Tensor) -> Tensor:
        intervals = ops.expand_dims(ops.take(energies, self._places, axis=-1), 2)
        sums = ops.sum(ops.multiply(intervals, self._weights), axis=-1)
        return sums[:, :-1, 0] + sums[:, 1:, 1]

    def _features(self, amplitudes: Tensor, noise: Tensor) -> Tensor:
        without_noise = ops.maximum(
            ops.floor(ops.maximum(amplitudes - noise * (1 / AMPLITUDE), 0.0)),
            ops.floor(amplitudes * LEAST_SHARE),
        )
        ratio = ops.floor(without_noise * self._gain(noise) * (1 / GAIN))
        compressed = ops.where(
            ratio < 2 * RATIO,
            ops.floor(ops.square(ratio) * (OUTPUT / (2 * RATIO) ** 2)),
            ops.floor(ratio * (OUTPUT / RATIO)) - OUTPUT,
        )
        logarithm = ops.log(ops.maximum(CORRECTION * compressed, 1.0)) * (SCALE * LN_2 / np.log(2))
        return ops.cast(FEATURE_STEP * ops.round(logarithm), self.compute_dtype)

    def _gain(self, noise: Tensor) -> Tensor:
        bits = ops.cast(ops.floor(ops.log2(ops.maximum(2 * noise, 1.0))), "int32")
        rows = ops.take(self._parabolas, bits, axis=0)
        start, linear, curved, unit = ops.unstack(rows, axis=-1)
        steps = ops.floor(noise * unit) - micro_tables.SEGMENT
        slope = ops.floor(curved * steps) + linear
        return start + ops.floor(slope * steps * (1 / FRACTION) + 0.5)
