"""Hits, misses, false alarms and ignored detections: by hand, and against the best matching."""

import math

import numpy as np
import pytest
from detection_reference import (
    golden,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_sal.detection import (
    Detection,
    match_events,
)

pytestmark = pytest.mark.any_backend


@golden("matching")
def test_match_events_golden(case):
    matches = match_events(
        [Detection(time_s, 1.0) for time_s in case["detections_s"]],
        case["anchors_s"],
        early_s=case["early_s"],
        max_delay_s=case["max_delay_s"],
    )
    assert [[detection.time_s, event] for detection, event in matches.hits] == case["hits"]
    assert matches.misses == case["misses"]
    assert [detection.time_s for detection in matches.false_alarms] == case["false_alarms"]
    assert [detection.time_s for detection in matches.ignored] == case["ignored"]
    np.testing.assert_allclose(matches.latencies_s, case["latencies_s"], atol=1e-12)


@given(
    times=st.lists(st.integers(0, 60), max_size=9),
    anchors=st.lists(st.integers(0, 60), max_size=7),
    early=st.integers(0, 6),
    delay=st.integers(0, 9),
)
@settings(max_examples=200, deadline=None)
def test_matching_is_as_large_as_any(times, anchors, early, delay):
    matches = match_events(
        [Detection(float(time), 1.0) for time in times],
        np.array(anchors, float),
        early_s=early,
        max_delay_s=delay,
    )
    csgraph = pytest.importorskip("scipy.sparse.csgraph")
    from scipy.sparse import csr_array

    inside = np.array([[-early <= time - anchor <= delay for time in times] for anchor in anchors])
    graph = inside.reshape(len(anchors), len(times)).astype(int)
    largest = (csgraph.maximum_bipartite_matching(csr_array(graph)) >= 0).sum() if graph.size else 0
    assert len(matches.hits) == largest
    assert len(matches.hits) + len(matches.misses) == len(anchors)
    counted = len(matches.hits) + len(matches.false_alarms) + len(matches.ignored)
    assert counted == len(times)
    outside = sum(not graph[:, column].any() for column in range(len(times)))
    assert len(matches.false_alarms) == outside


def test_match_events_matches_within_a_class():
    matches = match_events(
        [Detection(1.0, 0.9, 1), Detection(1.2, 0.9, 0)], [1.0], anchor_classes=[0]
    )
    assert matches.hits == [(Detection(1.2, 0.9, 0), 0)]
    assert matches.false_alarms == [Detection(1.0, 0.9, 1)]


@pytest.mark.parametrize("name", ["early_s", "max_delay_s"])
def test_match_events_rejects_a_bad_window(name):
    with pytest.raises(ValueError, match=f"`{name}` must be a number of seconds, 0 or more"):
        match_events([], [1.0], **{name: math.nan})


def test_rejects_classes_that_do_not_fit_the_anchors():
    with pytest.raises(ValueError, match="`anchor_classes` must hold one class for each anchor"):
        match_events([], [1.0, 2.0], anchor_classes=[0])


@pytest.mark.parametrize(
    ("anchor_s", "detection_s"),
    [
        (0.8, 0.7),  # 0.8 - 0.1 is 0.7000000000000001
        (0.1, 0.8),  # 0.1 + 0.7 is 0.7999999999999999
        (1.0, 0.9),
        (1.0, 1.7),
    ],
)
def test_both_ends_of_the_hit_window_are_included(anchor_s, detection_s):
    found = Detection(detection_s, 0.9)
    matches = match_events([found], [anchor_s], early_s=0.1, max_delay_s=0.7)
    assert (matches.hits, matches.false_alarms) == ([(found, 0)], [])
    sign = -1 if detection_s < anchor_s else 1
    outside = Detection(detection_s + sign * 1e-5, 0.9)
    matches = match_events([outside], [anchor_s], early_s=0.1, max_delay_s=0.7)
    assert (matches.hits, matches.false_alarms) == ([], [outside])


@pytest.mark.parametrize(("anchor_s", "detection_s"), [(1.0, 0.5), (1.0, 1.25)])
def test_both_ends_are_included_where_no_fraction_is_rounded(anchor_s, detection_s):
    found = Detection(detection_s, 0.9)
    assert match_events([found], [anchor_s], early_s=0.5, max_delay_s=0.25).misses == []


def test_events_last_for_detections_of_their_class():
    """Class 0 lasts from 1 s to 9 s, class 1 from 2 s to 4 s; both are hit within a second."""
    found = [Detection(time_s, 0.9, index) for time_s in (3.0, 6.0) for index in (0, 1)]
    matches = match_events(
        found, [2.0, 1.0], anchor_classes=[1, 0], event_ends_s=[4.0, 9.0], max_delay_s=0.5
    )
    assert matches.hits == []
    assert matches.ignored == [found[0], found[1], found[2]]
    assert matches.false_alarms == [found[3]]  # class 1 at 6 s


@pytest.mark.parametrize("late_s", [0.0, 9e-7, 1e-5])
def test_the_end_of_an_event_is_included(late_s):
    found = Detection(3.1 + late_s, 0.9)
    matches = match_events([found], [1.0], event_ends_s=[3.1])
    expected = ([found], []) if late_s < 1e-6 else ([], [found])
    assert (matches.ignored, matches.false_alarms) == expected


def test_a_long_event_lasts_beyond_a_short_one_within_it():
    matches = match_events([Detection(8.0, 0.9)], [1.0, 4.0], event_ends_s=[9.0, 5.0])
    assert len(matches.ignored) == 1
