"""Levels: measured in dB, and changed by a gain."""

from __future__ import annotations

import numpy as np

from keras_sal.audio import SAMPLE_RATE, energy_db
from keras_sal.typing import Array, ArrayLike


def speech_level_db(samples: ArrayLike) -> float:
    """Measure the level of the speech in a recording, without its pauses.

    It is the mean power of the 25 ms windows within 30 dB of the loudest one.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz, at least 25 ms.

    Returns:
        A float in dB relative to full scale; -100 for digital silence.

    Raises:
        ValueError: If `samples` is not one channel of finite numbers of at least 25 ms.

    Example:
        >>> import numpy as np
        >>> speech = np.concatenate([np.zeros(16_000), np.full(16_000, 0.1), np.zeros(16_000)])
        >>> round(speech_level_db(speech))
        -20
    """
    level_db = energy_db(samples, SAMPLE_RATE)
    spoken = level_db[level_db >= level_db.max() - 30]
    return float(10 * np.log10(np.mean(10 ** (spoken / 10))))


def amplify(samples: ArrayLike, gain_db: ArrayLike) -> Array:
    """Make samples louder or softer, clipped at full scale as a converter does.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`.
        gain_db: Gain in dB: a number, or one for each sample.

    Returns:
        A `float32` array of the same shape in `[-1, 1]`.

    Example:
        >>> amplify([0.0625, -0.5], 20).tolist()
        [0.625, -1.0]
    """
    return np.clip(np.asarray(samples, "float32") * db_to_amplitude(gain_db), -1, 1)


def scale_to_unit_power(noise: ArrayLike) -> Array:
    """Scale noise to a mean power of 1 (0 dB), not limited to `[-1, 1]`.

    Args:
        noise: Array of shape `(samples,)`.

    Returns:
        A `float32` array of the same shape.

    Raises:
        ValueError: If `noise` is empty or silent.

    Example:
        >>> scale_to_unit_power([3.0, -3.0]).tolist()
        [1.0, -1.0]
    """
    noise = np.asarray(noise, "float32")
    power = np.mean(np.square(noise, dtype="float64")) if noise.size else 0.0
    if not power > 0:
        raise ValueError(
            f"`noise` must not be empty or silent; it has no level to set. Received: "
            f"{noise.size} samples of power {power}. Leave the recording out."
        )
    return noise * np.float32(power**-0.5)


def db_to_amplitude(level_db: ArrayLike) -> Array:
    """Convert a level difference in dB to a ratio of amplitudes, `10 ** (level_db / 20)`.

    Args:
        level_db: Level difference in dB: a number or an array.

    Returns:
        A `float32` array of the same shape.

    Example:
        >>> float(db_to_amplitude(20))
        10.0
    """
    return np.float32(10) ** (np.asarray(level_db, "float32") / np.float32(20))
