"""Rules: each layer gives frame by frame what it gives for the whole clip, or is rejected."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops
from stepping import (
    KINDS,
    RECURRENT,
    TOLERANCE,
    WIDTH,
    assert_streams,
    branches_of_kind,
    outputs_of,
    random_clip,
    random_models,
    randomise,
    run,
    sequential,
)

from keras_sal.streaming import initial_state, step_model
from keras_sal.streaming.rules.trial import CLIPS, MOST_FRAMES, PLACES


@pytest.mark.parametrize("kind", KINDS)
def test_layer_equals_whole_clip(kind):
    model, clip, whole = branches_of_kind(kind)
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


class TestRandomStacks:
    @settings(max_examples=5, deadline=None, derandomize=True)
    @given(random_models())
    def test_equal_whole_clip(self, model):
        clip = random_clip()
        whole = outputs_of(model, clip)
        step = step_model(model)
        streamed, _ = run(step, clip)
        np.testing.assert_allclose(streamed, whole, atol=TOLERANCE, rtol=TOLERANCE)

        later = clip.copy()
        later[:, 4] += 1
        np.testing.assert_array_equal(outputs_of(model, later)[:, :4], whole[:, :4])

        fresh, _ = run(step, clip[:, 4:])
        np.testing.assert_allclose(fresh, outputs_of(model, clip[:, 4:]), atol=TOLERANCE)

    @pytest.mark.slow
    @settings(max_examples=12, deadline=None)
    @given(random_models(), st.integers(0, 2**16))
    def test_equal_whole_clip_at_length(self, model, seed):
        clip = random_clip(frames=11, seed=seed)
        streamed, _ = run(step_model(model), clip)
        np.testing.assert_allclose(
            streamed, outputs_of(model, clip), atol=TOLERANCE, rtol=TOLERANCE
        )


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


class TestCustomLayer:
    def test_equals_whole_clip(self):
        clips = keras.Input((7, WIDTH))
        assert_streams(randomise(keras.Model(clips, Smooth()(layers.Dense(3)(clips)))))

    def test_before_stride(self):
        clips = keras.Input((12, WIDTH))
        model = randomise(keras.Model(clips, layers.MaxPooling1D(2)(Smooth()(clips))))
        assert_streams(model, frames_per_step=2)

    def test_shares_the_weights(self):
        clips = keras.Input((7, WIDTH))
        model = keras.Model(clips, Smooth()(clips))
        assert step_model(model).weights == model.weights

    def test_saves(self, tmp_path):
        clips = keras.Input((7, WIDTH))
        model = randomise(keras.Model(clips, Smooth()(clips)))
        step_model(model).save(tmp_path / "step.keras")
        streamed, _ = run(keras.models.load_model(tmp_path / "step.keras"), random_clip())
        np.testing.assert_allclose(streamed, outputs_of(model, random_clip()), atol=TOLERANCE)


class LearnedStart(layers.GRUCell):
    def get_initial_state(self, batch_size=None):
        return [ops.ones((batch_size, self.units))]


@keras.saving.register_keras_serializable(package="test")
class Unknown(layers.Layer):
    def call(self, x):
        return x


class TestUnsupported:
    @pytest.mark.parametrize(
        ("layer", "reason", "instead"),
        [
            (layers.Bidirectional(layers.GRU(2, return_sequences=True)), "from its end", "GRU"),
            (layers.GRU(2), "only one output, at the end", "return_sequences=True"),
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
            (layers.Conv1D(2, 3, padding="same"), "not come yet", "max_delay_frames=1"),
            (layers.MaxPooling1D(2, padding="same"), "ends of the clip smaller", "ZeroPadding"),
            (layers.GlobalAveragePooling1D(), "needs the whole clip", "trailing window"),
            (layers.GlobalMaxPooling1D(), "needs the whole clip", "trailing window"),
            (layers.Flatten(), "mixes time with features", r"Reshape\(\(-1, features\)\)"),
            (layers.GroupNormalization(1), "normalises over time", "LayerNormalization"),
            (layers.LayerNormalization(axis=1), "depends on other frames", "treats every frame"),
            (layers.BatchNormalization(axis=1), "depends on other frames", "treats every frame"),
            (layers.Softmax(axis=1), "depends on other frames", "treats every frame"),
            (layers.Permute((2, 1)), "depends on other frames", "treats every frame"),
            (layers.Reshape((6, 2)), "depends on other frames", "treats every frame"),
            (layers.Reshape((3, WIDTH)), "clips of 3 frames", r"Use Reshape\(\(-1, 4\)\)"),
            (layers.Reshape((3, 2, 2)), "clips of 3 frames", r"Use Reshape\(\(-1, 2, 2\)\)"),
            (layers.UpSampling1D(2), "depends on other frames", "treats every frame"),
            (
                layers.Lambda(lambda x: ops.flip(x, axis=1)),
                "depends on other frames",
                "treats every frame",
            ),
            (Unknown(), "a custom layer", "`stream_step`"),
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

    @pytest.mark.parametrize(
        "shape", [(CLIPS, MOST_FRAMES, WIDTH), (PLACES, WIDTH), (PLACES, 1, WIDTH)]
    )
    @pytest.mark.parametrize("error", [AttributeError, ZeroDivisionError])
    def test_bug_in_a_layer_is_not_hidden(self, shape, error):
        """A layer is tried on clips and on frames of two forms; its bugs are not about shapes."""

        def call(x):
            if tuple(x.shape) == shape:
                raise error("a bug")
            if shape == (PLACES, 1, WIDTH) and len(x.shape) == 2:
                raise ValueError("it needs a time axis")
            return 2 * x

        model = keras.Sequential([keras.Input((None, WIDTH)), layers.Lambda(call)])
        with pytest.raises(error, match="a bug"):
            step_model(model)

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
        output, _ = layers.GRU(2, return_sequences=True, return_state=True)(clips)
        with pytest.raises(ValueError, match=r"is no output of a stream.*return_state=False"):
            step_model(keras.Model(clips, output))

    def test_padding_not_used_up(self):
        with pytest.raises(ValueError, match=r"one output for every frame.*3 frames longer"):
            step_model(sequential(layers.ZeroPadding1D((3, 0))))

    def test_padding_of_the_end_not_used_up(self):
        with pytest.raises(ValueError, match=r"one output for every frame.*1 frames longer"):
            step_model(sequential(layers.ZeroPadding1D((0, 1))), max_delay_frames=5)

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
        with pytest.raises(ValueError, match="never gives the same twice"):
            step_model(model)

    def test_channels_first(self):
        layer = layers.ZeroPadding1D((1, 0), data_format="channels_first")
        with pytest.raises(ValueError, match=r"time has to be axis 1.*Use channels_last"):
            step_model(keras.Sequential([keras.Input((3, WIDTH)), layer]))
