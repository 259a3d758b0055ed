"""Simulated rooms: reverberation."""

from __future__ import annotations

import functools

import numpy as np

from keras_sal.audio import SAMPLE_RATE
from keras_sal.extras import import_package
from keras_sal.typing import Array, ArrayLike


def add_room(samples: ArrayLike, room: int) -> Array:
    """Add the reverberation of a room; the direct sound keeps its level and its time.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz.
        room: Number of the room, at least 0: the seed of its size, walls and places. See
            `room_response`.

    Returns:
        A `float32` array of the same shape in `[-1, 1]`.

    Raises:
        ImportError: If `pyroomacoustics` is missing.

    Example:
        >>> import numpy as np
        >>> click = np.zeros(1600)
        >>> click[800] = 0.5
        >>> int(np.argmax(np.abs(add_room(click, 0))))
        800
    """
    response = room_response(room)
    size = 1 << (len(samples) + len(response) - 2).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    return np.clip(wet[: len(samples)], -1, 1).astype("float32")


@functools.lru_cache(maxsize=256)
def room_response(room: int) -> Array:
    """Simulate the impulse response of a living room or office by the image source method.

    Rooms measure 3 x 2.5 x 2.3 to 8 x 6 x 3.2 m with reverberation times of 0.15 to 0.6 s, and hold
    a mouth and a microphone at random places.

    Args:
        room: Number of the room, at least 0: its seed.

    Returns:
        A `float32` array `(samples,)` at 16 kHz that begins with the direct sound, scaled to 1.

    Raises:
        ImportError: If `pyroomacoustics` is missing.

    Reference:
        Allen and Berkley, Image method for efficiently simulating small-room acoustics, Journal of
        the Acoustical Society of America 65, 1979; by `pyroomacoustics`.

    Example:
        >>> response = room_response(0)
        >>> int(response.argmax()), float(response[0])
        (0, 1.0)
    """
    acoustics = import_package("pyroomacoustics", "simulate rooms", "audio")
    rng = np.random.default_rng([room, 16])
    size_m = rng.uniform((3.0, 2.5, 2.3), (8.0, 6.0, 3.2))
    absorption, order = 1.0, 0
    while order == 0:  # a large room can't be as dry as a small one
        try:
            absorption, order = acoustics.inverse_sabine(rng.uniform(0.15, 0.6), size_m)
        except ValueError:
            continue
    box = acoustics.ShoeBox(
        size_m, fs=SAMPLE_RATE, materials=acoustics.Material(absorption), max_order=min(order, 12)
    )
    box.add_source(rng.uniform(0.5, size_m - 0.5))
    box.add_microphone(rng.uniform(0.3, size_m - 0.3))
    box.compute_rir()
    response = np.asarray(box.rir[0][0], "float32")
    first = int(np.abs(response).argmax())
    return response[first:] / response[first]
