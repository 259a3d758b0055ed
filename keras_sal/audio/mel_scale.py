"""The mel scale, on which the bands of a filter bank are equally wide.

Reference: O'Shaughnessy, Speech Communication: Human and Machine, 1987.
"""

from __future__ import annotations

import numpy as np

from keras_sal.typing import Array, ArrayLike


def to_mel(hertz: ArrayLike) -> Array:
    """Convert frequencies from Hz to mel: `1127 * log(1 + hertz / 700)`.

    Args:
        hertz: Frequencies in Hz, an array of any shape.

    Returns:
        An array of the same shape.

    Example:
        >>> to_mel(1000.0).round().item()
        1000.0
    """
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)


def to_hertz(mel: ArrayLike) -> Array:
    """Convert frequencies from mel to Hz, the inverse of `to_mel`.

    Args:
        mel: Frequencies in mel, an array of any shape.

    Returns:
        An array of the same shape.

    Example:
        >>> to_hertz(to_mel(440.0)).round(6).item()
        440.0
    """
    return 700.0 * np.expm1(np.asarray(mel) / 1127.0)


def bands(lowest_hz: float, highest_hz: float, channels: int) -> tuple[Array, float]:
    """Return the bands of a filter bank of triangles that reach to the middles of their neighbours.

    Args:
        lowest_hz: Lower edge of the lowest band, in Hz.
        highest_hz: Upper edge of the highest band, in Hz.
        channels: Number of bands.

    Returns:
        `(middles, width)` in mel: an array `(channels,)`, and the distance from middle to middle.

    Example:
        >>> middles, width = bands(125.0, 7500.0, 40)
        >>> to_hertz(middles[[0, -1]]).round().tolist(), round(float(width))
        ([173.0, 7053.0], 63)
    """
    lowest, highest = to_mel([lowest_hz, highest_hz])
    return np.linspace(lowest, highest, channels + 2)[1:-1], (highest - lowest) / (channels + 1)
