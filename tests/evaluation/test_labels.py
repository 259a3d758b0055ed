"""Labels of what is heard at a time, with and without the times of words."""

import pytest
from made_predictions import annotated_stream

from keras_sal.evaluation import (
    RecordingAnnotation,
    StreamAnnotation,
    count_labels,
    label_at,
    read_word_times,
)

pytestmark = pytest.mark.any_backend


def test_words_are_blamed_where_their_times_are_known(tmp_path):
    (tmp_path / "words.csv").write_text(
        "file,word,onset_s,offset_s\nturn/x-3.flac,light(2),1.2,1.6\nturn/x-3.flac,turn,0.5,0.9\n"
    )
    words = read_word_times(tmp_path)
    assert words == {"turn/x-3.flac": [("turn", 0.5, 0.9), ("light", 1.2, 1.6)]}
    heard = annotated_stream(
        "x", clips=6
    )  # the fourth, from 15 s, is "turn on the light"; the fifth a dog
    assert label_at(heard, 15.2, words) == "turn on the light"
    assert label_at(heard, 16.1, words) == "turn"
    assert label_at(heard, 19.9, words) == "light"
    assert label_at(heard, 20.5, words) == "(noise/dog)"
    assert count_labels([heard], words) == {
        **{"computer": 3, "alexa": 1, "(noise/dog)": 1},
        **{"turn": 1, "light": 1},
    }
    assert read_word_times(tmp_path / "elsewhere") == {}


def test_rejects_a_bad_table_of_words(tmp_path):
    (tmp_path / "words.csv").write_text("file,word\na.flac,one\n")
    with pytest.raises(ValueError, match=r"words.csv must have the columns file, word, onset_s"):
        read_word_times(tmp_path)


def test_a_recording_from_outside_the_folder_is_named_by_its_corpus():
    outside = RecordingAnnotation("../more/toys/sounds/da/dog.flac", 0.0, 1.0, corpus="toys")
    stream = StreamAnnotation("a second", 1.0, (), (outside,))
    assert label_at(stream, 0.5, {}) == "(toys/da)"
