"""Copies: recordings that hold one and the same utterance.

Collections have more of them than they tell. Ten "takes" of a voice may be one take, sent in ten
times. To learn from they are one, and to be tested on they are one: whoever misses it misses all
ten.

Two recordings of the same text are copies where their waves between 100 Hz and 2 kHz, laid over
each other as well as they can be, agree:

    max over lags of |sum x(t) y(t - lag)| / sqrt(sum x(t)^2 sum y(t)^2)  >=  alike

Level and place in the file don't matter, tempo and rooms do. Among 1,479 recordings of four wake
words 1,399 pairs are at 0.98 or more and no other is beyond 0.82, though people say a word much as
they said it before.
"""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_sal.audio import SAMPLE_RATE, resample
from keras_sal.events import require

LOWEST_HZ = 100.0  # below there is hum, the same in all that one person records
RATE = 4000
LONGEST_S = 10.0  # of a recording that is looked at: one of an hour must not fill the memory
TINY = 1e-9


def find_copies(recordings, *, alike=0.9, workers=2):
    """Finds the recordings that are copies of others.

    All recordings of a text are compared with each other, by their first ten seconds and whoever
    speaks: a copy in another split is a leak. Those without text are not, nor those that can't be
    read.

    Args:
        recordings: A sequence of `keras_sal.recordings.Recording`.
        alike: From where on two are copies, in `(0, 1]`. Default 0.9.
        workers: Threads that read, at least 1. Default 2.

    Returns:
        A list of lists: the recordings of each utterance that is there more than once, in the order
        given.

    Raises:
        ValueError: If `alike` is out of range.

    Example:
        >>> import pathlib, tempfile, numpy as np, soundfile
        >>> from keras_sal.recordings import Recording
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
    by_text = defaultdict(list)
    for recording in recordings:
        if recording.text:
            by_text[recording.text].append(recording)
    groups = []
    with ThreadPoolExecutor(workers) as pool:
        for said in by_text.values():
            waves = pool.map(_wave, said) if len(said) > 1 else ()
            heard = [pair for pair in zip(said, waves, strict=False) if pair[1] is not None]
            groups += _alike(heard, alike)
    return groups


def utterances(recordings, **options):
    """Puts copies together.

    Args:
        recordings: A sequence of `keras_sal.recordings.Recording`.
        **options: Of `find_copies`.

    Returns:
        A list of lists, each an utterance: its copies, or the one recording that there is of it.
    """
    copies = {id(copy): group for group in find_copies(recordings, **options) for copy in group}
    every = {id(group[0]): group for group in (copies.get(id(r), [r]) for r in recordings)}
    return list(every.values())


def _wave(recording):
    """The sound at a low rate, or `None` if there is none to be compared."""
    try:
        wave = resample(recording.samples(), SAMPLE_RATE, RATE)
    except (OSError, ValueError):
        return None
    wave = wave[: round(LONGEST_S * RATE)]
    return wave if wave.any() else None


def _alike(heard, alike):
    """The groups of two and more among pairs of recordings and waves."""
    if len(heard) < 2:
        return []
    recordings, waves = zip(*heard, strict=True)
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
