"""Recordings as through another microphone or line."""

import numpy as np

from keras_sal.audio import SAMPLE_RATE
from keras_sal.augmentation.levels import decibels


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
    size = 1 << (len(samples) - 1).bit_length()
    hertz = np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), 62.5)
    gain = decibels(db_per_octave * np.log2(hertz / 1000.0))
    tilted = np.fft.irfft(np.fft.rfft(samples, size) * gain, size)[: len(samples)]
    return np.clip(tilted, -1, 1).astype("float32")
