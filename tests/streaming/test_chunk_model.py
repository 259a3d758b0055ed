"""Chunk models: outputs as those of the clip model, states as those of the step model."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from slope import Slope
from stepping import (
    CONVOLUTIONS,
    KINDS,
    RECURRENT,
    WIDTH,
    assert_close,
    branches_of_kind,
    compiled_outputs_of,
    outputs_of,
    random_clip,
    random_models,
    randomise,
    run,
    run_chunks,
    sequential,
)

from keras_sal.streaming import chunk_model, initial_state, step_model


@pytest.fixture(scope="module")
def mixed():
    """A GRU behind a causal convolution, with a mask, and its step and chunk models."""
    model = sequential(*CONVOLUTIONS["causal conv"](), *RECURRENT["masked stack of cells"]())
    return model, step_model(model), chunk_model(model)


class TestChunkModel:
    def test_names_and_shapes(self, mixed):
        _, step, chunk = mixed
        assert chunk.input["frame"].shape == (None, None, WIDTH)
        assert chunk.output["posterior"].shape == (None, None, WIDTH)
        states = {name: x.shape for name, x in step.input.items() if name != "frame"}
        assert {name: x.shape for name, x in chunk.input.items() if name != "frame"} == states
        assert {name: x.shape for name, x in chunk.output.items() if name != "posterior"} == {
            f"{name}_next": shape for name, shape in states.items()
        }

    def test_sizes_can_be_fixed(self):
        chunk = chunk_model(sequential(*RECURRENT["gru"]()), frames=5, batch_size=2)
        assert chunk.input["frame"].shape == (2, 5, WIDTH)
        assert chunk.output["posterior"].shape == (2, 5, WIDTH)

    def test_chunk_of_one_frame_has_a_time_axis(self):
        chunk = chunk_model(sequential(*RECURRENT["gru"](), layers.Dense(1)), frames=1)
        assert chunk.input["frame"].shape == (None, 1, WIDTH)
        assert chunk.output["posterior"].shape == (None, 1, 1)

    def test_shares_the_weights(self, mixed):
        model, _, chunk = mixed
        assert {id(w) for w in chunk.weights} == {id(w) for w in model.weights}

    @pytest.fixture(scope="class")
    @staticmethod
    def masked_clip(mixed):
        """A clip, some frames of which are masked, and the outputs of the clip model."""
        clip = random_clip(frames=16, batch=3)
        clip[:, [0, 3, 4, 5, 9]] = 0
        return clip, outputs_of(mixed[0], clip)

    @pytest.mark.parametrize("sizes", [[2, 0, 7, 0, 0, 1, 3], [1], [2], [3], [7]])
    def test_equals_whole_clip(self, mixed, masked_clip, sizes):
        _, step, chunk = mixed
        clip, expected = masked_clip
        streamed = run_chunks(step, chunk, clip, sizes, call=compiled_outputs_of)
        assert_close(streamed, expected)

    def test_state_is_that_of_the_step_model(self, mixed):
        _, step, chunk = mixed
        clip = random_clip(frames=7, batch=3)
        _, expected = run(step, clip)
        result = compiled_outputs_of(chunk, {"frame": clip, **initial_state(chunk, 3)})
        for name, state in expected.items():
            assert_close(result[f"{name}_next"], state)

    def test_fresh_state_is_a_reset(self, mixed):
        model, step, chunk = mixed
        run_chunks(step, chunk, random_clip(7, batch=3), [7], call=compiled_outputs_of)
        clip = random_clip(7, batch=3, seed=1)
        streamed = run_chunks(step, chunk, clip, [7], call=compiled_outputs_of)
        assert_close(streamed, outputs_of(model, clip))

    def test_loads(self, mixed, tmp_path):
        model, _, chunk = mixed
        chunk.save(tmp_path / "chunk.keras")
        loaded = keras.models.load_model(tmp_path / "chunk.keras")
        clip = random_clip()
        assert_close(run_chunks(None, loaded, clip, [4, 3]), outputs_of(model, clip))

    @pytest.mark.parametrize("frames", [0, -1, 2.5])
    def test_rejects_frames(self, frames):
        with pytest.raises(ValueError, match=rf"`frames` must be a positive.*frames={frames}"):
            chunk_model(sequential(layers.Dense(1)), frames=frames)

    def test_refuses_what_cannot_stream(self):
        with pytest.raises(ValueError, match=r"reads the clip from its end.*Bidirectional"):
            chunk_model(sequential(layers.Bidirectional(layers.GRU(2, return_sequences=True))))


class TestEveryLayer:
    @pytest.mark.parametrize("kind", KINDS)
    def test_equals_whole_clip(self, kind):
        model, clip, whole = branches_of_kind(kind)
        chunk = chunk_model(model)
        state, results = initial_state(chunk, 2), []
        for frames in (clip[:, :4], clip[:, 4:]):  # masked frames at the end of the first
            result = compiled_outputs_of(chunk, {"frame": frames, **state})
            state = {name: result[f"{name}_next"] for name in state}
            results.append(result)
        for name, expected in whole.items():
            streamed = np.concatenate([x[f"posterior_{name}"] for x in results], axis=1)
            assert_close(streamed, expected, name)

    @pytest.mark.slow
    @settings(max_examples=5, deadline=None)
    @given(random_models(), st.lists(st.sampled_from([0, 1, 3, 7]), min_size=1, max_size=3))
    def test_random_stacks(self, model, sizes):
        clip = random_clip(frames=9)
        streamed = run_chunks(step_model(model), chunk_model(model), clip, sizes)
        assert_close(streamed, outputs_of(model, clip))


class TestStrides:
    STACK = (
        *RECURRENT["masked gru"](),
        layers.Conv1D(3, 3, strides=3, padding="causal"),
        layers.AveragePooling1D(2),
        *RECURRENT["lstm"](),
    )

    def test_equals_whole_clip(self):
        model = sequential(*self.STACK)
        clip = random_clip(frames=36)
        streamed = run_chunks(
            step_model(model), chunk_model(model), clip, [1, 0, 2, 2], frames_per_step=6
        )
        assert_close(streamed, outputs_of(model, clip))

    def test_fixed_frames(self):
        chunk = chunk_model(sequential(*self.STACK), frames=12)
        assert chunk.output["posterior"].shape == (None, 2, WIDTH)

    def test_rejects_frames_between_steps(self):
        with pytest.raises(
            ValueError, match=r"`frames` must be a multiple of 6.*frames=8. Give 12"
        ):
            chunk_model(sequential(*self.STACK), frames=8)

    def test_rejects_chunk_between_steps(self):
        chunk = chunk_model(sequential(*self.STACK))
        with pytest.raises(ValueError, match=r"`frame` must hold a multiple of 6.*Received: 8"):
            outputs_of(chunk, {"frame": random_clip(8), **initial_state(chunk, 2)})

    def test_inputs_of_different_rates(self):
        """Three frames of sound for each frame of motion."""
        sound, motion = keras.Input((None, 3), name="sound"), keras.Input((None, 2), name="motion")
        x = layers.Conv1D(4, 4, strides=3, padding="causal")(sound)
        x = layers.Concatenate()([layers.GRU(4, return_sequences=True)(x), motion])
        model = randomise(keras.Model([sound, motion], layers.GRU(4, return_sequences=True)(x)))
        fixed = chunk_model(model, frames=6)
        assert fixed.input["frame_sound"].shape == (None, 6, 3)
        assert fixed.input["frame_motion"].shape == (None, 2, 2)
        sounds, motions = random_clip(15, features=3), random_clip(5, features=2)
        chunk = chunk_model(model)
        state, posteriors = initial_state(chunk, 2), []
        for t, n in ((0, 2), (2, 3)):
            frames = {
                "frame_sound": sounds[:, 3 * t : 3 * (t + n)],
                "frame_motion": motions[:, t : t + n],
            }
            result = outputs_of(chunk, frames | state)
            state = {name: result[f"{name}_next"] for name in state}
            posteriors.append(result["posterior"])
        whole = outputs_of(model, [sounds, motions])
        assert_close(np.concatenate(posteriors, axis=1), whole)


class TestCustomLayer:
    def test_equals_whole_clip(self, tmp_path):
        clips = keras.Input((None, WIDTH))
        model = randomise(keras.Model(clips, Slope()(layers.Dense(WIDTH)(clips))))
        chunk = chunk_model(model)
        chunk.save(tmp_path / "chunk.keras")
        loaded = keras.models.load_model(tmp_path / "chunk.keras")
        clip = random_clip(frames=9)
        for each in (chunk, loaded):
            streamed = run_chunks(step_model(model), each, clip, [1, 2, 0, 3])
            assert_close(streamed, outputs_of(model, clip))
