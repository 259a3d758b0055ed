"""`MicroStep` gives what `MicroFeatures` gives, but for few roundings, in few operators."""

import keras
import numpy as np
import pytest

from keras_sal.audio import MicroFeatures, features
from keras_sal.audio.fixed_point_fft import RealTransform
from keras_sal.audio.matrix_transform import MatrixTransform
from keras_sal.audio.micro_step import MicroStep

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


def test_energies_are_those_of_integers():
    """But where float32 rounds a product of 31 bits to the other side."""
    rng = np.random.default_rng(0)
    loudness = np.array([32_767, 32_767, 300, 3])[:, None]
    samples = np.rint(rng.uniform(-1, 1, (4, 512)) * np.hanning(512) * loudness).astype("float32")
    samples[1] = np.sign(samples[1]) * np.rint(32_767 * np.hanning(512))
    exact, short = RealTransform(5), MatrixTransform(5)
    samples = keras.ops.convert_to_tensor(samples)
    one = numpy_of(exact.energies(samples))[:, exact.places_of(short.bins[:-2])]
    other = numpy_of(short.of(samples)).reshape(4, -1)
    assert one.std() > 1
    assert np.mean(other[:, :-2] == one) > 0.98
    np.testing.assert_allclose(np.sqrt(other[:, :-2]), np.sqrt(one), atol=1.5)
    assert not other[:, -2:].any()  # what places without a bin read


def test_bands_are_those_of_integers(sounds):
    one, other = (
        numpy_of(layer.stream_windows(sounds)) for layer in (MicroFeatures(), MicroStep())
    )
    assert one.std() > 1
    assert np.mean(abs(other - one) < 0.5) > 0.99
    np.testing.assert_allclose(other, one, rtol=0.02, atol=2)


def test_a_step_of_several_frames_is_as_many_steps(sounds):
    layer = MicroStep()
    amplitudes = keras.ops.convert_to_tensor(numpy_of(layer.stream_windows(sounds))[:, :6])
    state, single = keras.ops.zeros((len(sounds), 40)), []
    for frame in keras.ops.unstack(amplitudes, axis=1):
        features, [state] = layer.stream_step(frame, [state])
        single.append(numpy_of(features))
    together, [last] = layer.stream_frames(amplitudes, [keras.ops.zeros((len(sounds), 40))])
    assert np.std(single) > 1
    np.testing.assert_array_equal(numpy_of(together), np.stack(single, axis=1))
    np.testing.assert_array_equal(numpy_of(last), numpy_of(state))


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
