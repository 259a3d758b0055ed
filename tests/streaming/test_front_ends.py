"""Models that begin with a front-end stream from samples, a step of it at a time."""

import keras
import numpy as np
import pytest
from keras import layers
from stepping import compiled_outputs_of, randomise, run, run_chunks

from keras_sal.audio import LogMel, MicroFeatures, features
from keras_sal.streaming import (
    chunk_model,
    delay_frames,
    frames_per_step,
    initial_state,
    receptive_field,
    step_model,
)

STEP, STEPS, LATE = 160, 30, 2
FRONT_ENDS = {
    "log mel": LogMel,
    "micro features": MicroFeatures,
    "log mel, a window of two steps and a half": lambda: LogMel(window_s=0.025),
    "log mel, a window of one step": lambda: LogMel(window_s=0.01),
}


def detector(front_end, *, scale=26.0):
    return randomise(
        keras.Sequential(
            [
                keras.Input((None,)),
                front_end,
                layers.Rescaling(1 / scale),
                layers.GRU(5, return_sequences=True),
                layers.Dense(1, activation="sigmoid"),
            ]
        )
    )


def sound(batch=2, steps=STEPS, seed=0):
    """Noise of changing loudness, of whole steps."""
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.uniform(0, 0.4, (batch, steps // 5)), 5 * STEP, axis=1)
    return (loudness * rng.uniform(-1, 1, loudness.shape)).astype("float32")


@pytest.fixture(scope="module", params=FRONT_ENDS)
def case(request):
    """A model, its delay in steps, samples, and the posteriors of the whole clip."""
    model = detector(FRONT_ENDS[request.param]())
    window = model.layers[0].window
    late, samples = -(-window // STEP) - 1, sound()
    return model, late, samples, model.predict_on_batch(samples)


def assert_equal(streamed, whole, late):
    assert whole.std() > 1e-3
    np.testing.assert_allclose(streamed[:, late : late + whole.shape[1]], whole, atol=1e-5)
    assert streamed.shape[1] == late + whole.shape[1]


def test_saved_steps_equal_the_whole(case, tmp_path):
    model, late, samples, whole = case
    step_model(model, max_delay_frames=late).save(tmp_path / "step.keras")
    step = keras.models.load_model(tmp_path / "step.keras")
    assert step.input["frame"].shape == (None, STEP)
    assert delay_frames(step) == late
    assert frames_per_step(step, model) == STEP
    streamed, _ = run(step, samples, frames_per_step=STEP, call=compiled_outputs_of)
    assert_equal(streamed, whole, late)


def test_chunks_equal_the_whole(case):
    model, late, samples, whole = case
    step = step_model(model, max_delay_frames=late)
    chunk = chunk_model(model, max_delay_frames=late)
    streamed = run_chunks(step, chunk, samples, (9, 0), STEP, call=compiled_outputs_of)
    assert_equal(streamed, whole, late)


def test_states_are_the_overlap_and_the_noise():
    states = initial_state(step_model(detector(MicroFeatures()), max_delay_frames=LATE))
    assert sorted(state.shape for state in states.values())[-2:] == [(1, 40), (1, 320)]
    states = initial_state(step_model(detector(LogMel()), max_delay_frames=LATE))
    assert (1, 320) in [state.shape for state in states.values()]


def test_receptive_field():
    clips = keras.Input((None,))
    assert receptive_field(keras.Model(clips, LogMel()(clips))) == 480
    assert receptive_field(keras.Model(clips, MicroFeatures()(clips))) == float("inf")


def test_needs_time_until_the_first_window_is_full():
    with pytest.raises(ValueError, match=r"(?s)look.*not come yet.*max_delay_frames=2"):
        step_model(detector(MicroFeatures()))


@pytest.mark.parametrize("stride", [1, 3])
def test_causal_padding_needs_no_delay(stride):
    model = keras.Sequential(
        [
            keras.Input((None,)),
            MicroFeatures(padding="causal"),
            layers.Rescaling(1 / 26),
            layers.Conv1D(3, stride, stride),
        ]
    )
    samples = sound(1)
    step = step_model(model)
    assert delay_frames(step) == 0
    assert [state.shape for state in initial_state(step).values()] == [(1, 320), (1, 40)]
    streamed, _ = run(step, samples, frames_per_step=stride * STEP, call=compiled_outputs_of)
    np.testing.assert_allclose(streamed, model.predict_on_batch(samples), atol=1e-5)


def test_number_of_samples_must_be_free():
    model = keras.Sequential([keras.Input((16_000,)), LogMel(), layers.Dense(1)])
    with pytest.raises(ValueError, match=r"samples.*keras.Input\(\(None,\)\)"):
        step_model(model, max_delay_frames=LATE)


def test_streams_in_mixed_precision():
    """The noise estimate goes beyond what float16 holds."""
    model = keras.Sequential([keras.Input((None,)), MicroFeatures(dtype="mixed_float16")])
    samples = np.sign(sound(1))
    step = step_model(model, max_delay_frames=LATE)
    streamed, _ = run(step, samples, frames_per_step=STEP, call=compiled_outputs_of)
    whole = features(samples[0])
    assert whole.max() > 10
    np.testing.assert_allclose(streamed[0, LATE:], whole, atol=0.01)
