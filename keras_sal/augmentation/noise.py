"""Noise, and its addition to recordings."""

from __future__ import annotations

import numpy as np

from keras_sal.augmentation.levels import db_to_amplitude, scale_to_unit_power, speech_level_db
from keras_sal.typing import Array, ArrayLike

_PINK_PERIOD = 1 << 19  # a power of two, so that its Fourier transform is fast


def add_noise(samples: ArrayLike, noise: ArrayLike, snr_db: float) -> Array:
    """Add noise to samples at a signal-to-noise ratio.

    The level of the signal is its `speech_level_db`, and that of the noise its mean power: pauses
    in the speech do not make the noise softer.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz, at least 25 ms.
        noise: Array of shape `(samples,)`, any level but silence; repeated or cut to fit.
        snr_db: Signal-to-noise ratio in dB.

    Returns:
        A `float32` array of the shape of `samples` in `[-1, 1]`.

    Raises:
        ValueError: If `noise` is empty or silent.

    Example:
        >>> import numpy as np
        >>> noisy = add_noise(np.full(16_000, 0.5), [1.0, -1.0], snr_db=20)
        >>> noisy[:4].round(3).tolist()
        [0.550000011920929, 0.44999998807907104, 0.550000011920929, 0.44999998807907104]
    """
    gain_db = speech_level_db(samples) - snr_db
    track = scale_to_unit_power(np.resize(np.asarray(noise, "float32"), len(samples)))
    return np.clip(np.asarray(samples, "float32") + track * db_to_amplitude(gain_db), -1, 1)


def pink_noise(samples: int, rng: np.random.Generator) -> Array:
    """Return noise with the same power in each octave, a common model of room noise.

    It repeats without a step after 33 seconds.

    Args:
        samples: Number of samples, at least 2.
        rng: A `numpy.random.Generator`.

    Returns:
        A `float32` array of shape `(samples,)` with a mean power of 1.

    Example:
        >>> import numpy as np
        >>> noise = pink_noise(16_000, np.random.default_rng(0))
        >>> noise.shape, round(float(np.mean(noise**2)), 3)
        ((16000,), 1.0)
    """
    period = min(_PINK_PERIOD, 1 << (samples - 1).bit_length())
    spectrum = np.fft.rfft(rng.standard_normal(period, dtype="float32"))
    spectrum[0] = 0
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum), dtype="float32"))
    return scale_to_unit_power(np.resize(np.fft.irfft(spectrum), samples))
