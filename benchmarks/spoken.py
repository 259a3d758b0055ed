"""What is missed where recordings that are copies of one another count as one utterance."""

import statistics

from keras_sal.data import utterances
from keras_sal.detection import detect, match_events


def spoken(streams):
    """The utterances of the word in streams, each the set of the files that hold it."""
    words = [clip.recording for stream in streams for clip in _words(stream)]
    return [{recording.path for recording in copies} for copies in utterances(words)]


def missed(posteriors, streams, threshold, rule, groups):
    """The share of utterances missed; of one, that of its copies.

    Args:
        posteriors: A list of arrays `(answers,)`, one for each stream.
        streams: The streams, in which each recording of the word is once.
        threshold: The threshold.
        rule: The `keras_sal.detection.Scoring`.
        groups: From `spoken`, of these streams or others of the same recordings.
    """
    files = set()
    for posterior, stream in zip(posteriors, streams, strict=True):
        matches = match_events(
            detect(posterior, threshold, **vars(rule)),
            stream.events[:, 1],
            early_s=rule.early_s,
            max_delay_s=rule.max_delay_s,
        )
        words = _words(stream)
        files |= {words[event].recording.path for event in matches.misses}
    return statistics.mean(len(files & copies) / len(copies) for copies in groups)


def _words(stream):
    return [clip for clip in stream.clips if clip.class_index is not None]
