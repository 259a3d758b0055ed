"""Splits: recordings to train on, to choose a threshold on (dev), and to test on.

No speaker is in two splits: a detector that is tested on voices it was trained on looks better than
it is. Only where one speaker says the word in all recordings, these are split one by one, and the
figures hold for that voice.
"""

from __future__ import annotations

import os
import warnings
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from keras_sal.audio import SAMPLE_RATE
from keras_sal.data.duplicates import find_duplicates
from keras_sal.data.recordings import Recording
from keras_sal.data.recordings_table import SPLITS
from keras_sal.data.selection import partition
from keras_sal.data.wake_words import Words, class_of, compared_words

SHARES = {"train": 0.6, "dev": 0.2, "test": 0.2}
LEAST = {"train": 10, "dev": 1, "test": 1}
PURPOSES = {
    "train": "a detector is trained on them",
    "dev": "its threshold is chosen on them",
    "test": "it is tested on them",
}

Speaker: TypeAlias = tuple[str, str] | str  # corpus and name, or the path of the recording


def split_by_speaker(recordings: Sequence[Recording], word: Words) -> list[Recording]:
    """Split recordings by their speakers: 60 % to train, 20 % to dev, 20 % to test.

    Use it for recordings that are all of one split. The same recordings are always split in the
    same way, in whatever order.

    Speakers of the word are weighted by how often they say it, the others by the duration of their
    recordings. Each recording of an unknown speaker counts as a speaker. If only one speaker says
    the word, so does each of theirs: the detector is then for that voice. Of each kind, the
    speaker with the greatest weight goes first, each to the split that lacks most of its share.

    Args:
        recordings: A sequence of `keras_sal.data.Recording`.
        word: Wake word, or a list of several, which count as one here.

    Returns:
        The recordings, in their order, with their new splits.

    Raises:
        ValueError: If no recording's text is `word`.

    Example:
        >>> from keras_sal.data import Recording
        >>> said = [
        ...     Recording(f"{speaker}{take}.wav", "train", "computer", 1.0, speaker=speaker)
        ...     for speaker in "abcde"
        ...     for take in range(2)
        ... ]
        >>> split = split_by_speaker(said, "computer")
        >>> sorted({(r.split, r.speaker) for r in split if r.split != "train"})
        [('dev', 'b'), ('test', 'a')]
    """
    positives, _ = partition(recordings, word)
    alone = only_speaker(recordings, word)

    def unit(recording: Recording) -> Speaker:
        speaker = _speaker(recording)
        return str(recording.path) if speaker == alone else speaker

    said = Counter(map(unit, positives))
    heard: defaultdict[Speaker, int] = defaultdict(int)  # samples, whose sum has no order
    for recording in recordings:
        heard[unit(recording)] += round(recording.duration_s * SAMPLE_RATE)
    others = {speaker: samples for speaker, samples in heard.items() if speaker not in said}
    splits = _deal(said) | _deal(others)
    return [replace(recording, split=splits[unit(recording)]) for recording in recordings]


def only_speaker(recordings: Sequence[Recording], word: Words) -> tuple[str, str] | None:
    """Return the speaker who alone says the word in several recordings.

    Args:
        recordings: A sequence of `keras_sal.data.Recording`.
        word: Wake word, or a list of several.

    Returns:
        Corpus and name of the speaker; `None` if others say it too, or a speaker is unknown.

    Raises:
        ValueError: If no recording's text is `word`.
    """
    positives, _ = partition(recordings, word)
    speakers = set(map(_speaker, positives))
    [first, *others] = speakers
    return None if others or len(positives) < 2 or isinstance(first, str) else first


def check_splits(
    recordings: Sequence[Recording], word: Words
) -> tuple[dict[str, int], dict[str, int]]:
    """Refuse recordings that are too few to train a detector, choose its threshold and test it.

    A warning names utterances of the word that are in two splits, as duplicates; see
    `keras_sal.data.duplicates`.

    Args:
        recordings: A sequence of `keras_sal.data.Recording`.
        word: Wake word, or a list of several.

    Returns:
        `(positives, negatives)`: their numbers by split, two dicts.

    Raises:
        ValueError: If a split lacks the word or other recordings, or train has too few of the word.
    """
    positives, negatives = partition(recordings, word)
    words = compared_words(word)
    kinds = [
        (f"times {said!r}", [r for r in positives if class_of(r, words) == index], LEAST)
        for index, said in enumerate(words)
    ]
    for kind, part, least in (
        *kinds,
        ("recordings without it", negatives, dict.fromkeys(SPLITS, 1)),
    ):
        counts = _count(part)
        lacking = [split for split in SPLITS if counts[split] < least[split]]
        if lacking:
            split = lacking[0]
            raise ValueError(
                f"`recordings` must hold at least {least[split]} {kind} in {split}; "
                f"{PURPOSES[split]}. Received: "
                f"{', '.join(f'{counts[each]} in {each}' for each in SPLITS)}. {_advice(part)}"
            )
    _warn_of_leaks(positives)
    return _count(positives), _count(negatives)


def _count(recordings: Sequence[Recording]) -> dict[str, int]:
    """The number of recordings in each split."""
    return {split: sum(r.split == split for r in recordings) for split in SPLITS}


def _warn_of_leaks(recordings: Sequence[Recording]) -> None:
    leaks = [group for group in find_duplicates(recordings) if len({r.split for r in group}) > 1]
    if leaks:
        named = ", ".join(f"{recording.path.name} ({recording.split})" for recording in leaks[0])
        warnings.warn(
            f"{len(leaks)} utterances of the word are in more than one split, so a detector is "
            f"tested on what it learned from. The first: {named}. Remove the copies, or give those "
            "of an utterance the same speaker.",
            stacklevel=3,
        )


def _advice(recordings: Sequence[Recording]) -> str:
    speakers = set(map(_speaker, recordings))
    if recordings and len(speakers) < len(SPLITS):
        named = ", ".join(sorted({r.speaker or r.path.name for r in recordings}))
        return (
            f"These are of {len(speakers)} speaker(s), {named}, and none may be in two splits: "
            "record others, or, if those are no speakers, empty the column speaker of "
            "recordings.csv; without a table a speaker is what stands before the dash of a file's "
            "name."
        )
    return (
        "Record more, or change the column split of recordings.csv; `keras-sal train --resplit` "
        "deals speakers out to the three."
    )


def _speaker(recording: Recording) -> Speaker:
    return (recording.corpus, recording.speaker) if recording.speaker else str(recording.path)


def _deal(weights: Mapping[Speaker, float]) -> dict[Speaker, str]:
    """A split for each speaker, by weight; hashes order the speakers of equal weight."""
    paths = [Path(speaker).absolute() for speaker in weights if isinstance(speaker, str)]
    folder = os.path.commonpath(paths) if paths else ""

    def hashed(speaker: Speaker) -> int:
        """The hash of a speaker, wherever the recordings are."""
        if isinstance(speaker, str):
            speaker = Path(os.path.relpath(speaker, folder)).as_posix()
        return zlib.crc32(repr(speaker).encode())

    order = sorted(weights, key=lambda speaker: (-weights[speaker], hashed(speaker)))
    dealt, splits = dict.fromkeys(SPLITS, 0.0), {}
    for speaker in order:
        split = min(SPLITS, key=lambda split: dealt[split] / SHARES[split])
        dealt[split] += weights[speaker]
        splits[speaker] = split
    return splits
