"""A step model, fed frame by frame, answers as the clip model does on the whole clip."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from keras_sal.streaming import initial_state, step_model

TOLERANCE = 1e-5


def clip_of(model, batch=2, frames=7, seed=0):
    shape = (batch, frames, *model.inputs[0].shape[2:])
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def randomise(model, seed=0):
    """Gives every weight a value of its own: a bias of zero would hide a bias left out."""
    rng = np.random.default_rng(seed)
    model.set_weights([w + rng.normal(scale=0.3, size=w.shape) for w in model.get_weights()])
    return model


def run(step, clip, state=None):
    """Returns the posteriors of all frames of `clip` and the state after the last."""
    state = state or initial_state(step, len(clip))
    posteriors = []
    for t in range(clip.shape[1]):
        result = step.predict_on_batch({"frame": clip[:, t], **state})
        state = {name: result[f"{name}_next"] for name in state}
        posteriors.append(result["posterior"])
    return np.stack(posteriors, axis=1), state


def assert_streams(model, **clip_options):
    randomise(model)
    clip = clip_of(model, **clip_options)
    streamed, _ = run(step_model(model), clip)
    np.testing.assert_allclose(streamed, model.predict(clip, verbose=0), atol=TOLERANCE)


def gru_model(**options):
    return keras.Sequential(
        [
            keras.Input((None, 3)),
            layers.Dense(5, activation="relu"),
            layers.GRU(4, return_sequences=True, **options),
            layers.Dense(2, activation="softmax"),
        ]
    )


class TestGRU:
    @pytest.mark.parametrize("reset_after", [True, False])
    @pytest.mark.parametrize("use_bias", [True, False])
    def test_equals_whole_clip(self, reset_after, use_bias):
        assert_streams(gru_model(reset_after=reset_after, use_bias=use_bias))

    def test_names_and_shapes(self):
        step = step_model(gru_model())
        assert {name: x.shape for name, x in step.input.items()} == {
            "frame": (None, 3),
            "state_0": (None, 4),
        }
        assert {name: x.shape for name, x in step.output.items()} == {
            "posterior": (None, 2),
            "state_0_next": (None, 4),
        }

    def test_batch_size_can_be_fixed(self):
        step = step_model(gru_model(), batch_size=1)
        assert {x.shape[0] for x in step.inputs} == {1}

    def test_shares_the_weights(self):
        model = gru_model()
        step = step_model(model)
        assert {id(w) for w in step.weights} == {id(w) for w in model.weights}
        clip = clip_of(model)
        before, _ = run(step, clip)
        randomise(model)
        after, _ = run(step, clip)
        assert abs(after - before).max() > 0.01
        np.testing.assert_allclose(after, model.predict(clip, verbose=0), atol=TOLERANCE)

    def test_stacked(self):
        model = keras.Sequential(
            [
                keras.Input((None, 3)),
                layers.GRU(4, return_sequences=True),
                layers.Dropout(0.5),
                layers.GRU(5, return_sequences=True),
            ]
        )
        assert_streams(model)
        assert list(initial_state(step_model(model))) == ["state_0", "state_1"]

    def test_reset_in_the_middle_is_a_fresh_start(self):
        model = randomise(gru_model())
        step = step_model(model)
        clip = clip_of(model)
        run(step, clip[:, :4])
        again, _ = run(step, clip[:, 4:])
        np.testing.assert_allclose(again, model.predict(clip[:, 4:], verbose=0), atol=TOLERANCE)


class TestGraphs:
    def test_residual_branches_and_shared_layer(self):
        clips = keras.Input((None, 4))
        shared = layers.GRU(4, return_sequences=True)
        y = shared(clips)
        y = layers.Add()([clips, shared(y)])
        assert_streams(keras.Model(clips, layers.Dense(1)(y)))

    def test_nested_models(self):
        inner = keras.Sequential([keras.Input((None, 5)), layers.GRU(4, return_sequences=True)])
        x = keras.Input((None, 5))
        middle = keras.Model(x, layers.Add()([inner(layers.Dense(5)(x)), layers.Dense(4)(x)]))
        clips = keras.Input((None, 3))
        assert_streams(keras.Model(clips, layers.Dense(2)(middle(layers.Dense(5)(clips)))))

    def test_nested_model_without_memory(self):
        inner = keras.Sequential([keras.Input((None, 3)), layers.Dense(4)])
        model = keras.Sequential(
            [keras.Input((None, 3)), inner, layers.GRU(4, return_sequences=True)]
        )
        assert_streams(model)

    def test_nested_model_called_twice_has_two_memories(self):
        inner = keras.Sequential([keras.Input((None, 3)), layers.GRU(3, return_sequences=True)])
        clips = keras.Input((None, 3))
        model = keras.Model(clips, inner(inner(clips)))
        assert_streams(model)
        assert len(initial_state(step_model(model))) == 2

    def test_several_inputs_and_outputs(self):
        sound, motion = keras.Input((None, 3), name="sound"), keras.Input((None, 2), name="motion")
        x = layers.Concatenate()([sound, motion])
        x = layers.GRU(4, return_sequences=True)(x)
        wake, speech = layers.Dense(1, name="wake")(x), layers.Dense(1, name="speech")(x)
        step = step_model(keras.Model([sound, motion], [wake, speech]))
        assert set(step.input) == {"frame_sound", "frame_motion", "state_0"}
        assert set(step.output) == {"posterior_wake", "posterior_speech", "state_0_next"}


class TestSaving:
    def test_loads_in_another_process_on_tensorflow(self, tmp_path):
        model = randomise(gru_model())
        clip = clip_of(model)
        step_model(model, batch_size=2).save(tmp_path / "step.keras")
        np.save(tmp_path / "clip.npy", clip)
        script = """
