"""`MicroStep` gives what `MicroFeatures` gives, in fewer operators."""

import keras
import numpy as np
import pytest

from keras_sal.audio import MicroFeatures, features
from keras_sal.audio.fixed_point_fft import RealTransform
from keras_sal.audio.micro_step import MatrixTransform, MicroStep

STEP = 0.0390625
SECOND = 16_000

pytest.importorskip("pymicro_features")


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.fixture(scope="module")
def sounds():
    """Noise whose loudness changes by the tenth of a second, full scale, and silence."""
    rng = np.random.default_rng(0)
    loudness = np.repeat(rng.uniform(0, 0.6, (4, 10)) ** 3, SECOND // 10, axis=1)
    sounds = (loudness * rng.standard_normal(loudness.shape)).clip(-1, 1)
    sounds[2], sounds[3, SECOND // 2 :] = np.sign(sounds[2]), 0
    return sounds.astype("float32")


def test_fourier_transform_is_the_same_to_the_bit():
    rng = np.random.default_rng(0)
    loudness = np.array([32_767, 32_767, 300, 3])[:, None]
    samples = np.rint(rng.uniform(-1, 1, (4, 512)) * np.hanning(512) * loudness).astype("float32")
    samples[1] = np.sign(samples[1]) * np.rint(32_767 * np.hanning(512))
    bins = np.arange(5, 252)
    one, other = (
        numpy_of(transform.energies(keras.ops.convert_to_tensor(samples)))[
            :, transform.places_of(bins)
        ]
        for transform in (RealTransform(5), MatrixTransform(5))
    )
    assert one.std() > 1
    np.testing.assert_array_equal(one, other)


def test_bands_are_the_same_to_the_bit(sounds):
    one, other = (
        numpy_of(layer.stream_windows(sounds)) for layer in (MicroFeatures(), MicroStep())
    )
    assert one.std() > 1
    np.testing.assert_array_equal(one, other)


def test_features_are_those_of_the_integer_front_end(sounds):
    for sound, computed in zip(sounds, numpy_of(MicroStep()(sounds)), strict=True):
        apart = abs(computed - features(sound))
        assert np.mean(apart < 1.5 * STEP) >= 0.999
        assert apart.mean() < 5e-3


def test_config():
    layer = MicroStep(padding="causal", name="ears")
    again = MicroStep.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.compute_output_shape((None, 480)) == (None, 3, 40)
