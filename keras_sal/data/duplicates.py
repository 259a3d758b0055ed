"""Copies: recordings that hold one and the same utterance.

Collections have more of them than they tell. Ten "takes" of a voice may be one take, sent in ten
times. To learn from they are one, and to be tested on they are one: whoever misses it misses all
ten.

Two recordings of the same text are copies where their waves between 100 Hz and 2 kHz, laid over
each other as well as they can be, agree:

    max over lags of |sum x(t) y(t - lag)| / sqrt(sum x(t)^2 sum y(t)^2)  >=  alike

Level and place in the file don't matter, tempo and rooms do. Among 1,479 recordings of four wake
words the same 1,399 pairs are found with any `alike` from 0.83 to 0.98, though people say a word
much as they said it before (`python benchmarks/copies.py`).
"""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_sal.audio import SAMPLE_RATE, resample
from keras_sal.checks import require
from keras_sal.data.alignment.events import words_of

LOWEST_HZ = 100.0  # below there is hum, the same in all that one person records
RATE = 4000
LONGEST_S = 10.0  # of a recording that is looked at: one of an hour must not fill the memory
TINY = 1e-9


def find_copies(recordings, *, alike=0.9, workers=2):
    """Finds the recordings that are copies of others.

    All recordings of the same words are compared with each other, by their first ten seconds and
    whoever speaks: a copy in another split is a leak. Those without text are not, nor those that
    can't be read.

    Args:
        recordings: A sequence of `keras_sal.data.Recording`.
        alike: From where on two are copies, in `(0, 1]`. Default 0.9.
        workers: Threads that read, at least 1. Default 2.

    Returns:
        A list of lists: the recordings of each utterance that is there more than once, in the order
        given.

    Raises:
        ValueError: If `alike` is out of range.

    Example:
        >>> import pathlib, tempfile, numpy as np, soundfile
        >>> from keras_sal.data import Recording
        >>> folder, noise = pathlib.Path(tempfile.mkdtemp()), np.random.default_rng(0)
        >>> first, second = noise.uniform(-0.5, 0.5, (2, 16_000))
        >>> sounds = {"a": first, "b": second, "a, later": np.append(np.zeros(800), first / 2)}
        >>> for name, samples in sounds.items():
        ...     soundfile.write(folder / f"{name}.wav", samples, 16_000)
        >>> recordings = [Recording(folder / f"{n}.wav", "test", "computer", 1.0) for n in sounds]
        >>> [[copy.path.stem for copy in copies] for copies in find_copies(recordings)]
        [['a', 'a, later']]
    """
    require(
        0 < alike <= 1,
        "`alike` must be greater than 0 and at most 1, the agreement of a wave with itself. "
        f"Received: alike={alike}. Leave it at 0.9.",
    )
    by_words = defaultdict(list)
    for recording in recordings:
        by_words[tuple(words_of(recording.text))].append(recording)
    by_words.pop((), None)
    groups = []
    with ThreadPoolExecutor(workers) as pool:
        for said in by_words.values():
            if len(said) > 1:
                groups += _alike(said, list(pool.map(_wave, said)), alike)
    return groups


def utterances(recordings, **options):
    """Puts copies together.

    Args:
        recordings: A sequence of `keras_sal.data.Recording`.
        **options: Of `find_copies`.

    Returns:
        A list of lists, each an utterance: its copies, or the one recording that there is of it.
    """
    groups = find_copies(recordings, **options)
    copies = {id(recording) for group in groups for recording in group}
    return groups + [[recording] for recording in recordings if id(recording) not in copies]


def _wave(recording):
    """The sound at a low rate; of what can't be read silence, which is like nothing."""
    try:
        return resample(recording.samples(), SAMPLE_RATE, RATE)[: round(LONGEST_S * RATE)]
    except (OSError, ValueError):
        return np.zeros(1)


def _alike(recordings, waves, alike):
    """The groups of two and more."""
    length = 2 ** (2 * max(map(len, waves)) - 1).bit_length()
    spectra = np.stack([_spectrum(wave, length) for wave in waves])
    sizes = np.abs(spectra)
    most = sizes @ sizes.T  # of any lag: as if all phases agreed
    group = np.arange(len(waves))
    for first, second in np.argwhere(np.triu(most >= alike, 1)):
        if _agreement(spectra[first], spectra[second]) >= alike:
            group[group == group[second]] = group[first]
    found = defaultdict(list)
    for recording, number in zip(recordings, group, strict=True):
        found[number].append(recording)
    return [copies for copies in found.values() if len(copies) > 1]


def _spectrum(wave, length):
    """Of speech alone, and of norm 1."""
    spectrum = np.fft.rfft(wave, length).astype("complex64")
    spectrum[: round(LOWEST_HZ * length / RATE)] = 0
    return spectrum / max(np.linalg.norm(spectrum), TINY)


def _agreement(first, second):
    """Of two waves at the best lag, to a quarter of a sample."""
    lags = 4 * 2 * (len(first) - 1)
    return np.abs(np.fft.irfft(first * second.conj(), lags)).max() * lags / 2
