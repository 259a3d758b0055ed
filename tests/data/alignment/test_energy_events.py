"""Events found by their energy."""

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording_folders import REAL, burst, needs_recordings, soundfile

from keras_sal.audio import energy_db
from keras_sal.data.alignment import energy_events

pytestmark = pytest.mark.any_backend

SAMPLE_RATE = 16_000


def slow_energy_db(samples, sample_rate):
    window, step = round(0.025 * sample_rate), round(0.01 * sample_rate)
    levels = []
    start = 0
    while start + window <= len(samples):
        power = sum(float(x) ** 2 for x in samples[start : start + window]) / window
        levels.append(10 * np.log10(max(power, 1e-10)))
        start += step
    return np.array(levels)


@pytest.mark.parametrize("sample_rate", [8000, 11_025, 16_000])
def test_level_equals_a_slow_loop(sample_rate):
    samples = np.random.default_rng(0).uniform(-1, 1, 3001)
    expected = slow_energy_db(samples, sample_rate)
    np.testing.assert_allclose(energy_db(samples, sample_rate), expected, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(
    onset_s=st.floats(0.1, 1.0),
    length_s=st.floats(0.15, 0.8),
    amplitude=st.floats(0.02, 1.0),
    sample_rate=st.sampled_from([8000, 16_000, 44_100]),
)
def test_finds_a_tone(onset_s, length_s, amplitude, sample_rate):
    second = np.arange(round(2.5 * sample_rate)) / sample_rate
    sounding = (second >= onset_s) & (second < onset_s + length_s)
    noise = 1e-4 * np.random.default_rng(0).standard_normal(len(second))
    samples = noise + amplitude * sounding * np.sin(2 * np.pi * 440 * second)
    found = energy_events(samples, sample_rate, margin_s=0)
    np.testing.assert_allclose(found, [onset_s, onset_s + length_s], atol=0.035)


def test_margin_widens_but_not_beyond_the_recording():
    samples = burst(1.0, 0.4, 0.6)
    tight = energy_events(samples, SAMPLE_RATE, margin_s=0)
    wide = energy_events(samples, SAMPLE_RATE, margin_s=0.1)
    assert wide == pytest.approx((tight[0] - 0.1, tight[1] + 0.1))
    assert energy_events(samples, SAMPLE_RATE, margin_s=10) == (0.0, 1.0)


@pytest.mark.parametrize("times", [2, 3])
def test_a_word_said_several_times_has_no_event(times):
    samples = np.concatenate([burst(2.0, 0.5, 1.1, seed=take) for take in range(times)])
    assert np.isnan(energy_events(samples, SAMPLE_RATE)).all()
    found = energy_events(samples, SAMPLE_RATE, max_other_share=1)
    assert found[1] - found[0] == pytest.approx(0.66, abs=0.05)


def test_bridges_short_pauses_only():
    samples = burst(3.0, 0.5, 0.9) + burst(3.0, 1.0, 1.4) + burst(3.0, 2.2, 2.4)
    onset_s, offset_s = energy_events(samples, SAMPLE_RATE)
    assert onset_s == pytest.approx(0.47, abs=0.035)
    assert offset_s == pytest.approx(1.43, abs=0.035)


def test_gain_changes_nothing():
    samples = burst(1.0, 0.3, 0.6, amplitude=0.3)
    quiet, loud = (energy_events(gain * samples, SAMPLE_RATE) for gain in (0.5, 2.0))
    assert quiet == loud


@pytest.mark.parametrize(
    "samples",
    [np.zeros(SAMPLE_RATE), 0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)],
    ids=["silence", "steady noise"],
)
def test_no_event_is_nan(samples):
    assert np.isnan(energy_events(samples, SAMPLE_RATE)).all()


@pytest.mark.parametrize(
    ("samples", "sample_rate", "kwargs", "message"),
    [
        (np.zeros((2, 1000)), 16_000, {}, r"`samples` must have the shape \(samples,\).*\(2, 1000"),
        (np.zeros(399), 16_000, {}, "`samples` must last at least 0.025 s.*399 samples at 16000"),
        (np.full(1000, np.nan), 16_000, {}, "`samples` must be finite.*1000 NaN"),
        (np.zeros(1000), 16, {}, "`sample_rate` must be at least 1000; it is in Hz.*=16"),
        (np.zeros(1000), 16_000, {"level": 1.0}, "`level` must lie between 0 and 1.*level=1.0"),
        (
            np.zeros(1000),
            16_000,
            {"max_pause_s": -1},
            "`max_pause_s` must be at least 0.*max_pause_s=-1",
        ),
        (np.zeros(1000), 16_000, {"margin_s": -1}, "`margin_s` must be at least 0"),
        (np.zeros(1000), 16_000, {"min_contrast_db": -1}, "`min_contrast_db` must be at least 0"),
        (
            np.zeros(1000),
            16_000,
            {"max_other_share": 0},
            "`max_other_share` must be greater than 0.*share=0",
        ),
    ],
)
def test_rejects(samples, sample_rate, kwargs, message):
    with pytest.raises(ValueError, match=message):
        energy_events(samples, sample_rate, **kwargs)


@needs_recordings
def test_against_forced_alignment_of_real_keywords():
    """Holds the figures of the docstring, on the split that its defaults were not chosen on."""
    with (REAL / "recordings.csv").open() as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["file"].startswith("keywords/") and row["split"] == "test" and row["onset_s"]
        ]
    given_s = np.array([(float(row["onset_s"]), float(row["offset_s"])) for row in rows])
    found_s = np.array([energy_events(*soundfile.read(REAL / row["file"])) for row in rows])
    difference_s = found_s - given_s
    assert len(rows) == 433
    assert np.isnan(difference_s).any(axis=1).sum() == 1  # "smart", half a second, "mirror"
    median_s = np.nanmedian(difference_s, axis=0)
    spread_s = np.nanpercentile(np.abs(difference_s - median_s), [50, 90], axis=0)
    np.testing.assert_allclose(median_s, [0.002, 0.002], atol=0.001)
    np.testing.assert_allclose(spread_s, [[0.01, 0.035], [0.05, 0.11]], atol=0.001)
