"""A step model, fed frame by frame, answers as the clip model does on the whole clip."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

from keras_sal.streaming import initial_state, step_model

TOLERANCE = 1e-5
WIDTH = 4


def random_clip(frames=7, batch=2, features=WIDTH, seed=0):
    return np.random.default_rng(seed).normal(size=(batch, frames, features)).astype("float32")


def randomise(model, seed=0):
    """Gives every weight a value of its own: a bias of zero would hide a bias left out."""
    rng = np.random.default_rng(seed)

    def value(w):  # vectors stay positive: variances are among them
        noise = rng.normal(scale=0.3, size=w.shape)
        return w + (noise if w.ndim > 1 else abs(noise)) if w.dtype.kind == "f" else w

    model.set_weights([value(w) for w in model.get_weights()])
    return model


def answers(model, inputs):
    inputs = keras.tree.map_structure(ops.convert_to_tensor, inputs)
    return keras.tree.map_structure(ops.convert_to_numpy, model(inputs, training=False))


def run(step, clip, state=None, hop=1):
    """Returns the posteriors of the frames of `clip`, and the state after the last."""
    state = state or initial_state(step, len(clip))
    posteriors = []
    for t in range(0, clip.shape[1], hop):
        frame = clip[:, t] if hop == 1 else clip[:, t : t + hop]
        result = answers(step, {"frame": frame, **state})
        state = {name: result[f"{name}_next"] for name in state}
        posteriors.append(result["posterior"])
    return np.stack(posteriors, axis=1), state


def sequential(*stack):
    return randomise(keras.Sequential([keras.Input((None, WIDTH)), *stack]))


def assert_streams(model, clip=None, hop=1):
    clip = random_clip(frames=12 if hop > 1 else 7) if clip is None else clip
    whole = answers(model, clip)
    streamed, _ = run(step_model(model), clip, hop=hop)
    assert whole.std() > 1e-2, "the answers are too much alike to prove anything"
    np.testing.assert_allclose(streamed, whole, atol=TOLERANCE, rtol=TOLERANCE)


def adapted_normalization(**options):
    layer = layers.Normalization(**options)
    layer.adapt(random_clip(frames=50) * 3 + 2)
    return layer


MEMORYLESS = {
    "activation": lambda: [layers.Activation("tanh")],
    "batch normalization": lambda: [layers.BatchNormalization()],
    "dense": lambda: [layers.Dense(WIDTH, activation="relu")],
    "dropout": lambda: [layers.Dropout(0.5), layers.SpatialDropout1D(0.5)],
    "einsum dense": lambda: [
        layers.EinsumDense("btf,fg->btg", output_shape=(None, WIDTH), bias_axes="g")
    ],
    "gaussian noise": lambda: [layers.GaussianNoise(0.5), layers.GaussianDropout(0.5)],
    "lambda": lambda: [layers.Lambda(lambda x: 2 * x)],
    "layer normalization": lambda: [layers.LayerNormalization()],
    "layer normalization of axis 2": lambda: [layers.LayerNormalization(axis=2)],
    "leaky relu": lambda: [layers.LeakyReLU()],
    "normalization": lambda: [adapted_normalization()],
    "permute": lambda: [
        layers.Reshape((-1, 2, 2)),
        layers.Permute((1, 3, 2)),
        layers.Reshape((-1, WIDTH)),
    ],
    "prelu": lambda: [layers.PReLU(shared_axes=[1])],
    "rescaling": lambda: [layers.Rescaling(0.5, offset=1)],
    "rms normalization": lambda: [layers.RMSNormalization()],
    "softmax": lambda: [layers.Softmax()],
    "time distributed": lambda: [layers.TimeDistributed(layers.Dense(WIDTH))],
    "unit normalization": lambda: [layers.UnitNormalization()],
}
RECURRENT = {
    "gru": lambda: [layers.GRU(WIDTH, return_sequences=True)],
    "gru, reset before": lambda: [layers.GRU(WIDTH, return_sequences=True, reset_after=False)],
    "gru without bias": lambda: [layers.GRU(WIDTH, return_sequences=True, use_bias=False)],
    "gru, reset before, without bias": lambda: [
        layers.GRU(WIDTH, return_sequences=True, reset_after=False, use_bias=False)
    ],
    "gru with dropout": lambda: [
        layers.GRU(WIDTH, return_sequences=True, dropout=0.5, recurrent_dropout=0.5)
    ],
    "lstm": lambda: [layers.LSTM(WIDTH, return_sequences=True)],
    "masked gru": lambda: [layers.Masking(), layers.GRU(WIDTH, return_sequences=True)],
    "masked stack of cells": lambda: [
        layers.Masking(),
        layers.RNN([layers.GRUCell(3), layers.LSTMCell(WIDTH)], return_sequences=True),
    ],
    "masked to zero": lambda: [
        layers.Masking(),
        layers.RNN(layers.LSTMCell(WIDTH), return_sequences=True, zero_output_for_mask=True),
    ],
    "simple rnn": lambda: [layers.SimpleRNN(WIDTH, return_sequences=True)],
    "stack of cells": lambda: [
        layers.RNN([layers.GRUCell(3), layers.LSTMCell(WIDTH)], return_sequences=True)
    ],
}
WINDOWED = {
    "average pooling": lambda: [
        layers.ZeroPadding1D((2, 0)),
        layers.AveragePooling1D(3, strides=1),
    ],
    "causal conv": lambda: [layers.Conv1D(WIDTH, 3, padding="causal", activation="relu")],
    "causal conv, dilated": lambda: [
        layers.Conv1D(WIDTH, 3, padding="causal", dilation_rate=2, use_bias=False)
    ],
    "causal conv, grouped": lambda: [layers.Conv1D(WIDTH, 2, padding="causal", groups=2)],
    "conv 2d": lambda: [
        layers.Reshape((-1, WIDTH, 1)),
        layers.ZeroPadding2D(((2, 0), (1, 1))),
        layers.Conv2D(3, 3),
        layers.BatchNormalization(),
        layers.Reshape((-1, 3 * WIDTH)),
        layers.Dense(WIDTH),
    ],
    "depthwise conv": lambda: [
        layers.ZeroPadding1D((4, 0)),
        layers.DepthwiseConv1D(3, dilation_rate=2),
    ],
    "depthwise conv 2d": lambda: [
        layers.Reshape((-1, 2, 2)),
        layers.ZeroPadding2D(((2, 0), (0, 0))),
        layers.DepthwiseConv2D((3, 1)),
        layers.TimeDistributed(layers.Flatten()),
    ],
    "max pooling": lambda: [layers.ZeroPadding1D((2, 0)), layers.MaxPooling1D(3, strides=1)],
    "one padding for two convs": lambda: [
        layers.ZeroPadding1D((3, 0)),
        layers.Conv1D(WIDTH, 3),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv1D(WIDTH, 2),
    ],
    "pointwise conv": lambda: [layers.Conv1D(WIDTH, 1, padding="same")],
    "pointwise conv 2d in time": lambda: [
        layers.Reshape((-1, WIDTH, 1)),
        layers.Conv2D(1, (1, 3), padding="same"),
        layers.Reshape((-1, WIDTH)),
    ],
    "separable conv": lambda: [layers.ZeroPadding1D((2, 0)), layers.SeparableConv1D(WIDTH, 3)],
}
BLOCKS = MEMORYLESS | RECURRENT | WINDOWED


@pytest.mark.parametrize("kind", [MEMORYLESS, RECURRENT, WINDOWED], ids=["m", "r", "w"])
def test_layer_equals_whole_clip(kind):
    """One model with a branch for each kind of layer: it is compiled once."""
    clips, branches = keras.Input((None, WIDTH)), {}
    for name, stack in kind.items():
        branches[name] = clips
        for layer in stack():
            branches[name] = layer(branches[name])
    model = keras.Model(clips, branches)
    adapted = [layer for layer in model.layers if isinstance(layer, layers.Normalization)]
    weights = [layer.get_weights() for layer in adapted]
    randomise(model)
    for layer, w in zip(adapted, weights, strict=True):
        layer.set_weights(w)
    clip = random_clip()
    clip[:, [0, 3, 4]] = 0  # masked frames
    whole = model.predict_on_batch(clip)
    step = step_model(model)
    state, errors = initial_state(step, 2), {}
    for t in range(clip.shape[1]):
        result = step.predict_on_batch({"frame": clip[:, t], **state})
        state = {name: result[f"{name}_next"] for name in state}
        for name, expected in whole.items():
            error = abs(result[f"posterior_{name}"] - expected[:, t]).max()
            errors[name] = max(errors.get(name, 0), error)
    assert all(y.std() > 1e-2 for y in whole.values())
    assert {name: error for name, error in errors.items() if not error < TOLERANCE} == {}


@st.composite
def random_models(draw):
    """Stacks of one to four blocks, each with or without a residual branch round it."""
    clips = x = keras.Input((None, WIDTH))
    for name in draw(st.lists(st.sampled_from(sorted(BLOCKS)), min_size=1, max_size=4)):
        y = x
        for layer in BLOCKS[name]():
            y = layer(y)
        x = layers.Add()([x, y]) if draw(st.booleans()) else y
    return randomise(keras.Model(clips, x))


class TestRandomStacks:
    @settings(max_examples=8, deadline=None, derandomize=True)
    @given(random_models())
    def test_equal_whole_clip(self, model):
        clip = random_clip()
        whole = answers(model, clip)
        step = step_model(model)
        streamed, _ = run(step, clip)
        np.testing.assert_allclose(streamed, whole, atol=TOLERANCE, rtol=TOLERANCE)

        later = clip.copy()
        later[:, 4] += 1
        np.testing.assert_array_equal(answers(model, later)[:, :4], whole[:, :4])

        fresh, _ = run(step, clip[:, 4:])
        np.testing.assert_allclose(fresh, answers(model, clip[:, 4:]), atol=TOLERANCE)

    @pytest.mark.slow
    @settings(max_examples=30, deadline=None)
    @given(random_models(), st.integers(0, 2**16))
    def test_equal_whole_clip_at_length(self, model, seed):
        clip = random_clip(frames=11, seed=seed)
        streamed, _ = run(step_model(model), clip)
        np.testing.assert_allclose(streamed, answers(model, clip), atol=TOLERANCE, rtol=TOLERANCE)


class TestStepModel:
    def test_names_and_shapes(self):
        step = step_model(sequential(*RECURRENT["lstm"](), layers.Dense(2)))
        assert {name: x.shape for name, x in step.input.items()} == {
            "frame": (None, WIDTH),
            "state_0": (None, WIDTH),
            "state_1": (None, WIDTH),
        }
        assert {name: x.shape for name, x in step.output.items()} == {
            "posterior": (None, 2),
            "state_0_next": (None, WIDTH),
            "state_1_next": (None, WIDTH),
        }

    def test_state_of_convolution_is_its_past(self):
        step = step_model(sequential(layers.Conv1D(3, 5, padding="causal", dilation_rate=2)))
        assert initial_state(step, 3)["state_0"].shape == (3, (5 - 1) * 2, WIDTH)

    def test_batch_size_can_be_fixed(self):
        step = step_model(sequential(*RECURRENT["gru"](), *WINDOWED["causal conv"]()), batch_size=1)
        assert {x.shape[0] for x in step.inputs} == {1}

    def test_shares_the_weights(self):
        model = sequential(*RECURRENT["gru"](), *WINDOWED["causal conv"]())
        step = step_model(model)
        assert {id(w) for w in step.weights} == {id(w) for w in model.weights}
        before, _ = run(step, random_clip())
        randomise(model, seed=1)
        after, _ = run(step, random_clip())
        assert abs(after - before).max() > 0.01
        np.testing.assert_allclose(after, answers(model, random_clip()), atol=TOLERANCE)

    def test_leaves_the_model_as_it_was(self):
        model = sequential(*RECURRENT["gru"](), layers.Dense(1))
        model.compile("sgd", "binary_crossentropy")
        config, before = model.get_config(), answers(model, random_clip())
        step_model(model)
        assert model.get_config() == config
        np.testing.assert_array_equal(answers(model, random_clip()), before)

    def test_streams_side_by_side_do_not_mix(self):
        model = sequential(*RECURRENT["gru"](), *WINDOWED["causal conv"]())
        step = step_model(model)
        clip = random_clip(batch=3)
        together, _ = run(step, clip)
        for i in range(3):
            alone, _ = run(step, clip[i : i + 1])
            np.testing.assert_allclose(together[i : i + 1], alone, atol=TOLERANCE)

    @pytest.mark.parametrize("chunk", [1, 2, 3, 7])
    def test_state_can_be_kept_between_chunks(self, chunk):
        model = sequential(*RECURRENT["gru"](), *WINDOWED["causal conv"]())
        step, clip, state = step_model(model), random_clip(frames=8), None
        posteriors = []
        for t in range(0, 8, chunk):
            part, state = run(step, clip[:, t : t + chunk], state)
            posteriors.append(part)
        np.testing.assert_allclose(
            np.concatenate(posteriors, axis=1), answers(model, clip), atol=TOLERANCE
        )

    def test_clips_of_fixed_length(self):
        clips = keras.Input((7, WIDTH))
        x = layers.GRU(WIDTH, return_sequences=True)(layers.BatchNormalization()(clips))
        assert_streams(randomise(keras.Model(clips, x)))

    @pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
    def test_half_precision(self, policy):
        keras.config.set_dtype_policy(policy)
        try:
            model = keras.Sequential(
                [
                    keras.Input((None, WIDTH)),
                    layers.BatchNormalization(),
                    layers.Conv1D(WIDTH, 3, padding="causal"),
                    layers.GRU(WIDTH, return_sequences=True),
                    layers.Dense(2),
                ]
            )
            step = step_model(model)
        finally:
            keras.config.set_dtype_policy("float32")
        clip = random_clip()
        streamed, _ = run(step, clip)
        np.testing.assert_allclose(
            streamed.astype("float32"), answers(model, clip).astype("float32"), atol=0.05
        )

    @pytest.mark.slow
    def test_does_not_drift_in_half_an_hour(self):
        """3,600 frames: half an hour at two frames a second."""
        model = sequential(*RECURRENT["gru"](), *WINDOWED["causal conv"]())
        step, clip = step_model(model), random_clip(frames=3_600, batch=1)
        state, posteriors = initial_state(step), []
        for t in range(clip.shape[1]):
            result = step.predict_on_batch({"frame": clip[:, t], **state})
            state = {name: result[f"{name}_next"] for name in state}
            posteriors.append(result["posterior"])
        whole = model.predict(clip, verbose=0)
        np.testing.assert_allclose(np.stack(posteriors, axis=1), whole, atol=TOLERANCE)


class TestGraphs:
    def test_shared_layer_has_a_memory_for_each_call(self):
        clips = keras.Input((None, WIDTH))
        shared = layers.GRU(WIDTH, return_sequences=True)
        model = keras.Model(clips, layers.Add()([clips, shared(shared(clips))]))
        assert_streams(randomise(model))
        assert len(initial_state(step_model(model))) == 2

    def test_shared_convolution(self):
        clips = keras.Input((None, WIDTH))
        shared = layers.Conv1D(WIDTH, 2, padding="causal")
        assert_streams(randomise(keras.Model(clips, shared(shared(clips)))))

    def test_nested_models(self):
        inner = keras.Sequential([keras.Input((None, 5)), *RECURRENT["gru"]()])
        x = keras.Input((None, 5))
        middle = keras.Model(x, layers.Add()([inner(layers.Dense(5)(x)), layers.Dense(WIDTH)(x)]))
        clips = keras.Input((None, WIDTH))
        assert_streams(randomise(keras.Model(clips, middle(layers.Dense(5)(clips)))))

    def test_nested_model_without_memory(self):
        inner = keras.Sequential([keras.Input((None, WIDTH)), layers.Dense(3)])
        assert_streams(sequential(inner, *RECURRENT["gru"]()))

    def test_nested_model_called_twice_has_two_memories(self):
        inner = keras.Sequential([keras.Input((None, WIDTH)), *RECURRENT["gru"]()])
        clips = keras.Input((None, WIDTH))
        model = keras.Model(clips, inner(inner(clips)))
        assert_streams(randomise(model))
        assert len(initial_state(step_model(model))) == 2

    def test_operations_that_act_per_frame(self):
        clips = keras.Input((None, WIDTH))
        x = ops.concatenate(
            [ops.flip(clips, axis=2), ops.max(clips, axis=2, keepdims=True)], axis=-1
        )
        x = ops.where(x > 0, x, ops.exp(x) - 1) / np.arange(1, WIDTH + 2, dtype="float32")
        x = x * np.full((1, 1, WIDTH + 1), 0.5, "float32")
        x = ops.split(x, [2], axis=2)[0]
        assert_streams(randomise(keras.Model(clips, layers.Dense(3)(x))))

    def test_same_tensor_twice(self):
        clips = keras.Input((None, WIDTH))
        x = ops.concatenate([clips, clips], axis=2)
        assert_streams(randomise(keras.Model(clips, layers.Dense(3)(ops.multiply(x, x)))))

    def test_layer_shared_between_levels(self):
        shared = layers.GRU(WIDTH, return_sequences=True)
        inner = keras.Sequential([keras.Input((None, WIDTH)), shared])
        clips = keras.Input((None, WIDTH))
        model = randomise(keras.Model(clips, shared(inner(clips))))
        assert_streams(model)

    def test_integer_frames(self):
        clips = keras.Input((None, 3), dtype="int32")
        x = layers.Embedding(2, 5)(clips)
        x = layers.Reshape((-1, 15))(x)
        model = randomise(keras.Model(clips, layers.GRU(4, return_sequences=True)(x)))
        clip = np.random.default_rng(0).integers(0, 2, (2, 7, 3)).astype("int32")
        assert_streams(model, clip)

    def test_several_inputs_and_outputs(self):
        sound, motion = keras.Input((None, 3), name="sound"), keras.Input((None, 2), name="motion")
        x = layers.Concatenate()([sound, motion])
        x = layers.GRU(4, return_sequences=True)(x)
        wake, speech = layers.Dense(1, name="wake")(x), layers.Dense(1, name="speech")(x)
        model = randomise(keras.Model([sound, motion], [wake, speech]))
        step = step_model(model)
        assert set(step.input) == {"frame_sound", "frame_motion", "state_0"}
        assert set(step.output) == {"posterior_wake", "posterior_speech", "state_0_next"}
        clips = random_clip(features=3), random_clip(features=2, seed=1)
        wakes, speeches = answers(model, list(clips))
        state = initial_state(step, 2)
        for t in range(7):
            frames = {"frame_sound": clips[0][:, t], "frame_motion": clips[1][:, t]}
            result = answers(step, frames | state)
            state = {"state_0": result["state_0_next"]}
            np.testing.assert_allclose(result["posterior_wake"], wakes[:, t], atol=TOLERANCE)
            np.testing.assert_allclose(result["posterior_speech"], speeches[:, t], atol=TOLERANCE)

    def test_outputs_of_the_same_name(self):
        clips, twice = keras.Input((None, WIDTH)), layers.Dense(1, name="twice")
        model = keras.Model(clips, [twice(clips), twice(-clips)])
        with pytest.raises(
            ValueError, match=r"`model` must have outputs of different names.*twice"
        ):
            step_model(model)

    def test_dict_of_inputs(self):
        clips = {name: keras.Input((None, 2), name=name) for name in ("a", "b")}
        x = layers.Concatenate()([clips["b"], clips["a"]])
        model = keras.Model(clips, {"y": layers.GRU(4, return_sequences=True)(x)})
        assert set(step_model(model).input) == {"frame_a", "frame_b", "state_0"}


class TestStrides:
    """A step brings as many frames as the model needs to answer once."""

    @pytest.mark.parametrize(
        ("stack", "hop"),
        [
            ([layers.Conv1D(3, 3, strides=2, padding="causal"), *RECURRENT["gru"]()], 2),
            ([layers.ZeroPadding1D((3, 0)), layers.Conv1D(3, 5, strides=2)], 2),
            ([layers.MaxPooling1D(3), layers.Dense(2)], 3),
            (
                [
                    *RECURRENT["masked gru"](),
                    layers.Conv1D(3, 3, strides=3, padding="causal"),
                    layers.BatchNormalization(),
                    layers.AveragePooling1D(2),
                ],
                6,
            ),
        ],
    )
    def test_equals_whole_clip(self, stack, hop):
        model = sequential(*stack)
        assert step_model(model).input["frame"].shape == (None, hop, WIDTH)
        assert_streams(model, hop=hop)

    def test_inputs_of_different_rates(self):
        """Three frames of sound for each frame of motion."""
        sound, motion = keras.Input((None, 3), name="sound"), keras.Input((None, 2), name="motion")
        x = layers.Conv1D(4, 4, strides=3, padding="causal")(sound)
        x = layers.Concatenate()([layers.GRU(4, return_sequences=True)(x), motion])
        model = randomise(keras.Model([sound, motion], layers.GRU(4, return_sequences=True)(x)))
        step = step_model(model)
        assert step.input["frame_sound"].shape == (None, 3, 3)
        assert step.input["frame_motion"].shape == (None, 2)
        sounds, motions = random_clip(15, features=3), random_clip(5, features=2)
        whole = answers(model, [sounds, motions])
        state = initial_state(step, 2)
        for t in range(5):
            frames = {"frame_sound": sounds[:, 3 * t : 3 * t + 3], "frame_motion": motions[:, t]}
            result = answers(step, frames | state)
            state = {name: result[f"{name}_next"] for name in state}
            np.testing.assert_allclose(result["posterior"], whole[:, t], atol=TOLERANCE)

    def test_input_waits_for_a_stride_in_the_other(self):
        """Both run at the same rate until a common stride: both bring two frames."""
        a, b = keras.Input((None, 3), name="a"), keras.Input((None, 3), name="b")
        x = layers.MaxPooling1D(2)(layers.Add()([a, b]))
        step = step_model(keras.Model([a, b], x))
        assert {x.shape for x in step.inputs} == {(None, 2, 3)}

    def test_branches_of_different_rates_are_refused(self):
        clips = keras.Input((None, 3))
        x = layers.Add()([layers.MaxPooling1D(2)(clips), clips])
        with pytest.raises(ValueError, match=r"its inputs are not aligned.*fewer a second.*Add"):
            step_model(keras.Model(clips, x))


@keras.saving.register_keras_serializable(package="test")
class Smooth(layers.Layer):
    """An exponential mean of each feature, times a weight."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")

    def call(self, clips):
        mean, means = ops.zeros_like(clips[:, 0]), []
        for t in range(clips.shape[1]):
            mean = 0.5 * mean + 0.5 * clips[:, t]
            means.append(mean)
        return ops.stack(means, axis=1) * self.scale

    def streaming_state_spec(self):
        return [self.scale.shape]

    def stream_step(self, frame, states):
        mean = 0.5 * states[0] + 0.5 * frame
        return mean * self.scale, [mean]


