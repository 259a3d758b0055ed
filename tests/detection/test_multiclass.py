"""Several classes against one class at a time, and cross-triggers by hand."""

import numpy as np
import pytest

from keras_sal.detection import class_curves, class_report, det_curve, operating_point

pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.filterwarnings("ignore::keras_sal.detection.NegativeHoursWarning"),
]


def streams(seed, classes=3):
    rng = np.random.default_rng(seed)
    posteriors, events = [], []
    for frames in (307, 211):
        posteriors.append(rng.random((frames, classes)) ** 3)
        times = np.sort(rng.uniform(0, frames - 1, 13))
        events.append(np.stack([times, rng.integers(0, classes, 13)], axis=-1))
    return posteriors, events


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lasting_s", [None, 30.0])
def test_each_class_is_scored_as_if_it_were_alone(seed, lasting_s):
    posteriors, events = streams(seed)
    ends = None if lasting_s is None else [each[:, 0] + lasting_s for each in events]
    keywords = {"frame_step_s": 1.0, "refractory_s": 3.0, "max_delay_s": 4.0}
    curves = class_curves(posteriors, events, event_ends_s=ends, max_fa_per_hour=np.inf, **keywords)
    report = class_report(posteriors, events, [0.3, 0.6, 0.8], event_ends_s=ends, **keywords)
    for index, threshold in enumerate([0.3, 0.6, 0.8]):
        alone = (
            [posterior[:, index] for posterior in posteriors],
            [each[each[:, 1] == index, 0] for each in events],
        )
        if ends is not None:
            keywords["event_ends_s"] = [anchors + lasting_s for anchors in alone[1]]
        expected = det_curve(*alone, max_fa_per_hour=np.inf, **keywords)
        np.testing.assert_array_equal(curves[index].threshold, expected.threshold)
        np.testing.assert_array_equal(curves[index].hits, expected.hits)
        np.testing.assert_array_equal(curves[index].false_alarms, expected.false_alarms)
        assert report.points[index] == operating_point(*alone, threshold, **keywords)
        assert report.cross_triggers[index, index] == 0
        assert report.cross_triggers[index].sum() <= report.points[index].false_alarms
    assert report.cross_triggers.sum() > 0


def test_cross_triggers_by_hand():
    posterior = np.zeros((1000, 3))
    events = [[100, 0], [300, 1], [400, 2], [403, 0]]
    posterior[100, [0, 1]] = 0.9  # 0 was said: hit, and 1 answers
    posterior[300, 2] = 0.9  # 1 was said: missed, and 2 answers
    posterior[402, 1] = 0.9  # between a 2 at 400 and a 0 at 403: the nearer is 0
    posterior[401, 0] = 0.9  # a hit of 0 (2 s early), not a cross-trigger of 2
    posterior[700, 1] = 0.9  # a false alarm, but nothing was said
    report = class_report(
        [posterior],
        [events],
        0.5,
        frame_step_s=1.0,
        early_s=2.0,
        max_delay_s=3.0,
    )
    assert [point.hits for point in report.points] == [2, 0, 0]
    assert [point.misses for point in report.points] == [0, 1, 1]
    assert [point.false_alarms for point in report.points] == [0, 3, 1]
    assert report.cross_triggers.tolist() == [[0, 0, 0], [2, 0, 0], [0, 1, 0]]


def test_a_repeat_is_no_cross_trigger():
    posterior = np.zeros((1000, 2))
    posterior[[100, 120], 0] = 0.9  # a sentence of class 0 from 100 s to 150 s: hit, and repeated
    keywords = {"frame_step_s": 1.0, "early_s": 2.0, "max_delay_s": 3.0}
    stream = [posterior], [[[100.0, 0], [119.0, 1]]], 0.5  # while a word of class 1 is spoken
    lasting = class_report(*stream, event_ends_s=[[150.0, 121.0]], **keywords)
    assert (lasting.points[0].false_alarms, lasting.points[0].repeats) == (0, 1)
    assert lasting.cross_triggers.sum() == 0
    assert class_report(*stream, **keywords).cross_triggers.tolist() == [[0, 1], [0, 0]]


def test_streams_without_events():
    report = class_report([np.zeros((50, 2))] * 2, [[], [[9.0, 1]]], 0.5, frame_step_s=1.0)
    assert [point.events for point in report.points] == [0, 1]


@pytest.mark.parametrize(
    ("posteriors", "events", "message"),
    [
        ([], [], "one array for each stream, and at least one"),
        ([np.zeros((9, 2))], [[], []], "one array for each stream.*1 posteriors, 2 events"),
        ([np.zeros((9, 2)), np.zeros((9, 3))], [[], []], "same number of classes.*3 in stream 1"),
        ([np.zeros((9, 2))], [[[1.0, 2]]], r"`events\[0\]` must have rows.*below 2"),
        ([np.zeros((9, 2))], [[[1.0, 0.5]]], r"`events\[0\]` must have rows"),
        ([np.zeros((9, 2))], [[1.0, 2.0]], r"`events\[0\]` must have rows"),
        ([np.zeros((9, 2, 2))], [[]], r"must have shape \(frames,\) or \(frames, classes\)"),
        ([np.zeros((9, 2))], [[[1500.0, 0]]], "Did you give milliseconds"),
    ],
)
def test_rejects(posteriors, events, message):
    for score in (class_curves, lambda *args, **kw: class_report(*args, 0.5, **kw)):
        with pytest.raises(ValueError, match=message):
            score(posteriors, events, frame_step_s=1.0)
