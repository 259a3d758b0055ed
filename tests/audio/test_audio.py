import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording_folders import REAL, needs_recordings

from keras_sal.audio import (
    FEATURES,
    FRAME_OFFSET_S,
    FRAME_STEP_S,
    SAMPLE_RATE,
    MicroFrontend,
    features,
    read_audio,
    resample,
    to_pcm16,
)
from keras_sal.models.blocks import MICRO_MAX

soundfile = pytest.importorskip("soundfile")

pytestmark = pytest.mark.any_backend

STEP, WINDOW = 160, 480


@pytest.fixture(scope="module")
def speechlike():
    rng = np.random.default_rng(0)
    loudness = np.repeat(rng.uniform(0, 0.3, 13), 1231)
    return (loudness * rng.standard_normal(len(loudness))).clip(-1, 1).astype("float32")


def frontend_by_hand(samples):
    """The front-end's own binding, fed 160 samples at a time."""
    import pymicro_features

    frontend = pymicro_features.MicroFrontend()
    pcm = to_pcm16(samples)
    outputs = [
        frontend.process_samples(pcm[start : start + STEP].tobytes()).features
        for start in range(0, len(pcm) - STEP + 1, STEP)
    ]
    return np.array([frame for frame in outputs if frame], "float32")


class TestMicroFrontend:
    def test_equals_the_binding(self, speechlike):
        np.testing.assert_array_equal(features(speechlike), frontend_by_hand(speechlike))

    @settings(max_examples=25, deadline=None)
    @given(cuts=st.lists(st.integers(0, 13 * 1231), max_size=20))
    def test_any_chunking_gives_the_same_bits(self, speechlike, cuts):
        frontend = MicroFrontend()
        chunks = np.split(speechlike, sorted(cuts))
        streamed = np.concatenate([frontend(chunk) for chunk in chunks])
        np.testing.assert_array_equal(streamed, features(speechlike))

    @pytest.mark.parametrize("size", [1, 7, 159, 160, 161, 479, 480, 1000])
    def test_equal_chunks_give_the_same_bits(self, speechlike, size):
        frontend, part = MicroFrontend(), speechlike[:4000]
        streamed = [frontend(part[start : start + size]) for start in range(0, 4000, size)]
        np.testing.assert_array_equal(np.concatenate(streamed), features(part))

    @pytest.mark.parametrize(
        ("samples", "frames"),
        [(0, 0), (1, 0), (479, 0), (480, 1), (639, 1), (640, 2), (16_000, 98)],
    )
    def test_frame_count(self, samples, frames):
        computed = features(np.zeros(samples, "float32"))
        assert computed.shape == (frames, FEATURES)
        assert computed.dtype == np.float32

    def test_reset_equals_a_new_one(self, speechlike):
        frontend = MicroFrontend()
        frontend(speechlike[:7001])
        frontend.reset()
        np.testing.assert_array_equal(frontend(speechlike), features(speechlike))

    @pytest.mark.parametrize("frame", [0, 1, 17])
    def test_frame_covers_the_30_ms_before_its_time(self, frame):
        end = round((FRAME_OFFSET_S + frame * FRAME_STEP_S) * SAMPLE_RATE)
        quiet = 1e-3 * np.random.default_rng(1).standard_normal(8000).astype("float32")

        def first_frame_to_hear(sample):
            clicked = quiet.copy()
            clicked[sample] = 0.9
            return np.flatnonzero((features(clicked) != features(quiet)).any(axis=1))[0]

        assert first_frame_to_hear(end - STEP) == frame  # inside its window, not the one before
        assert first_frame_to_hear(end) == frame + 1  # one sample too late for it

    def test_int16_equals_float(self, speechlike):
        np.testing.assert_array_equal(features(to_pcm16(speechlike)), features(speechlike))

    def test_range_is_what_the_docstring_says(self, speechlike):
        computed = features(speechlike)
        assert computed.min() >= 0
        assert 10 < computed.max() < 27
        steps = computed / 0.0390625
        np.testing.assert_array_equal(steps, np.rint(steps))

    @pytest.mark.parametrize(
        ("samples", "message"),
        [
            (np.zeros((480, 2), "float32"), r"`samples` must have the shape \(samples,\).*480, 2"),
            (np.full(480, 1000.0), r"lie in \[-1, 1\].*peak of 1000.0. Divide 16-bit values"),
            (np.full(480, np.nan), r"must be finite.*peak of nan"),
            (np.full(480, np.inf), r"must be finite.*peak of inf"),
            (np.zeros(480, "int32"), r"floats in \[-1, 1\] or int16.*dtype=int32"),
        ],
        ids=["stereo", "integers in floats", "nan", "inf", "int32"],
    )
    def test_rejects_what_it_would_read_as_garbage(self, samples, message):
        with pytest.raises(ValueError, match=message):
            features(samples)

    def test_rejected_samples_leave_no_trace(self, speechlike):
        frontend = MicroFrontend()
        first = frontend(speechlike[:5000])
        with pytest.raises(ValueError, match="peak of 2"):
            frontend(np.full(480, 2.0))
        both = np.concatenate([first, frontend(speechlike[5000:])])
        np.testing.assert_array_equal(both, features(speechlike))

    def test_names_the_extra_when_missing(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "pymicro_features", None)
        with pytest.raises(ImportError, match=r"pip install .*\[audio\]"):
            MicroFrontend()

    def test_a_long_recording_in_chunks(self):
        """Two minutes in chunks of a prime length."""
        samples = 0.1 * np.random.default_rng(0).standard_normal(120 * SAMPLE_RATE)
        samples = samples.clip(-1, 1).astype("float32")
        frontend = MicroFrontend()
        chunks = np.array_split(samples, np.arange(1237, len(samples), 1237))
        streamed = np.concatenate([frontend(chunk) for chunk in chunks])
        np.testing.assert_array_equal(streamed, features(samples))

    @needs_recordings
    def test_real_speech_in_chunks(self):
        samples = read_audio(min((REAL / "keywords" / "computer").glob("*.flac")))
        frontend, rng = MicroFrontend(), np.random.default_rng(2)
        chunks = np.split(samples, np.sort(rng.integers(0, len(samples), 30)))
        streamed = np.concatenate([frontend(chunk) for chunk in chunks])
        np.testing.assert_array_equal(streamed, features(samples))
        assert len(streamed) == (len(samples) - WINDOW) // STEP + 1


