"""The trial: it accepts what treats every frame alike, and finds what does not."""

import functools

import keras
import numpy as np
import pytest
from keras import layers, ops
from stepping import (
    WIDTH,
    assert_close,
    assert_streams,
    outputs_of,
    random_clip,
    randomise,
    run_chunks,
    sequential,
)

from keras_sal.layers import CausalDepthwiseConv1D
from keras_sal.streaming import chunk_model, receptive_field, step_model
from keras_sal.streaming.rules.frames import Frames
from keras_sal.streaming.rules.trial import form_of_frames


def lagged(clips, frames):
    return ops.pad(clips, [(0, 0), (frames, 0), (0, 0)])[:, : ops.shape(clips)[1]]


def place(clips):
    return ops.reshape(ops.cast(ops.arange(ops.shape(clips)[1]), "float32"), (1, -1, 1))


MIXING = {
    "far": lambda z: z - lagged(z, 10),
    "farther": lambda z: z - lagged(z, 900),
    "rolled": lambda z: ops.roll(z, 10, axis=1),
    "flipped": lambda z: ops.flip(z, axis=1),
    "large only": lambda z: ops.cumsum(ops.relu(z - 5), axis=1),
    "large only, by a condition": lambda z: ops.where(z > 8, ops.roll(z, 1, axis=1), z),
    "positive frames only": lambda z: ops.where(
        ops.all(z > 0, axis=-1, keepdims=True), ops.flip(z, axis=1), z
    ),
    "silent frames only": lambda z: ops.where(
        ops.all(z == 0, axis=-1, keepdims=True), ops.roll(z, 1, axis=1), z
    ),
    "rounded": lambda z: z + ops.mean(ops.round(z / 50), axis=1, keepdims=True),
    "faint": lambda z: z + 1e-3 * ops.cumsum(z, axis=1),
    "very faint": lambda z: z + 1e-9 * ops.cumsum(z, axis=1),
    "faint and finite": lambda z: z + 1e-3 * ops.cumsum(ops.nan_to_num(z), axis=1),
    "faint and bounded": lambda z: z + 1e-4 * ops.cumsum(ops.tanh(z), axis=1),
    "first frame": lambda z: z + 1e-5 * z[:, :1],
    "last frame": lambda z: z + 1e-5 * z[:, -1:],
    "last to first": lambda z: ops.concatenate([z[:, :1] + z[:, -1:], z[:, 1:]], axis=1),
    "maximum": lambda z: ops.minimum(z, ops.max(z, axis=1, keepdims=True) - 1),
    "softmax": lambda z: ops.softmax(z, axis=1),
    "place in the clip": lambda z: z + 1e-4 * place(z),
    "length of the clip": lambda z: z / ops.cast(ops.shape(z)[1], "float32"),
    "other clips": lambda z: z - ops.mean(z, axis=0, keepdims=True),
}
FRAMEWISE = {
    "sine": lambda z: ops.sin(3 * z),
    "tangent": ops.tan,
    "logarithm": lambda z: ops.log(ops.abs(z) + 1e-3),
    "logarithm of negatives": ops.log,
    "exponential": ops.exp,
    "root": lambda z: ops.power(ops.abs(z), 0.3),
    "softmax over features": lambda z: ops.softmax(z, axis=2),
    "sum over features": lambda z: ops.cumsum(z, axis=2),
    "sorted features": lambda z: ops.sort(z, axis=-1),
    "deviation": lambda z: z / (1e-3 + ops.std(z, axis=-1, keepdims=True)),
    "product with a matrix": lambda z: ops.matmul(z, np.ones((WIDTH, 3), "float32")),
    "without NaN": ops.nan_to_num,
    "rounded": ops.round,
}


def form_of(call, dtype="float32", features=WIDTH):
    frames = Frames(keras.KerasTensor((None, features), dtype))
    return form_of_frames(lambda tensors: call(*tensors), [frames])


@pytest.mark.parametrize("name", MIXING)
def test_mixed_frames_are_found(name):
    assert form_of(MIXING[name]) is None


