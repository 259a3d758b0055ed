"""Short-time energy of a recording, in dB."""

from __future__ import annotations

import numpy as np

from keras_sal.checks import require
from keras_sal.typing import Array, ArrayLike

WINDOW_S = 0.025
STEP_S = 0.01
QUIETEST_DB = -100.0


def energy_db(samples: ArrayLike, sample_rate: float) -> Array:
    """Measure the short-time energy of a recording, in dB relative to full scale.

    It is the mean square of windows of 25 ms, one every 10 ms:

        energy_db[i] = 10 * log10(mean(samples[i * step : i * step + window] ** 2))

    and never below -100 dB, so that digital silence stays finite.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, of at least 25 ms.
        sample_rate: Samples per second, in Hz, at least 1000.

    Returns:
        A `float64` array of shape `(frames,)`. Frame `i` covers the time from `i * 0.01` to
        `i * 0.01 + 0.025` seconds.

    Raises:
        ValueError: If `samples` is not one channel of finite numbers of at least 25 ms, or
            `sample_rate` is too low.

    Example:
        >>> import numpy as np
        >>> level = energy_db(np.full(16_000, 0.1), 16_000)
        >>> len(level), round(float(level[0]), 3)
        (98, -20.0)
    """
    samples = check_samples(samples, sample_rate)
    window, step = round(WINDOW_S * sample_rate), round(STEP_S * sample_rate)
    total = np.concatenate([[0.0], np.cumsum(np.square(samples))])
    starts = np.arange(0, len(samples) - window + 1, step)
    power = (total[starts + window] - total[starts]) / window
    return 10 * np.log10(np.maximum(power, 10 ** (QUIETEST_DB / 10)))


def check_samples(samples: ArrayLike, sample_rate: float) -> Array:
    """Return samples as `float64`, or refuse them if their energy can't be measured.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, of at least 25 ms.
        sample_rate: Samples per second, in Hz, at least 1000.

    Returns:
        A `float64` array of the same shape.

    Raises:
        ValueError: If `samples` is not one channel of finite numbers of at least 25 ms, or
            `sample_rate` is too low.
    """
    require(
        sample_rate >= 1000,
        f"`sample_rate` must be at least 1000; it is in Hz, not in kHz. "
        f"Received: sample_rate={sample_rate}. Speech is commonly sampled at 16000.",
    )
    samples = np.asarray(samples)
    require(
        samples.ndim == 1,
        f"`samples` must have the shape (samples,); event times are found in one channel. "
        f"Received: samples.shape={samples.shape}. Average the channels or pick one.",
    )
    require(
        len(samples) >= round(WINDOW_S * sample_rate),
        f"`samples` must last at least {WINDOW_S} s; its level is measured over such windows. "
        f"Received: {len(samples)} samples at {sample_rate} Hz. Leave such recordings out.",
    )
    samples = samples.astype(np.float64)
    require(
        bool(np.isfinite(samples).all()),
        "`samples` must be finite; no level can be measured otherwise. Received: "
        f"{np.count_nonzero(~np.isfinite(samples))} NaN or infinite values. Check the file.",
    )
    return samples