class TestInt8:
    """Detectors divide features by a constant; in 8 bits over that range speech is still there."""

    FEATURE_MAX = MICRO_MAX

    def quantised(self, computed):
        """As TFLite keeps `[0, FEATURE_MAX]` in 8 bits."""
        step = self.FEATURE_MAX / 255
        return np.clip(np.rint(computed / step) - 128, -128, 127) + 128, step

    def test_no_sound_is_beyond_the_constant(self):
        """Not by more than a step in 8 bits, whatever comes out of silence at full scale."""
        second = np.arange(SAMPLE_RATE) / SAMPLE_RATE
        rng = np.random.default_rng(0)
        loud = [np.sign(rng.standard_normal(SAMPLE_RATE)), np.eye(1, SAMPLE_RATE, 5000)[0]]
        loud += [np.sign(np.sin(2 * np.pi * hertz * second)) for hertz in (150, 440, 1000, 3000)]
        greatest = max(
            features(np.r_[np.zeros(SAMPLE_RATE), sound].astype("float32")).max() for sound in loud
        )
        step = self.FEATURE_MAX / 255
        assert 0.8 * self.FEATURE_MAX < greatest <= self.FEATURE_MAX + step

    def test_speech_keeps_its_shape(self, speechlike):
        computed = features(speechlike)
        whole, step = self.quantised(computed)
        assert np.abs(whole * step - computed).max() <= 0.51 * step
        assert step < 3 * 0.0390625

    def test_what_is_barely_heard_is_heard(self):
        """A tone 50 dB below full scale, over hiss 20 dB below it."""
        second = np.arange(SAMPLE_RATE) / SAMPLE_RATE
        hiss = 3e-4 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)
        tone = 10**-2.5 * (second > 0.5) * np.sin(2 * np.pi * 1000 * second)
        quiet, heard = (self.quantised(features(x))[0] for x in (hiss, hiss + tone))
        np.testing.assert_array_equal(quiet[:45], heard[:45])
        assert (heard - quiet)[50:60].max() > 50


