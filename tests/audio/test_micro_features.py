"""`MicroFeatures` gives what pymicro-features gives, on every backend."""

import functools

import keras
import kissfft
import numpy as np
import pytest
from recording_folders import REAL, needs_recordings

from keras_sal.audio import (
    FRAME_OFFSET_S,
    FRAME_STEP_S,
    MicroFeatures,
    features,
    read_audio,
    to_pcm16,
)
from keras_sal.audio.fixed_point import divide
from keras_sal.audio.fixed_point_fft import RealTransform

STEP = 0.0390625
SECONDS = 16_000
SHORT = 639  # samples of one frame, and of almost another
JIT = keras.backend.backend() != "torch"

pytest.importorskip("pymicro_features")


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def features_of(clips):
    """The features of clips, computed in a compiled function."""
    return compiled_layer().predict_on_batch(clips)


@functools.cache
def compiled_layer():
    return keras.Sequential([keras.Input((None,)), MicroFeatures()])


def assert_same(computed, expected, name=""):
    """As near as the logarithm allows."""
    steps = abs(computed - expected) / STEP
    assert computed.shape == expected.shape, name
    assert np.mean(steps > 1.01) <= 1e-3, f"{name}: {np.mean(steps > 1.01):.2%} of the features"
    assert abs(computed - expected).mean() < 1e-4, name


def noise(seconds=1.0, amplitude=0.1, seed=0):
    rng = np.random.default_rng(seed)
    sound = amplitude * rng.standard_normal(round(seconds * SECONDS))
    return sound.clip(-1, 1).astype("float32")


def tone(hertz, amplitude=1.0, seconds=1.0):
    t = np.arange(round(seconds * SECONDS)) / SECONDS
    return (amplitude * np.sin(2 * np.pi * hertz * t)).astype("float32")


def click(at=400, value=-1.0):
    samples = np.zeros(SECONDS, "float32")
    samples[at] = value
    return samples


SOUNDS = {
    "silence": np.zeros(SECONDS, "float32"),
    "noise": noise(),
    "faint noise": noise(amplitude=3e-5),
    "noise that comes and goes": np.concatenate([noise(0.3), noise(0.4, 3e-3), noise(0.3, 0.5)]),
    "full scale": np.sign(noise()),
    "full scale without a change": np.full(SECONDS, -1.0, "float32"),
    "full-scale tone": tone(1000),
    "tone between two bins": tone(3141.5, 0.3),
    "faint tone in silence": np.concatenate([tone(440, 1e-3, 0.5), tone(440, 0, 0.5)]),
    "click": click(value=0.7),
    "full negative click": click(),
    "full negative click under the middle of a window": click(at=480 + 239),
}


@pytest.fixture(scope="module")
def computed_sounds():
    return dict(zip(SOUNDS, features_of(np.stack(list(SOUNDS.values()))), strict=True))


@pytest.mark.parametrize("name", SOUNDS)
def test_equals_the_integer_front_end(name, computed_sounds):
    assert_same(computed_sounds[name], features(SOUNDS[name]), name)


def test_sounds_say_something(computed_sounds):
    assert not computed_sounds["silence"].any()
    assert computed_sounds["full-scale tone"].max() > 20
    assert 0 < computed_sounds["faint noise"].mean() < computed_sounds["noise"].mean()


@needs_recordings
def test_equals_the_integer_front_end_on_recordings():
    folders = ["keywords/*", "commands", "sentences", "noise/*"]
    paths = [path for name in folders for path in sorted(REAL.glob(f"{name}/*.flac"))[:90:30]]
    paths = paths[: len(SOUNDS)]
    sounds = [np.resize(read_audio(path), 2 * SECONDS)[SECONDS:] for path in paths]
    for path, sound, computed in zip(paths, sounds, features_of(np.stack(sounds)), strict=True):
        assert_same(computed, features(sound), path)


def test_fourier_transform_is_that_of_kissfft_to_the_bit():
    rng = np.random.default_rng(0)
    loudness = np.array([32_767, 32_767, 300, 3])[:, None]
    samples = np.rint(rng.uniform(-1, 1, (4, 512)) * np.hanning(512) * loudness).astype("int")
    samples[1] = np.sign(samples[1]) * np.rint(32_767 * np.hanning(512))
    transform = RealTransform(5)
    frames = keras.Input((512,))
    model = keras.Model(frames, keras.layers.Lambda(transform.energies)(frames))
    computed = model.predict_on_batch(samples.astype("float32"))
    for row, frame in zip(computed, samples, strict=True):
        bins = kissfft.real_transform(frame.tolist())
        energies = [sum(part**2 for part in bins[each]) for each in transform.bins]
        np.testing.assert_array_equal(row, energies)
    assert sorted(transform.bins) == list(range(5, 252))


