"""Sound in blocks: files of any length and standard input, as mono sound at 16 kHz."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_sal.typing import Array

FILE_BLOCK_S = 10.0
LIVE_BLOCK_S = 0.08  # eight frames, for which a Keras model takes one call
STANDARD_INPUT = "-"


def file_blocks(path: str) -> Iterator[Array]:
    """Yield the sound of a file, block by block, so that its length takes no memory.

    Args:
        path: Path of the file.

    Yields:
        Float arrays `(samples,)` in [-1, 1], mono at `keras_sal.audio.SAMPLE_RATE`; together what
        `keras_sal.audio.read_audio` reads.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: As from `keras_sal.audio.read_audio`; what is wrong after the header is found
            when it is reached.
    """
    from keras_sal.audio import audio_info

    frames, _, _ = audio_info(path)
    soundfile = _soundfile()
    with soundfile.SoundFile(path) as sound:
        found = yield from _blocks(sound, path, FILE_BLOCK_S)
    if found < frames:
        raise ValueError(_unreadable(path, f"it ends after {found} of {frames} samples"))


def input_blocks(raw_rate: int | None = None) -> Iterator[Array]:
    """Yield the sound of standard input as it comes.

    Args:
        raw_rate: Samples per second if it has no header: 16 bits, the low byte first, one channel.
            Defaults to `None`, for sound with a header, such as WAV.

    Yields:
        Float arrays `(samples,)` in [-1, 1], mono at `keras_sal.audio.SAMPLE_RATE`.

    Raises:
        ValueError: If it is no sound that can be read from a pipe.
    """
    if sys.stdin.isatty():
        raise ValueError(
            "`-` must get sound from standard input; here it is the terminal. Pipe sound into it: "
            "arecord -f S16_LE -r 16000 | keras-sal detect MODEL -"
        )
    raw: dict[str, Any] = {}
    if raw_rate is not None:
        raw = {"format": "RAW", "subtype": "PCM_16", "endian": "LITTLE", "channels": 1}
        raw["samplerate"] = raw_rate
    soundfile = _soundfile()
    try:
        sound = soundfile.SoundFile(sys.stdin.fileno(), closefd=False, **raw)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise ValueError(
            "`-` must get sound with a header that can be read from a pipe, such as WAV. Received: "
            f"{error}. For 16-bit samples without a header give their rate: --raw 16000"
        ) from error
    with sound:
        yield from _blocks(sound, STANDARD_INPUT, LIVE_BLOCK_S)


def _blocks(sound: Any, source: str, block_s: float) -> Generator[Array, None, int]:
    """Yield an open file's sound; return its number of samples."""
    import numpy as np

    from keras_sal.audio import SAMPLE_RATE
    from keras_sal.audio.sound_checks import require_channels, require_peak
    from keras_sal.runtime.stream_resampler import StreamResampler

    rate = sound.samplerate
    resampler = None if rate == SAMPLE_RATE else StreamResampler(rate, SAMPLE_RATE)
    size = max(1, round(block_s * rate))
    found, last, energy, energy_of_mean = 0, False, 0.0, 0.0
    while not last:
        samples = _read(sound, source, size)
        found, last = found + len(samples), len(samples) < size
        require_peak(np.abs(samples).max(initial=0), "FILE", repr(source))
        mean = samples.mean(axis=1)
        energy += float(np.square(samples, dtype="float64").sum()) / sound.channels
        energy_of_mean += float(np.square(mean, dtype="float64").sum())
        mean = np.clip(mean, -1, 1)
        yield mean if resampler is None else resampler(mean, last=last)
    require_channels(energy_of_mean, energy, sound.channels, "FILE", repr(source))
    return found


def _read(sound: Any, source: str, size: int) -> Array:
    soundfile = _soundfile()
    try:
        return sound.read(size, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise ValueError(_unreadable(source, error)) from error


def _soundfile() -> Any:
    from keras_sal.extras import import_package

    return import_package("soundfile", "read sound files", "audio")


def _unreadable(source: str, error: object) -> str:
    return (
        f"`FILE` must be a readable sound file; it could not be decoded ({error}). Received: "
        f"{source!r}. Copy the file again, or leave it out."
    )
