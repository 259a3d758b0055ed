"""The mel scale, on which the bands of a filter bank are equally wide.

Reference: O'Shaughnessy, Speech Communication: Human and Machine, 1987.
"""

import numpy as np


def to_mel(hertz):
    """Frequencies in mel: `1127 * log(1 + hertz / 700)`.

    Example:
        >>> to_mel(1000.0).round().item()
        1000.0
    """
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)


def to_hertz(mel):
    """Frequencies in Hz, the inverse of `to_mel`.

    Example:
        >>> to_hertz(to_mel(440.0)).round(6).item()
        440.0
    """
    return 700.0 * np.expm1(np.asarray(mel) / 1127.0)


def bands(lowest_hz, highest_hz, channels):
    """The bands of a filter bank, whose triangles begin and end at the middles of the next.

    Args:
        lowest_hz: Where the lowest begins.
        highest_hz: Where the highest ends.
        channels: How many there are.

    Returns:
        `(middles, width)` in mel: an array `(channels,)`, and how far they are apart.

    Example:
        >>> middles, width = bands(125.0, 7500.0, 40)
        >>> to_hertz(middles[[0, -1]]).round().tolist(), round(float(width))
        ([173.0, 7053.0], 63)
    """
    ends = to_mel([lowest_hz, highest_hz])
    return np.linspace(*ends, channels + 2)[1:-1], (ends[1] - ends[0]) / (channels + 1)
