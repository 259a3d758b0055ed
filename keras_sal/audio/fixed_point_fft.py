"""The Fourier transform of the micro front-end: kissfft in 16-bit integers, rounding by rounding.

Its integers are so short that quiet bands hold little but the rounding errors of loud ones. A float
transform gives other features there.

512 real samples are 256 complex ones. Their transform takes four stages of radix 4, each of which
divides by 4; a last stage tells the even from the odd samples. The stages leave the frequencies in
the order of their reversed digits, and the last stage picks them from there.

Reference: Borgerding, kissfft, `kiss_fft.c` and `kiss_fftr.c`, with `FIXED_POINT=16`.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from keras_sal.audio.fixed_point import ComplexFractions, divide, floor
from keras_sal.typing import Array, Tensor

SIZE = 512
RADIX, STAGES = 4, 4
PAIRS = RADIX**STAGES


def digits_reversed(numbers: Array, digits: int) -> Array:
    """Reverse the digits of numbers to the base 4."""
    result = np.zeros_like(numbers)
    for _ in range(digits):
        result = RADIX * result + numbers % RADIX
        numbers = numbers // RADIX
    return result


def _twiddles(stage: int) -> ComplexFractions:
    """The factors of a stage, `(groups, 4, 1)`: exp(-2j pi * frequency * place / size)."""
    groups = RADIX**stage
    frequency = digits_reversed(np.arange(groups), stage)[:, None]
    phases = -2 * np.pi * frequency * np.arange(RADIX) / (RADIX * groups)
    return ComplexFractions.of_phases(phases[..., None])


_TWIDDLES = [_twiddles(stage) for stage in range(STAGES)]


def _butterfly(z: Tensor) -> Tensor:
    """Transform four values, `(2, frames, groups, 4, rest)`, in 0, +, - and 1j alone."""
    first, second, third, fourth = (z[:, :, :, place] for place in range(RADIX))
    even, even_difference = first + third, first - third
    odd, odd_difference = second + fourth, second - fourth
    turned = ops.stack([odd_difference[1], -odd_difference[0]])  # -1j times
    return ops.stack(
        [even + odd, even_difference + turned, even - odd, even_difference - turned], axis=3
    )


def _conjugate(z: Tensor) -> Tensor:
    return ops.stack([z[0], -z[1]])


class RealTransform:
    """The energies of some frequencies of real integer samples.

    Args:
        lowest: The lowest bin, at least 1; `energies` returns it and all up to bin 256 - `lowest`.

    Attributes:
        bins: The bin of each energy, in the order in which they are computed.
    """

    def __init__(self, lowest: int) -> None:
        low = np.arange(lowest, PAIRS // 2 + 1)
        self.bins = np.concatenate([low[:-1], PAIRS - low])  # the middle comes from below and above
        self._place, self._mirrored = (
            digits_reversed(bins, STAGES).astype("int32") for bins in (low, PAIRS - low)
        )
        self._twiddles = ComplexFractions.of_phases(-np.pi * (low / PAIRS + 0.5))

    def places_of(self, bins: Array) -> Array:
        """Return where the energies of some bins are; 0 for bins that are not computed.

        Args:
            bins: Bins, an array of any shape.
        """
        places = np.zeros(PAIRS + 1, "int32")
        places[self.bins] = np.arange(len(self.bins))
        return places[bins]

    def energies(self, samples: Tensor) -> Tensor:
        """Compute the energies of samples, divided by 512**2.

        Args:
            samples: `(frames, 512)`: integers below 2**15.

        Returns:
            `(frames, bins)`: squares of integers.
        """
        z = ops.moveaxis(ops.reshape(samples, (-1, PAIRS, 2)), -1, 0)
        for stage, twiddles in enumerate(_TWIDDLES):
            groups = RADIX**stage
            z = ops.reshape(z, (2, -1, groups, RADIX, PAIRS // (RADIX * groups)))
            z = divide(z, RADIX)
            z = _butterfly(twiddles.times(z) if stage else z)  # those of stage 0 are 1
        z = ops.reshape(z, (2, -1, PAIRS))
        here = divide(ops.take(z, self._place, axis=-1), 2)
        there = divide(_conjugate(ops.take(z, self._mirrored, axis=-1)), 2)
        even, odd = here + there, self._twiddles.times(here - there)
        halves = (
            floor((even + odd)[..., :-1] / 2),
            floor(_conjugate(even - odd) / 2),
        )
        return ops.concatenate([ops.sum(ops.square(half), axis=0) for half in halves], axis=-1)
