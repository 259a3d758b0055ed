"""Changes of pitch: higher and lower voices."""

from __future__ import annotations

import numpy as np

from keras_sal.audio import SAMPLE_RATE
from keras_sal.extras import import_package
from keras_sal.typing import Array, ArrayLike

WINDOW = 512  # 32 ms: two periods of a low voice
HOP = WINDOW // 4
VOICE = 24  # 1.5 ms: shorter periods are due to the vocal tract, not to the voice
ROUNDS = 5
MOST_DB = 20.0


def change_pitch(samples: ArrayLike, semitones: float, *, keep_formants: bool = False) -> Array:
    """Make a voice higher or lower, at the same times.

    If its formants move with the pitch, it is the voice of a smaller or larger person. If they are
    kept, it is the same person at another pitch: each short-time spectrum keeps its envelope.

    Reference:
        Röbel and Rodet, Efficient spectral envelope estimation and its application to pitch
        shifting and envelope preservation, DAFx 2005.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz.
        semitones: Change of pitch in semitones, in `[-12, 12]`; positive is higher.
        keep_formants: Whether formants stay where they are. Defaults to `False`: they move with the
            pitch.

    Returns:
        A `float32` array of the same shape in `[-1, 1]`.

    Raises:
        ImportError: If `python-stretch` is missing.
        ValueError: If `semitones` is out of range.

    Example:
        >>> import numpy as np
        >>> tone = 0.1 * np.sin(2 * np.pi * 500 * np.arange(16_000) / 16_000)
        >>> spectrum = np.abs(np.fft.rfft(change_pitch(tone, 12)))
        >>> int(np.argmax(spectrum))
        1000
    """
    if not -12 <= semitones <= 12:
        raise ValueError(
            "`semitones` must lie in [-12, 12]; beyond an octave speech is no longer speech. "
            f"Received: semitones={semitones}. -3 to 3 is common."
        )
    stretch = import_package(
        "python_stretch", "change the pitch of speech", "audio"
    ).Signalsmith.Stretch()
    stretch.preset(1, SAMPLE_RATE)
    stretch.setTransposeSemitones(semitones)
    samples = np.asarray(samples, "float32")
    moved = stretch.process(samples[None])[0][: len(samples)]
    moved = np.pad(moved, (0, len(samples) - len(moved)))
    if keep_formants:
        moved = _with_envelope_of(samples, moved)
    return np.clip(moved, -1, 1)


def _with_envelope_of(original: Array, moved: Array) -> Array:
    """The moved samples with the spectral envelopes of the original ones."""
    spectra = _spectra(moved)
    change = _log_envelope(_spectra(original)) - _log_envelope(spectra)
    most = MOST_DB / 20 * np.log(10)
    return _joined(spectra * np.exp(np.clip(change, -most, most)), len(moved))


def _spectra(samples: Array) -> Array:
    """Short-time spectra every `HOP` samples, from half a window before the first one."""
    padded = np.pad(samples, WINDOW)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    return np.fft.rfft(frames * _window(), axis=1)


def _log_envelope(spectra: Array) -> Array:
    """The smooth curve through the tops of the harmonics, not through the gaps between them."""
    level = top = np.log(np.abs(spectra) + 1e-5)
    for _ in range(ROUNDS):
        cepstra = np.fft.irfft(top, axis=1)
        cepstra[:, VOICE + 1 : -VOICE] = 0
        envelope = np.fft.rfft(cepstra, axis=1).real
        top = np.maximum(level, envelope)
    return envelope


def _joined(spectra: Array, length: int) -> Array:
    """The samples with these short-time spectra, by overlap and add."""
    frames = np.fft.irfft(spectra, axis=1) * _window()
    joined = np.zeros(HOP * (len(frames) - 1) + WINDOW)
    for start, frame in zip(range(0, len(joined), HOP), frames, strict=False):
        joined[start : start + WINDOW] += frame
    return (joined[WINDOW : WINDOW + length] / 1.5).astype("float32")


def _window() -> Array:
    """A Hann window; its squares, `HOP` apart, sum to 1.5."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
