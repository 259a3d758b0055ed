"""Strides: a step takes as many frames as the model needs for one output."""

import keras
import numpy as np
import pytest
from keras import layers
from stepping import (
    RECURRENT,
    TOLERANCE,
    WIDTH,
    assert_streams,
    outputs_of,
    random_clip,
    randomise,
    sequential,
)

from keras_sal.streaming import initial_state, step_model


class TestStrides:
    @pytest.mark.parametrize(
        ("stack", "frames_per_step"),
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
    def test_equals_whole_clip(self, stack, frames_per_step):
        model = sequential(*stack)
        assert step_model(model).input["frame"].shape == (None, frames_per_step, WIDTH)
        assert_streams(model, frames_per_step=frames_per_step)

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
        whole = outputs_of(model, [sounds, motions])
        state = initial_state(step, 2)
        for t in range(5):
            frames = {"frame_sound": sounds[:, 3 * t : 3 * t + 3], "frame_motion": motions[:, t]}
            result = outputs_of(step, frames | state)
            state = {name: result[f"{name}_next"] for name in state}
            np.testing.assert_allclose(result["posterior"], whole[:, t], atol=TOLERANCE)

    def test_input_waits_for_a_stride_in_the_other(self):
        """Both run at the same rate until a common stride: both bring two frames."""
        a, b = keras.Input((None, 3), name="a"), keras.Input((None, 3), name="b")
        x = layers.MaxPooling1D(2)(layers.Add()([a, b]))
        step = step_model(keras.Model([a, b], x))
        assert {x.shape for x in step.inputs} == {(None, 2, 3)}

    def test_input_catches_up_with_the_other(self):
        """The stride after `a` alone is met first; at the sum `b` has to bring two frames too."""
        a, b = keras.Input((None, 3), name="a"), keras.Input((None, 3), name="b")
        alone = layers.Dense(2)(layers.Dense(2)(layers.Dense(2)(layers.MaxPooling1D(2)(a))))
        x = layers.Concatenate()([alone, layers.MaxPooling1D(2)(layers.Add()([a, b]))])
        step = step_model(keras.Model([a, b], x))
        assert {x.shape for x in step.inputs} == {(None, 2, 3)}

    def test_branches_of_different_rates_are_refused(self):
        clips = keras.Input((None, 3))
        x = layers.Add()([layers.MaxPooling1D(2)(clips), clips])
        with pytest.raises(ValueError, match=r"its inputs are not aligned.*fewer a second.*Add"):
            step_model(keras.Model(clips, x))
