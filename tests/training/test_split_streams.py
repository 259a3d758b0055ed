"""Streams of the three splits, those of train from shards."""

from dataclasses import replace

import pytest
from recording_folders import small_corpus
from shards_alone import write_alone

from keras_sal.data import StreamAugmentation, load_recordings
from keras_sal.data.shards import StreamSettings, load_shards
from keras_sal.data.shards.shard_table import TABLE
from keras_sal.files import file_sha256
from keras_sal.training import WakeWordJob, make_streams

pytest.importorskip("array_record", reason="shards are ArrayRecord files")
pytestmark = pytest.mark.any_backend

SETTINGS = StreamSettings(
    "Computer", 16 / 3600, stream_s=8.0, augmentation=StreamAugmentation(rooms=0.0)
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return small_corpus(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def recordings(corpus):
    return load_recordings(corpus)


@pytest.fixture(scope="module")
def shards(recordings, corpus, tmp_path_factory):
    return write_alone(recordings, SETTINGS, corpus, tmp_path_factory.mktemp("shards"))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_training_streams_are_those_of_the_shards(recordings, shards):
    made = make_streams(recordings, "computer", shards=shards)
    assert made.train == load_shards(shards)
    assert len(made.train) == 2
    assert {name for _, name in made.held_out} == {"clean", "10 dB"}


@pytest.mark.parametrize("word", ["alexa", ["computer", "alexa"]])
def test_rejects_shards_of_other_words(recordings, shards, word):
    with pytest.raises(ValueError, match=r"`shards` must be made for the word.* for 'Computer'"):
        make_streams(recordings, word, shards=shards)


def test_rejects_shards_of_what_is_tested_on(recordings, shards):
    """The splits were others when the shards were made."""
    others = {"train": "test", "test": "train", "dev": "dev"}
    moved = [replace(each, split=others[each.split]) for each in recordings]
    with pytest.raises(ValueError, match=r"`shards` must be made of recordings that are in train"):
        make_streams(moved, "computer", shards=shards)


def test_the_detector_depends_on_the_shards(shards):
    alone, described = (WakeWordJob("computer", shards=each).describe() for each in (None, shards))
    assert described == alone | {
        "hours": pytest.approx(16 / 3600, rel=0.3),
        "shards": file_sha256(shards / TABLE),
    }
