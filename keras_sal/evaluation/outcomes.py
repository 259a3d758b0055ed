"""Outcomes: what became of each event and each detection, and what was said meanwhile.

The figures of an operating point say how many; these say which, so that they can be listened to.
"""

import csv
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_sal.detection import Scoring, detect, match_events
from keras_sal.evaluation.tracks import Said, Track

WORDS = "words.csv"
PRONUNCIATION = re.compile(r"\(\d+\)$")  # aligners write the(2) for another way to say "the"

Words = Mapping[str, list[tuple[str, float, float]]]


@dataclass(frozen=True)
class Outcome:
    """A hit, a miss or a false alarm.

    Args:
        kind: `"hit"`, `"miss"` or `"false alarm"`.
        track: The index of the track.
        time_s: When it was detected; the anchor of a miss. Seconds from the start of the track.
        anchor_s: The anchor of the event; `None` for a false alarm.
        score: The score of the detection; for a miss the highest in its hit window.
        said: What was said: see `said_at`.
        file: The recording it lies in.
        speaker: Who speaks in it.
    """

    kind: str
    track: int
    time_s: float
    anchor_s: float | None
    score: float
    said: str
    file: str
    speaker: str

    @property
    def latency_s(self) -> float | None:
        """Detection - anchor of a hit."""
        return self.time_s - self.anchor_s if self.kind == "hit" else None


def outcomes(posteriors, tracks, threshold: float, rule: Scoring, words: Words) -> list[Outcome]:
    """All hits, misses and false alarms at a threshold, in the order of the tracks and of time.

    Args:
        posteriors: List of arrays `(frames,)`, one for each track.
        tracks: List of `keras_sal.evaluation.tracks.Track`.
        threshold: The threshold.
        rule: The `keras_sal.detection.Scoring`.
        words: What `read_words` gives.

    Returns:
        List of `Outcome`.
    """
    found = []
    for index, (posterior, track) in enumerate(zip(posteriors, tracks, strict=True)):
        matches = match_events(
            detect(posterior, threshold, **vars(rule)),
            track.anchors_s,
            early_s=rule.early_s,
            max_delay_s=rule.max_delay_s,
        )
        kinds = [
            *(("hit", hit, track.anchors_s[event]) for hit, event in matches.hits),
            *(("false alarm", alarm, None) for alarm in matches.false_alarms),
        ]
        here = [
            _outcome(kind, index, track, detection.time_s, anchor_s, detection.score, words)
            for kind, detection, anchor_s in kinds
        ]
        scores = rule.scores(posterior)[1]
        for event in matches.misses:
            anchor_s = track.anchors_s[event]
            first, last = (int(end[0]) for end in rule.windows(np.array([anchor_s]), len(scores)))
            peak = float(scores[first : last + 1].max(initial=0.0))
            here.append(_outcome("miss", index, track, anchor_s, anchor_s, peak, words))
        found += sorted(here, key=lambda outcome: outcome.time_s)
    return found


def said_at(track: Track, time_s: float, words: Words) -> str:
    """What was said in a track at a time, or last before it: the one to blame for an alarm.

    The word, where the times of the words are known; else the text of the recording; else the
    folder it lies in, as in `(noise/dog)`.

    Args:
        track: A `keras_sal.evaluation.tracks.Track`.
        time_s: Seconds from the start of the track.
        words: What `read_words` gives.

    Example:

    >>> clips = (Said("noise/dog/1.wav", 0.0, 5.0), Said("a.wav", 5.0, 9.0, "turn it off"))
    >>> track = Track("two", 9.0, (), clips)
    >>> words = {"a.wav": [("turn", 0.5, 0.9), ("it", 0.9, 1.0), ("off", 1.1, 1.6)]}
    >>> said_at(track, 4.0, words), said_at(track, 6.2, words), said_at(track, 6.2, {})
    ('(noise/dog)', 'off', 'turn it off')
    """
    clip = track.clip_at(time_s)
    begun = [
        word for word, onset_s, _ in words.get(clip.file, ()) if onset_s <= time_s - clip.start_s
    ]
    return begun[-1] if begun else _label(clip)


def times_said(tracks, words: Words) -> Counter:
    """How often each label that `said_at` gives is heard in tracks."""
    said = Counter()
    for track in tracks:
        for clip in track.clips:
            said.update([word for word, _, _ in words.get(clip.file, ())] or [_label(clip)])
    return said


def read_words(folder) -> Words:
    """When each word is said, for recordings where that is known.

    Args:
        folder: Folder of recordings. Beside its table it may have `words.csv` with the columns
            `file`, `word`, `onset_s` and `offset_s`, in seconds from the start of the file.

    Returns:
        By file, a list of `(word, onset_s, offset_s)` in the order of time; empty without a table.

    Raises:
        ValueError: If the table lacks columns, or a time is no number.
    """
    path = Path(folder) / WORDS
    words = {}
    if not path.is_file():
        return words
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            for row in csv.DictReader(file):
                time_s = float(row["onset_s"]), float(row["offset_s"])
                word = PRONUNCIATION.sub("", row["word"])
                words.setdefault(row["file"], []).append((word, *time_s))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{WORDS} must have the columns file, word, onset_s and offset_s, in seconds. "
                f"Received: {path}: {error!r}. Correct it or remove it."
            ) from error
    return {name: sorted(said, key=lambda word: word[1]) for name, said in words.items()}


def _outcome(kind, index, track, time_s, anchor_s, score, words) -> Outcome:
    clip = track.clip_at(time_s if anchor_s is None else anchor_s)
    said = said_at(track, time_s, words) if anchor_s is None else _label(clip)
    return Outcome(kind, index, time_s, anchor_s, score, said, clip.file, clip.speaker)


def _label(clip: Said) -> str:
    return clip.text or f"({Path(clip.file).parent.as_posix()})"
