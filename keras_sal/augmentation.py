"""Augmentation: recordings louder, noisier, faster, in other rooms, with their events moved along.

Only what changes times takes and returns events; the rest leaves them where they are.
"""

import functools
import importlib

import numpy as np

from keras_sal.alignment import energy_db
from keras_sal.audio import SAMPLE_RATE, missing_package, resample

_PINK_PERIOD = 1 << 19  # a power of two, so that its Fourier transform is fast


def speech_level_db(samples):
    """The level of what is said in a recording, pauses left out.

    The mean power of the 25 ms windows within 30 dB of the loudest one.

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


def amplify(samples, gain_db):
    """Samples louder or softer, cut off at full scale as a converter does.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`.
        gain_db: Gain in dB; a number, or one per sample.

    Returns:
        A `float32` array of the same shape in `[-1, 1]`.

    Example:
        >>> amplify([0.0625, -0.5], 20).tolist()
        [0.625, -1.0]
    """
    return np.clip(np.asarray(samples, "float32") * decibels(gain_db), -1, 1)


def add_noise(samples, noise, snr_db):
    """Samples with noise added at a signal-to-noise ratio.

    The level of the signal is its `speech_level_db`, that of the noise its mean power, so a pause
    in the speech does not make the noise softer.

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
    track = amplify_to_unit(np.resize(np.asarray(noise, "float32"), len(samples)))
    return np.clip(np.asarray(samples, "float32") + track * decibels(gain_db), -1, 1)


def amplify_to_unit(noise):
    """Noise scaled to a mean power of 1 (0 dB), not limited to `[-1, 1]`.

    Args:
        noise: Array of shape `(samples,)`.

    Returns:
        A `float32` array of the same shape.

    Raises:
        ValueError: If `noise` is empty or silent.

    Example:
        >>> amplify_to_unit([3.0, -3.0]).tolist()
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


def pink_noise(samples, rng):
    """Noise with as much power in each octave, the usual stand-in for a room.

    It repeats, without a seam, after 33 seconds.

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
    return amplify_to_unit(np.resize(np.fft.irfft(spectrum), samples))


def change_speed(samples, events, speed):
    """Speech faster or slower (and higher or lower), with its event times.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz.
        events: Array of shape `(events, 2 or 3)`: onset and offset in seconds, any class.
        speed: How many times faster, in `[0.5, 2]`.

    Returns:
        `(samples, events)`: `round(samples / speed)` samples as `float32` in `[-1, 1]`, and the
        events with their times divided by `speed`.

    Raises:
        ValueError: If `speed` is out of range.

    Example:
        >>> import numpy as np
        >>> samples, events = change_speed(np.zeros(16_000), [[0.2, 0.5, 0]], speed=1.25)
        >>> samples.shape, events.round(6).tolist()
        ((12800,), [[0.16, 0.4, 0.0]])
    """
    if not 0.5 <= speed <= 2:
        raise ValueError(
            f"`speed` must lie in [0.5, 2]; beyond that speech is no longer speech. Received: "
            f"speed={speed}. 0.9 to 1.1 is common."
        )
    samples = np.asarray(samples, "float32")
    events = np.array(events, "float64")
    events[..., :2] /= speed
    return resample(samples, speed * SAMPLE_RATE, SAMPLE_RATE), events


def change_tempo(samples, events, tempo):
    """Speech said faster or slower by the same voice, with its event times.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz.
        events: Array of shape `(events, 2 or 3)`: onset and offset in seconds, any class.
        tempo: How many times faster, in `[0.5, 2]`; the pitch stays.

    Returns:
        `(samples, events)`: about `samples / tempo` samples as `float32` in `[-1, 1]`, and the
        events with their times divided by `tempo`.

    Raises:
        ImportError: If `python-stretch` is missing.
        ValueError: If `tempo` is out of range.

    Example:
        >>> import numpy as np
        >>> samples, events = change_tempo(np.zeros(16_000), [[0.2, 0.5, 0]], tempo=1.25)
        >>> samples.shape, events.round(6).tolist()
        ((12800,), [[0.16, 0.4, 0.0]])
    """
    if not 0.5 <= tempo <= 2:
        raise ValueError(
            f"`tempo` must lie in [0.5, 2]; beyond that speech is no longer speech. Received: "
            f"tempo={tempo}. 0.8 to 1.25 is common."
        )
    stretch = _package("python_stretch").Signalsmith.Stretch()
    stretch.preset(1, SAMPLE_RATE)
    stretch.setTimeFactor(tempo)
    samples = np.asarray(samples, "float32")
    events = np.array(events, "float64")
    events[..., :2] /= tempo
    return np.clip(stretch.process(samples[None])[0], -1, 1), events


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
    acoustics = _package("pyroomacoustics")
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


def decibels(level_db):
    """The amplitude ratio of a level difference: `10 ** (level_db / 20)`, as `float32`.

    Args:
        level_db: Level difference in dB; a number or an array.

    Returns:
        `float32` of the same shape.

    Example:
        >>> float(decibels(20))
        10.0
    """
    return np.float32(10) ** (np.asarray(level_db, "float32") / np.float32(20))


def _package(module):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing_package(module.replace("_", "-")) from error
