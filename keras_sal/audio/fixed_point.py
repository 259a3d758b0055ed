"""Integer arithmetic in float32: exact up to 2**24 on every backend, with gradients.

A product of two 16-bit integers has 31 bits, more than float32 holds. So one factor is cut into a
high and a low part, and the sum of the two products is rounded in two steps. No intermediate result
is rounded, whatever the order of operations that a compiler chooses.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_sal.typing import Array, Tensor

FRACTION = 1 << 15  # of 16-bit fractions: 1 is 32_768
LARGEST = FRACTION - 1
LOW = 1 << 7  # the low part of a fraction
HIGH = FRACTION // LOW


def _straight_through(function: Any) -> Any:
    """Return an operation that rounds, with the gradient of the identity."""

    def rounding(x: Tensor) -> Any:
        def gradient(*args: Tensor, upstream: Tensor | None = None) -> Tensor:
            return args[0] if upstream is None else upstream

        return function(x), gradient

    return ops.custom_gradient(rounding)


floor = _straight_through(ops.floor)
nearest = _straight_through(ops.round)  # half to even


def divide(x: Tensor, divisor: int) -> Tensor:
    """Divide 16-bit integers as kissfft does: `floor(x * (32767 // divisor) / 2**15 + 1/2)`.

    Args:
        x: Integers below 2**15.
        divisor: 2 or 4.
    """
    share = x / divisor
    whole = floor(share)
    return whole + floor((share - whole) + (0.5 - x / FRACTION))


class ComplexFractions(NamedTuple):
    """Complex factors of 16-bit fractions, cut into their high and low parts."""

    high_real: Array
    high_imaginary: Array
    low_real: Array
    low_imaginary: Array

    @classmethod
    def of_phases(cls, phases: Array) -> ComplexFractions:
        """Return `exp(1j * phases)`, rounded as kissfft does."""
        parts = [np.floor(0.5 + LARGEST * f(phases)) for f in (np.cos, np.sin)]
        high = [np.floor(part / LOW) for part in parts]
        low = [part - LOW * above for part, above in zip(parts, high, strict=True)]
        return cls(*(part.astype("float32") for part in (*high, *low)))

    def times(self, z: Tensor) -> Tensor:
        """Multiply complex integers, and round each part to the nearest integer.

        Args:
            z: `(2, ...)`: real and imaginary parts, of absolute values below 2**15.
        """
        high = _complex_product(z, self.high_real, self.high_imaginary)
        low = _complex_product(z, self.low_real, self.low_imaginary)
        return floor((high + floor(low / LOW) + HIGH // 2) / HIGH)


def _complex_product(z: Tensor, real: Array, imaginary: Array) -> Tensor:
    return ops.stack(
        [
            ops.multiply(z[0], real) - ops.multiply(z[1], imaginary),
            ops.multiply(z[0], imaginary) + ops.multiply(z[1], real),
        ]
    )
