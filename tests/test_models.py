"""Reference detectors: sizes, training, streaming."""

import keras
import numpy as np
import pytest

from keras_sal.models import gru_detector
from keras_sal.streaming import initial_state, step_model


def micro_features(frames=11, features=40, seed=0):
    """Random features in the range of the front-end of TensorFlow Lite Micro."""
    return np.random.default_rng(seed).uniform(0, 26, (2, frames, features)).astype("float32")


class TestGRUDetector:
    def test_parameters(self):
        # Dense 40 * 32 + 32; GRU 3 gates of (32 + 48) * 48 weights, 2 * 48 biases; Dense 48 + 1.
        expected = (40 * 32 + 32) + 3 * ((32 + 48) * 48 + 2 * 48) + (48 + 1)
        assert gru_detector().count_params() == expected == 13_169

    def test_any_number_of_frames(self):
        model = gru_detector()
        assert model.output_shape == (None, None, 1)
        for frames in (1, 11):
            assert model.predict(micro_features(frames), verbose=0).shape == (2, frames, 1)

    def test_posteriors(self):
        one = gru_detector().predict(micro_features(), verbose=0)
        assert ((one > 0) & (one < 1)).all()
        three = gru_detector(classes=3).predict(micro_features(), verbose=0)
        np.testing.assert_allclose(three.sum(axis=-1), 1, atol=1e-6)

    def test_last_layer_is_named_posterior(self):
        assert gru_detector().output_names == ["posterior"]

    def test_without_dense(self):
        assert gru_detector(dense_units=0).get_layer("gru").input.shape == (None, None, 40)

    def test_streams(self):
        model = gru_detector(dropout=0.2)
        step = step_model(model)
        clip = micro_features()
        state = initial_state(step, 2)
        for t, expected in enumerate(model.predict(clip, verbose=0).swapaxes(0, 1)):
            result = step.predict_on_batch({"frame": clip[:, t], **state})
            state = {"state_0": result["state_0_next"]}
            np.testing.assert_allclose(result["posterior"], expected, atol=1e-5)

    def test_learns_under_jit(self):
        """The label of a frame is whether its first feature is high: a few steps see to that."""
        keras.utils.set_random_seed(1)
        model = gru_detector(features=5, dense_units=8, gru_units=8)
        model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", jit_compile="auto")
        clips = np.random.default_rng(1).uniform(0, 26, (32, 20, 5)).astype("float32")
        history = model.fit(clips, clips[..., :1] > 13, epochs=30, batch_size=32, verbose=0)
        assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]

    @pytest.mark.parametrize(
        "argument", ["features", "dense_units", "gru_units", "classes", "feature_max"]
    )
    def test_rejects_size_out_of_range(self, argument):
        with pytest.raises(ValueError, match=f"`{argument}` must be .*Received: {argument}=-1"):
            gru_detector(**{argument: -1})
