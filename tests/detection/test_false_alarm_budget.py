"""The choice of an operating point for a budget, and the hours that a budget needs."""

import math
import warnings

import numpy as np
import pytest

from keras_sal.detection import (
    NegativeHoursWarning,
    choose_budget,
    det_curve,
    negative_hours,
)

pytestmark = pytest.mark.any_backend


def test_budget_counts_what_rounding_would_lose():
    # 5760 frames of 0.03 s are 0.048 h; 6 false alarms are 125 an hour, but not in binary
    posterior = np.zeros(5760)
    posterior[500:3500:500] = 0.9
    curve = det_curve([posterior], [[]], frame_step_s=0.03, max_fa_per_hour=125.0)
    assert curve.fa_per_hour[-1] > 125.0
    assert curve.threshold_at(125.0) == 0.9
    assert curve.at(125.0).false_alarms == 6


@pytest.mark.parametrize(
    ("frames", "frame_step_s", "budget"),
    [(5760, 0.03, 125.0), (7200, 1.0, 3.0)],  # the first rate is above its budget in binary
)
def test_a_budget_that_is_met_exactly_is_kept(frames, frame_step_s, budget):
    """Six false alarms in the negative hours, and a hit at a lower score than theirs."""
    window = {"early_s": 0.0, "max_delay_s": 0.0}
    posterior = np.zeros(frames + 1)  # one frame more is the window of the event
    posterior[500:3500:500] = 0.9
    posterior[5000] = 0.5
    curve = det_curve(
        [posterior],
        [[5000 * frame_step_s]],
        frame_step_s=frame_step_s,
        max_fa_per_hour=budget,
        **window,
    )
    assert curve.fa_per_hour[-1] >= budget
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert curve.frr_at(budget) == 0.0
        assert curve.frr_over([budget * 0.999, budget]).tolist() == [1.0, 0.0]
        assert curve.at(budget).false_alarms == 6
        assert curve.frr_at(budget * 0.999) == 1.0


def test_thresholds_that_share_their_counts_are_split_in_the_middle():
    posterior = np.zeros(7200)
    # the hit moves from 103 to 100 as the threshold falls; the false alarm comes at 0.1
    posterior[100:104] = [0.3, 0.4, 0.5, 0.6]
    posterior[3000] = 0.1
    curve = det_curve([posterior], [[101.0]], frame_step_s=1.0, refractory_s=9.0, max_delay_s=2.0)
    assert curve.threshold.tolist() == [math.inf, 0.6, 0.5, 0.4, 0.3, 0.1]
    assert curve.hits.tolist() == [0, 1, 1, 1, 0, 0]  # frame 100 is 1 s early: outside
    assert curve.threshold_at(0.0) == 0.5


def test_too_few_negative_hours_are_said_plainly():
    posterior = np.zeros(3 * 3600)
    curve = det_curve([posterior], [[]], frame_step_s=1.0)
    with pytest.warns(NegativeHoursWarning, match=r"3 hours .* can't support 0.5 .* 6 hours could"):
        curve.threshold_at(0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curve.threshold_at(1.0)
        curve.threshold_at(0.0)  # none at all was asked for, and none is what was observed


@pytest.mark.parametrize(
    ("hours", "given", "budget"),
    [(4.0, None, 1.0), (1.2, None, 3.0), (1.2, 0.5, 0.5), (0, 2.0, 2.0)],
)
def test_the_budget_is_one_an_hour_or_what_the_hours_support(hours, given, budget):
    assert choose_budget(hours, given) == budget


def test_hours_of_negatives_are_those_outside_the_hit_windows():
    posterior, anchors = np.zeros(3600), np.arange(50.0, 3500.0, 60.0)
    curve = det_curve([posterior], [anchors], frame_step_s=1.0, early_s=2.0, max_delay_s=2.0)
    hours = negative_hours(1.0, len(anchors), early_s=2.0, max_delay_s=2.0)
    assert hours == pytest.approx(curve.hours, rel=0.02)


def test_no_budget_without_negatives():
    with pytest.raises(ValueError, match="`hours` must be greater than 0"):
        choose_budget(0.0)


def test_a_curve_reaches_the_false_alarms_that_its_bound_allows_exactly():
    """Three detections in five refractory times, which the bound allows, but for rounding."""
    posterior = np.zeros(2880)  # 0.024 h: 125 an hour are 2.9999999999999996
    posterior[[9, 15, 29, 35, 49]] = 0.9  # 15 and 35 are within ten frames of a detection
    curve = det_curve(
        [posterior],
        [[]],
        frame_step_s=0.03,
        refractory_s=0.3,
        max_fa_per_hour=125.0,
    )
    assert 125.0 * curve.hours < 3
    assert curve.threshold[-1] == 0.9
    assert curve.false_alarms[-1] == 3