@pytest.mark.parametrize("name", FRAMEWISE)
def test_frames_that_are_treated_alike_are_accepted(name):
    assert form_of(FRAMEWISE[name])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype):
    assert form_of(lambda z: ops.tanh(3 * z) + ops.softmax(z), dtype)
    assert form_of(lambda z: z - lagged(z, 10), dtype) is None


@pytest.mark.parametrize("dtype", ["bool", "int32"])
def test_whole_numbers(dtype):
    assert form_of(lambda z: ops.cast(z, "float32") * 2, dtype)
    assert form_of(lambda z: ops.roll(z, 10, axis=1), dtype) is None


def test_wide_frames():
    assert form_of(ops.tanh, features=20_000)
    assert form_of(lambda z: ops.roll(z, 10, axis=1), features=20_000) is None


def test_layer_that_refuses_what_is_not_finite():
    def finite_only(z, mix):
        if not np.all(np.isfinite(ops.convert_to_numpy(z))):
            raise FloatingPointError("not finite")
        return mix(z)

    assert form_of(functools.partial(finite_only, mix=ops.tanh))
    assert form_of(functools.partial(finite_only, mix=MIXING["faint"])) is None


def over_time(clips):
    return ops.softmax(clips, axis=1)


class TestActivation:
    @pytest.mark.parametrize("build", [step_model, chunk_model, receptive_field])
    @pytest.mark.parametrize(
        "layer",
        [
            lambda: layers.Dense(2, activation=over_time),
            lambda: layers.Dense(2, activation=layers.Softmax(axis=1)),
            lambda: layers.Activation(over_time),
            lambda: layers.Activation(lambda z: z - lagged(z, 10)),
            lambda: layers.Conv1D(2, 3, padding="causal", activation=over_time),
            lambda: layers.Conv1D(2, 1, activation=over_time),
            lambda: layers.SeparableConv1D(2, 1, padding="same", activation=over_time),
            lambda: layers.DepthwiseConv1D(1, activation=over_time),
            lambda: CausalDepthwiseConv1D(2, activation=over_time),
        ],
    )
    def test_along_time_is_refused(self, layer, build):
        model = sequential(layer())
        with pytest.raises(ValueError, match=r"returns for one frame depends on other frames"):
            build(model)

    def test_within_a_frame_streams(self):
        def half_softmax(z):
            return ops.softmax(z / 2, axis=2)

        model = sequential(
            layers.Dense(3, activation=half_softmax),
            layers.Activation(lambda z: z * 5),
            layers.Conv1D(WIDTH, 2, padding="causal", activation=half_softmax),
        )
        assert_streams(model)
        chunked = run_chunks(None, chunk_model(model), random_clip(), [3, 4])
        assert_close(chunked, outputs_of(model, random_clip()))

    def test_over_frames_without_features_is_refused(self):
        clips = keras.Input((7, WIDTH))
        volume = layers.Activation("softmax")(ops.max(clips, axis=2))
        model = keras.Model(clips, ops.expand_dims(volume, 2))
        with pytest.raises(ValueError, match="depends on other frames"):
            step_model(model)


class TestNeighbours:
    @pytest.mark.parametrize(
        "call",
        [
            lambda x: layers.Add()([x, np.arange(7 * WIDTH, dtype="float32").reshape(1, 7, WIDTH)]),
            lambda x: layers.Rescaling(np.arange(7.0, dtype="float32").reshape(7, 1))(x),
            lambda x: ops.expand_dims(layers.LayerNormalization()(ops.max(x, axis=2)), 2),
            lambda x: layers.Add()([x, layers.Reshape((-1, 1, WIDTH))(x)]),
        ],
        ids=["constant with time", "scale with time", "norm over time", "axes put in"],
    )
    def test_time_is_not_mixed_with_other_axes(self, call):
        clips = keras.Input((7, WIDTH))
        with pytest.raises(ValueError, match="`model` must be made of layers"):
            step_model(keras.Model(clips, call(clips)))

    def test_scale_of_each_feature_streams(self):
        assert_streams(sequential(layers.Rescaling(np.array([1.0, 2.0, 3.0, 4.0], "float32"))))
        assert_streams(sequential(layers.Rescaling(np.full((1, 1, WIDTH), 0.5, "float32"))))