class TestOwnLayer:
    def test_equals_whole_clip(self):
        clips = keras.Input((7, WIDTH))
        assert_streams(randomise(keras.Model(clips, Smooth()(layers.Dense(3)(clips)))))

    def test_before_stride(self):
        clips = keras.Input((12, WIDTH))
        model = randomise(keras.Model(clips, layers.MaxPooling1D(2)(Smooth()(clips))))
        assert_streams(model, hop=2)

    def test_shares_the_weights(self):
        clips = keras.Input((7, WIDTH))
        model = keras.Model(clips, Smooth()(clips))
        assert step_model(model).weights == model.weights


class TestSaving:
    @pytest.fixture(scope="class")
    @staticmethod
    def model():
        inner = keras.Sequential([keras.Input((None, WIDTH)), *RECURRENT["stack of cells"]()])
        clips = keras.Input((None, WIDTH))
        shared = layers.GRU(WIDTH, return_sequences=True)
        x = inner(inner(clips)) + shared(shared(clips)) * 0.5
        for layer in [*WINDOWED["causal conv"](), *WINDOWED["depthwise conv"]()]:
            x = layer(x)
        return randomise(keras.Model(clips, layers.BatchNormalization()(ops.exp(-x))))

    def run_elsewhere(self, folder, script, **environment):
        """Runs a script in a process that knows nothing of this one."""
        subprocess.run(
            [sys.executable, "-c", script, str(folder)],
            env={**os.environ, **environment},
            check=True,
        )

    def test_step_model_loads_in_another_process_on_tensorflow(self, model, tmp_path):
        clip = random_clip()
        step = step_model(model, batch_size=2)
        step.save(tmp_path / "step.keras")
        np.savez(tmp_path / "clip.npz", clip=clip, **initial_state(step, 2))
        script = """
import sys, keras, keras_sal.streaming, numpy as np
folder = sys.argv[1]
step = keras.models.load_model(f"{folder}/step.keras")
state = dict(np.load(f"{folder}/clip.npz"))
clip, posteriors = state.pop("clip"), []
for t in range(clip.shape[1]):
    result = step.predict_on_batch({"frame": clip[:, t], **state})
    state = {name: result[f"{name}_next"] for name in state}
    posteriors.append(result["posterior"])
np.save(f"{folder}/posteriors.npy", np.stack(posteriors, axis=1))
"""
        self.run_elsewhere(tmp_path, script, KERAS_BACKEND="tensorflow")
        posteriors = np.load(tmp_path / "posteriors.npy")
        np.testing.assert_allclose(posteriors, answers(model, clip), atol=TOLERANCE)

    def test_loaded_clip_model_makes_a_step_model(self, model, tmp_path):
        """In a new process Keras counts its automatic names from zero: they must not clash."""
        model.save(tmp_path / "clip.keras")
        script = """
import sys, keras
from keras_sal.streaming import step_model
step_model(keras.models.load_model(f"{sys.argv[1]}/clip.keras")).save(f"{sys.argv[1]}/step.keras")
"""
        self.run_elsewhere(tmp_path, script)
        streamed, _ = run(keras.models.load_model(tmp_path / "step.keras"), random_clip())
        np.testing.assert_allclose(streamed, answers(model, random_clip()), atol=TOLERANCE)

    def test_recurrent_step_model_is_made_of_keras_layers_only(self, tmp_path):
        """So that it loads where this package is not installed."""
        step = step_model(sequential(*RECURRENT["masked stack of cells"](), *MEMORYLESS["dense"]()))
        assert "keras_sal" not in step.to_json()

    def test_own_layer(self, tmp_path):
        clips = keras.Input((7, WIDTH))
        model = randomise(keras.Model(clips, Smooth()(clips)))
        step_model(model).save(tmp_path / "step.keras")
        streamed, _ = run(keras.models.load_model(tmp_path / "step.keras"), random_clip())
        np.testing.assert_allclose(streamed, answers(model, random_clip()), atol=TOLERANCE)


