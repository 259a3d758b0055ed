"""Duplicates: recordings that hold one and the same utterance.

Collections have more of them than they tell. Ten "takes" of a voice may be one take, sent in ten
times. For training and for tests they are one: a detector that misses one of them misses all ten.

Two recordings of the same text are duplicates if the normalised cross-correlation of their waves
between 100 Hz and 2 kHz reaches a least value at any lag:

    max over lags of |sum x(t) y(t - lag)| / sqrt(sum x(t)^2 sum y(t)^2)  >=  min_correlation

Level and place in the file don't matter; tempo and rooms do. Among 1,479 recordings of four wake
words the same 1,399 pairs are found with any `min_correlation` from 0.83 to 0.98, though people say
a word much as they said it before (`python benchmarks/copies.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_sal.audio import SAMPLE_RATE, resample
from keras_sal.checks import require
from keras_sal.data.alignment.events import words_of
from keras_sal.data.recordings import Recording
from keras_sal.typing import Array

LOWEST_HZ = 100.0  # below it is hum, the same in all that one person records
RATE = 4000
LONGEST_S = 10.0  # limits the memory that a recording of an hour takes
TINY = 1e-9


def find_duplicates(
    recordings: Sequence[Recording], *, min_correlation: float = 0.9, workers: int = 2
) -> list[list[Recording]]:
    """Find the recordings that are duplicates of others.

    All recordings of the same words are compared with each other, by their first ten seconds and
    whoever speaks: a duplicate in another split is a leak. Recordings without text and those that
    can't be read are not compared.

    Args:
        recordings: A sequence of `keras_sal.data.Recording`.
        min_correlation: Least correlation of duplicates, in `(0, 1]`. Defaults to 0.9.
        workers: Number of threads that read, at least 1. Defaults to 2.

    Returns:
        A list of lists: the recordings of each utterance that is there more than once, in the order
        given.

    Raises:
        ValueError: If `min_correlation` is out of range.

    Example:
        >>> import pathlib, tempfile, numpy as np, soundfile
        >>> from keras_sal.data import Recording
        >>> folder, noise = pathlib.Path(tempfile.mkdtemp()), np.random.default_rng(0)
        >>> first, second = noise.uniform(-0.5, 0.5, (2, 16_000))
        >>> sounds = {"a": first, "b": second, "a, later": np.append(np.zeros(800), first / 2)}
        >>> for name, samples in sounds.items():
        ...     soundfile.write(folder / f"{name}.wav", samples, 16_000)
        >>> recordings = [Recording(folder / f"{n}.wav", "test", "computer", 1.0) for n in sounds]
        >>> [[copy.path.stem for copy in copies] for copies in find_duplicates(recordings)]
        [['a', 'a, later']]
    """
    require(
        0 < min_correlation <= 1,
        "`min_correlation` must be greater than 0 and at most 1, the correlation of a wave with "
        f"itself. Received: min_correlation={min_correlation}. Leave it at 0.9.",
    )
    by_words = defaultdict(list)
    for recording in recordings:
        by_words[tuple(words_of(recording.text))].append(recording)
    by_words.pop((), None)
    groups = []
    with ThreadPoolExecutor(workers) as pool:
        for same_words in by_words.values():
            if len(same_words) > 1:
                waves = list(pool.map(_wave, same_words))
                groups += _correlated(same_words, waves, min_correlation)
    return groups


def group_duplicates(
    recordings: Sequence[Recording], *, min_correlation: float = 0.9, workers: int = 2
) -> list[list[Recording]]:
    """Group recordings by utterance.

    Args:
        recordings: A sequence of `keras_sal.data.Recording`.
        min_correlation: Least correlation of duplicates, in `(0, 1]`. Defaults to 0.9.
        workers: Number of threads that read, at least 1. Defaults to 2.

    Returns:
        A list of lists, one for each utterance: its duplicates, or its only recording.

    Raises:
        ValueError: If `min_correlation` is out of range.
    """
    groups = find_duplicates(recordings, min_correlation=min_correlation, workers=workers)
    grouped = {id(recording) for group in groups for recording in group}
    return groups + [[recording] for recording in recordings if id(recording) not in grouped]


def _wave(recording: Recording) -> Array:
    """The sound at a low rate; silence, which correlates with nothing, if it can't be read."""
    try:
        return resample(recording.samples(), SAMPLE_RATE, RATE)[: round(LONGEST_S * RATE)]
    except (OSError, ValueError):
        return np.zeros(1)


def _correlated(
    recordings: Sequence[Recording], waves: Sequence[Array], min_correlation: float
) -> list[list[Recording]]:
    """The groups of two and more recordings that correlate."""
    length = 2 ** (2 * max(map(len, waves)) - 1).bit_length()
    spectra = np.stack([_spectrum(wave, length) for wave in waves])
    magnitudes = np.abs(spectra)
    bounds = magnitudes @ magnitudes.T  # of the correlation at any lag: as if all phases agreed
    group = np.arange(len(waves))
    for first, second in np.argwhere(np.triu(bounds >= min_correlation, 1)):
        if _correlation(spectra[first], spectra[second]) >= min_correlation:
            group[group == group[second]] = group[first]
    found = defaultdict(list)
    for recording, number in zip(recordings, group, strict=True):
        found[number].append(recording)
    return [duplicates for duplicates in found.values() if len(duplicates) > 1]


def _spectrum(wave: Array, length: int) -> Array:
    """The spectrum of the speech alone, of norm 1."""
    spectrum = np.fft.rfft(wave, length).astype("complex64")
    spectrum[: round(LOWEST_HZ * length / RATE)] = 0
    return spectrum / max(np.linalg.norm(spectrum), TINY)


def _correlation(first: Array, second: Array) -> float:
    """The correlation of two waves at the best lag, to a quarter of a sample."""
    lags = 4 * 2 * (len(first) - 1)
    return np.abs(np.fft.irfft(first * second.conj(), lags)).max() * lags / 2
