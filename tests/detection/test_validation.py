"""What posteriors, anchors, thresholds and settings are refused."""

import math

import numpy as np
import pytest

from keras_sal.detection import Scoring, det_curve, detect, operating_point

pytestmark = pytest.mark.any_backend


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"frame_step_s": 0.0}, "`frame_step_s` must be a positive number of seconds"),
        ({"frame_step_s": math.nan}, "`frame_step_s` must be given"),
        ({"frame_offset_s": -1.0}, "`frame_offset_s` must be a number of seconds, 0 or more"),
        ({"refractory_s": -1.0}, "`refractory_s` must be a number of seconds, 0 or more"),
        ({"early_s": math.nan}, "`early_s` must be a number of seconds, 0 or more"),
        ({"max_delay_s": math.inf}, "`max_delay_s` must be a number of seconds, 0 or more"),
        ({"smooth_frames": 0}, "`smooth_frames` must be an integer >= 1"),
        ({"smooth_frames": 2.5}, "`smooth_frames` must be an integer >= 1"),
        ({"on_frames": True}, "`on_frames` must be an integer >= 1"),
        ({"hysteresis": 1.0}, r"`hysteresis` must be in \[0, 1\) or None"),
    ],
)
def test_rejects_a_bad_rule(keywords, message):
    with pytest.raises(ValueError, match=message):
        det_curve([np.zeros(9)], [[]], **({"frame_step_s": 1.0} | keywords))


@pytest.mark.parametrize(
    ("posterior", "message"),
    [
        ([0.1, math.nan], r"`posteriors\[0\]` must not hold nan.*posteriors\[0\]\[1\]=nan"),
        ([0.1, 1.5], r"must lie in \[0, 1\].*from 0.1 to 1.5.*sigmoid or softmax"),
        ([-7.0, 0.5], r"must lie in \[0, 1\].*from -7 to 0.5"),
        ([0.1, math.inf], r"must lie in \[0, 1\]"),
        (np.zeros((4, 2)), r"must have shape \(frames,\).*\(4, 2\)"),
        (0.5, r"must have shape \(frames,\).*shape \(\)"),
        ([], "must have at least one frame"),
    ],
)
def test_rejects_bad_posteriors(posterior, message):
    with pytest.raises(ValueError, match=message):
        det_curve([posterior], [[]], frame_step_s=1.0)
    with pytest.raises(ValueError, match=message):
        operating_point([posterior], [[]], 0.5, frame_step_s=1.0)


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        ([1500.0], "anchor at 1500 s in a stream of 10 frames that ends at 9 s.*milliseconds"),
        ([-1.0], r"`anchors_s\[0\]` must be finite seconds, 0 or more"),
        ([math.nan], r"`anchors_s\[0\]` must be finite seconds, 0 or more"),
        ([[1.0, 2.0]], r"`anchors_s\[0\]` must have shape \(events,\).*onset, offset"),
    ],
)
def test_rejects_bad_anchors(anchors, message):
    with pytest.raises(ValueError, match=message):
        det_curve([np.zeros(10)], [anchors], frame_step_s=1.0)
    with pytest.raises(ValueError, match=message):
        operating_point([np.zeros(10)], [anchors], 0.5, frame_step_s=1.0)


@pytest.mark.parametrize("anchors", [[], [[], []]])
def test_rejects_lists_of_different_lengths(anchors):
    with pytest.raises(ValueError, match=r"one array for each stream.*1 posteriors, \d anchors_s"):
        det_curve([np.zeros(9)], anchors, frame_step_s=1.0)


def test_rejects_no_streams():
    with pytest.raises(ValueError, match="one array for each stream, and at least one"):
        det_curve([], [], frame_step_s=1.0)


@pytest.mark.parametrize("values", [["1_0"], ["0.5"], [None], [0.5j]])
def test_rejects_what_is_no_number(values):
    """NumPy would read text as numbers, and `None` as nan."""
    for posterior, anchors in ((values, []), ([0.5], values)):
        with pytest.raises(ValueError, match="must hold real numbers"):
            det_curve([posterior], [anchors], frame_step_s=1.0)
    with pytest.raises(ValueError, match="`threshold` must hold real numbers"):
        detect([0.5], values[0], frame_step_s=1.0)


def test_rejects_truth_values():
    """`hysteresis=False` would be a hysteresis of 0, which latches the trigger."""
    with pytest.raises(ValueError, match=r"`threshold` must hold real numbers.*bool"):
        detect([0.5], True, frame_step_s=1.0)
    with pytest.raises(ValueError, match=r"`anchors_s\[0\]` must hold real numbers.*bool"):
        det_curve([[0.5]], [[True]], frame_step_s=1.0)
    for name in ("hysteresis", "refractory_s", "frame_offset_s", "early_s", "max_delay_s"):
        with pytest.raises(ValueError, match=rf"`{name}` must be .*{name}=False"):
            Scoring(**{"frame_step_s": 1.0, name: False})
    with pytest.raises(ValueError, match=r"`frame_step_s` must be a positive number.*=True"):
        Scoring(frame_step_s=True)


@pytest.mark.parametrize("threshold", [-0.1, 1.5, math.nan, 50])
def test_rejects_bad_threshold(threshold):
    with pytest.raises(ValueError, match=r"`threshold` must be in \[0, 1\].*logit or a percentage"):
        detect([0.5], threshold, frame_step_s=1.0)


def test_rejects_thresholds_that_do_not_fit_the_classes():
    with pytest.raises(ValueError, match="one for each of the 3 classes"):
        detect(np.zeros((5, 3)), [0.5, 0.5], frame_step_s=1.0)


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ([], "`event_ends_s` must hold one array for each stream. Received: 0 event_ends_s for 1"),
        ([[3.0, 4.0]], r"`event_ends_s\[0\]` must hold one time for each anchor; .* shape \(2,\)"),
        (
            [[math.nan]],
            r"`event_ends_s\[0\]` must be finite seconds; .*\[nan\]. .* give its anchor",
        ),
        ([[math.inf]], r"`event_ends_s\[0\]` must be finite seconds"),
    ],
)
def test_rejects_ends_that_do_not_fit_the_anchors(ends, message):
    with pytest.raises(ValueError, match=message):
        det_curve([np.zeros(9)], [[2.0]], event_ends_s=ends, frame_step_s=1.0)
    with pytest.raises(ValueError, match=message):
        operating_point([np.zeros(9)], [[2.0]], 0.5, event_ends_s=ends, frame_step_s=1.0)
