"""Samples: mono `float32` in `[-1, 1]` at 16 kHz."""

from __future__ import annotations

import numpy as np

from keras_sal.extras import import_package
from keras_sal.typing import Array, ArrayLike

SAMPLE_RATE = 16_000

_FULL_SCALE = 32_768


def to_pcm16(samples: ArrayLike) -> Array:
    """Convert samples to the 16-bit integers that a microphone delivers.

    Args:
        samples: Array of shape `(samples,)`: float in `[-1, 1]`, or `int16` (returned unchanged).

    Returns:
        A little-endian `int16` array of the same shape.

    Raises:
        ValueError: If `samples` has several channels, another type, or values out of range.

    Example:
        >>> to_pcm16([-1.0, 0.0, 0.5, 1.0]).tolist()
        [-32768, 0, 16384, 32767]
    """
    samples = np.asarray(samples)
    if samples.ndim != 1:
        raise ValueError(
            f"`samples` must have the shape (samples,); the front-end hears one channel. Received: "
            f"samples.shape={samples.shape}. Average the channels or pick one."
        )
    if samples.dtype == np.int16:
        return samples.astype("<i2", copy=False)
    if not np.issubdtype(samples.dtype, np.floating) and samples.size:
        raise ValueError(
            f"`samples` must be floats in [-1, 1] or int16; other integers have no agreed scale. "
            f"Received: samples.dtype={samples.dtype}. Convert with `samples.astype('int16')` if "
            "they hold 16-bit values."
        )
    peak = np.abs(samples).max(initial=0)
    if not peak <= 1:
        raise ValueError(
            f"`samples` must be finite and lie in [-1, 1]; floats are taken as full scale at 1. "
            f"Received: samples with a peak of {peak}. Divide 16-bit values by 32768, or clip with "
            "`numpy.clip(samples, -1, 1)`."
        )
    scaled = np.rint(samples.astype("float32") * _FULL_SCALE)
    return np.minimum(scaled, _FULL_SCALE - 1).astype("<i2")


def from_pcm16(samples: Array) -> Array:
    """Convert 16-bit integers to `float32` in `[-1, 1]`, exactly.

    Args:
        samples: `int16` array of any shape.

    Example:
        >>> from_pcm16(np.array([-32768, 0, 16384], "int16")).tolist()
        [-1.0, 0.0, 0.5]
    """
    return samples.astype("float32") / np.float32(_FULL_SCALE)


def resample(samples: ArrayLike, rate: float, new_rate: float) -> Array:
    """Convert samples to another rate, band-limited, at the same times.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`.
        rate: Sample rate in Hz, any positive number.
        new_rate: New sample rate in Hz.

    Returns:
        A `float32` array of `round(samples * new_rate / rate)` samples in `[-1, 1]`.

    Raises:
        ImportError: If `soxr` is missing.

    Example:
        >>> import numpy as np
        >>> resample(np.zeros(44_100), 44_100, 16_000).shape
        (16000,)
    """
    soxr = import_package("soxr", "resample sound", "audio")
    length = round(len(samples) * new_rate / rate)
    resampled = soxr.resample(np.asarray(samples, "float32"), rate, new_rate)[:length]
    return np.clip(np.pad(resampled, (0, length - len(resampled))), -1, 1)
