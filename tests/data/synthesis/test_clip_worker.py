"""Speech engines, and the rooms, microphones and noises around them."""

import subprocess
import sys
from importlib import util

import numpy as np
import pytest
from speech_engines import needs_engines, pitch_hz
from speech_models import write_kokoro

from keras_sal.data.synthesis import clip_worker, voices
from keras_sal.data.synthesis.speech_folder import PACKAGES

pytestmark = pytest.mark.any_backend


def test_worker_starts_without_keras_and_engines():
    """It runs in each process of its own, and the engines are GPL-3: imported when they speak."""
    script = (
        f"import runpy, sys; runpy.run_path({clip_worker.__file__!r});"
        f"print({{'keras', 'keras_sal', *{list(PACKAGES)}}} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert printed.stdout.strip() == "set()", printed.stderr


@pytest.mark.skipif(not util.find_spec("kokoro_onnx"), reason="not installed: kokoro-onnx")
def test_kokoro_blends_voices_and_finds_its_words(tmp_path):
    """Styles that hum at 400 and 600 Hz, for as long as it hums; blends are between."""
    model, styles = write_kokoro(tmp_path, {"af_low": 4.0, "am_high": 6.0, "jf_else": 1.0})
    kokoro = voices.kokoro_model(model, styles)
    assert sorted(kokoro.speakers) == ["kokoro-af_low", "kokoro-am_high"]
    blends = {name: ["af_low", "am_high"] for name in kokoro.speakers}
    speak = clip_worker.open_kokoro(0, **kokoro.settings, speakers=kokoro.speakers, blends=blends)
    pitches = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        stretch = np.random.default_rng(seed).uniform(0.85, 1.18)
        said = speak("kokoro-af_low", "computer", rng)
        assert said.onset_s == pytest.approx(0.2 / stretch, abs=0.005)
        assert said.offset_s == pytest.approx(len(said.samples) / 16e3 - 0.2 / stretch, abs=0.005)
        pitches.append(pitch_hz(said.samples) / stretch)
    assert 395 < min(pitches) < 420
    assert 450 < max(pitches) < 510


def test_speech_bounds_are_those_of_the_loud_part():
    samples = np.zeros(24_000)
    samples[5_000:11_000] = np.sin(np.arange(6_000))
    first, last = clip_worker.speech_bounds(samples, 24_000)
    assert (first, last) == pytest.approx((5_000, 11_000), abs=120)


@needs_engines
@pytest.mark.parametrize("stretch", [0.85, 1.0, 1.18])
def test_resampling_moves_the_events_along(stretch):
    """Clicks at the events of a 22.05 kHz signal are found at the times that come back."""
    samples = np.zeros(22_050)
    samples[[4410, 15_435]] = 1.0
    heard = clip_worker._resampled_speech(samples, 22_050, 4410, 15_435, stretch)
    half = len(heard.samples) // 2
    clicks = np.argmax(heard.samples[:half]), half + np.argmax(heard.samples[half:])
    assert heard.onset_s == pytest.approx(0.2 / stretch)
    assert heard.offset_s == pytest.approx(0.7 / stretch)
    np.testing.assert_allclose(
        np.array(clicks) / 16_000, [heard.onset_s, heard.offset_s], atol=1e-4
    )


@pytest.mark.parametrize("effect", [clip_worker.add_reverberation, clip_worker.apply_microphone])
def test_effects_keep_the_events_in_place(effect):
    click = np.zeros(16_000)
    click[5_003] = 1.0
    for seed in range(20):
        heard = effect(click, np.random.default_rng(seed))
        assert len(heard) == len(click)
        assert np.argmax(np.abs(heard)) == 5_003


def test_recorded_speech_moves_the_events_along():
    tone = np.sin(2 * np.pi * 440 * np.arange(8_000) / 16_000)
    for seed in range(20):
        clip = clip_worker.record_speech(
            clip_worker.Speech(tone, onset_s=0.1, offset_s=0.4), np.random.default_rng(seed)
        )
        assert clip.offset_s - clip.onset_s == pytest.approx(0.3)
        level = np.convolve(clip.samples**2, np.ones(160) / 160, "same")
        start_s = np.argmax(level > 0.25 * level.max()) / 16_000  # 0.1 s before the onset
        assert clip.onset_s - start_s == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("colour", "slope_db"), [("white", 0.0), ("pink", -3.01), ("brown", -6.02)]
)
def test_noise_falls_by_its_decibels_an_octave(colour, slope_db):
    samples = clip_worker.coloured_noise(colour, 160_000, np.random.default_rng(0))
    assert np.mean(samples**2) == pytest.approx(1.0)
    power = np.abs(np.fft.rfft(samples)) ** 2
    octaves = [10 * np.log10(power[f * 10 : f * 20].mean()) for f in (200, 400, 800, 1600, 3200)]
    np.testing.assert_allclose(np.diff(octaves), slope_db, atol=0.5)


def test_hum_is_the_harmonics_of_the_mains():
    power = (
        np.abs(np.fft.rfft(clip_worker.coloured_noise("hum", 160_000, np.random.default_rng(0))))
        ** 2
    )
    loudest_hz = np.sort(np.argsort(power)[-12:]) / 10
    assert loudest_hz[0] in (50.0, 60.0)
    np.testing.assert_allclose(loudest_hz, loudest_hz[0] * np.arange(1, 13))
