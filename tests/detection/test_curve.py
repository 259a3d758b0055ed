"""Figures read off a DET curve: by hand, against their definitions, and where undefined."""

import math
import warnings

import numpy as np
import pytest
from detection_reference import (
    RULES,
    RULES_WITHOUT_HYSTERESIS,
    SEEDS,
    random_case,
    reference_counts,
    reference_scores,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_sal.detection import (
    Scoring,
    Trigger,
    class_report,
    det_curve,
    detect,
    operating_point,
    tune,
)

pytestmark = pytest.mark.any_backend


def test_without_events_frr_and_latency_are_nan():
    posterior = np.zeros(7200)
    posterior[[100, 200]] = 0.5, 0.25
    curve = det_curve([posterior], [[]], frame_step_s=1.0)
    assert np.isnan(curve.frr).all()
    assert math.isnan(curve.frr_at(2.0))
    assert math.isnan(curve.frr_within(0.5, 2.0))
    assert math.isnan(curve.eer())
    assert math.isnan(curve.mean_frr(2.0))
    assert curve.latency_at(2.0).hits == 0
    assert math.isnan(curve.latency_at(2.0).p90_s)
    # negatives alone still give a threshold: the lowest within the budget
    assert curve.threshold_at(2.0) == 0.25
    assert curve.at(2.0).fa_per_hour == 1.0


def test_without_negative_audio_false_alarm_rates_are_nan():
    curve = det_curve([[0.2, 0.9, 0.3]], [[1.0]], frame_step_s=1.0, early_s=1.0, max_delay_s=1.0)
    assert curve.hours == 0
    assert np.isnan(curve.fa_per_hour).all()
    assert curve.frr.tolist() == [1.0, 0.0, 0.0]  # at inf, 0.9 and (sooner) 0.2
    assert math.isnan(curve.frr_at(1.0))
    assert math.isnan(curve.threshold_at(1.0))
    assert math.isnan(curve.at(1.0).frr)
    assert math.isnan(curve.eer())
    point = operating_point(
        [[0.2, 0.9]], [[1.0]], 0.5, frame_step_s=1.0, early_s=1.0, max_delay_s=1.0
    )
    assert math.isnan(point.fa_per_hour)
    assert point.frr == 0.0


def test_an_undefined_threshold_has_no_figures():
    """`nan` is the threshold that can't be chosen; nothing is 0 that isn't counted."""
    curve = det_curve([[0.1, 0.9, 0.2]], [[1.0]], frame_step_s=1.0)
    point = curve.point(math.nan)
    rates = (point.threshold, point.frr, point.fa_per_hour, point.latency_p50_s)
    assert all(map(math.isnan, rates))


@pytest.mark.parametrize(
    "score",
    [
        lambda: det_curve([[0.5]], [[]]),
        lambda: detect([0.5], 0.5),
        lambda: operating_point([[0.5]], [[]], 0.5),
        lambda: class_report([[[0.5, 0.2]]], [[]], 0.5),
        lambda: tune([[0.5]], [[]], fa_per_hour=1.0),
        lambda: Trigger(0.5),
        Scoring,
    ],
)
def test_rejects_posteriors_without_a_frame_step(score):
    with pytest.raises(ValueError, match=r"`frame_step_s` must be given; .*frame_step_s=0\.01"):
        score()


@pytest.mark.parametrize("step", [10, 25, 60.0])
def test_rejects_a_frame_step_in_milliseconds(step):
    with pytest.raises(ValueError, match="`frame_step_s` must not be longer than 1 s and the hit"):
        det_curve([[0.5]], [[]], frame_step_s=step)


def test_accepts_slow_frames_with_long_windows():
    assert Scoring(frame_step_s=60.0, early_s=30.0, max_delay_s=120.0).frame_step_s == 60.0


def test_eer_by_hand():
    # 4 events; slots of 10 s in 400 s of negative audio are 40
    posterior = np.zeros(404)
    posterior[[50, 150, 250, 350]] = [0.9, 0.8, 0.7, 0.2]
    false = np.arange(60, 120, 10)
    posterior[false] = [0.75, 0.6, 0.5, 0.4, 0.3, 0.1]
    curve = det_curve(
        [posterior],
        [[50.0, 150.0, 250.0, 350.0]],
        frame_step_s=1.0,
        refractory_s=10.0,
        early_s=0.0,
        max_delay_s=0.0,
        max_fa_per_hour=math.inf,
    )
    # at 0.7: 1 of 4 missed, 1 of 40 slots; at 0.2: none missed, 5 of 40 slots hold an alarm
    assert curve.eer() == pytest.approx(5 / 40)


def test_eer_beyond_the_curve_says_how_far_to_go():
    posterior = np.zeros(404)
    posterior[60:120:10] = 0.5
    curve = det_curve([posterior], [[350.0]], frame_step_s=1.0, max_fa_per_hour=2.0)
    with pytest.raises(ValueError, match="`max_fa_per_hour` must be at least 3600 for an equal"):
        curve.eer()


@given(seed=SEEDS, rule=RULES_WITHOUT_HYSTERESIS, bound=st.sampled_from([100.0, 3e3, 1e4, 7e4]))
@settings(max_examples=25, deadline=None)
def test_mean_frr_is_the_mean_over_budgets(seed, rule, bound):
    posteriors, anchors = random_case(seed, 64, **rule)
    curve = det_curve(posteriors, anchors, max_fa_per_hour=1e5, **rule)
    if not curve.events:
        return
    budgets = bound * (np.arange(100) + 0.5) / 100
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampled = np.mean([curve.frr_at(budget) for budget in budgets])
        exact = curve.mean_frr(bound)
    # sampling a step function errs by at most one sample per step
    steps = len(np.unique(curve.frr))
    assert exact == pytest.approx(sampled, abs=steps / 100)


@given(
    seed=SEEDS,
    rule=RULES_WITHOUT_HYSTERESIS,
    latency=st.sampled_from([-0.02, 0.0, 0.01, 0.05, 1.0]),
)
@settings(max_examples=25, deadline=None)
def test_frr_within_counts_late_hits_as_misses(seed, rule, latency):
    posteriors, anchors = random_case(seed, 64, **rule)
    curve = det_curve(posteriors, anchors, max_fa_per_hour=math.inf, **rule)
    if not curve.events:
        return
    in_time = []
    scores = [reference_scores(p, rule["smooth_frames"]) for p in posteriors]
    for level in curve.threshold:
        per_stream = [
            reference_counts(s, a, level, Scoring(**rule))
            for s, a in zip(scores, anchors, strict=True)
        ]
        in_time.append(sum(late <= latency + 1e-6 for _, each, _ in per_stream for late in each))
    for budget in (0.0, 2e3, 4e4):
        best = max(
            hits
            for hits, rate in zip(in_time, curve.fa_per_hour, strict=True)
            if rate <= budget * (1 + 1e-9)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = curve.frr_within(latency, budget)
        assert found == pytest.approx(1 - best / curve.events)


@given(seed=SEEDS, rule=RULES)
@settings(max_examples=25, deadline=None)
def test_frr_over_budgets_is_frr_at_each(seed, rule):
    curve = det_curve(*random_case(seed, 16, **rule), max_fa_per_hour=math.inf, **rule)
    budgets = [0.0, 1.0, 3e3, 2e4, math.inf]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [curve.frr_at(budget) for budget in budgets]
    np.testing.assert_array_equal(curve.frr_over(np.array(budgets)), expected)


def test_latencies_of_the_hits_at_a_threshold():
    posterior = np.zeros(100)
    posterior[[12, 31, 70]] = 0.9, 0.6, 0.8  # 2 s after 10, 1 s after 30, and a false alarm
    rule = {"frame_step_s": 1.0, "max_delay_s": 3.0, "max_fa_per_hour": math.inf}
    curve = det_curve([posterior], [[10.0, 30.0]], **rule)
    assert curve.latencies_at(0.5).tolist() == [1.0, 2.0]
    assert curve.latencies_at(0.7).tolist() == [2.0]
    assert curve.reweighted(np.array([2])).latencies_at(0.7).tolist() == [2.0, 2.0]


def test_curve_says_whether_it_is_complete():
    posterior = np.linspace(0, 1, 500)
    whole = det_curve([posterior], [[250.0]], frame_step_s=1.0, max_fa_per_hour=math.inf)
    part = det_curve([posterior], [[250.0]], frame_step_s=1.0, max_fa_per_hour=100.0)
    assert whole.complete
    assert not part.complete
    # 498 s of negative audio at 100 an hour allow 13 false alarms; and `inf`
    assert repr(part).startswith("<DetCurve: 14 operating points up to 100 false alarms an hour")


def test_rejects_budgets_and_thresholds_beyond_the_curve():
    posterior = np.linspace(0, 1, 500)
    curve = det_curve([posterior], [[250.0]], frame_step_s=1.0, max_fa_per_hour=100.0)
    with pytest.raises(ValueError, match="`fa_per_hour` must be between 0 and 100, up to which"):
        curve.frr_at(101.0)
    with pytest.raises(ValueError, match="`fa_per_hour` must be between 0 and 100, up to which"):
        curve.threshold_at(-1.0)
    with pytest.raises(ValueError, match=r"`threshold` must be above .* use `operating_point`"):
        curve.point(0.1)


@pytest.mark.parametrize(
    ("anchor_s", "budget_s"),
    [(0.57, 0.1), (0.17, 0.5)],  # 0.67 - 0.57 is 0.10000000000000009
)
def test_a_hit_exactly_at_the_latency_budget_is_in_time(anchor_s, budget_s):
    posterior = np.zeros(300)
    posterior[64] = 0.9  # at 0.67 s
    times = {"frame_step_s": 0.01, "frame_offset_s": 0.03, "max_fa_per_hour": math.inf}
    curve = det_curve([posterior], [[anchor_s]], **times)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert curve.frr_within(budget_s, 0.0) == 0.0
        assert curve.frr_within(budget_s - 1e-5, 0.0) == 1.0
