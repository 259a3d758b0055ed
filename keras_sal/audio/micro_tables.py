"""The tables of the micro front-end, as its C code computes them in single precision.

Reference: TensorFlow Lite Micro, `tensorflow/lite/experimental/microfrontend/lib`:
`window_util.c`, `filterbank_util.c` and `pcan_gain_control_util.c`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from keras_sal.audio.micro_frontend import FEATURES, HIGHEST_HZ, LOWEST_HZ
from keras_sal.audio.samples import SAMPLE_RATE
from keras_sal.typing import Array

WINDOW_ONE = 1 << 12  # what stands for 1 in the window
WEIGHT_ONE = 1 << 12  # and in the filters
GAIN_BITS = 21
GAIN_STRENGTH, GAIN_OFFSET = np.float32(0.95), np.float32(80)
ESTIMATE_PER_OFFSET = 1 << 7  # units of the noise estimate in one unit of the offset
INT16_MAX = (1 << 15) - 1
SEGMENT = 1 << 10  # steps of a segment of the gain, which spans an octave


def hann_window(size: int) -> Array:
    """Return the window, `(size,)`: integers, 4096 for 1.

    Args:
        size: Samples of the window.
    """
    place = np.float32(2 * np.pi) / np.float32(size) * (np.arange(size, dtype="float32") + 0.5)
    return np.floor((0.5 - 0.5 * np.cos(place)) * WINDOW_ONE + 0.5).astype("float32")


def lowest_bin(fourier_size: int) -> int:
    """Return the lowest bin of the Fourier transform that counts.

    Args:
        fourier_size: Samples of the Fourier transform.
    """
    return int(1.5 + LOWEST_HZ * fourier_size / SAMPLE_RATE)


class FilterBank(NamedTuple):
    """Mel filters, by the intervals between their middles: a bin belongs to one interval.

    Attributes:
        bins: The bins of each interval, `(41, widest)`; 0 where there is none.
        falling: The share of each in the filter whose middle begins the interval, 4096 for 1.
        rising: Its share in the filter whose middle ends the interval. Shares are rounded one by
            one.
    """

    bins: Array
    falling: Array
    rising: Array


def filter_bank(fourier_size: int) -> FilterBank:
    """Return the 40 filters.

    Args:
        fourier_size: Samples of the Fourier transform.
    """
    lowest, highest = (_to_mel(np.float32(hertz)) for hertz in (LOWEST_HZ, HIGHEST_HZ))
    spacing = (highest - lowest) / np.float32(FEATURES + 1)
    middles = lowest + spacing * np.arange(FEATURES + 2, dtype="float32")
    bins = np.arange(lowest_bin(fourier_size), fourier_size // 2 + 1)
    mel = _to_mel(bins.astype("float32") * np.float32(SAMPLE_RATE / fourier_size))
    interval = np.searchsorted(middles[1:], mel)
    widest = np.bincount(interval[interval <= FEATURES]).max()
    bank = FilterBank(
        np.zeros((FEATURES + 1, widest), "int32"),
        *(np.zeros((FEATURES + 1, widest), "float32") for _ in range(2)),
    )
    for number in range(FEATURES + 1):
        inside = interval == number
        share = (middles[number + 1] - mel[inside]) / (middles[number + 1] - middles[number])
        row = number, slice(np.sum(inside))
        bank.bins[row] = bins[inside]
        bank.falling[row] = np.floor(share * WEIGHT_ONE + np.float32(0.5))
        bank.rising[row] = np.floor((1 - share) * WEIGHT_ONE + np.float32(0.5))
    return bank


def gain_table() -> Array:
    """Return the gain by the noise estimate, `(33, 4)`: a parabola for each octave.

    Row 0 is for 0, and row n for estimates of n bits: the gain at the start of the octave, the two
    coefficients of the parabola, and the steps of 1024 in one unit of the estimate.
    """
    rows: list[tuple[float, ...]] = [(_gain(0), 0, 0, 0), (_gain(1), 0, 0, SEGMENT)]
    for bits in range(2, 33):
        start = 1 << (bits - 1)
        end = 2 * start - (bits == 32)
        first, middle, last = (_gain(x) for x in (start, start + start // 2, end))
        linear = 4 * (middle - first) - (last - first)
        rows.append((first, linear, last - first - linear, SEGMENT / start))
    return np.array(rows, "float32")


def _gain(estimate: int) -> int:
    level = np.float32(estimate) / ESTIMATE_PER_OFFSET + GAIN_OFFSET
    gain = np.float32(1 << GAIN_BITS) * np.power(level, -GAIN_STRENGTH)
    return INT16_MAX if gain > INT16_MAX else int(gain + np.float32(0.5))


def _to_mel(hertz: Any) -> Any:
    return np.float32(1127) * np.log1p(hertz / np.float32(700))
