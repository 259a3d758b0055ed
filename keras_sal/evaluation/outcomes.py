"""Outcomes: each hit, miss and false alarm of a system, with what was heard at the time.

An operating point counts them; here they are listed, so that they can be listened to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_sal.detection import Scoring, detect, match_events
from keras_sal.detection.hit_rule import hit_windows
from keras_sal.evaluation.annotations import StreamAnnotation
from keras_sal.evaluation.labels import WordTimes, label_at, recording_label
from keras_sal.typing import Array


@dataclass(frozen=True)
class Outcome:
    """A hit, a miss or a false alarm.

    Args:
        kind: str, `"hit"`, `"miss"` or `"false alarm"`.
        stream: int, index of the stream.
        time_s: float, time of the detection, of a miss its anchor; seconds from the start of the
            stream.
        anchor_s: float, anchor of the event; `None` for a false alarm.
        score: float, score of the detection; of a miss the highest score in its hit window.
        label: str, what was heard: for a false alarm see `label_at`, else the recording's label.
        file: str, the recording at that time.
        speaker: str, the speaker of that recording; `""` if unknown.
    """

    kind: str
    stream: int
    time_s: float
    anchor_s: float | None
    score: float
    label: str
    file: str
    speaker: str

    @property
    def latency_s(self) -> float | None:
        """Detection time - anchor of a hit in seconds; `None` for anything else."""
        if self.kind != "hit" or self.anchor_s is None:
            return None
        return self.time_s - self.anchor_s


def find_outcomes(
    posteriors: Sequence[Array],
    streams: Sequence[StreamAnnotation],
    threshold: float,
    rule: Scoring,
    word_times: WordTimes,
) -> list[Outcome]:
    """List all hits, misses and false alarms at a threshold.

    Args:
        posteriors: list of arrays `(frames,)` in [0, 1], one for each stream.
        streams: list of `StreamAnnotation`.
        threshold: float, in [0, 1].
        rule: `keras_sal.detection.Scoring`.
        word_times: `WordTimes`, as from `read_word_times`.

    Returns:
        List of `Outcome`, in the order of the streams and of time.
    """
    found = []
    for index, (posterior, stream) in enumerate(zip(posteriors, streams, strict=True)):
        matches = match_events(
            detect(posterior, threshold, **vars(rule)),
            stream.anchors_s,
            early_s=rule.early_s,
            max_delay_s=rule.max_delay_s,
        )
        scores = rule.scores(posterior)[1]
        times = [
            *(("hit", hit.time_s, stream.anchors_s[i], hit.score) for hit, i in matches.hits),
            *(("false alarm", alarm.time_s, None, alarm.score) for alarm in matches.false_alarms),
            *(
                ("miss", anchor_s, anchor_s, _peak(scores, anchor_s, rule))
                for anchor_s in (stream.anchors_s[i] for i in matches.misses)
            ),
        ]
        here = []
        for kind, time_s, anchor_s, score in times:
            recording = stream.recording_at(time_s if anchor_s is None else anchor_s)
            label = (
                label_at(stream, time_s, word_times)
                if anchor_s is None
                else recording_label(recording)
            )
            here.append(
                Outcome(
                    *(kind, index, time_s, anchor_s, score),
                    *(label, recording.file, recording.speaker),
                )
            )
        found += sorted(here, key=lambda outcome: outcome.time_s)
    return found


def _peak(scores: Array, anchor_s: float, rule: Scoring) -> float:
    """The highest score in the hit window of an anchor."""
    first, last = (int(end[0]) for end in hit_windows(np.array([anchor_s]), len(scores), rule))
    return float(scores[first : last + 1].max(initial=0.0))
