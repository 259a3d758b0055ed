"""Sound as a detector hears it: samples and the features of the front-end.

Samples are mono `float32` in `[-1, 1]` at 16 kHz. Features are the 40 channels that the TensorFlow
Lite Micro micro front-end computes every 10 ms, so a detector is trained on what the device will
compute. Frame `t` is complete `FRAME_OFFSET_S + t * FRAME_STEP_S` seconds after the first sample:
its window covers the 30 ms before that moment.
"""

from pathlib import Path

import numpy as np

SAMPLE_RATE = 16_000
FRAME_STEP_S = 0.01
FRAME_OFFSET_S = 0.03
FEATURES = 40

_STEP = round(FRAME_STEP_S * SAMPLE_RATE)
_WINDOW = round(FRAME_OFFSET_S * SAMPLE_RATE)
_FULL_SCALE = 32_768


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
    return samples if rate == SAMPLE_RATE else resample(samples, rate, SAMPLE_RATE)


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
            raise missing_package("pymicro-features") from error
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


def resample(samples, rate, new_rate):
    """Samples at another rate, band-limited, at the same times.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`.
        rate: Their rate in Hz, any positive number.
        new_rate: The rate wanted, in Hz.

    Returns:
        A `float32` array of `round(samples * new_rate / rate)` samples in `[-1, 1]`.

    Raises:
        ImportError: If `soxr` is missing.

    Example:
        >>> import numpy as np
        >>> resample(np.zeros(44_100), 44_100, 16_000).shape
        (16000,)
    """
    try:
        import soxr
    except ImportError as error:
        raise missing_package("soxr") from error
    length = round(len(samples) * new_rate / rate)
    resampled = soxr.resample(np.asarray(samples, "float32"), rate, new_rate)[:length]
    return np.clip(np.pad(resampled, (0, length - len(resampled))), -1, 1)


def _soundfile():
    try:
        import soundfile
    except ImportError as error:
        raise missing_package("soundfile") from error
    return soundfile


def missing_package(package):
    """The error that says which extra brings a package."""
    return ImportError(f'Sound needs the package {package}: pip install "keras-sal[audio]".')


def _unreadable(path, error):
    return (
        f"`path` must be a readable sound file; it could not be decoded ({error}). Received: "
        f"path={str(path)!r}. Copy the file again, or leave it out."
    )
