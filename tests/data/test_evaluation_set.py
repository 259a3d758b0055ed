"""Evaluation streams: each recording of a split once."""

import os

import numpy as np
import pytest
from made_streams import word_targets
from recording_folders import REAL, needs_recordings, small_corpus, words_and_others
from stream_checks import assert_words_are_at_their_events, files, same

from keras_sal.audio import SAMPLE_RATE
from keras_sal.data import StreamBatches, evaluation_streams, load_recordings, selection

pytestmark = pytest.mark.any_backend


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    return load_recordings(small_corpus(tmp_path_factory.mktemp("corpus")))


def test_each_recording_of_the_split_once(recordings):
    streams = evaluation_streams(recordings, "computer", "dev", stream_s=8)
    assert len(streams) > 1
    expected = [r.path for r in recordings if r.split == "dev" and r.text != "my computer hums"]
    assert sorted(files(streams)) == sorted(expected)
    assert sum(len(stream.events) for stream in streams) == 5
    assert [stream.name for stream in streams][:2] == ["dev-clean-00", "dev-clean-01"]


def test_clips_follow_one_another_with_pauses(recordings):
    [stream] = evaluation_streams(recordings, "computer", "test", pause_s=(0.3, 0.4))
    ends_s = [0, *(clip.end_s for clip in stream.placed)]
    starts_s = [*(clip.start_s for clip in stream.placed), stream.duration_s]
    pauses_s = np.subtract(starts_s, ends_s)
    assert pauses_s.min() > 0.3 - 1e-4
    assert pauses_s.max() < 0.4 + 1e-4
    assert stream.hours * 3600 == stream.duration_s
    assert len(stream.features) == (round(stream.duration_s * SAMPLE_RATE) - 480) // 160 + 1


def test_positives_are_mixed_in(recordings):
    [stream] = evaluation_streams(recordings, "computer", "test")
    positive = [clip.class_index is not None for clip in stream.placed]
    assert 0 < sum(positive) < len(positive)
    assert positive != sorted(positive)
    assert positive != sorted(positive, reverse=True)


def test_several_words_are_classes(recordings):
    words = ["alexa", "computer"]
    [stream] = evaluation_streams(recordings, words, "test")
    classes = {(p.recording.text, p.class_index) for p in stream.placed}
    assert classes == {("alexa", 0), ("computer", 1), ("", None)}
    for index, word in enumerate(words):
        alone = stream.only_class(index)
        assert {p.recording.text for p in alone.placed if p.class_index is not None} == {word}
        assert alone.events.tolist() == [
            [onset, offset, 0] for onset, offset, own in stream.events.tolist() if own == index
        ]
        assert alone.features is stream.features


def test_words_are_at_their_events(tmp_path):
    recordings = load_recordings(words_and_others(tmp_path))
    assert_words_are_at_their_events(evaluation_streams(recordings, "go", "train"))


def test_noise_leaves_the_plan_alone(recordings):
    clean, noisy = (
        evaluation_streams(recordings, "computer", "dev", snr_db=snr_db, stream_s=8)
        for snr_db in (None, 10.0)
    )
    for one, other in zip(clean, noisy, strict=True):
        assert one.placed == other.placed
        np.testing.assert_array_equal(one.events, other.events)
        assert (one.features != other.features).any()
        assert {r.split for r in other.noise} == {"dev"}
        assert sum(r.duration_s for r in other.noise) >= other.duration_s
    assert noisy[0].name == "dev-10dB-00"


def test_same_seed_same_streams(recordings):
    def build(seed, **given):
        return evaluation_streams(recordings, "computer", "dev", seed=seed, **given)

    assert same(build(0), build(0, workers=1))
    assert not same(build(0), build(1))


def test_leaves_the_global_random_state_alone(recordings):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    evaluation_streams(recordings, "computer", "dev", snr_db=3.0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_a_file_is_examined_once_until_it_changes(tmp_path, monkeypatch):
    examined = []
    level = selection.speech_level_db
    monkeypatch.setattr(selection, "speech_level_db", lambda x: examined.append(x) or level(x))
    recordings = load_recordings(small_corpus(tmp_path))
    evaluation_streams(recordings, "computer", "dev")
    assert len(examined) == 13
    evaluation_streams(recordings, "alexa", "dev", snr_db=3.0)
    assert len(examined) == 13 + 11  # a sentence is new, and words are examined as others
    changed = next(each.path for each in recordings if each.split == "dev" and each.noise)
    os.utime(changed, ns=(0, 0))
    evaluation_streams(recordings, "alexa", "dev")
    assert len(examined) == 13 + 11 + 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"word": "jarvis"}, r"`word` must be.*word='jarvis'.*'computer' \(15\), 'alexa' \(15"),
        ({"split": "all"}, "`split` must be one of train, dev, test.*split='all'"),
        ({"pause_s": (1, 0.5)}, r"`pause_s` must be \(least, greatest\).*pause_s=\(1, 0\.5\)"),
        ({"pause_s": (-1, 0)}, r"`pause_s` must be \(least, greatest\) within \[0, inf\]"),
        ({"stream_s": 0}, "`stream_s` must be greater than 0.*stream_s=0"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_rejects(recordings, given, message):
    given = {"word": "computer", "split": "dev"} | given
    with pytest.raises(ValueError, match=message):
        evaluation_streams(recordings, **given)


@needs_recordings
def test_real_streams():
    """A slice of the real recordings; three of the positives came without times."""
    train = [recording for recording in load_recordings(REAL) if recording.split == "train"]
    untimed = [r for r in train if r.text == "computer" and np.isnan(r.onset_s)]
    assert len(untimed) == 3
    recordings = list(dict.fromkeys(train[::50] + untimed))
    clean, noisy = (
        evaluation_streams(recordings, "computer", "train", snr_db=snr) for snr in (None, 10)
    )
    for stream, other in zip(clean, noisy, strict=True):
        assert stream.placed == other.placed
        assert len(stream.features) == len(other.features)
        assert np.isfinite(stream.events).all()
        for onset_s, offset_s, _ in stream.events:
            assert stream.placed_at(offset_s).recording.text == "computer"
            assert stream.placed_at(onset_s) == stream.placed_at(offset_s)
            assert 0.1 < offset_s - onset_s < 2
    features, packed = StreamBatches(clean, word_targets(), batch_size=256)[0]
    assert np.isfinite(features).all()
    assert set(np.unique(packed[..., 0])) == {0, 1}
