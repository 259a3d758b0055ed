"""Sound as a detector hears it: samples, the front-end's features, augmentation.

Samples are mono `float32` in `[-1, 1]` at 16 kHz. Features are the 40 channels that the TensorFlow
Lite Micro micro front-end computes every 10 ms, so a detector is trained on what the device will
compute. Frame `t` is complete `FRAME_OFFSET_S + t * FRAME_STEP_S` seconds after the first sample:
its window covers the 30 ms before that moment.
"""

from pathlib import Path

import numpy as np

from keras_sal.alignment import energy_db

SAMPLE_RATE = 16_000
FRAME_STEP_S = 0.01
FRAME_OFFSET_S = 0.03
FEATURES = 40

_STEP = round(FRAME_STEP_S * SAMPLE_RATE)
_WINDOW = round(FRAME_OFFSET_S * SAMPLE_RATE)
_FULL_SCALE = 32_768
_PINK_PERIOD = 1 << 19  # a power of two, so that its Fourier transform is fast


def read_audio(path, *, convert=False):
    """Read a recording as the front-end wants it: mono, 16 kHz, `float32` in `[-1, 1]`.

    Reads WAV, FLAC, OGG, MP3 and what else libsndfile reads.

    Args:
        path: The file.
        convert: What to do with another sample rate or several channels: `False` (default) is an
            error, because it is often a sign of the wrong file; `True` averages the channels and
            resamples.

    Returns:
        A `float32` array of shape `(samples,)`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is unreadable, empty, cut short, not 16 kHz mono (unless
            `convert`), or holds samples that are not finite or not in `[-1, 1]`.
        ImportError: If `soundfile` (or `soxr`, to convert) is missing.

    Example:
        >>> import pathlib, tempfile, soundfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "half.wav"
        >>> soundfile.write(path, [0.5] * 160, 16_000)
        >>> samples = read_audio(path)
        >>> samples.shape, float(samples[0])
        ((160,), 0.5)
    """
    frames, rate, channels = audio_info(path)
    if not convert:
        check_format(path, rate, channels)
    soundfile = _soundfile()
    try:
        samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise ValueError(_unreadable(path, error)) from error
    if len(samples) < frames:
        raise ValueError(_unreadable(path, f"it ends after {len(samples)} of {frames} samples"))
    peak = np.abs(samples).max()
    if not peak <= 1:
        raise ValueError(
            f"`path` must hold finite samples in [-1, 1]; a float file can hold anything, for "
            f"example 16-bit integers or NaN. Received: path={str(path)!r} with a peak of {peak}. "
            "Divide integers by 32768 and save the file again."
        )
    samples = samples.mean(axis=1)
    return samples if rate == SAMPLE_RATE else _resample(samples, rate, SAMPLE_RATE)


def audio_info(path):
    """The length and format of a recording, from its header alone.

    Args:
        path: The file.

    Returns:
        `(frames, sample_rate, channels)`: samples per channel, Hz, count.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is unreadable or empty.

    Example:
        >>> import pathlib, tempfile, soundfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "short.wav"
        >>> soundfile.write(path, [0.5] * 160, 16_000)
        >>> audio_info(path)
        (160, 16000, 1)
    """
    soundfile = _soundfile()
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"`path` must name a file; there is none of this name. Received: "
            f"path={str(path)!r}. Check the name, and that the recordings are complete."
        )
    try:
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise ValueError(_unreadable(path, error)) from error
    if info.frames == 0:
        raise ValueError(
            f"`path` must hold sound; the file has no samples. Received: path={str(path)!r}. "
            "Leave the recording out or record it again."
        )
    return info.frames, info.samplerate, info.channels


def check_format(path, sample_rate, channels):
    """Refuse what is not 16 kHz mono.

    Args:
        path: The file, for the message.
        sample_rate: Its samples per second, in Hz.
        channels: Its number of channels.

    Raises:
        ValueError: If the file is not 16 kHz mono.

    Example:
        >>> check_format("good.wav", 16_000, 1)
    """
    if (sample_rate, channels) != (SAMPLE_RATE, 1):
        raise ValueError(
            f"`path` must be mono at {SAMPLE_RATE} Hz; the front-end hears nothing else. Received: "
            f"path={str(path)!r} with {channels} channel(s) at {sample_rate} Hz. Pass "
            "`convert=True` to average the channels and resample."
        )


