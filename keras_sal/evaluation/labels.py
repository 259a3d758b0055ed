"""Labels of what is heard at a time in a stream: a word, a text or a kind of noise."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from keras_sal.evaluation.annotations import RecordingAnnotation, StreamAnnotation
from keras_sal.typing import PathLike

FILE = "words.csv"
_PRONUNCIATION = re.compile(r"\(\d+\)$")  # aligners write the(2) for another way to say "the"

WordTimes: TypeAlias = Mapping[str, list[tuple[str, float, float]]]
"""By file, its words as `(word, onset_s, offset_s)` in seconds from its start, in order of time."""


def read_word_times(folder: PathLike) -> WordTimes:
    """Read the times of the words in recordings, as far as they are known.

    Args:
        folder: Folder of recordings. It may contain `words.csv` with the columns `file`, `word`,
            `onset_s` and `offset_s`, in seconds from the start of the file.

    Returns:
        By file, a list of `(word, onset_s, offset_s)` in order of time. Empty without a table.

    Raises:
        ValueError: If a column is missing, or a time is not a number.
    """
    path = Path(folder) / FILE
    words: dict[str, list[tuple[str, float, float]]] = {}
    if not path.is_file():
        return words
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            for row in csv.DictReader(file):
                onset_s, offset_s = float(row["onset_s"]), float(row["offset_s"])
                word = _PRONUNCIATION.sub("", row["word"])
                words.setdefault(row["file"], []).append((word, onset_s, offset_s))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{FILE} must have the columns file, word, onset_s and offset_s, in seconds. "
                f"Received: {path}: {error!r}. Correct it or remove it."
            ) from error
    return {name: sorted(known, key=lambda word: word[1]) for name, known in words.items()}


def label_at(stream: StreamAnnotation, time_s: float, word_times: WordTimes) -> str:
    """Name what is heard at a time, or was heard last before it.

    The label is the word where the times of words are known, else the text of the recording, else
    its folder, as in `(noise/dog)`.

    Args:
        stream: `StreamAnnotation`.
        time_s: float, seconds from the start of the stream.
        word_times: `WordTimes`, as from `read_word_times`.

    Returns:
        str, the label.

    Example:

    >>> recordings = (
    ...     RecordingAnnotation("noise/dog/1.wav", 0.0, 5.0),
    ...     RecordingAnnotation("a.wav", 5.0, 9.0, "turn it off"),
    ... )
    >>> stream = StreamAnnotation("two", 9.0, (), recordings)
    >>> words = {"a.wav": [("turn", 0.5, 0.9), ("it", 0.9, 1.0), ("off", 1.1, 1.6)]}
    >>> label_at(stream, 4.0, words), label_at(stream, 6.2, words), label_at(stream, 6.2, {})
    ('(noise/dog)', 'off', 'turn it off')
    """
    recording = stream.recording_at(time_s)
    begun = [
        word
        for word, onset_s, _ in word_times.get(recording.file, ())
        if onset_s <= time_s - recording.start_s
    ]
    return begun[-1] if begun else recording_label(recording)


def count_labels(streams: Iterable[StreamAnnotation], word_times: WordTimes) -> Counter[str]:
    """Count how often each label of `label_at` occurs in streams.

    Args:
        streams: `StreamAnnotation`s.
        word_times: `WordTimes`, as from `read_word_times`.

    Returns:
        `collections.Counter` by label.
    """
    counts: Counter[str] = Counter()
    for stream in streams:
        for recording in stream.recordings:
            words = [word for word, _, _ in word_times.get(recording.file, ())]
            counts.update(words or [recording_label(recording)])
    return counts


def recording_label(recording: RecordingAnnotation) -> str:
    """Name a recording by its text, or else by its folder.

    One from outside the folder of the recordings is named by its corpus and its last folder.

    Args:
        recording: `RecordingAnnotation`.

    Returns:
        str, such as `"turn it off"` or `"(noise/dog)"`.
    """
    folder = Path(recording.file).parent
    if ".." in folder.parts:
        folder = Path(recording.corpus, folder.name)
    return recording.text or f"({folder.as_posix()})"