@pytest.mark.parametrize("divisor", [2, 4])
def test_division_is_that_of_kissfft_for_all_integers(divisor):
    x = np.arange(-32_768, 32_768)
    expected = [each for (each,) in (kissfft.fix_div((int(value),), divisor) for value in x)]
    computed = numpy_of(divide(keras.ops.convert_to_tensor(x, "float32"), divisor))
    np.testing.assert_array_equal(computed, expected)


@pytest.mark.parametrize("samples", [0, 479, SHORT, 640, 16_000])
def test_frame_count(samples):
    layer = MicroFeatures()
    expected = (3, len(features(np.zeros(samples))), 40)
    assert layer.compute_output_shape((3, samples)) == expected
    if samples <= SHORT:
        assert features_of(np.zeros((3, samples), "float32")).shape == expected


def test_times_are_those_of_the_front_end():
    layer = MicroFeatures()
    assert (layer.frame_step_s, layer.frame_offset_s) == (FRAME_STEP_S, FRAME_OFFSET_S)
    assert layer.compute_output_shape((None, None)) == (None, None, 40)


def test_causal_padding_is_silence_before_the_sound():
    layer = MicroFeatures(padding="causal")
    assert layer.frame_offset_s == layer.frame_step_s == FRAME_STEP_S
    assert layer.compute_output_shape((None, SHORT)) == (None, 3, 40)
    assert MicroFeatures.from_config(layer.get_config()).padding == "causal"
    sound = SOUNDS["noise"][:SHORT]
    expected = features(np.concatenate([np.zeros(320, "float32"), sound]))
    np.testing.assert_allclose(numpy_of(layer(sound[None]))[0], expected, atol=STEP / 4)
    with pytest.raises(ValueError, match=r"`padding` must be 'valid' or 'causal'.*'same'"):
        MicroFeatures(padding="same")


def test_samples_are_rounded_and_clipped_to_16_bits():
    loud = 3 * noise(amplitude=0.5)[:SHORT]
    pcm = to_pcm16(loud.clip(-1, 1))
    computed = features_of(np.stack([loud, loud.clip(-1, 1), pcm / np.float32(32_768)]))
    np.testing.assert_array_equal(computed[0], computed[2])
    np.testing.assert_array_equal(computed[1], computed[2])
    integers = keras.Sequential([keras.Input((None,), dtype="int16"), MicroFeatures()])
    np.testing.assert_array_equal(integers.predict_on_batch(pcm[None])[0], computed[2])


class Added(keras.layers.Layer):
    """Adds a weight to each sample, whose gradient is that of the sample."""

    def build(self, shape):
        self.change = self.add_weight(shape=shape[1:], initializer="zeros")

    def call(self, samples):
        return samples + self.change


def mean_of(_, computed):
    return keras.ops.mean(computed)


@pytest.fixture(scope="module")
def slope_of():
    """A function from samples to the gradient of the mean of their features, as in training."""
    model = keras.Sequential([keras.Input((SHORT,)), Added(), MicroFeatures()])
    model.compile(keras.optimizers.SGD(1.0), mean_of, jit_compile=JIT)

    def slope(samples):
        model.set_weights([np.zeros(SHORT)])
        model.train_on_batch(samples[None], np.zeros((1, 1, 40)))
        return -model.get_weights()[0]

    return slope


@pytest.mark.parametrize("name", ["noise", "full scale", "silence"])
def test_gradient_is_finite(name, slope_of):
    slope = slope_of(SOUNDS[name][:SHORT])
    assert np.isfinite(slope).all()
    assert slope.any() == (name != "silence")


def test_gradient_points_to_louder_features(slope_of):
    """A step along the gradient raises the features by about what it promises."""
    samples = SOUNDS["noise"][:SHORT]
    slope = slope_of(samples)
    change = 0.01 * np.sign(slope)
    clips = np.stack([samples, samples + change, samples])
    before, after, _ = features_of(clips).mean(axis=(1, 2))
    assert after - before == pytest.approx((slope * change).sum(), rel=0.3)


def test_saved_model_in_half_precision_computes_in_single(tmp_path):
    layer = MicroFeatures(dtype="mixed_float16", name="ears")
    keras.Sequential([keras.Input((None,)), layer]).save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.layers[0].get_config() == layer.get_config()
    computed = again.predict_on_batch(SOUNDS["noise"][None, :SHORT])
    assert computed.dtype == np.float16
    np.testing.assert_allclose(computed[0], features(SOUNDS["noise"][:SHORT]), atol=0.01)
