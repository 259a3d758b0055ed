"""Misses per utterance: recordings that are duplicates of one another count as one."""

import math
import statistics

from keras_sal.data import group_duplicates, load_word_recordings
from keras_sal.detection import detect, match_events


def utterance_paths(streams):
    """Return the utterances of the word in streams, each as the set of paths that hold it."""
    words = [placed.recording for stream in streams for placed in _words(stream)]
    return [{recording.path for recording in duplicates} for duplicates in group_duplicates(words)]


def test_utterances(word, folder):
    """Return the utterances of a word in the test split, each as the files that hold it.

    Args:
        word: The wake word.
        folder: Folder of the recordings, to which the names of the files are relative.
    """
    return [
        {copy.path.relative_to(folder).as_posix() for copy in copies}
        for copies in group_duplicates(_test_words(word, folder))
    ]


def spoken_lengths(word, folder):
    """Return how long the word is in seconds in each recording of test, by file, if it is known.

    Args:
        word: The wake word.
        folder: As for `test_utterances`.
    """
    return {
        each.path.relative_to(folder).as_posix(): round(each.offset_s - each.onset_s, 2)
        for each in _test_words(word, folder)
        if not math.isnan(each.offset_s)
    }


def utterance_frr(predictions, streams, threshold, scoring, utterances):
    """Return the share of missed utterances; of each, the share of its recordings counts.

    Args:
        predictions: Posteriors of each stream, arrays `(output frames,)`.
        streams: The streams, in which each recording of the word is once.
        threshold: The threshold.
        scoring: The `keras_sal.detection.Scoring`.
        utterances: From `utterance_paths`, of these streams or others of the same recordings.
    """
    missed = set()
    for posteriors, stream in zip(predictions, streams, strict=True):
        matches = match_events(
            detect(posteriors, threshold, **vars(scoring)),
            stream.events[:, 1],
            early_s=scoring.early_s,
            max_delay_s=scoring.max_delay_s,
        )
        words = _words(stream)
        missed |= {words[event].recording.path for event in matches.misses}
    return statistics.mean(len(missed & paths) / len(paths) for paths in utterances)


def _test_words(word, folder):
    recordings = load_word_recordings(folder, word)
    return [each for each in recordings if each.split == "test" and each.text == word]


def _words(stream):
    return [placed for placed in stream.placed if placed.class_index is not None]