class LearnedStart(layers.GRUCell):
    def get_initial_state(self, batch_size=None):
        return [ops.ones((batch_size, self.units))]


@keras.saving.register_keras_serializable(package="test")
class Unknown(layers.Layer):
    def call(self, x):
        return x


class TestRefusals:
    @pytest.mark.parametrize(
        ("layer", "reason", "instead"),
        [
            (layers.Bidirectional(layers.GRU(2, return_sequences=True)), "from its end", "GRU"),
            (layers.GRU(2), "answers once, at the end", "return_sequences=True"),
            (
                layers.LSTM(2, return_sequences=True, go_backwards=True),
                "reads the clip from its end",
                "go_backwards=False",
            ),
            (
                layers.RNN(LearnedStart(2), return_sequences=True),
                "first state is not zero",
                "get_initial_state",
            ),
            (layers.Conv1D(2, 3), "not come yet", r"ZeroPadding of \(2, 0\)"),
            (layers.Conv1D(2, 3, padding="same"), "not come yet", "padding='causal'"),
            (layers.AveragePooling1D(3, strides=1), "not come yet", r"ZeroPadding of \(2, 0\)"),
            (layers.MaxPooling1D(2, padding="same"), "not come yet", "pad the start"),
            (layers.ZeroPadding1D((1, 1)), "zeros after the end", "Pad the start only"),
            (layers.GlobalAveragePooling1D(), "needs the whole clip", "trailing window"),
            (layers.GlobalMaxPooling1D(), "needs the whole clip", "trailing window"),
            (layers.Flatten(), "mixes time with features", r"Reshape\(\(-1, features\)\)"),
            (layers.GroupNormalization(1), "normalises over time", "LayerNormalization"),
            (layers.LayerNormalization(axis=1), "depends on other frames", "treats every frame"),
            (layers.BatchNormalization(axis=1), "depends on other frames", "treats every frame"),
            (layers.Softmax(axis=1), "depends on other frames", "treats every frame"),
            (layers.Permute((2, 1)), "depends on other frames", "treats every frame"),
            (layers.Reshape((6, 2)), "depends on other frames", "treats every frame"),
            (layers.Reshape((3, WIDTH)), "depends on other frames", "treats every frame"),
            (layers.UpSampling1D(2), "depends on other frames", "treats every frame"),
            (
                layers.Lambda(lambda x: ops.flip(x, axis=1)),
                "depends on other frames",
                "treats every frame",
            ),
            (Unknown(), "a layer of your own", "`stream_step`"),
        ],
        ids=lambda x: None if isinstance(x, str) else type(x).__name__,
    )
    def test_layer(self, layer, reason, instead):
        model = keras.Sequential([keras.Input((3, WIDTH)), layer])
        message = rf"{reason}.*Received: layer '{layer.name}' \({type(layer).__name__}\).*{instead}"
        with pytest.raises(ValueError, match=message):
            step_model(model)

    @pytest.mark.parametrize(
        "operation",
        [
            lambda x: ops.cumsum(x, axis=1),
            lambda x: ops.roll(x, 1, axis=1),
            lambda x: x - ops.mean(x, axis=1, keepdims=True),
            lambda x: x + np.ones((3, WIDTH), "float32"),
        ],
    )
    def test_operation_along_time(self, operation):
        clips = keras.Input((3, WIDTH))
        with pytest.raises(ValueError, match=r"`model` must be made of.* depends on other frames"):
            step_model(keras.Model(clips, operation(clips)))

    def test_attention(self):
        clips = keras.Input((None, WIDTH))
        model = keras.Model(clips, layers.MultiHeadAttention(1, 2)(clips, clips))
        with pytest.raises(ValueError, match=r"attends to the whole clip.*MultiHeadAttention"):
            step_model(model)

    def test_stateful(self):
        clips = keras.Input((None, WIDTH), batch_size=1)
        model = keras.Model(clips, layers.GRU(2, return_sequences=True, stateful=True)(clips))
        with pytest.raises(ValueError, match=r"state is hidden.*GRU.*stateful=False"):
            step_model(model)

    def test_initial_state(self):
        clips = keras.Input((None, WIDTH))
        start = layers.Dense(2)(clips[:, 0])
        model = keras.Model(clips, layers.GRU(2, return_sequences=True)(clips, initial_state=start))
        with pytest.raises(ValueError, match=r"depends on other frames"):
            step_model(model)

    def test_returned_state(self):
        clips = keras.Input((None, WIDTH))
        answer, _ = layers.GRU(2, return_sequences=True, return_state=True)(clips)
        with pytest.raises(ValueError, match=r"is no output of a stream.*return_state=False"):
            step_model(keras.Model(clips, answer))

    def test_padding_not_used_up(self):
        with pytest.raises(ValueError, match=r"must answer once for every frame.*3 frames longer"):
            step_model(sequential(layers.ZeroPadding1D((3, 0))))

    def test_memory_after_padding(self):
        with pytest.raises(ValueError, match=r"input is longer than the stream.*GRU"):
            step_model(sequential(layers.ZeroPadding1D((3, 0)), *RECURRENT["gru"]()))

    def test_branches_that_are_not_aligned(self):
        clips = keras.Input((None, WIDTH))
        model = keras.Model(clips, clips + layers.ZeroPadding1D((1, 0))(clips))
        with pytest.raises(ValueError, match=r"its inputs are not aligned.*\(Add\)"):
            step_model(model)

    def test_called_in_training(self):
        clips = keras.Input((None, WIDTH))
        model = keras.Model(clips, layers.Dropout(0.5)(clips, training=True))
        with pytest.raises(ValueError, match="never twice gives the same"):
            step_model(model)

    def test_channels_first(self):
        layer = layers.ZeroPadding1D((1, 0), data_format="channels_first")
        with pytest.raises(ValueError, match=r"time has to be axis 1.*Use channels_last"):
            step_model(keras.Sequential([keras.Input((3, WIDTH)), layer]))

    def test_subclassed_model(self):
        class Subclassed(keras.Model):
            pass

        with pytest.raises(ValueError, match="`model` must be a built functional or Sequential"):
            step_model(Subclassed())

    def test_functional_model_with_a_call_of_its_own(self):
        class Louder(keras.Model):
            def call(self, clips):
                return super().call(2 * clips)

        clips = keras.Input((None, WIDTH))
        with pytest.raises(ValueError, match="`model` must be a built functional or Sequential"):
            step_model(Louder(clips, layers.Dense(1)(clips)))

    def test_unbuilt_sequential(self):
        with pytest.raises(ValueError, match="start a Sequential with"):
            step_model(keras.Sequential([layers.Dense(1)]))

    def test_initial_state_of_clip_model(self):
        with pytest.raises(ValueError, match=r"`step` must be a step model.*step_model\(model\)"):
            initial_state(sequential(layers.Dense(1)))

    @pytest.mark.parametrize("shape", [(3,), (None, None)])
    def test_input_without_features(self, shape):
        clips = keras.Input(shape)
        model = keras.Model(clips, layers.ReLU()(clips))
        with pytest.raises(ValueError, match=r"must take clips of shape \(batch, time, features\)"):
            step_model(model)
