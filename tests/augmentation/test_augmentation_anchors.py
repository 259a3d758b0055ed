"""Whatever is done to sound, what is heard at an anchor is heard at its anchor afterwards."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording_folders import REAL, burst, needs_recordings

from keras_sal import augmentation
from keras_sal.audio import SAMPLE_RATE, read_audio

pytestmark = pytest.mark.any_backend

HISS = 3e-4
PLACE_S = st.floats(0.2, 1.3)


def still(augment):
    """Of what leaves times alone, the form of what moves them."""
    return lambda samples, events, rng: (augment(samples, rng), events)


CLICKS = {  # what is drawn, and how many samples a click may be off
    "amplify": (still(lambda x, rng: augmentation.amplify(x, rng.uniform(-12, 1))), 0.1),
    "noise": (still(lambda x, rng: augmentation.add_noise(x, rng.normal(size=999), 10)), 0.1),
    "pink noise": (
        still(lambda x, rng: augmentation.add_noise(x, augmentation.pink_noise(20_000, rng), 5)),
        0.1,
    ),
    "room": (still(lambda x, rng: augmentation.add_room(x, int(rng.integers(8)))), 0.1),
    # softer, so that a brighter click is not clipped
    "tilt": (still(lambda x, rng: augmentation.tilt(x / 4, rng.uniform(-6, 6))), 0.1),
    "telephone": (still(lambda x, _: augmentation.limit_band(x)), 0.1),
    "low-pass": (still(lambda x, _: augmentation.limit_band(x, 0, 4000)), 0.1),
    "speed": (lambda x, e, rng: augmentation.change_speed(x, e, rng.uniform(0.7, 1.4)), 1.5),
    "shift": (lambda x, e, rng: augmentation.shift_time(x, e, rng.uniform(-0.2, 0.2)), 0.5),
    "mu-law": (still(lambda x, _: augmentation.through_codec(x, "mu-law")), 2),
    "a-law": (still(lambda x, _: augmentation.through_codec(x, "a-law")), 2),
    "gsm": (still(lambda x, _: augmentation.through_codec(x, "gsm")), 4),
    "opus": (still(lambda x, _: augmentation.through_codec(x, "opus")), 8),
    "vorbis": (still(lambda x, _: augmentation.through_codec(x, "vorbis")), 2),
    "mp3": (still(lambda x, _: augmentation.through_codec(x, "mp3")), 2),
}
BURSTS = {  # what smears a click: a burst of 50 ms, and how many seconds its middle may be off
    "tempo": (lambda x, e, rng: augmentation.change_tempo(x, e, rng.uniform(0.6, 1.6)), 0.01),
    "pitch": (
        still(lambda x, rng: augmentation.change_pitch(x, rng.uniform(-5, 5))),
        0.005,
    ),
    "pitch, formants kept": (
        still(lambda x, rng: augmentation.change_pitch(x, rng.uniform(-5, 5), keep_formants=True)),
        0.005,
    ),
}


@pytest.mark.parametrize("name", CLICKS)
@settings(max_examples=8, deadline=None)
@given(place_s=PLACE_S, seed=st.integers(0, 2**32))
def test_a_click_stays_at_its_anchor(name, place_s, seed):
    augment, slack = CLICKS[name]
    rng = np.random.default_rng(seed)
    sample = round(place_s * SAMPLE_RATE)
    samples = HISS * rng.standard_normal(round(1.5 * SAMPLE_RATE))
    samples[sample] = 0.8
    event = [[sample / SAMPLE_RATE, sample / SAMPLE_RATE, 0]]
    heard, events = augment(samples.astype("float32"), event, rng)
    found = np.abs(heard).argmax()
    assert abs(found - np.asarray(events)[0, 0] * SAMPLE_RATE) <= slack


@pytest.mark.parametrize("name", BURSTS)
@settings(max_examples=8, deadline=None)
@given(place_s=PLACE_S, seed=st.integers(0, 2**32))
def test_a_burst_stays_at_its_anchor(name, place_s, seed):
    augment, slack_s = BURSTS[name]
    rng = np.random.default_rng(seed)
    samples = burst(1.5, place_s, place_s + 0.05, hertz=700, background=0)
    heard, events = augment(samples, [[place_s, place_s + 0.05, 0]], rng)
    power = np.square(heard, dtype="float64")
    found_s = np.sum(power * np.arange(len(power))) / np.sum(power) / SAMPLE_RATE
    assert found_s == pytest.approx(np.mean(np.asarray(events)[0, :2]), abs=slack_s)


@pytest.mark.parametrize("name", [*CLICKS, *BURSTS])
def test_same_draw_same_sound(name):
    augment, _ = (CLICKS | BURSTS)[name]
    samples, event = burst(1.5, 0.3, 0.6), [[0.3, 0.6, 0]]
    kept = samples.copy()
    (one, _), (other, _) = (augment(samples, event, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert one.dtype == np.float32
    assert np.abs(one).max() <= 1
    np.testing.assert_array_equal(samples, kept)


@needs_recordings
@pytest.mark.parametrize("codec", augmentation.CODECS)
def test_speech_comes_through_a_codec_without_delay(codec):
    """By the correlation of what comes out with what went in, both in a telephone's band."""
    samples = read_audio(min((REAL / "keywords" / "computer").glob("*.flac")))
    heard = augmentation.through_codec(samples, codec)
    sent, heard = (augmentation.limit_band(x) for x in (samples, heard))
    size = 2 * len(samples)
    spectra = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sent, size))
    delay = int(np.fft.irfft(spectra).argmax())
    assert (delay + size // 2) % size - size // 2 in (-1, 0, 1)
    assert np.corrcoef(sent, heard)[0, 1] > 0.9


@pytest.mark.parametrize("codec", augmentation.CODECS)
@pytest.mark.parametrize("length", [1, 159, 16_001])
def test_codecs_keep_the_length(codec, length):
    samples = 0.1 * np.random.default_rng(0).standard_normal(length)
    assert augmentation.through_codec(samples, codec).shape == (length,)


def test_codecs_lose_what_they_lose():
    """Telephones have nothing beyond 4 kHz; and no codec gives back what it got."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype("float32")

    def high_db(samples):
        power = np.abs(np.fft.rfft(samples)) ** 2
        return 10 * np.log10(power[4300:].mean() / power[300:3400].mean())

    heard = {codec: augmentation.through_codec(noise, codec) for codec in augmentation.CODECS}
    assert not any(np.allclose(noise, samples, atol=1e-3) for samples in heard.values())
    assert all(high_db(heard[codec]) < -30 for codec in ("mu-law", "a-law", "gsm"))
    assert high_db(noise) == pytest.approx(0, abs=1)


@pytest.mark.parametrize(
    ("hertz", "expected_db"),
    [(300, -3.01), (3400, -3.01), (1000, 0), (150, -48.2), (6800, -48.2)],
)
def test_limit_band_by_hand(hertz, expected_db):
    """At its edges 3 dB less; an octave beyond 8 times 6.02 dB."""
    tone = 0.1 * np.sin(2 * np.pi * hertz * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    inner = slice(2000, -2000)
    gained = np.std(augmentation.limit_band(tone)[inner]) / np.std(tone[inner])
    assert 20 * np.log10(gained) == pytest.approx(expected_db, abs=0.1)


def test_the_end_is_not_heard_at_the_beginning():
    """Even of a recording that fills the Fourier transform to the last sample."""
    samples = np.zeros(1 << 14, "float32")
    samples[-1] = 0.9
    assert np.abs(augmentation.limit_band(samples)[:8000]).max() < 1e-4


def vowel(pitch_hz, formant_hz):
    """A train of pulses through a resonator."""
    spectrum = np.zeros(SAMPLE_RATE // 2 + 1)
    harmonics = np.arange(pitch_hz, SAMPLE_RATE // 2, pitch_hz)
    spectrum[harmonics] = 1 / (1 + ((harmonics - formant_hz) / 150) ** 2)
    samples = np.fft.irfft(spectrum * np.exp(1j * np.pi * np.arange(len(spectrum)) ** 2 / 9e3))
    return (0.3 * samples / np.abs(samples).max()).astype("float32")


def formant_hz(samples):
    """Where the smoothed spectrum is loudest."""
    power = np.abs(np.fft.rfft(samples[2000:-2000])) ** 2
    hertz = np.linspace(0, SAMPLE_RATE / 2, len(power))
    near = (hertz > 500) & (hertz < 2500)
    return np.average(hertz[near], weights=power[near])


def voice_hz(samples):
    """The lag at which the samples are most like themselves."""
    samples = samples[4000:12_000].astype("float64")
    likeness = [np.dot(samples[:-lag], samples[lag:]) for lag in range(50, 200)]
    return SAMPLE_RATE / (50 + int(np.argmax(likeness)))


@pytest.mark.parametrize("voice", [125, 210])
@pytest.mark.parametrize("semitones", [-4, 3])
def test_pitch_changes_and_formants_move_or_stay(voice, semitones):
    samples, factor = vowel(voice, 1200), 2 ** (semitones / 12)
    moved = augmentation.change_pitch(samples, semitones)
    kept = augmentation.change_pitch(samples, semitones, keep_formants=True)
    assert voice_hz(samples) == pytest.approx(voice, rel=0.01)
    assert formant_hz(samples) == pytest.approx(1200, rel=0.03)
    assert formant_hz(moved) == pytest.approx(1200 * factor, rel=0.05)
    assert formant_hz(kept) == pytest.approx(1200, rel=0.05)
    for samples in (moved, kept):
        assert voice_hz(samples) == pytest.approx(voice * factor, rel=0.02)


def test_shift_by_hand():
    ramp = np.arange(1, 16_001, dtype="float32") / 16_000
    later, events = augmentation.shift_time(ramp, [[0.25, 0.5, 1]], 0.125)
    assert np.flatnonzero(later)[0] == 2000
    assert later[2000] == ramp[0]
    assert events.tolist() == [[0.375, 0.625, 1.0]]
    earlier, events = augmentation.shift_time(ramp, [[0.25, 0.5, 1]], -0.25)
    np.testing.assert_array_equal(earlier[:12_000], ramp[4000:])
    assert not earlier[12_000:].any()
    assert events.tolist() == [[0.0, 0.25, 1.0]]
    same, _ = augmentation.shift_time(ramp, np.empty((0, 3)), 0)
    np.testing.assert_array_equal(same, ramp)
    gone, _ = augmentation.shift_time(ramp, np.empty((0, 3)), 5)
    assert gone.shape == ramp.shape
    assert not gone.any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: augmentation.shift_time(np.zeros(16_000), [[0.25, 0.5, 0]], 0.75),
            r"`shift_s` must leave every event inside.*shift_s=0\.75.*of 1 s",
        ),
        (
            lambda: augmentation.shift_time(np.zeros(16_000), [[0.25, 0.5, 0]], -0.5),
            r"a part of a word is no event.*shift_s=-0\.5",
        ),
        (
            lambda: augmentation.through_codec(np.zeros(100), "amr"),
            r"`codec` must be one of mu-law, a-law, gsm, opus, vorbis, mp3.*codec='amr'",
        ),
        (
            lambda: augmentation.limit_band(np.zeros(100), 400, 300),
            r"`low_hz` must be at least 0 and below `high_hz`.*low_hz=400, high_hz=300",
        ),
        (
            lambda: augmentation.change_pitch(np.zeros(100), 13),
            r"`semitones` must lie in \[-12, 12\].*semitones=13",
        ),
    ],
)
def test_rejects(call, message):
    with pytest.raises(ValueError, match=message):
        call()
