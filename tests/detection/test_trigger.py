"""The live trigger: whatever the chunks, what `detect` finds in the whole stream."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_sal.detection import Detection, Trigger, detect

RULES = st.fixed_dictionaries(
    {
        "frame_step_s": st.sampled_from([0.01, 0.02, 1.0]),
        "frame_offset_s": st.sampled_from([0.0, 0.03]),
        "smooth_frames": st.integers(1, 6),
        "on_frames": st.integers(1, 4),
        "hysteresis": st.sampled_from([None, 0.0, 0.1, 0.4]),
        "refractory_s": st.sampled_from([0.0, 0.025, 0.05, 3.0]),
    }
)


def random_posteriors(seed, frames, classes, dtype):
    """Posteriors that rise and fall, on a coarse grid so that scores meet the threshold exactly."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(scale=0.25, size=(frames, classes)), axis=0)
    return (np.round(8 * (0.5 + 0.5 * np.sin(walk))) / 8).astype(dtype)


def fed_in_chunks(trigger, posteriors, cuts):
    found = []
    for chunk in np.split(posteriors, sorted(cut % (len(posteriors) + 1) for cut in cuts)):
        found += trigger.feed(chunk)
    return found


@settings(max_examples=300)
@given(
    seed=st.integers(0, 10**6),
    frames=st.integers(1, 60),
    classes=st.integers(1, 3),
    dtype=st.sampled_from(["float32", "float64"]),
    cuts=st.lists(st.integers(0, 60), max_size=8),
    threshold=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 1.0, math.inf]),
    rule=RULES,
)
def test_any_chunking_finds_what_detect_finds(seed, frames, classes, dtype, cuts, threshold, rule):
    posteriors = random_posteriors(seed, frames, classes, dtype)
    trigger = Trigger(threshold, classes=classes, **rule)
    whole = detect(posteriors, threshold, **rule)
    assert fed_in_chunks(trigger, posteriors, cuts) == whole
    trigger.reset()
    assert fed_in_chunks(trigger, posteriors, range(frames)) == whole


def test_the_property_is_not_empty():
    """The random streams above fire several times each."""
    rule = {"frame_step_s": 0.01, "hysteresis": 0.1, "refractory_s": 0.05}
    found = [detect(random_posteriors(seed, 60, 1, "float32"), 0.5, **rule) for seed in range(20)]
    assert sum(map(len, found)) > 40


def test_smoothing_remembers_the_chunk_before():
    """(0.9 + 0.3) / 2 is 0.6; the first frame is (0.9 + 0) / 2."""
    trigger = Trigger(0.6, frame_step_s=1.0, smooth_frames=2)
    assert trigger.feed(np.array([0.9])) == []
    assert trigger.feed(np.array([0.3])) == [Detection(1.0, 0.6, 0)]


def test_on_frames_count_across_chunks():
    trigger = Trigger(0.5, frame_step_s=1.0, on_frames=3)
    assert trigger.feed([0.6, 0.7]) == []
    assert trigger.feed([0.8]) == [Detection(2.0, 0.8, 0)]


def test_refractory_time_runs_across_chunks():
    trigger = Trigger(0.5, frame_step_s=1.0, refractory_s=3.0)
    assert [d.time_s for d in trigger.feed([0.6, 0.6])] == [0.0]
    assert [d.time_s for d in trigger.feed([0.6, 0.6])] == [3.0]


def test_hysteresis_holds_across_chunks():
    """Only a score below 0.5 - 0.25 arms it again."""
    trigger = Trigger(0.5, frame_step_s=1.0, refractory_s=0.0, hysteresis=0.25)
    assert [d.time_s for d in trigger.feed([0.75, 0.25])] == [0.0]
    assert trigger.feed([0.75]) == []
    assert [d.time_s for d in trigger.feed([0.125, 0.75])] == [4.0]


def test_classes_have_thresholds_of_their_own():
    trigger = Trigger([0.9, 0.5], classes=2, frame_step_s=1.0)
    assert trigger.feed([[0.6, 0.6]]) == [Detection(0.0, 0.6, 1)]


def test_no_frame_is_fine():
    trigger = Trigger(0.5, frame_step_s=1.0)
    assert trigger.feed([]) == []
    assert trigger.feed(np.empty((0, 1))) == []
    assert trigger.feed([0.9]) == [Detection(0.0, 0.9, 0)]


def test_what_it_is_fed_may_change_afterwards():
    trigger = Trigger(0.6, frame_step_s=1.0, smooth_frames=2)
    chunk = np.array([0.9], "float32")
    trigger.feed(chunk)
    chunk[:] = 0
    assert len(trigger.feed(np.array([0.4], "float32"))) == 1


def test_hours_of_single_frames_keep_the_time():
    trigger = Trigger(0.5, frame_step_s=0.01, frame_offset_s=0.03)
    trigger.feed(np.zeros(360_000, "float32"))
    [detection] = trigger.feed([0.75])
    assert detection.time_s == pytest.approx(3600.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.5}, r"`threshold` must be in \[0, 1\]"),
        ({"threshold": [0.5, 0.5]}, "one for each of the 1 classes"),
        ({"classes": 0}, "`classes` must be an integer >= 1"),
        ({"classes": True}, "`classes` must be an integer >= 1"),
        ({"smooth_frames": 0}, "`smooth_frames` must be an integer >= 1"),
    ],
)
def test_rejects_a_bad_trigger(options, message):
    with pytest.raises(ValueError, match=message):
        Trigger(**{"threshold": 0.5, "frame_step_s": 1.0} | options)


@pytest.mark.parametrize(
    ("posteriors", "message"),
    [
        ([[0.1, 0.2, 0.3]], "`posteriors` must have a column for each of the 2 classes"),
        ([0.1, 0.2], "`posteriors` must have a column for each of the 2 classes"),
        ([[0.1, math.nan]], r"Received: posteriors\[0\]=nan"),
        ([[0.1, 3.0]], r"`posteriors` must lie in \[0, 1\]"),
    ],
)
def test_rejects_bad_posteriors(posteriors, message):
    with pytest.raises(ValueError, match=message):
        Trigger(0.5, classes=2, frame_step_s=1.0).feed(posteriors)
