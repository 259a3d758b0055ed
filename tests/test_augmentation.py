import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording_folders import burst

from keras_sal.audio import SAMPLE_RATE
from keras_sal.augmentation import (
    add_noise,
    amplify,
    amplify_to_unit,
    change_speed,
    pink_noise,
    speech_level_db,
)


def power_db(samples):
    return 10 * np.log10(np.mean(np.square(samples, dtype="float64")))


def test_speech_level_ignores_pauses():
    speech = burst(1.0, 0.0, 1.0, amplitude=0.1)
    padded = np.concatenate([np.zeros(3 * SAMPLE_RATE), speech, np.zeros(SAMPLE_RATE)])
    assert speech_level_db(speech) == pytest.approx(power_db(speech), abs=0.1)
    assert speech_level_db(padded) == pytest.approx(power_db(speech), abs=0.2)


def test_speech_level_of_digital_silence():
    assert speech_level_db(np.zeros(1000)) == -100


@pytest.mark.parametrize(("gain_db", "expected"), [(0, 0.1), (20, 1.0), (-20, 0.01), (40, 1.0)])
def test_amplify(gain_db, expected):
    assert float(amplify([0.1], gain_db)[0]) == pytest.approx(expected)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 25.0])
def test_noise_has_the_level_asked_for(snr_db):
    speech = burst(2.0, 0.5, 1.0, amplitude=0.05, background=0)
    noise = np.random.default_rng(0).standard_normal(5000)
    noisy = add_noise(speech, noise, snr_db)
    assert power_db(noisy - speech) == pytest.approx(speech_level_db(speech) - snr_db, abs=0.05)


@pytest.mark.parametrize("noise", [np.zeros(100), np.zeros(0)], ids=["silent", "empty"])
def test_rejects_noise_without_a_level(noise):
    with pytest.raises(ValueError, match=r"`noise` must not be empty or silent.*power 0\.0"):
        add_noise(np.ones(1000), noise, 10)


@pytest.mark.parametrize("samples", [2, 3, 1000, 16_384, 600_000])
def test_pink_noise_has_unit_power(samples):
    noise = pink_noise(samples, np.random.default_rng(0))
    assert noise.shape == (samples,)
    assert noise.dtype == np.float32
    assert power_db(noise) == pytest.approx(0, abs=1e-3)


def test_pink_noise_has_equal_octaves():
    noise = pink_noise(1 << 18, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves = [power[1 << k : 1 << (k + 1)].sum() for k in range(8, 17)]
    assert max(octaves) / min(octaves) < 1.3


def test_pink_noise_repeats_without_a_seam():
    noise = pink_noise((1 << 19) + 1000, np.random.default_rng(0))
    np.testing.assert_array_equal(noise[1 << 19 :], noise[:1000])
    steps = np.abs(np.diff(noise))
    assert steps[(1 << 19) - 1] < np.percentile(steps, 99.99)


@settings(max_examples=30, deadline=None)
@given(speed=st.floats(0.5, 2.0), click_s=st.floats(0.05, 0.95))
def test_change_speed_moves_events_along(speed, click_s):
    samples = np.zeros(SAMPLE_RATE, "float32")
    sample = round(click_s * SAMPLE_RATE)
    samples[sample] = 1
    event = [[sample / SAMPLE_RATE, 0.99, 0]]
    faster, events = change_speed(samples, event, speed)
    assert len(faster) == round(SAMPLE_RATE / speed)
    heard_s = np.abs(faster).argmax() / SAMPLE_RATE
    assert abs(heard_s - events[0, 0]) <= 1.5 / SAMPLE_RATE
    assert events[0, 1] == pytest.approx(0.99 / speed)
    assert events[0, 2] == 0


def test_change_speed_leaves_its_arguments_alone():
    samples, events = np.zeros(1000, "float32"), np.array([[0.01, 0.02, 1.0]])
    change_speed(samples, events, 1.25)
    assert events.tolist() == [[0.01, 0.02, 1.0]]


@pytest.mark.parametrize("speed", [0.0, -1.0, 3.0, np.nan])
def test_rejects_speed(speed):
    with pytest.raises(ValueError, match=r"`speed` must lie in \[0.5, 2\].*speed="):
        change_speed(np.zeros(100), np.empty((0, 2)), speed)


def test_unit_power():
    assert amplify_to_unit([0.5, -0.5, 0.5]).tolist() == [1.0, -1.0, 1.0]
