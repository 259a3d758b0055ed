"""Selection of the usable positives and negatives of a wake word."""

from __future__ import annotations

import functools
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from keras_sal.audio import SAMPLE_RATE
from keras_sal.augmentation import scale_to_unit_power, speech_level_db
from keras_sal.data.alignment import energy_events
from keras_sal.data.alignment.events import words_of
from keras_sal.data.recordings import Recording, warn_of_refused
from keras_sal.data.recordings_table import SPLITS
from keras_sal.data.wake_words import Words, class_of, compared_words, is_said, quote
from keras_sal.typing import Array

MOST_TEXTS = 3  # texts in a line about what is left out
MOST_REMEMBERED = 100_000  # recordings
DITHER = 2.5 / 32768  # least range of 16-bit samples that is sound: more than one bit up and down

_Examine = Callable[[Recording], Recording | Exception]


def partition(
    recordings: Sequence[Recording], word: Words
) -> tuple[list[Recording], list[Recording]]:
    """Return the recordings of the wake word, and those in which it is not said.

    Of several words, the negatives are those in which none is said.

    Recordings that hold the word among others are neither: they are no negatives, and when the word
    is said in them is unknown. Recordings without text are negatives. Texts are compared by their
    words: case, punctuation and hyphens don't matter.

    Args:
        recordings: A sequence of `Recording`.
        word: Wake word in any case, such as `"computer"` or `"smart mirror"`, or a list of several.

    Returns:
        `(positives, negatives)`, lists of `Recording`.

    Raises:
        ValueError: If no recording's text is `word`, or one of several is said in another.

    Example:
        >>> from pathlib import Path
        >>> said = ["computer", "turn on the computer", "alexa", ""]
        >>> recordings = [Recording(Path("a.wav"), "test", text, 1.0) for text in said]
        >>> positives, negatives = partition(recordings, "Computer")
        >>> [r.text for r in positives], [r.text for r in negatives]
        (['computer'], ['alexa', ''])
    """
    texts = [" ".join(words_of(recording.text)) for recording in recordings]
    words = compared_words(word)
    for said in words:
        if said and said in texts:
            continue
        counts = Counter(recording.text for recording in recordings if recording.text)
        available = ", ".join(f"{text!r} ({count})" for text, count in counts.most_common(10))
        raise ValueError(
            f"`word` must be the whole text of some recordings; these are the positives. Received: "
            f"word={said!r}. Choose one of: {available or 'none, no recording has a text'}."
        )
    positives: list[Recording] = []
    negatives: list[Recording] = []
    for recording, text in zip(recordings, texts, strict=True):
        if text in words:
            positives.append(recording)
        elif not any(is_said(said, text) for said in words):
            negatives.append(recording)
    return positives, negatives


def select_split(
    recordings: Sequence[Recording], word: Words, split: str, *, workers: int = 2
) -> tuple[list[Recording], list[Recording], list[Recording]]:
    """Return the usable recordings of a split, after decoding each of them once a process.

    Positives without event times get them from their energy (`alignment.energy_events`). Recordings
    that are unreadable or too short, and positives in which no times are found, are left out and
    named in a warning. So are positives of digital silence. Another warning gives the number of
    recordings that hold the word among others, which are neither.

    Args:
        recordings: A sequence of `Recording`.
        word: Wake word, or a list of several; see `partition`.
        split: `"train"`, `"dev"` or `"test"`.
        workers: Number of threads that read, at least 1. Defaults to 2.

    Returns:
        `(positives, negatives, noise)`, lists of `Recording`; the noise is among the negatives. Of
        several words, the positives of the first come first.

    Raises:
        ValueError: If there are no positives (of each word) or no negatives.
    """
    if split not in SPLITS:
        raise ValueError(
            f"`split` must be one of {', '.join(SPLITS)}; it says which recordings to use. "
            f"Received: split={split!r}. Choose one of them."
        )
    positives, negatives = (
        [r for r in part if r.split == split] for part in partition(recordings, word)
    )
    _warn_of_neither(recordings, word, split)
    words = compared_words(word)
    usable: list[Recording] = []
    with ThreadPoolExecutor(workers) as pool:
        for index, said in enumerate(words):
            own = [recording for recording in positives if class_of(recording, words) == index]
            kind = "positives" if len(words) == 1 else f"positives of {said!r}"
            usable += _usable(own, pool.map(_remember(_with_times), own), kind, split)
        examined = pool.map(_remember(_with_level), negatives)
        negatives = _usable(negatives, examined, "negatives", split)
    return usable, negatives, [recording for recording in negatives if recording.noise]