class MicroFrontend:
    """The TensorFlow Lite Micro front-end, fed with chunks of any size.

    Use it to stream audio into a detector exactly as the device does: a 30 ms window every 10 ms,
    a 40-channel mel filter bank, noise suppression, automatic gain control (PCAN) and a logarithm,
    all in integer arithmetic. The features are multiples of 0.0390625 between 0 and about 26. The
    front-end is stateful: its noise estimate and the window's overlap carry over from call to call,
    and the features do not depend on how the samples were cut into chunks.

    Reference: TensorFlow Lite Micro, `tensorflow/lite/experimental/microfrontend`, as packaged in
    `pymicro-features`.

    Raises:
        ImportError: If `pymicro-features` is missing.

    Example:
        >>> import numpy as np
        >>> frontend = MicroFrontend()
        >>> frontend(np.zeros(479, "float32")).shape, frontend(np.zeros(161, "float32")).shape
        ((0, 40), (2, 40))
    """

    def __init__(self):
        try:
            from pymicro_features import MicroFrontend as Frontend
        except ImportError as error:
            raise ImportError(_missing("pymicro-features")) from error
        self._frontend = Frontend()
        self._rest = np.zeros(0, "<i2")

    def __call__(self, samples):
        """Compute the frames that these samples complete.

        Args:
            samples: Array of shape `(samples,)`, any length: float in `[-1, 1]`, or `int16`.

        Returns:
            A `float32` array of shape `(frames, 40)`; the first frame takes 480 samples, each
            further one 160.

        Raises:
            ValueError: If `samples` is not one channel in range.
        """
        pending = np.concatenate([self._rest, to_pcm16(samples)])
        steps = len(pending) // _STEP
        self._rest = pending[steps * _STEP :]
        data, size, frames = pending.tobytes(), 2 * _STEP, []
        for start in range(0, steps * size, size):
            output = self._frontend.process_samples(data[start : start + size])
            if output.features:
                frames.append(output.features)
        return np.array(frames, "float32").reshape(-1, FEATURES)

    def reset(self):
        """Forget everything heard so far, as a new front-end would."""
        self._frontend.reset()
        self._rest = self._rest[:0]


def features(samples):
    """The features of a whole recording, by a front-end that starts fresh.

    Args:
        samples: Array of shape `(samples,)`: float in `[-1, 1]`, or `int16`; 16 kHz.

    Returns:
        A `float32` array of shape `(frames, 40)`, with
        `frames = (samples - 480) // 160 + 1` from 480 samples on, else 0.

    Raises:
        ValueError: If `samples` is not one channel in range.

    Example:
        >>> import numpy as np
        >>> features(np.zeros(16_000, "float32")).shape
        (98, 40)
    """
    return MicroFrontend()(samples)


def to_pcm16(samples):
    """Samples as the 16-bit integers a microphone delivers.

    Args:
        samples: Array of shape `(samples,)`: float in `[-1, 1]`, or `int16` (returned as it is).

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
    return _resample(samples, speed * SAMPLE_RATE, SAMPLE_RATE), events


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


def _resample(samples, rate, new_rate):
    try:
        import soxr
    except ImportError as error:
        raise ImportError(_missing("soxr")) from error
    length = round(len(samples) * new_rate / rate)
    resampled = soxr.resample(samples, rate, new_rate)[:length]
    return np.clip(np.pad(resampled, (0, length - len(resampled))), -1, 1)


def _soundfile():
    try:
        import soundfile
    except ImportError as error:
        raise ImportError(_missing("soundfile")) from error
    return soundfile


def _missing(package):
    return f'Sound needs the package {package}: pip install "keras-sal[audio]".'


def _unreadable(path, error):
    return (
        f"`path` must be a readable sound file; it could not be decoded ({error}). Received: "
        f"path={str(path)!r}. Copy the file again, or leave it out."
    )
