"""Predictions made of posteriors from anywhere."""

import numpy as np
import pytest

from keras_sal.evaluation import predictions_from_posteriors

pytestmark = pytest.mark.any_backend

ANCHORS_S = {"dev": [[1.0], []], "test": [[2.0], [3.0]]}


def make(posteriors=None, anchors_s=ANCHORS_S, **settings):
    one = {"dev": np.zeros((2, 50)), "test": [np.zeros((50, 1)), np.zeros((40, 1))]}
    posteriors = {"ours": one} if posteriors is None else posteriors
    return predictions_from_posteriors(posteriors, anchors_s, frame_step_s=0.1, **settings)


def test_each_array_is_a_recording():
    predictions = make(frame_offset_s=0.5, event="shake", names={"dev": ["ann 1", "ben 1"]})
    assert (predictions.word, predictions.systems, predictions.conditions) == (
        *("shake", ["ours"], ["as given"]),
    )
    first, second = predictions.streams("test")
    assert (second.duration_s, second.anchors_s) == (pytest.approx(4.5), (3.0,))
    assert [each.name for each in predictions.streams("dev")] == ["ann 1", "ben 1"]
    assert first.name == "test 0"
    assert [each.shape for each in predictions.posteriors_of("ours", "test")] == [(50,), (40,)]


def test_resampling_draws_recordings_and_people():
    predictions = make(speakers={"test": ["ann", "ann"]})
    assert len(predictions.curve("ours", "test").recording_events) == 2
    assert len(set(predictions.speaker_groups("test"))) == 1
    assert len(set(predictions.speaker_groups("dev"))) == 2


def test_saves_and_loads(tmp_path):
    predictions = make()
    predictions.save(tmp_path / "posteriors.npz")
    loaded = type(predictions).load(tmp_path)
    assert loaded.stream_sets == predictions.stream_sets


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"posteriors": {"a": {"dev": np.zeros((2, 9, 3))}}}, r"one class.*shape \(9, 3\)"),
        (
            {"posteriors": {"a": {"dev": np.zeros((1, 9))}}},
            "2 recordings of 'dev'.*{'a': 1} arrays",
        ),
        ({"posteriors": {}}, "`posteriors` must have an array of each system"),
        ({"anchors_s": {"train": []}}, "\"test\": thresholds.*the key 'train'"),
        ({"names": {"dev": ["a"]}}, "`names` must have one entry.*1 for 2 recordings of 'dev'"),
        ({"speakers": {"test": ["a"] * 3}}, "`speakers` must have one entry.*3 for 2"),
        (
            {
                "posteriors": {
                    name: {split: np.zeros((2, frames)) for split in ANCHORS_S}
                    for name, frames in (("a", 50), ("b", 25))
                }
            },
            "the same frames for all systems",
        ),
    ],
)
def test_rejects_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_anchors_are_times_and_names_differ():
    with pytest.raises(ValueError, match=r"`anchors_s\['test'\]` must have shape \(events,\)"):
        make(anchors_s={"dev": [[1.0], []], "test": [[(2.0, 2.5)], []]})
    with pytest.raises(ValueError, match=r"`names` must differ.*\['a', 'a'\] of 'dev'"):
        make(names={"dev": ["a", "a"]})


def test_lists_may_be_arrays():
    predictions = make(speakers={"test": np.array(["ann", "ben"])})
    assert len(set(predictions.speaker_groups("test"))) == 2