def test_every_16_bit_value_survives():
    pcm = np.arange(-32_768, 32_768).astype("int16")
    np.testing.assert_array_equal(to_pcm16(pcm / np.float32(32_768)), pcm)


def test_full_scale_does_not_wrap_around():
    assert to_pcm16([1.0, 0.99999, -1.0]).tolist() == [32_767, 32_767, -32_768]


class TestReadAudio:
    @pytest.mark.parametrize("suffix", ["wav", "flac"])
    def test_reads_16_bit_exactly(self, tmp_path, suffix):
        pcm = np.arange(-32_768, 32_768, 77).astype("int16")
        soundfile.write(tmp_path / f"a.{suffix}", pcm, 16_000, subtype="PCM_16")
        samples = read_audio(tmp_path / f"a.{suffix}")
        assert samples.dtype == np.float32
        np.testing.assert_array_equal(samples * 32_768, pcm)

    def test_converts(self, tmp_path):
        second = np.arange(44_100) / 44_100
        tone = 0.5 * np.sin(2 * np.pi * 1000 * second)
        soundfile.write(tmp_path / "a.wav", np.stack([tone, 0 * tone], axis=1), 44_100)
        samples = read_audio(tmp_path / "a.wav")
        expected = 0.25 * np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
        inner = slice(200, -200)
        np.testing.assert_allclose(samples[inner], expected[inner], atol=1e-3)

    @pytest.mark.parametrize(
        ("shape", "rate", "received"),
        [
            ((100,), 8000, "1 channel.* at 8000 Hz"),
            ((100, 2), 16_000, "2 channel.* at 16000 Hz"),
        ],
    )
    def test_rejects_other_formats(self, tmp_path, shape, rate, received):
        soundfile.write(tmp_path / "a.wav", np.zeros(shape), rate)
        with pytest.raises(ValueError, match=f"mono at 16000 Hz.*{received}.*`convert`"):
            read_audio(tmp_path / "a.wav", convert=False)

    def test_rejects_a_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"must name a file.*none\.wav"):
            read_audio(tmp_path / "none.wav")

    def test_rejects_an_unreadable_file(self, tmp_path):
        (tmp_path / "a.wav").write_text("this is no sound")
        with pytest.raises(ValueError, match=r"must be a readable sound file.*a\.wav"):
            read_audio(tmp_path / "a.wav")

    def test_rejects_an_empty_file(self, tmp_path):
        soundfile.write(tmp_path / "a.wav", np.zeros(0), 16_000)
        with pytest.raises(ValueError, match=r"must hold sound; the file has no samples.*a\.wav"):
            read_audio(tmp_path / "a.wav")

    @pytest.mark.parametrize("suffix", ["flac", "mp3"])
    def test_rejects_a_file_cut_short(self, tmp_path, suffix):
        """FLAC then fails to decode; MP3 just ends."""
        path = tmp_path / f"a.{suffix}"
        soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 16_000), 16_000)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=rf"must be a readable sound file.*a\.{suffix}"):
            read_audio(path)

    @pytest.mark.parametrize("value", [12_345.0, np.nan])
    def test_rejects_floats_out_of_range(self, tmp_path, value):
        soundfile.write(tmp_path / "a.wav", np.array([0.0, value]), 16_000, subtype="FLOAT")
        with pytest.raises(ValueError, match=rf"samples in \[-1, 1\].*peak of {value}"):
            read_audio(tmp_path / "a.wav")

    def test_names_the_extra_when_missing(self, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "soundfile", None)
        with pytest.raises(ImportError, match=r"`soundfile` is needed.*\[audio\]"):
            read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000])
def test_resample_keeps_times(rate):
    click_s, samples = 0.437, np.zeros(rate, "float32")
    samples[round(click_s * rate)] = 1
    resampled = resample(samples, rate, SAMPLE_RATE)
    assert len(resampled) == SAMPLE_RATE
    assert abs(np.abs(resampled).argmax() / SAMPLE_RATE - click_s) <= 1 / min(rate, SAMPLE_RATE)


def test_resample_names_the_extra_when_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(ImportError, match=r"`soxr` is needed to resample.*\[audio\]"):
        resample(np.zeros(100), 8000, 16_000)
