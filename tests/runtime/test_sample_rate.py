"""Live sound of other rates than the front-end's."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_sal import audio
from keras_sal.audio import MicroFrontend
from keras_sal.runtime import StreamingDetector

pytest.importorskip("pymicro_features", reason="needs the audio extra")
pytest.importorskip("soxr", reason="needs the audio extra")
pytestmark = pytest.mark.any_backend


@pytest.fixture(scope="module")
def samples():
    """A second of a tone that comes and goes, in noise."""
    t = np.arange(audio.SAMPLE_RATE) / audio.SAMPLE_RATE
    noise = np.random.default_rng(0).normal(scale=0.01, size=len(t))
    return (0.4 * np.sin(2 * np.pi * 700 * t) * (np.sin(12 * t) > 0) + noise).astype("float32")


class Blocks:
    """A front-end that makes a frame of every 40 samples; its samples come in whole frames."""

    sample_rate = 8_000

    def __call__(self, samples):
        return np.reshape(samples, (-1, audio.FEATURES))

    def reset(self):
        pass


class Loudness:
    """A runner whose posterior is the loudness of the features."""

    def stream(self, features):
        return features.mean(axis=1, keepdims=True) / 26

    def reset(self):
        pass


class TestSampleRate:
    @pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
    def test_other_rates_give_what_resampled_sound_gives(self, samples, rate):
        sound = audio.resample(samples, 16_000, rate)
        expected = audio.features(audio.resample(sound, rate, 16_000)).mean(axis=1) / 26
        detector = StreamingDetector(Loudness(), frontend=MicroFrontend(), sample_rate=rate)
        assert detector.sample_rate == rate
        for _ in range(2):
            parts = [detector.process(chunk).posteriors for chunk in np.split(sound, [1, 77, 9000])]
            parts.append(detector.process(sound[:0], last=True).posteriors)
            # resampled in parts, a sample may be rounded to the next of 16 bits
            np.testing.assert_allclose(np.concatenate(parts)[:, 0], expected, atol=0.02)
            detector.reset()

    def test_sound_at_the_rate_of_the_front_end_is_not_touched(self, samples):
        expected = audio.features(samples).mean(axis=1) / 26
        for options in ({}, {"sample_rate": 16_000}, {"sample_rate": 16_000.0}):
            detector = StreamingDetector(Loudness(), frontend=MicroFrontend(), **options)
            np.testing.assert_array_equal(detector.process(samples).posteriors[:, 0], expected)
            assert detector.sample_rate == 16_000

    def test_the_front_end_tells_its_rate(self):
        rule = {"frontend": Blocks(), "frame_step_s": 0.02}
        assert StreamingDetector(Loudness(), **rule).sample_rate == 8_000
        detector = StreamingDetector(Loudness(), sample_rate=16_000, **rule)
        assert len(detector.process(np.zeros(16_000), last=True).posteriors) == 200
        logmel = audio.LogMelFrontend(audio.LogMel(sample_rate=8_000, highest_hz=3_800.0))
        assert StreamingDetector(Loudness(), frontend=logmel, frame_step_s=0.01).sample_rate == 8e3

    def test_rejects(self):
        with pytest.raises(ValueError, match="`sample_rate` must be left out without a front-end"):
            StreamingDetector(Loudness(), sample_rate=44_100, frame_step_s=0.01)
        with pytest.raises(ValueError, match="`rate` must be at least 1000"):
            StreamingDetector(Loudness(), frontend=MicroFrontend(), sample_rate=44.1)

    def test_rejects_a_model_that_takes_other_features(self):
        model = keras.Sequential([keras.Input((None, 39)), layers.Dense(1, "sigmoid")])
        with pytest.raises(ValueError, match="`model` must take the 40 features of the micro"):
            StreamingDetector(model, frontend=MicroFrontend())
