"""Exact intervals against scipy's exact distributions."""

import math

import pytest

from keras_sal.detection import binomial_interval, poisson_interval, poisson_upper

stats = pytest.importorskip("scipy.stats")

pytestmark = pytest.mark.any_backend


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
