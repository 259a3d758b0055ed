"""Recordings as through another microphone or line."""

import numpy as np

from keras_sal.audio import SAMPLE_RATE
from keras_sal.augmentation.loudness import decibels

RINGING = 1024  # how far a filter is heard, so that the end doesn't sound at the beginning


def tilt(samples, db_per_octave):
    """Samples brighter or duller, as through another microphone.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz.
        db_per_octave: Slope about 1 kHz, from 62.5 Hz up; positive is brighter.

    Returns:
        A `float32` array of the same shape in `[-1, 1]`.

    Example:
        >>> import numpy as np
        >>> tone = 0.1 * np.sin(2 * np.pi * 2000 * np.arange(16_000) / 16_000)
        >>> round(float(np.abs(tilt(tone, 6.0206)).max()), 1)
        0.2
    """

    def gain(hertz):
        return decibels(db_per_octave * np.log2(np.maximum(hertz, 62.5) / 1000.0))

    return _filtered(samples, gain)


def limit_band(samples, low_hz=300.0, high_hz=3400.0, *, order=8):
    """Samples through a line that passes a band of frequencies, by default a telephone's.

    Without delay: the gain of a Butterworth filter, and no phase,

        gain(f) = ((1 + (low_hz / f)**(2 order)) (1 + (f / high_hz)**(2 order)))**(-1/2)

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz.
        low_hz: Where the band begins (3 dB less), at least 0; 0 for a low-pass filter.
        high_hz: Where it ends; 4000 is what 8 kHz recordings hold, 8000 is no limit.
        order: How steep: 6 dB per octave for each, at least 1. Default 8.

    Returns:
        A `float32` array of the same shape in `[-1, 1]`.

    Raises:
        ValueError: If the band is empty.

    Example:
        >>> import numpy as np
        >>> tone = 0.1 * np.sin(2 * np.pi * 6800 * np.arange(16_000) / 16_000)
        >>> round(float(20 * np.log10(np.std(limit_band(tone)) / np.std(tone))))
        -48
    """
    if not 0 <= low_hz < high_hz or order < 1:
        raise ValueError(
            "`low_hz` must be at least 0 and below `high_hz`, `order` at least 1; what lies "
            f"between is let through. Received: low_hz={low_hz}, high_hz={high_hz}, "
            f"order={order}. A telephone has 300 and 3400."
        )

    def gain(hertz):
        below = (low_hz / np.maximum(hertz, 1e-3)) ** (2 * order)
        return ((1 + below) * (1 + (hertz / high_hz) ** (2 * order))) ** -0.5

    return _filtered(samples, gain)


def _filtered(samples, gain):
    """Samples with `gain(hertz)` applied, and no delay."""
    size = 1 << (len(samples) + RINGING - 1).bit_length()
    spectrum = np.fft.rfft(samples, size) * gain(np.fft.rfftfreq(size, 1 / SAMPLE_RATE))
    return np.clip(np.fft.irfft(spectrum, size)[: len(samples)], -1, 1).astype("float32")
