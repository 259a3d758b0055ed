"""Sound files with damaged or lying headers: read as they were written, or refused."""

from __future__ import annotations

import functools
import io
from collections import Counter

import numpy as np
import soundfile
from messages import check_message

from keras_sal.audio import read_audio
from keras_sal.audio.reading import audio_info

HEADER_BYTES = 128
MOST_CHANGES = 6
LONGEST_S = 3600.0  # what a file of a few kilobytes can't hold
FORMATS = {
    "wav": ("WAV", "PCM_16", ".wav"),
    "wav24": ("WAV", "PCM_24", ".wav"),
    "float": ("WAV", "FLOAT", ".wav"),
    "wavex": ("WAVEX", "PCM_16", ".wav"),
    "rf64": ("RF64", "PCM_16", ".wav"),
    "flac": ("FLAC", "PCM_16", ".flac"),
    "vorbis": ("OGG", "VORBIS", ".ogg"),
    "opus": ("OGG", "OPUS", ".opus"),
    "mp3": ("MP3", "MPEG_LAYER_III", ".mp3"),
    "aiff": ("AIFF", "PCM_16", ".aiff"),
    "au": ("AU", "PCM_16", ".au"),
    "caf": ("CAF", "PCM_16", ".caf"),
}
WORDS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 36, (1 << 64) - 1)


def attempt(random, folder):
    """Read a file whose header was changed, or one that is whole."""
    name = random.choice(sorted(FORMATS))
    rate, channels = random.choice((16_000, 16_000, 8000, 48_000)), random.choice((1, 1, 2))
    content, samples = _file(name, rate, channels)
    path = folder / f"sound{random.choice((FORMATS[name][2], '.wav', '.dat'))}"
    if random.random() < 0.05:
        path.write_bytes(content)
        heard = read_audio(path)
        if rate == 16_000 and name not in ("vorbis", "opus", "mp3"):
            np.testing.assert_allclose(heard, samples.mean(axis=1), atol=2e-4)
        assert abs(len(heard) - len(samples) * 16_000 / rate) <= 0.15 * 16_000
        return Counter(agreed=1)
    path.write_bytes(_damaged(random, content))
    try:
        frames, rate, _ = audio_info(path)
        heard = read_audio(path)
    except ValueError as error:
        check_message(error, path)
        return Counter(refused=1)
    assert heard.dtype == np.float32
    assert heard.ndim == 1
    assert np.isfinite(heard).all()
    assert abs(heard).max() <= 1
    assert 0 < len(heard) <= LONGEST_S * 16_000, len(heard)
    assert abs(len(heard) - frames * 16_000 / rate) <= 1, (len(heard), frames, rate)
    return Counter(agreed=1)


@functools.cache
def _file(name, rate, channels):
    """The bytes of a short file, and its samples."""
    samples = 0.3 * np.sin(np.arange(rate // 8) / 9)[:, None].repeat(channels, axis=1)
    content = io.BytesIO()
    format, subtype, _ = FORMATS[name]
    soundfile.write(content, samples, rate, format=format, subtype=subtype)
    return content.getvalue(), samples


def _damaged(random, content):
    """Change bytes and whole numbers, most of them in the header; cut, or add bytes."""
    changed = bytearray(content)
    for _ in range(random.randint(1, MOST_CHANGES)):
        size = len(changed)
        if not size:
            break
        at = random.randrange(size if random.random() < 0.2 else min(size, HEADER_BYTES))
        change = random.random()
        if change < 0.3:
            changed[at] ^= 1 << random.randrange(8)
        elif change < 0.5:
            changed[at] = random.randrange(256)
        elif change < 0.8:
            width, order = random.choice((2, 4, 8)), random.choice(("little", "big"))
            word = random.choice(WORDS) % (1 << (8 * width))
            changed[at : at + width] = word.to_bytes(width, order)
        elif change < 0.9:
            del changed[at:]
        else:
            changed[at:at] = random.randbytes(random.randint(1, 9))
    return bytes(changed)
