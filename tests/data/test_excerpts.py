import numpy as np
import pytest
import soundfile
from recording_folders import SAMPLE_RATE

from keras_sal.data import Recording
from keras_sal.data.excerpts import Excerpts, mean_s

SPOKEN_S = ((0.3, 1.0), (1.1, 1.8), (1.95, 2.6))


@pytest.fixture(scope="module")
def sentence(tmp_path_factory):
    """Three loud words of 0.65 s and more, with 0.1 s and more between them."""
    second = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    spoken = sum((second >= from_s) & (second < to_s) for from_s, to_s in SPOKEN_S)
    samples = 1e-3 * np.random.default_rng(0).standard_normal(len(second)) + spoken * 0.3
    path = tmp_path_factory.mktemp("excerpts") / "sentence.wav"
    soundfile.write(path, samples, SAMPLE_RATE)
    return Recording(path, "train", "", 3.0)


def drawn(recording, count=300):
    excerpts, rng = Excerpts(), np.random.default_rng(0)
    return np.array([excerpts.part_s(recording, rng) for _ in range(count)])


def test_lies_within_the_recording_and_is_long_enough(sentence):
    from_s, to_s = drawn(sentence).T
    assert from_s.min() >= 0
    assert to_s.max() <= 3
    assert (to_s - from_s).min() >= 0.5 - 2 * 0.15 - 0.01


def test_begins_and_ends_between_words_where_one_is_near(sentence):
    """A word of 0.65 s has 0.35 s within that no pause is near enough to: 0.15 s on either side."""
    ends = drawn(sentence).ravel()
    within = np.any([(ends > a) & (ends < b) for a, b in SPOKEN_S], axis=0)
    evenly = sum(b - a for a, b in SPOKEN_S) / 3
    assert within.mean() < 0.6 * evenly


def test_begins_in_every_pause(sentence):
    from_s = drawn(sentence)[:, 0]
    for a, b in ((0, 0.3), (1.0, 1.1), (1.8, 1.95)):
        assert np.any((from_s >= a) & (from_s <= b))


def test_mean_length(sentence):
    """0.5 s, and a quarter of the 2.5 s that are left; the silence at both ends draws them out."""
    from_s, to_s = drawn(sentence, 3000).T
    assert mean_s(sentence) == 0.5 + 2.5 / 4
    assert np.mean(to_s - from_s) == pytest.approx(mean_s(sentence), abs=0.1)


def test_short_recordings_are_heard_whole(sentence):
    short = Recording(sentence.path, "train", "", 0.9)
    assert Excerpts().part_s(short, np.random.default_rng(0)) is None
    assert mean_s(short) == 0.9
