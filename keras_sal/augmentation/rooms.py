"""Recordings as heard across a room."""

import functools

import numpy as np

from keras_sal.audio import SAMPLE_RATE
from keras_sal.extras import import_package


def add_room(samples, room):
    """Samples as heard across a room; what comes straight keeps its level and its time.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz.
        room: Which room: any integer >= 0, the seed of its size, walls and places. See
            `room_response`.

    Returns:
        A `float32` array of the same shape in `[-1, 1]`.

    Raises:
        ImportError: If `pyroomacoustics` is missing.
    """
    response = room_response(room)
    size = 1 << (len(samples) + len(response) - 2).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    return np.clip(wet[: len(samples)], -1, 1).astype("float32")


@functools.lru_cache(maxsize=256)
def room_response(room):
    """The impulse response of a living room or office, by its image sources.

    Rooms of 3 x 2.5 x 2.3 to 8 x 6 x 3.2 m with reverberation times of 0.15 to 0.6 s, and a mouth
    and a microphone anywhere in them.

    Args:
        room: Which room: any integer >= 0.

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
