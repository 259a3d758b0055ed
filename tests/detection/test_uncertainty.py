"""Intervals against scipy's exact distributions, by hand, and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from keras_sal.detection import (
    binomial_interval,
    bootstrap,
    det_curve,
    paired_bootstrap,
    poisson_interval,
    poisson_upper,
)

pytestmark = pytest.mark.filterwarnings("ignore::keras_sal.detection.NegativeHoursWarning")


@pytest.mark.parametrize("hours", [0.5, 3.0, 100.0])
def test_no_false_alarm_bounds_the_rate_at_three_over_the_hours(hours):
    # P(0 | r * hours) = exp(-r * hours) = 0.05, so r = ln(20) / hours
    assert poisson_upper(0, hours) == pytest.approx(math.log(20) / hours, rel=1e-12)
    assert poisson_upper(0, hours) == pytest.approx(3 / hours, rel=2e-3)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 31, 1009, 100003])
@pytest.mark.parametrize("level", [0.68, 0.95, 0.999])
def test_poisson_bounds_are_those_of_the_chi_square(count, level):
    hours = 7.0
    tail = (1 - level) / 2
    upper = stats.chi2.ppf(level, 2 * (count + 1)) / 2 / hours
    assert poisson_upper(count, hours, level=level) == pytest.approx(upper, rel=1e-9)
    estimate, low, high = poisson_interval(count, hours, level=level)
    assert estimate == count / hours
    assert high == pytest.approx(stats.chi2.ppf(1 - tail, 2 * (count + 1)) / 2 / hours, rel=1e-9)
    expected_low = stats.chi2.ppf(tail, 2 * count) / 2 / hours if count else 0.0
    assert low == pytest.approx(expected_low, rel=1e-9)


@pytest.mark.parametrize(
    ("count", "trials"), [(0, 1), (1, 1), (0, 94), (3, 7), (94, 94), (50, 997)]
)
@pytest.mark.parametrize("level", [0.68, 0.95, 0.999])
def test_binomial_bounds_are_clopper_and_pearsons(count, trials, level):
    expected = stats.binomtest(count, trials).proportion_ci(level, method="exact")
    estimate, low, high = binomial_interval(count, trials, level=level)
    assert estimate == count / trials
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-15)


def streams(seed, count=40, events=5, spread=0.0):
    """Recordings of 600 s whose events score around a level of their own."""
    rng = np.random.default_rng(seed)
    posteriors, anchors = [], []
    for _ in range(count):
        posterior = rng.random(600) * 0.45
        level = 0.55 + spread * rng.normal()
        times = 50.0 + 100.0 * np.arange(events)
        posterior[times.astype(int)] = np.clip(level + 0.1 * rng.normal(size=events), 0, 1)
        posteriors.append(posterior)
        anchors.append(times)
    return posteriors, anchors


def curve_of(posteriors, anchors):
    return det_curve(posteriors, anchors, frame_step_s=1.0, refractory_s=5.0, max_delay_s=2.0)


def test_bootstrap_brackets_its_estimate_and_repeats():
    curve = curve_of(*streams(0))

    def figure(curve):
        return curve.frr_at(3.0)

    first = bootstrap(curve, figure, replicates=200)
    assert first == bootstrap(curve, figure, replicates=200)
    assert first != bootstrap(curve, figure, replicates=200, seed=1)
    assert first.estimate == curve.frr_at(3.0)
    assert first.low < first.estimate < first.high


def test_bootstrap_covers_the_truth_as_often_as_it_says():
    # at a fixed threshold the misses are binomial with p = P(normal < -0.5) = 0.3085
    truth = stats.norm.cdf(-0.5)
    covered = 0
    for seed in range(60):
        curve = curve_of(*streams(seed, count=25))
        low, high = bootstrap(curve, lambda c: c.point(0.5).frr, replicates=150, level=0.9)[1:]
        covered += low <= truth <= high
    assert 46 <= covered <= 60  # 54 are expected; P(fewer than 46) is below 0.002


def test_bootstrap_by_group_is_wider_where_groups_differ():
    posteriors, anchors = streams(3, count=10, spread=0.15)
    speakers = np.repeat(np.arange(10), 4).tolist()  # four recordings each
    curve = curve_of([posteriors[i] for i in speakers], [anchors[i] for i in speakers])
    widths = [
        np.ptp(bootstrap(curve, lambda c: c.frr_at(5.0), groups=groups, replicates=200)[1:])
        for groups in (None, speakers)
    ]
    # four copies of the same look like four times the data: half the width
    assert widths[1] > 1.5 * widths[0]


def test_bootstrap_takes_any_figure():
    curve = curve_of(*streams(4))
    late = bootstrap(curve, lambda curve: curve.latency_at(3.0).p90_s, replicates=50)
    assert late.low <= late.estimate <= late.high


def test_bootstrap_of_an_undefined_figure_is_nan():
    curve = curve_of([np.zeros(100)] * 3, [[]] * 3)
    assert all(math.isnan(each) for each in bootstrap(curve, lambda c: c.frr_at(0.0)))


def test_bootstrap_by_recording_of_one_long_stream():
    """Cut into its recordings, a stream has the spread that they have as streams of their own."""
    posteriors, anchors = streams(6)
    apart = curve_of(posteriors, anchors)
    lengths = np.cumsum([len(posterior) for posterior in posteriors])
    starts = np.array([0, *lengths[:-1]])
    joined = det_curve(
        [np.concatenate(posteriors)],
        [np.concatenate([a + start for a, start in zip(anchors, starts, strict=True)])],
        boundaries_s=[starts[1:]],
        frame_step_s=1.0,
        refractory_s=5.0,
        max_delay_s=2.0,
    )

    def figure(curve):
        return curve.point(0.5).frr

    assert bootstrap(joined, figure, replicates=100) == bootstrap(apart, figure, replicates=100)


def test_bootstrap_of_an_array_is_that_of_each_of_its_figures():
    curve = curve_of(*streams(7))
    band = bootstrap(curve, lambda c: c.frr_over(np.array([1.0, 3.0])), replicates=100)
    for index, budget in enumerate((1.0, 3.0)):
        one = bootstrap(curve, lambda c, budget=budget: c.frr_at(budget), replicates=100)
        assert one == tuple(part[index] for part in band)


def test_paired_bootstrap_at_a_threshold_of_its_own_for_each():
    posteriors, anchors = streams(8)
    lower = curve_of([posterior / 2 for posterior in posteriors], anchors)
    curve = curve_of(posteriors, anchors)
    same = paired_bootstrap(
        curve, lower, (lambda c: c.point(0.5).frr, lambda c: c.point(0.25).frr), replicates=50
    )
    assert same == (0.0, 0.0, 0.0)


def test_paired_bootstrap_cancels_what_is_hard_for_both():
    posteriors, anchors = streams(5, spread=0.2)
    # the second system never hears the first event of every other recording
    worse = [p.copy() for p in posteriors]
    for posterior in worse[::2]:
        posterior[50] = 0.0
    first, second = curve_of(posteriors, anchors), curve_of(worse, anchors)

    def figure(curve):
        return curve.point(0.5).frr

    alone = [bootstrap(curve, figure, replicates=300) for curve in (first, second)]
    difference = paired_bootstrap(second, first, figure, replicates=300)
    assert difference.estimate == pytest.approx(figure(second) - figure(first))
    assert difference.low > 0
    assert alone[0].high > alone[1].low  # separately the intervals overlap
    swapped = paired_bootstrap(first, second, figure, replicates=300)
    assert swapped.estimate == pytest.approx(-difference.estimate)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"groups": ["a", "b"]}, "`groups` must name one group for each stream.*2 groups for 3"),
        ({"groups": ["a"] * 3}, "`groups` must differ.*1 group in 3 recordings"),
        ({"replicates": 0}, "`replicates` must be at least 1"),
        ({"level": 1.0}, "`level` must be between 0 and 1"),
    ],
)
def test_bootstrap_rejects(keywords, message):
    curve = curve_of([np.zeros(100)] * 3, [[50.0]] * 3)
    with pytest.raises(ValueError, match=message):
        bootstrap(curve, lambda curve: curve.frr_at(0.0), **keywords)


def test_paired_bootstrap_rejects_curves_of_other_streams():
    first = curve_of([np.zeros(100)] * 3, [[50.0]] * 3)
    second = curve_of([np.zeros(100)] * 3, [[50.0], [50.0], []])
    with pytest.raises(ValueError, match="must be curves of the same streams"):
        paired_bootstrap(first, second, lambda curve: curve.frr_at(0.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: poisson_upper(0, 0.0), "`hours` must be a positive number"),
        (lambda: poisson_upper(-1, 1.0), "`count` must be an integer, 0 or more"),
        (lambda: poisson_upper(1.5, 1.0), "`count` must be an integer, 0 or more"),
        (lambda: poisson_upper(1, 1.0, level=95), "`level` must be between 0 and 1.*Try 0.95"),
        (lambda: binomial_interval(3, 2), "`trials` must be at least 1 and at least `count`"),
        (lambda: binomial_interval(0, 0), "`trials` must be at least 1 and at least `count`"),
    ],
)
def test_exact_bounds_reject(call, message):
    with pytest.raises(ValueError, match=message):
        call()