class TestSpectralNormalization:
    def test_streams_what_it_wraps(self):
        far = layers.Conv1D(WIDTH, 2, padding="causal", dilation_rate=8)
        model = sequential(
            layers.SpectralNormalization(far),
            layers.SpectralNormalization(layers.Dense(WIDTH, activation="tanh")),
        )
        assert receptive_field(model) == 9
        assert_streams(model, random_clip(frames=20))

    def test_refuses_what_it_cannot_stream(self):
        model = sequential(layers.SpectralNormalization(layers.Conv1D(2, 3, padding="same")))
        with pytest.raises(ValueError, match=r"not come yet.*Conv1D"):
            step_model(model)


class TestAttentionWithinAFrame:
    def model(self, axes):
        clips = keras.Input((None, 6, 3))
        attended = layers.MultiHeadAttention(2, 2, attention_axes=axes)(clips, clips)
        return randomise(keras.Model(clips, layers.Reshape((-1, 18))(attended)))

    def test_streams(self):
        clip = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("float32")
        assert_streams(self.model((2,)), clip)

    @pytest.mark.parametrize("axes", [None, (1,), (1, 2)])
    def test_over_time_is_refused(self, axes):
        with pytest.raises(ValueError, match=r"attends to the whole clip.*attention_axes=\(2,\)"):
            step_model(self.model(axes))


@keras.saving.register_keras_serializable(package="test")
class Standardised(layers.Conv2D):
    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel - ops.mean(kernel, axis=(0, 1, 2)))


class LooksBack(layers.Conv2D):
    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs - ops.roll(inputs, 9, axis=1), kernel)


class LoudGRU(layers.GRU):
    def inner_loop(self, sequences, initial_state, mask, training=False):
        return super().inner_loop(2 * sequences, initial_state, mask, training)


class Unnormalised(layers.LayerNormalization):
    def call(self, inputs):
        return inputs


class TestOverriddenMethods:
    def images(self, *stack):
        return sequential(layers.Reshape((-1, WIDTH, 1)), *stack, layers.Reshape((-1, 2 * WIDTH)))

    def test_convolution_of_its_own_is_called(self):
        model = self.images(
            layers.ZeroPadding2D(((2, 0), (1, 1))), Standardised(2, 3), layers.ReLU()
        )
        assert_streams(model)

    def test_convolution_of_its_own_is_not_left_out(self):
        model = self.images(Standardised(2, 3, padding="same"))
        with pytest.raises(ValueError, match=r"overrides `convolution_op`.*padding='valid'"):
            step_model(model, max_delay_frames=1)

    def test_assigned_convolution_is_not_left_out(self):
        layer = layers.Conv2D(2, 3, padding="same")
        model = self.images(layer)
        layer.convolution_op = lambda inputs, kernel: layers.Conv2D.convolution_op(
            layer, inputs, 2 * kernel
        )
        with pytest.raises(ValueError, match=r"overrides `convolution_op`.*padding='valid'"):
            step_model(model, max_delay_frames=1)

    def test_convolution_outside_its_window_is_refused(self):
        model = self.images(layers.ZeroPadding2D(((2, 0), (1, 1))), LooksBack(2, 3), layers.ReLU())
        with pytest.raises(ValueError, match=r"frames outside its window.*LooksBack"):
            step_model(model)

    def test_recurrence_of_its_own_is_refused(self):
        with pytest.raises(ValueError, match=r"overrides `inner_loop`.*`stream_step`"):
            step_model(sequential(LoudGRU(2, return_sequences=True)))

    def test_call_of_its_own_makes_a_layer_custom(self):
        class Doubled(CausalDepthwiseConv1D):
            def call(self, clips):
                return 2 * super().call(clips)

        for layer in (Unnormalised(), Doubled(2)):
            with pytest.raises(ValueError, match="what a custom layer does along time"):
                step_model(sequential(layer))

    def test_assigned_call_makes_a_layer_custom(self):
        layer = layers.Dense(2)
        model = sequential(layer)
        layer.call = over_time
        with pytest.raises(ValueError, match="what a custom layer does along time"):
            step_model(model)
