"""Bootstrap intervals by hand and by simulation."""

import math

import numpy as np
import pytest

from keras_sal.detection import bootstrap, det_curve, paired_bootstrap

pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.filterwarnings("ignore::keras_sal.detection.NegativeHoursWarning"),
]


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
    truth = 0.5 * math.erfc(0.5 / math.sqrt(2.0))
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


def replicates_of(curve, figure, replicates, seed=0):
    """The figure of each replicate, by the definition."""
    rng, count = np.random.default_rng(seed), len(curve.recording_events)
    weights = [rng.multinomial(count, np.full(count, 1 / count)) for _ in range(replicates)]
    return np.array([figure(curve.reweighted(each)) for each in weights])


def curve_with_alarms(count=12):
    """Recording `i` has `i` false alarms; only the first has an event, which is hit."""
    posteriors = []
    for alarms in range(count):
        posterior = np.zeros(1000)
        posterior[100 : 100 + 20 * alarms : 20] = 0.8
        posteriors.append(posterior)
    posteriors[0][50] = 0.9
    return curve_of(posteriors, [[50.0], *[[]] * (count - 1)])


def alarm_rate(curve):
    return curve.point(0.5).fa_per_hour


def rate_beside_the_event(curve):
    """Undefined in the replicates without the first recording: a third of them."""
    return alarm_rate(curve) + curve.point(0.5).frr


def observed(values, shares):
    return tuple(np.quantile(values, shares, method="inverted_cdf"))


def test_bootstrap_leaves_out_replicates_without_a_value():
    """They are neither the lowest nor the highest, and take no part in the ranks."""
    curve, shares = curve_with_alarms(), [0.2, 0.8]
    values = replicates_of(curve, rate_beside_the_event, 200)
    defined = values[~np.isnan(values)]
    assert 50 < len(values) - len(defined) < 100
    found = bootstrap(curve, rate_beside_the_event, replicates=200, level=0.6)
    assert found[1:] == pytest.approx(observed(defined, shares))
    # other ways to treat them would give other intervals
    for lowest_or_highest in (0.0, 1e9):
        replaced = np.nan_to_num(values, nan=lowest_or_highest)
        assert found[1:] != pytest.approx(observed(replaced, shares))


def test_a_figure_without_a_value_takes_nothing_from_the_others():
    """Each figure of an array has its interval from all replicates in which it has a value."""
    curve, shares = curve_with_alarms(), [0.2, 0.8]
    figures = [rate_beside_the_event, alarm_rate]
    both = bootstrap(curve, lambda c: np.array([f(c) for f in figures]), replicates=200, level=0.6)
    alone = [bootstrap(curve, figure, replicates=200, level=0.6) for figure in figures]
    for index in range(2):
        assert alone[index] == tuple(part[index] for part in both)
    values = replicates_of(curve, alarm_rate, 200)
    undefined = np.isnan(replicates_of(curve, rate_beside_the_event, 200))
    assert alone[1][1:] == pytest.approx(observed(values, shares))
    assert alone[1][1:] != pytest.approx(observed(values[~undefined], shares))


def test_paired_bootstrap_leaves_out_replicates_without_a_value():
    """A difference is undefined where the figure of one system is."""
    first, second = curve_with_alarms(), curve_with_alarms()
    found = paired_bootstrap(
        first, second, (rate_beside_the_event, lambda c: 0.5 * alarm_rate(c)), replicates=200
    )
    values = replicates_of(first, lambda c: rate_beside_the_event(c) - 0.5 * alarm_rate(c), 200)
    defined = values[~np.isnan(values)]
    assert 50 < len(values) - len(defined) < 100
    assert found[1:] == pytest.approx(observed(defined, [0.025, 0.975]))


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


def test_paired_bootstrap_of_other_frame_times():
    """Recordings of 7 s, in which frames of 1 s and of 3 s cut the windows elsewhere."""
    anchors, boundaries = [np.arange(4.0, 210, 14)], [np.arange(7.0, 210, 7)]
    found = []
    for step_s in (1.0, 3.0):
        posterior = np.zeros(round(210 / step_s))
        posterior[np.ceil(anchors[0] / step_s).astype(int)[:-3]] = 0.9
        times = {"frame_step_s": step_s, "max_delay_s": 3.0}
        found.append(det_curve([posterior], anchors, boundaries_s=boundaries, **times))
    assert not np.allclose(found[0].recording_hours, found[1].recording_hours)
    misses = paired_bootstrap(*found, lambda curve: curve.frr_at(0.0), replicates=20)
    assert misses.estimate == 0.0
