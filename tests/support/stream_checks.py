"""Checks of streams that several tests make."""

import numpy as np

from keras_sal.audio import SAMPLE_RATE


def files(streams):
    """The paths of all recordings in streams and under them."""
    played = [clip.recording for stream in streams for clip in stream.placed]
    return [r.path for r in played + [r for stream in streams for r in stream.noise]]


def same(one, other):
    """Whether two lists of streams are the same to the last bit."""
    return one == other and all(
        np.array_equal(a.features, b.features) for a, b in zip(one, other, strict=True)
    )


def assert_words_are_at_their_events(streams):
    """The middle of each event is far louder than its surroundings."""
    for stream in streams:
        samples = stream.samples()
        for onset_s, offset_s, _ in stream.events:

            def level_db(start_s, end_s, samples=samples):
                part = samples[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)]
                return 10 * np.log10(np.mean(part.astype("float64") ** 2))

            word_db = level_db(onset_s + 0.02, offset_s - 0.02)
            assert word_db > level_db(onset_s - 0.1, onset_s - 0.02) + 20
            assert word_db > level_db(offset_s + 0.02, offset_s + 0.1) + 20
