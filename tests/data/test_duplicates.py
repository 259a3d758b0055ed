import warnings

import numpy as np
import pytest
from recording_folders import REAL, SAMPLE_RATE, needs_recordings, write_folder

from keras_sal.data import (
    check_splits,
    evaluation_streams,
    find_duplicates,
    group_duplicates,
    load_recordings,
)

pytestmark = pytest.mark.any_backend

SECOND = SAMPLE_RATE


def take(seed):
    """Half a second of noise that is like no other, as syllables are."""
    return np.random.default_rng(seed).uniform(-0.4, 0.4, SECOND // 2)


def said(samples, at=4000, length=SECOND):
    """Samples in silence."""
    sound = np.zeros(length)
    sound[at : at + len(samples)] = samples
    return sound


def written(folder, sounds, **row):
    """Recordings of the sounds, by name."""
    times = {"text": "computer", "onset_s": 0.25, "offset_s": 0.7} | row
    rows = [
        {"file": f"{name}.wav", "samples": sound, "duration_s": len(sound) / SAMPLE_RATE} | times
        for name, sound in sounds.items()
    ]
    return load_recordings(write_folder(folder, rows))


def names(groups):
    return [[recording.path.stem for recording in group] for group in groups]


def late(samples, seconds):
    """Samples later by a time that need not be a number of samples."""
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    return np.fft.irfft(np.fft.rfft(samples) * np.exp(-2j * np.pi * hertz * seconds), len(samples))


class TestFindCopies:
    def test_louder_elsewhere_longer_upside_down_or_noisier(self, tmp_path):
        word, rng = take(0), np.random.default_rng(1)
        sounds = {
            "as it was": said(word),
            "softer": said(0.1 * word),
            "elsewhere": said(word, at=7003),
            "in a longer file": said(word, at=30_001, length=3 * SECOND),
            "in a far longer file": said(word, at=30_001, length=40 * SECOND),
            "upside down": said(-word),
            "noisier": said(word) + rng.normal(0, 0.02, SECOND),
            "between samples": late(said(word), 0.4 / SAMPLE_RATE),
            "another take": said(take(2)),
        }
        [copies] = names(find_duplicates(written(tmp_path, sounds)))
        assert copies == [name for name in sounds if name != "another take"]

    def test_what_one_adds_to_the_other_counts(self, tmp_path):
        """x and x + n agree to |x| / |x + n| = 1 / sqrt(1 + s^2) where n is s times as strong."""
        word, other = take(0), take(1)
        sounds = {"x": said(word), "x + n": said((word + 0.75 * other) / 2)}
        recordings = written(tmp_path, sounds)
        agreement = 1 / np.sqrt(1 + 0.75**2)
        assert agreement == pytest.approx(0.8)
        assert find_duplicates(recordings, min_correlation=0.84) == []
        assert len(find_duplicates(recordings, min_correlation=0.76)) == 1

    def test_hum_makes_no_copies(self, tmp_path):
        hum = 0.4 * np.sin(2 * np.pi * 50 * np.arange(SECOND) / SAMPLE_RATE)
        sounds = {name: hum + 0.1 * said(take(name)) for name in range(3)}
        assert find_duplicates(written(tmp_path, sounds)) == []

    def test_groups_in_the_order_given(self, tmp_path):
        sounds = {f"{index}": said(take(index % 3)) for index in range(5)}
        assert names(find_duplicates(written(tmp_path, sounds))) == [["0", "3"], ["1", "4"]]

    def test_only_the_same_text_whoever_says_it_and_in_whatever_split(self, tmp_path):
        word = said(take(0))
        recordings = [
            *written(tmp_path / "1", {"a": word}, speaker="ann"),
            *written(tmp_path / "2", {"b": word}, speaker="bob", split="test"),
            *written(tmp_path / "3", {"c": word}, text="alexa"),
            *written(tmp_path / "4", {"d": word, "e": word}, text="", onset_s="", offset_s=""),
        ]
        assert names(find_duplicates(recordings)) == [["a", "b"]]

    def test_the_same_words_however_they_are_written(self, tmp_path):
        word = said(take(0))
        recordings = [
            *written(tmp_path / "1", {"a": word}, text="hey robot"),
            *written(tmp_path / "2", {"b": word}, text="Hey-Robot!"),
            *written(tmp_path / "3", {"c": word, "d": word}, text="..."),
        ]
        assert names(find_duplicates(recordings)) == [["a", "b"]]

    def test_what_is_silent_or_unreadable_is_no_copy(self, tmp_path):
        sounds = {name: said(take(0)) for name in "abc"} | {
            "0": np.zeros(SECOND),
            "1": np.zeros(SECOND),
        }
        recordings = written(tmp_path, sounds)
        (tmp_path / "b.wav").write_bytes(b"gone")
        assert names(find_duplicates(recordings)) == [["a", "c"]]

    def test_nothing(self):
        assert find_duplicates([]) == group_duplicates([]) == []

    @pytest.mark.parametrize("correlation", [0, -0.5, 1.01, float("nan")])
    def test_refuses_what_is_no_agreement(self, correlation):
        with pytest.raises(
            ValueError, match="`min_correlation` must be greater than 0 and at most 1"
        ):
            find_duplicates([], min_correlation=correlation)

    @needs_recordings
    def test_of_real_recordings(self):
        """Copies agree to 0.98 and other takes to 0.82, so that where between matters little."""
        recordings = [r for r in load_recordings(REAL) if r.text == "smart mirror"]
        copies = find_duplicates(recordings)
        assert sorted(map(len, copies)) == [2, 10, 10, 10, 10, 10, 10, 20]
        assert all(len({(r.split, r.speaker) for r in group}) == 1 for group in copies)
        assert (
            copies
            == find_duplicates(recordings, min_correlation=0.83)
            == find_duplicates(recordings, min_correlation=0.97)
        )


class TestUtterances:
    def test_every_recording_is_in_one(self, tmp_path):
        sounds = {f"{index}": said(take(index % 3)) for index in range(4)}
        recordings = written(tmp_path, sounds)
        assert names(group_duplicates(recordings)) == [["0", "3"], ["1"], ["2"]]


class TestStreams:
    @pytest.fixture(scope="class")
    def recordings(self, tmp_path_factory):
        """A word of which one take is there nine times and another once, and something else."""
        folder = tmp_path_factory.mktemp("copies")
        words = {f"often {index}": said(take(0)) for index in range(9)} | {"once": said(take(1))}
        found = []
        for split in ("train", "test"):
            found += written(folder / split, words, split=split)
            found += written(
                folder / f"{split} else", {"else": said(take(2))}, split=split, text=""
            )
        return found

    def test_evaluation_hears_them_all_and_warns(self, recordings):
        expected = (
            "10 recordings of the word in test are 2 utterances; one of them is there 9 times"
        )
        with pytest.warns(UserWarning, match=expected):
            [stream] = evaluation_streams(recordings, "computer", "test")
        assert len(stream.events) == 10

    def test_evaluation_without_copies_does_not_warn(self, recordings):
        mine = [recording for recording in recordings if recording.split == "test"]
        distinct = [group[0] for group in group_duplicates(mine)]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            evaluation_streams(distinct, "computer", "test")


class TestSplits:
    @staticmethod
    def recordings(folder, tested):
        """Ten takes to train on, one for dev, one for test; and something else in each split."""
        takes = {"train": range(10), "dev": [10], "test": [tested]}
        found = []
        for split, seeds in takes.items():
            words = {f"{split} {seed}": said(take(seed)) for seed in seeds}
            found += written(folder / split, words, split=split)
            found += written(
                folder / f"{split} else", {"a": said(take(99))}, split=split, text="no"
            )
        return found

    def test_an_utterance_in_two_splits_is_a_leak(self, tmp_path):
        expected = (
            r"1 utterances.*in more than one split.*train 3.wav \(train\), test 3.wav \(test\)"
        )
        with pytest.warns(UserWarning, match=expected):
            check_splits(self.recordings(tmp_path, tested=3), "computer")

    def test_distinct_utterances_are_none(self, tmp_path):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_splits(self.recordings(tmp_path, tested=11), "computer")
