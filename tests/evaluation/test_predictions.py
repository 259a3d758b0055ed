"""Predictions: how they are collected, stored, read and merged."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_predictions import made_predictions

from keras_sal.data import PlacedRecording, Recording, Stream
from keras_sal.evaluation import Predictions, collect_predictions, collect_word_predictions
from keras_sal.evaluation.predictions import unused_name

pytestmark = pytest.mark.any_backend


# --- the file


def test_answers_come_back_as_they_were(tmp_path):
    predictions = made_predictions()
    predictions.save(tmp_path / "posteriors.npz")
    for path in (tmp_path, tmp_path / "posteriors.npz"):
        kept = Predictions.load(path)
        assert (kept.word, kept.stream_sets, kept.times) == (
            "computer",
            predictions.stream_sets,
            predictions.times,
        )
        for name in ("good", "poor"):
            np.testing.assert_array_equal(
                kept.posteriors_of(name, "test", "10 dB")[0],
                predictions.posteriors_of(name, "test", "10 dB")[0],
            )


def test_rejects_what_is_no_file_of_answers(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"stored by.*`keras-sal evaluate`.*posteriors.npz"):
        Predictions.load(tmp_path)
    path = tmp_path / "posteriors.npz"
    path.write_bytes(b"not a zip")
    with pytest.raises(
        ValueError, match=r"must be predictions stored by this version.*Evaluate again"
    ):
        Predictions.load(path)
    np.savez(path, index=np.array(json.dumps({"format": 99})))
    with pytest.raises(ValueError, match="its format is 99, not 2"):
        Predictions.load(path)


def test_joined_answers_tell_their_systems_apart():
    both = made_predictions().merge(made_predictions())
    assert both.systems == ["good", "poor", "good (2)", "poor (2)"]
    assert unused_name("a", {"a", "a (2)"}) == "a (3)"


def test_rejects_joining_answers_to_other_streams():
    predictions = made_predictions()
    other = Predictions("computer", predictions.stream_sets[:2], {}, {})
    with pytest.raises(ValueError, match=r"must be predictions for the same streams.*test 10 dB"):
        predictions.merge(other)


def test_rejects_parts_that_were_not_heard():
    with pytest.raises(
        ValueError, match=r"must name streams that there are predictions for.*dev clean, test clean"
    ):
        made_predictions().streams("test", "5 dB")


# --- collecting


class Striding:
    """A runner that predictions every second frame with how many frames it has heard."""

    ports = None

    def reset(self):
        self.heard = 0

    def stream(self, features):
        self.heard += len(features)
        return np.full((len(features), 2), [0.0, min(1.0, self.heard / 1000)], "float32")


def stream(frames, name="one"):
    clip = PlacedRecording(
        Recording("a.flac", "test", "computer", 2.0, 0.5, 1.0), 1.0, class_index=0
    )
    return Stream(name, (clip,), frames / 100, features=np.zeros((frames, 40), "float32"))


def test_collect_starts_each_stream_afresh_and_says_how_far_it_is():
    said = []
    predictions = collect_predictions(
        {"runner": Striding()},
        "computer",
        {("dev", "clean"): [stream(100)], ("test", "clean"): [stream(300), stream(200, "two")]},
        class_index=1,
        progress=lambda *state: said.append(state),
    )
    assert [float(p[0]) for p in predictions.posteriors_of("runner", "test")] == pytest.approx(
        [0.3, 0.2]
    )
    assert predictions.posteriors_of("runner", "dev")[0].shape == (100,)
    assert said == [("runner", 0, 3), ("runner", 1, 3), ("runner", 2, 3), ("runner", 3, 3)]


class Late(Striding):
    """A runner whose first three predictions belong to no frame."""

    delay_frames = 3


def test_answers_of_a_late_system_are_those_of_the_frames_and_their_times_are_later():
    material = {("test", "clean"): [stream(100)]}
    predictions = collect_predictions({"late": Late(), "now": Striding()}, "computer", material)
    assert [len(predictions.posteriors_of(name, "test")[0]) for name in ("late", "now")] == [
        97,
        100,
    ]
    assert predictions.times["late"]["frame_offset_s"] == pytest.approx(0.03 + 3 * 0.01)
    assert predictions.times["now"]["frame_offset_s"] == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("answer", "class_index", "message"),
    [
        (
            np.zeros(99),
            0,
            r"must have an output for every frame.*'odd' does not.*\(99, 1\) for 100 frames of one",
        ),
        (np.zeros((100, 2)), 2, "`class_index` must be one of the 2 classes of 'odd'"),
    ],
)
def test_collect_rejects(answer, class_index, message):
    material = {("test", "clean"): [stream(100)]}
    with pytest.raises(ValueError, match=message):
        collect_predictions(
            {"odd": lambda streams: [answer]}, "word", material, class_index=class_index
        )


def test_several_words_are_predicted_in_one_run():
    """Each word has its own column and its own events, and the file of the stream is the same."""
    said = [Recording(Path(word), "test", word, 2.0, 0.5, 1.0) for word in ("on", "off")]
    clips = [PlacedRecording(each, 3.0 * i, class_index=i) for i, each in enumerate(said)]
    stream = Stream("two words", tuple(clips), 7.0, features=np.zeros((698, 40), "float32"))
    runs = []

    def system(streams):
        runs.append(len(streams))
        return [np.tile(np.float32([0.1, 0.2, 0.3]), (698, 1)) for _ in streams]

    material = {("test", "clean"): [stream]}
    found = collect_word_predictions({"a": system}, ["on", "off"], material, class_index=1)
    assert runs == [1]
    assert [each.word for each in found] == ["on", "off"]
    assert [each.streams("test")[0].anchors_s for each in found] == [(1.0,), (4.0,)]
    columns = [each.posteriors_of("a", "test")[0] for each in found]
    assert [set(column.tolist()) for column in columns] == [{np.float32(0.2)}, {np.float32(0.3)}]
    alone = collect_predictions(
        {"a": system}, "off", {("test", "clean"): [stream.only_class(1)]}, class_index=2
    )
    assert alone.stream_sets == found[1].stream_sets
    with pytest.raises(ValueError, match="`class_index` must be one of the 3 classes of 'a'"):
        collect_word_predictions({"a": system}, ["on", "off"], material, class_index=2)