import sys, keras, numpy as np
folder = sys.argv[1]
step = keras.models.load_model(f"{folder}/step.keras")
clip = np.load(f"{folder}/clip.npy")
state, posteriors = np.zeros((2, 4), "float32"), []
for t in range(clip.shape[1]):
    result = step.predict_on_batch({"frame": clip[:, t], "state_0": state})
    state = result["state_0_next"]
    posteriors.append(result["posterior"])
np.save(f"{folder}/posteriors.npy", np.stack(posteriors, axis=1))
"""
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)],
            env={**os.environ, "KERAS_BACKEND": "tensorflow"},
            check=True,
        )
        np.testing.assert_allclose(
            np.load(tmp_path / "posteriors.npy"), model.predict(clip, verbose=0), atol=TOLERANCE
        )


class TestRefusals:
    @pytest.mark.parametrize(
        ("layer", "reason"),
        [
            (layers.GRU(4), "answers once, at the end of the clip.*layer 'named' .GRU.*"),
            (
                layers.GRU(4, return_sequences=True, go_backwards=True),
                "reads the clip from its end.*layer 'named' .GRU.*go_backwards=False",
            ),
            (layers.GlobalAveragePooling1D(), "layer 'named' .GlobalAveragePooling1D"),
        ],
    )
    def test_layer(self, layer, reason):
        layer.name = "named"
        with pytest.raises(ValueError, match=reason):
            step_model(keras.Sequential([keras.Input((None, 3)), layer]))

    def test_subclassed_model(self):
        class Subclassed(keras.Model):
            pass

        with pytest.raises(ValueError, match="`model` must be a built functional or Sequential"):
            step_model(Subclassed())

    def test_unbuilt_sequential(self):
        with pytest.raises(ValueError, match="start a Sequential with"):
            step_model(keras.Sequential([layers.Dense(1)]))

    def test_input_without_features(self):
        model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
        with pytest.raises(ValueError, match=r"must take clips of shape \(batch, time, features\)"):
            step_model(model)
