import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording_folders import burst

from keras_sal.audio import SAMPLE_RATE
from keras_sal.augmentation import (
    add_noise,
    add_room,
    amplify,
    change_speed,
    change_tempo,
    pink_noise,
    room_response,
    scale_to_unit_power,
    shift_time,
    speech_level_db,
    tilt,
)

pytestmark = pytest.mark.any_backend


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


@settings(max_examples=20, deadline=None)
@given(tempo=st.floats(0.5, 2.0), start_s=st.floats(0.1, 0.8))
def test_change_tempo_moves_events_along(tempo, start_s):
    """A burst of 50 ms: its middle is heard where the event's middle is."""
    samples = burst(1.0, start_s, start_s + 0.05, background=0)
    slower, events = change_tempo(samples, [[start_s, start_s + 0.05, 0]], tempo)
    assert len(slower) == pytest.approx(SAMPLE_RATE / tempo, abs=2)
    power = np.square(slower, dtype="float64")
    heard_s = np.sum(power * np.arange(len(power))) / np.sum(power) / SAMPLE_RATE
    assert heard_s == pytest.approx(events[0, :2].mean(), abs=0.01)


def test_change_tempo_keeps_the_pitch():
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    slower, _ = change_tempo(tone, np.empty((0, 2)), 0.8)
    hertz = np.fft.rfftfreq(len(slower), 1 / SAMPLE_RATE)
    assert hertz[np.abs(np.fft.rfft(slower)).argmax()] == pytest.approx(1000, abs=5)


@pytest.mark.parametrize("tempo", [0.0, -1.0, 3.0, np.nan])
def test_rejects_tempo(tempo):
    with pytest.raises(ValueError, match=r"`tempo` must lie in \[0.5, 2\].*tempo="):
        change_tempo(np.zeros(100), np.empty((0, 2)), tempo)


@pytest.mark.parametrize("room", [0, 1, 7, 163])
def test_a_room_keeps_the_direct_sound_in_its_place(room):
    click = np.zeros(SAMPLE_RATE, "float32")
    click[5000] = 0.5
    heard = add_room(click, room)
    assert np.abs(heard).argmax() == 5000
    assert heard[5000] == pytest.approx(0.5, abs=1e-6)
    assert np.abs(heard[:5000]).max() < 1e-6
    assert np.square(heard[5001:]).sum() > 0


def test_rooms_die_away_and_differ():
    """All energy but a millionth (60 dB) comes within 0.8 s; no two rooms are alike."""
    responses = [room_response(room) for room in range(20)]
    for response in responses:
        assert (
            np.square(response[int(0.8 * SAMPLE_RATE) :]).sum() < 1e-4 * np.square(response).sum()
        )
    assert len({response.tobytes() for response in responses}) == 20


def test_rooms_without_their_package_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(ImportError, match=r"`pyroomacoustics` is needed.*\[audio\]"):
        room_response.__wrapped__(0)


@pytest.mark.parametrize("hertz", [125, 500, 1000, 4000])
def test_tilt_is_a_slope_about_1_khz(hertz):
    tone = 0.01 * np.sin(2 * np.pi * hertz * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    gained_db = power_db(tilt(tone, -3.0)) - power_db(tone)
    assert gained_db == pytest.approx(-3.0 * np.log2(hertz / 1000), abs=0.1)


@pytest.mark.parametrize("speed", [0.0, -1.0, 3.0, np.nan])
def test_rejects_speed(speed):
    with pytest.raises(ValueError, match=r"`speed` must lie in \[0.5, 2\].*speed="):
        change_speed(np.zeros(100), np.empty((0, 2)), speed)


def test_unit_power():
    assert scale_to_unit_power([0.5, -0.5, 0.5]).tolist() == [1.0, -1.0, 1.0]


def test_a_recording_without_events_is_shifted():
    _, events = shift_time([0.5] * 16_000, [], shift_s=0.1)
    assert events.shape == (0, 3)