def among_others(recordings: Sequence[Recording], word: Words) -> list[Recording]:
    """Return the recordings in which the wake word is said among others: neither kind.

    Args:
        recordings: A sequence of `Recording`.
        word: Wake word, or a list of several; see `partition`.

    Returns:
        A list of `Recording`.

    Raises:
        ValueError: If no recording's text is `word`.
    """
    used = {id(recording) for part in partition(recordings, word) for recording in part}
    return [recording for recording in recordings if id(recording) not in used]


def describe_texts(recordings: Sequence[Recording]) -> str:
    """Name the most frequent texts of recordings, with their numbers.

    Args:
        recordings: A sequence of `Recording`.

    Returns:
        Such as `"'my computer hums' (3), 'computer games' (1)"`.
    """
    texts = Counter(recording.text for recording in recordings).most_common()
    named = ", ".join(f"{text!r} ({count})" for text, count in texts[:MOST_TEXTS])
    return named + (f" and {len(texts) - MOST_TEXTS} more" if len(texts) > MOST_TEXTS else "")


def _warn_of_neither(recordings: Sequence[Recording], word: Words, split: str) -> None:
    neither = [r for r in among_others(recordings, word) if r.split == split]
    if neither:
        warnings.warn(
            f"{len(neither)} recordings in {split} are left out, as {quote(word)} is said in them "
            f"among other words: {describe_texts(neither)}.",
            stacklevel=3,
        )


def _usable(
    recordings: Sequence[Recording],
    examined: Iterable[Recording | Exception],
    kind: str,
    split: str,
) -> list[Recording]:
    """The recordings without an error; the others are named in a warning."""
    usable, refused = [], {}
    for recording, result in zip(recordings, examined, strict=True):
        if isinstance(result, Recording):
            usable.append(result)
        else:
            refused[str(recording.path)] = result
    if not usable:
        name, error = next(iter(refused.items()), ("none", ValueError("there is nothing to read.")))
        raise ValueError(
            f"`recordings` must hold {kind} in each split that is used; this one has no usable "
            f"ones. Received: split={split!r} with {len(refused)} {kind}, all refused. "
            f"The first, {name}: {error}"
        )
    warn_of_refused(refused, len(recordings))
    return usable


def _remember(examine: _Examine) -> _Examine:
    """The function, by which a process decodes each file once, as long as it doesn't change."""

    def remembered(recording: Recording) -> Recording | Exception:
        try:
            file = recording.path.stat()
        except OSError:
            return examine(recording)
        return _examined(examine, recording, (file.st_size, file.st_mtime_ns))

    return remembered


@functools.lru_cache(maxsize=MOST_REMEMBERED)
def _examined(
    examine: _Examine, recording: Recording, state: tuple[int, int]
) -> Recording | Exception:
    return examine(recording)


def _with_times(recording: Recording) -> Recording | Exception:
    """The recording with event times, found from its energy if it had none, or the error."""
    try:
        samples = recording.samples()
        speech_level_db(samples)
        if not math.isnan(recording.offset_s):
            return _silent_event(recording, samples) or recording
        onset_s, offset_s = energy_events(samples, SAMPLE_RATE)
    except (OSError, ValueError) as error:
        return error
    if math.isnan(offset_s):
        return ValueError(
            "it has no event times, and nothing stands out in its energy, or several things do."
        )
    return replace(recording, onset_s=onset_s, offset_s=offset_s)


def _silent_event(recording: Recording, samples: Array) -> ValueError | None:
    """The error of a recording whose event is digital silence, but for the last bit."""
    times_s = recording.onset_s, recording.offset_s
    first, beyond = (round(time_s * SAMPLE_RATE) for time_s in times_s)
    event = samples[first:beyond]
    if len(event) and np.ptp(event) > DITHER:
        return None
    return ValueError(
        f"there is nothing but digital silence at the times of its text, {times_s[0]:g} to "
        f"{times_s[1]:g} s: record it again, or correct the times."
    )


def _with_level(recording: Recording) -> Recording | Exception:
    """The recording if its level can be measured, or the error."""
    try:
        samples = recording.samples()
        speech_level_db(samples)
        if recording.noise:
            scale_to_unit_power(samples)
    except (OSError, ValueError) as error:
        return error
    return recording
