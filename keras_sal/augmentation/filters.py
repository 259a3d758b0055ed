"""Filters: the sound of another microphone or telephone line."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from keras_sal.audio import SAMPLE_RATE
from keras_sal.augmentation.levels import db_to_amplitude
from keras_sal.typing import Array, ArrayLike

RINGING = 1024  # samples by which a filter rings on; padding keeps it out of the beginning


def tilt(samples: ArrayLike, db_per_octave: float) -> Array:
    """Make samples brighter or duller, as another microphone does.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz.
        db_per_octave: Slope of the gain in dB per octave, 0 dB at 1 kHz and constant below 62.5 Hz;
            positive is brighter.

    Returns:
        A `float32` array of the same shape in `[-1, 1]`.

    Example:
        >>> import numpy as np
        >>> tone = 0.1 * np.sin(2 * np.pi * 2000 * np.arange(16_000) / 16_000)
        >>> round(float(np.abs(tilt(tone, 6.0206)).max()), 1)
        0.2
    """

    def gain(hertz: Array) -> Array:
        return db_to_amplitude(db_per_octave * np.log2(np.maximum(hertz, 62.5) / 1000.0))

    return _filtered(samples, gain)


def limit_band(
    samples: ArrayLike, low_hz: float = 300.0, high_hz: float = 3400.0, *, order: int = 8
) -> Array:
    """Limit samples to a band of frequencies, by default that of a telephone.

    The filter has the gain of a Butterworth filter and no phase, so there is no delay:

        gain(f) = ((1 + (low_hz / f)**(2 order)) (1 + (f / high_hz)**(2 order)))**(-1/2)

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz.
        low_hz: Lower edge of the band (-3 dB) in Hz, at least 0; 0 makes a low-pass filter.
            Defaults to 300.
        high_hz: Upper edge of the band (-3 dB) in Hz; recordings at 8 kHz reach 4000. Defaults to
            3400.
        order: Order of the filter, at least 1: each adds 6 dB per octave. Defaults to 8.

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

    def gain(hertz: Array) -> Array:
        below = (low_hz / np.maximum(hertz, 1e-3)) ** (2 * order)
        return ((1 + below) * (1 + (hertz / high_hz) ** (2 * order))) ** -0.5

    return _filtered(samples, gain)


def _filtered(samples: ArrayLike, gain: Callable[[Array], Array]) -> Array:
    """The samples with `gain(hertz)` applied, without delay."""
    size = 1 << (len(samples) + RINGING - 1).bit_length()
    spectrum = np.fft.rfft(samples, size) * gain(np.fft.rfftfreq(size, 1 / SAMPLE_RATE))
    return np.clip(np.fft.irfft(spectrum, size)[: len(samples)], -1, 1).astype("float32")
