"""Lossy codecs: the sound of telephones, voice messages and downloads."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from keras_sal.audio import SAMPLE_RATE, resample
from keras_sal.extras import import_package
from keras_sal.typing import Array, ArrayLike

CODECS: dict[str, tuple[int, str, str, dict[str, Any]]] = {
    # rate in Hz, container and encoding of libsndfile, options of the encoder
    "mu-law": (8000, "WAV", "ULAW", {}),
    "a-law": (8000, "WAV", "ALAW", {}),
    "gsm": (8000, "WAV", "GSM610", {}),
    "opus": (SAMPLE_RATE, "OGG", "OPUS", {"compression_level": 0.97}),
    "vorbis": (SAMPLE_RATE, "OGG", "VORBIS", {"compression_level": 1.0}),
    "mp3": (
        SAMPLE_RATE,
        "MP3",
        "MPEG_LAYER_III",
        {"compression_level": 0.9, "bitrate_mode": "VARIABLE"},
    ),
}


def through_codec(samples: ArrayLike, codec: str) -> Array:
    """Encode samples and decode them again, at the same times.

    | codec | where | rate | kbit/s |
    |---|---|---|---|
    | `"mu-law"`, `"a-law"` | telephones (G.711) | 8 kHz | 64 |
    | `"gsm"` | mobile telephones (GSM 06.10) | 8 kHz | 13 |
    | `"opus"` | calls and voice messages over the internet | 16 kHz | 11 |
    | `"vorbis"`, `"mp3"` | downloads, corpora | 16 kHz | 24, 14 |

    The bit rates are those of speech and vary with it. The delay of the codecs is removed: a click
    stays within one sample of its place, at the rate of the codec.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz.
        codec: Name of a codec in the table.

    Returns:
        A `float32` array of the same shape in `[-1, 1]`.

    Raises:
        ImportError: If `soundfile` or `soxr` is missing.
        ValueError: If `codec` is unknown.

    Example:
        >>> import numpy as np
        >>> tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
        >>> heard = through_codec(tone, "mu-law")
        >>> heard.shape, bool(0 < np.abs(heard - tone).max() < 0.05)
        ((16000,), True)
    """
    if codec not in CODECS:
        raise ValueError(
            f"`codec` must be one of {', '.join(CODECS)}; others are not supported. Received: "
            f"codec={codec!r}. Choose one of them."
        )
    soundfile = import_package("soundfile", "encode sound", "audio")
    rate, container, encoding, options = CODECS[codec]
    sent, stream = _at_rate(samples, SAMPLE_RATE, rate), io.BytesIO()
    soundfile.write(stream, sent, rate, encoding, format=container, **options)
    stream.seek(0)
    received, _ = soundfile.read(stream, dtype="float32")
    heard = _at_rate(received[: len(sent)], rate, SAMPLE_RATE)[: len(samples)]
    return np.clip(np.pad(heard, (0, len(samples) - len(heard))), -1, 1)


def _at_rate(samples: ArrayLike, rate: int, new_rate: int) -> Array:
    samples = np.asarray(samples, "float32")
    return samples if rate == new_rate else resample(samples, rate, new_rate)
