"""Folders of further negatives, beside the recordings of a word."""

from argparse import Namespace
from dataclasses import replace

import pytest
from recording_folders import small_corpus, write_folder, write_tones

from keras_sal.cli.console import Console
from keras_sal.cli.recordings import load_recordings_of
from keras_sal.data import (
    Recording,
    SplitRecord,
    evaluation_streams,
    load_negatives,
    load_recordings,
    load_word_recordings,
)
from keras_sal.progress import SilentReporter
from keras_sal.training.job_recordings import SyntheticSpeech, collect_recordings

pytestmark = [pytest.mark.any_backend, pytest.mark.filterwarnings("ignore::UserWarning")]


@pytest.fixture
def folders(tmp_path):
    """Recordings of words, and negatives, two of which hold "computer"."""
    rows = [
        {"file": "news.flac", "split": "dev", "text": "the news", "speaker": "eve"},
        {"file": "music.flac", "split": "test"},
        {"file": "alone.flac", "split": "dev", "text": "computer"},
        {"file": "among.flac", "split": "test", "text": "a computer hums"},
    ]
    return small_corpus(tmp_path / "words"), write_folder(tmp_path / "more", rows)


def plan(stream):
    return replace(stream, features=None, name="")


def splits(recordings, folder):
    return {r.path.name: r.split for r in recordings if r.path.parent == folder}


def test_their_splits_hold_and_the_word_is_left_out(folders):
    words, more = folders
    said = []
    found = load_word_recordings(words, "computer", negatives=[more], say=said.append)
    assert splits(found, more) == {"news.flac": "dev", "music.flac": "test"}
    assert len(found) == len(load_recordings(words)) + 2
    assert any("2 are left out, as 'computer' is said in them" in line for line in said)


def test_the_splits_of_the_words_are_dealt_out_alone(folders):
    words, more = folders
    found = load_word_recordings(words, "computer", negatives=[more], resplit=True)
    assert splits(found, more) == {"news.flac": "dev", "music.flac": "test"}


def test_a_file_of_two_folders_is_in_one_split(folders, tmp_path):
    words, more = folders
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "recordings.csv").write_text(
        "file,split,text,onset_s,offset_s\n"
        "../words/noise/hum/train0.flac,test,,,\n../more/news.flac,test,,,\n"
    )
    with pytest.warns(UserWarning, match=r"2 recordings of .*again are left out.*train0\.flac"):
        found = load_word_recordings(words, "computer", negatives=[more, tmp_path / "again"])
    assert len(found) == len(load_recordings(words)) + 2
    assert {r.split for r in found if r.path.name in ("train0.flac", "news.flac")} == {
        "train",
        "dev",
    }


def test_another_word_leaves_out_none(folders):
    assert len(load_negatives(folders[1], "alexa")) == 4


def test_what_a_detector_was_trained_on_is_not_tested_on(folders):
    words, more = folders
    trained_on = [Recording(more / "music.flac", "train", "", 1.0)]
    record = SplitRecord.of(trained_on, words)
    found = load_word_recordings(words, "computer", negatives=[more], records=[record])
    assert splits(found, more) == {"news.flac": "dev", "music.flac": "train"}


def test_evaluate_loads_them(folders):
    words, more = folders
    options = Namespace(word="computer", splits=[], negatives=[str(more)])
    assert len(splits(load_recordings_of([], words, options, Console()), more)) == 2


def test_train_loads_them(folders, tmp_path):
    more, words = folders[1], write_tones(tmp_path / "tones", train=10, dev=5, test=5)
    speech, reporter = SyntheticSpeech(), SilentReporter()
    found = collect_recordings("computer", words, speech, more, reporter, negatives=[more])
    assert len(splits(found.recordings, more)) == 2


def test_a_folder_without_a_table_is_refused(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="must hold a table"):
        load_word_recordings(folders[0], "computer", negatives=[tmp_path / "empty"])


def test_they_change_no_stream_of_the_word(folders):
    words, more = folders
    alone = evaluation_streams(load_recordings(words), "computer", "test", snr_db=10)
    together = load_word_recordings(words, "computer", negatives=[more])
    streams = evaluation_streams(together, "computer", "test", snr_db=10)
    assert [plan(each) for each in streams[: len(alone)]] == [plan(each) for each in alone]
    [added] = streams[len(alone) :]
    assert [placed.recording.path.name for placed in added.placed] == ["music.flac"]
    assert len(added.events) == 0
    assert added.name not in {each.name for each in alone}


def test_their_streams_are_those_of_every_word(folders, tmp_path):
    words, _ = folders
    more = write_folder(tmp_path / "other", [{"file": "a.flac", "split": "test"}])
    last = [
        evaluation_streams(load_word_recordings(words, word, negatives=[more]), word, "test")[-1]
        for word in ("computer", "alexa")
    ]
    assert plan(last[0]) == plan(last[1])
