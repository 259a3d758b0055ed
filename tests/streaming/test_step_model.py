"""Step models: fed frame by frame, they give what the clip model gives for the whole clip."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from export_task import need
from keras import layers, ops
from stepping import (
    CONVOLUTIONS,
    FRAMEWISE,
    RECURRENT,
    TOLERANCE,
    WIDTH,
    assert_streams,
    compiled_outputs_of,
    outputs_of,
    random_clip,
    randomise,
    run,
    sequential,
)

from keras_sal.streaming import chunk_model, initial_state, step_model


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
        step = step_model(
            sequential(*RECURRENT["gru"](), *CONVOLUTIONS["causal conv"]()), batch_size=1
        )
        assert {x.shape[0] for x in step.inputs} == {1}

    def test_shares_the_weights(self):
        model = sequential(*RECURRENT["gru"](), *CONVOLUTIONS["causal conv"]())
        step = step_model(model)
        assert {id(w) for w in step.weights} == {id(w) for w in model.weights}
        before, _ = run(step, random_clip())
        randomise(model, seed=1)
        after, _ = run(step, random_clip())
        assert abs(after - before).max() > 0.01
        np.testing.assert_allclose(after, outputs_of(model, random_clip()), atol=TOLERANCE)

    def test_leaves_the_model_as_it_was(self):
        model = sequential(*RECURRENT["gru"](), layers.Dense(1))
        model.compile("sgd", "binary_crossentropy")
        config, before = model.get_config(), outputs_of(model, random_clip())
        step_model(model)
        assert model.get_config() == config
        np.testing.assert_array_equal(outputs_of(model, random_clip()), before)

    def test_streams_side_by_side_do_not_mix(self):
        model = sequential(*RECURRENT["gru"](), *CONVOLUTIONS["causal conv"]())
        step = step_model(model)
        clip = random_clip(batch=3)
        together, _ = run(step, clip)
        for i in range(3):
            alone, _ = run(step, clip[i : i + 1])
            np.testing.assert_allclose(together[i : i + 1], alone, atol=TOLERANCE)

    @pytest.mark.parametrize("chunk", [1, 2, 3, 7])
    def test_state_can_be_kept_between_chunks(self, chunk):
        model = sequential(*RECURRENT["gru"](), *CONVOLUTIONS["causal conv"]())
        step, clip, state = step_model(model), random_clip(frames=8), None
        posteriors = []
        for t in range(0, 8, chunk):
            part, state = run(step, clip[:, t : t + chunk], state)
            posteriors.append(part)
        np.testing.assert_allclose(
            np.concatenate(posteriors, axis=1), outputs_of(model, clip), atol=TOLERANCE
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
        streamed, _ = run(step, clip, call=compiled_outputs_of)
        whole = compiled_outputs_of(model, clip)
        np.testing.assert_allclose(streamed.astype("float32"), whole.astype("float32"), atol=0.05)

    @pytest.mark.any_backend
    @pytest.mark.slow
    def test_does_not_drift_in_half_an_hour(self):
        """180,000 frames: by chunks as in one clip, and after that by steps as by chunks."""
        frames = 180_000
        model = sequential(
            *RECURRENT["gru"](), *CONVOLUTIONS["causal conv"](), *RECURRENT["lstm"]()
        )
        chunk, step = chunk_model(model), step_model(model)
        clip = random_clip(frames=frames, batch=1)
        state, posteriors = initial_state(chunk), []
        for t in range(0, frames, 6_000):
            result = chunk.predict_on_batch({"frame": clip[:, t : t + 6_000], **state})
            state = {name: result[f"{name}_next"] for name in state}
            posteriors.append(result["posterior"])
        streamed = np.concatenate(posteriors, axis=1)
        np.testing.assert_allclose(streamed, model.predict(clip, verbose=0), atol=TOLERANCE)
        after = random_clip(frames=200, batch=1, seed=1)
        by_chunk = chunk.predict_on_batch({"frame": after, **state})["posterior"]
        by_step, _ = run(step, after, state)
        np.testing.assert_allclose(by_step, by_chunk, atol=TOLERANCE)

    @pytest.mark.any_backend
    @pytest.mark.slow
    def test_does_not_drift_by_steps(self):
        """3,600 frames: half an hour at two frames a second."""
        model = sequential(*RECURRENT["gru"](), *CONVOLUTIONS["causal conv"]())
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
        wakes, speeches = outputs_of(model, list(clips))
        state = initial_state(step, 2)
        for t in range(7):
            frames = {"frame_sound": clips[0][:, t], "frame_motion": clips[1][:, t]}
            result = outputs_of(step, frames | state)
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


class TestSaving:
    @pytest.fixture(scope="class")
    @staticmethod
    def model():
        inner = keras.Sequential([keras.Input((None, WIDTH)), *RECURRENT["stack of cells"]()])
        clips = keras.Input((None, WIDTH))
        shared = layers.GRU(WIDTH, return_sequences=True)
        x = inner(inner(clips)) + shared(shared(clips)) * 0.5
        for layer in [*CONVOLUTIONS["causal conv"](), *CONVOLUTIONS["depthwise conv"]()]:
            x = layer(x)
        return randomise(keras.Model(clips, layers.BatchNormalization()(ops.exp(-x))))

    def run_elsewhere(self, folder, script, backend="jax"):
        """Runs a script in a process that knows nothing of this one; JAX is imported fastest."""
        subprocess.run(
            [sys.executable, "-c", script, str(folder)],
            env={**os.environ, "KERAS_BACKEND": backend},
            check=True,
        )

    @pytest.mark.any_backend
    def test_step_model_loads_in_another_process_on_tensorflow(self, model, tmp_path):
        need("tensorflow")
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
        self.run_elsewhere(tmp_path, script, backend="tensorflow")
        posteriors = np.load(tmp_path / "posteriors.npy")
        np.testing.assert_allclose(posteriors, outputs_of(model, clip), atol=TOLERANCE)

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
        np.testing.assert_allclose(streamed, outputs_of(model, random_clip()), atol=TOLERANCE)

    def test_recurrent_step_model_is_made_of_keras_layers_only(self, tmp_path):
        """So that it loads where this package is not installed."""
        step = step_model(sequential(*RECURRENT["masked stack of cells"](), *FRAMEWISE["dense"]()))
        assert "keras_sal" not in step.to_json()


class TestBadInput:
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

    def test_input_without_time(self):
        clips, speaker = keras.Input((None, WIDTH)), keras.Input((6,), name="speaker")
        model = keras.Model([clips, speaker], layers.Dense(1)(clips) + layers.Dense(1)(speaker))
        message = r"input 'speaker' of shape \(None, 6\).*Give it a time axis: .*\(None, 6\)"
        with pytest.raises(ValueError, match=message):
            step_model(model)

    @pytest.mark.parametrize("shape", [(3,), (None, None)])
    def test_input_without_features(self, shape):
        clips = keras.Input(shape)
        model = keras.Model(clips, layers.ReLU()(clips))
        with pytest.raises(ValueError, match=r"must take clips of shape \(batch, time, features\)"):
            step_model(model)
