"""The Fourier transform of the micro front-end in few operators: products with small matrices.

Products of 16-bit integers have 31 bits, of which float32 holds 24. So a few numbers are rounded to
the other side, which shows in quiet bands among loud ones. Sums are exact on a CPU, where exported
files run, and not on a GPU that shortens the factors of a matrix product.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from keras_sal.audio.fixed_point import FRACTION, LARGEST
from keras_sal.audio.fixed_point_fft import PAIRS, RADIX, STAGES, digits_reversed
from keras_sal.typing import Array, Tensor

# What multiplies the real and imaginary part of a number.
ONE, TIMES_I = np.eye(2), np.array([[0, -1], [1, 0]])
CONJUGATE = np.array([[1, 0], [0, -1]])


def _factors(phases: Array) -> Array:
    """Return the parts of `exp(1j * phases)` as kissfft rounds them, `(..., 2)`."""
    parts = np.stack([np.cos(phases), np.sin(phases)], axis=-1)
    return (np.floor(0.5 + LARGEST * parts) / FRACTION).astype("float32")


def _divide(x: Tensor, divisor: int) -> Tensor:
    """Divide integers by 2 or 4 as kissfft does."""
    return ops.round(x * (LARGEST // divisor / FRACTION))


def _butterfly() -> Array:
    """Return the transform of four complex numbers, `(4, 2, 4, 2)`.

    Its axes are the frequency and its parts, the place and its parts.
    """
    powers = np.round((-1j) ** np.outer(np.arange(RADIX), np.arange(RADIX)))
    parts = np.multiply.outer(powers.real, ONE) + np.multiply.outer(powers.imag, TIMES_I)
    return parts.transpose(0, 2, 1, 3).astype("float32")


class MatrixTransform:
    """The energies of some frequencies of real integer samples.

    A stage is a product with a matrix, which makes the transform of four values and, for the
    factors of the next stage, the same times 1j.

    Args:
        lowest: The lowest bin, at least 1. The highest is 256 less that.

    Attributes:
        bins: The bin of each energy, in the order in which they are computed. At the end are two
            zeros, for two energies that are 0.
    """

    def __init__(self, lowest: int) -> None:
        low = np.arange(lowest, PAIRS // 2 + 1)
        self.bins = np.append(np.stack([low, PAIRS - low], axis=1), [[0, 0]], axis=0).ravel()
        self._places = digits_reversed(self.bins.reshape(-1, 2), STAGES).astype("int32")
        self._factors = [self._factors_of(stage) for stage in range(1, STAGES)]
        butterfly = _butterfly()
        both = np.stack([butterfly, np.einsum("pq,fqar->fpar", TIMES_I, butterfly)], axis=1)
        self._first = both.transpose(0, 1, 2, 4, 3).reshape(4 * RADIX, 2 * RADIX).astype("float32")
        self._last = butterfly.transpose(3, 2, 0, 1).reshape(2 * RADIX, 2 * RADIX)
        even, odd = np.hstack([ONE, CONJUGATE]), np.hstack([ONE, -CONJUGATE])
        ends = [
            np.vstack([x, sign * CONJUGATE @ x])
            for x, sign in ((even, 1), (odd / 2, -1), (TIMES_I @ odd / 2, -1))
        ]
        self._ends = np.vstack(ends).T.astype("float32")
        turned = np.insert(_factors(-np.pi * (low / PAIRS + 0.5)), 0, 0.5, axis=1)
        self._end_factors = np.append(turned, np.zeros((1, 3), "float32"), axis=0)[..., None]
        self._squares = np.kron(ONE, np.ones((2, 1))).astype("float32")

    @staticmethod
    def _factors_of(stage: int) -> Array:
        """Return the factors of a stage: by frequency, part, 1, place, 1."""
        frequencies = RADIX**stage
        frequency = digits_reversed(np.arange(frequencies), stage)
        phases = -2 * np.pi * np.outer(frequency, np.arange(RADIX)) / (RADIX * frequencies)
        return _factors(phases).transpose(0, 2, 1)[:, :, None, :, None]

    def of(self, samples: Tensor) -> Tensor:
        """Compute the energies of samples, divided by 512**2.

        Args:
            samples: `(frames, 512)`: integers below 2**15.

        Returns:
            `(frames, bins / 2, 2)`: squares of integers.
        """
        z = ops.transpose(ops.reshape(samples, (-1, PAIRS, 2)), (2, 1, 0))
        z = _divide(ops.reshape(z, (1, 2 * RADIX, -1)), RADIX)
        for stage, factors in enumerate(self._factors, 1):
            z = ops.matmul(self._first, z)
            z = ops.reshape(z, (RADIX**stage, 2, 2, RADIX, -1))
            z = ops.round(ops.sum(ops.multiply(_divide(z, RADIX), factors), axis=1))
            z = ops.reshape(z, (RADIX**stage, 2 * RADIX, -1))
        z = ops.matmul(ops.transpose(z, (2, 0, 1)), self._last)
        z = ops.take(ops.reshape(z, (-1, PAIRS, 2)), self._places, axis=1)
        z = ops.matmul(ops.reshape(_divide(z, 2), (-1, len(self._places), 4)), self._ends)
        z = ops.multiply(ops.reshape(z, (-1, len(self._places), 3, 4)), self._end_factors)
        halves = ops.floor(ops.sum(z, axis=2) + 0.25)  # of sums that are not rounded before
        return ops.matmul(ops.square(halves), self._squares)
