"""Reference detectors: sizes, training, streaming."""

import keras
import numpy as np
import pytest

from keras_sal.models import conv_detector, gru_detector
from keras_sal.streaming import initial_state, step_model


def micro_features(frames=11, features=40, seed=0):
    """Random features in the range of the front-end of TensorFlow Lite Micro."""
    return np.random.default_rng(seed).uniform(0, 26, (2, frames, features)).astype("float32")


@pytest.mark.parametrize("detector", [gru_detector, conv_detector])
class TestEveryDetector:
    def test_any_number_of_frames(self, detector):
        model = detector()
        assert model.output_shape == (None, None, 1)
        for frames in (1, 11):
            assert model(micro_features(frames)).shape == (2, frames, 1)

    def test_posteriors(self, detector):
        one = keras.ops.convert_to_numpy(detector()(micro_features()))
        assert ((one > 0) & (one < 1)).all()
        three = keras.ops.convert_to_numpy(detector(classes=3)(micro_features()))
        np.testing.assert_allclose(three.sum(axis=-1), 1, atol=1e-6)

    def test_last_layer_is_named_posterior(self, detector):
        assert detector().output_names == ["posterior"]

    def test_streams(self, detector):
        model = detector(dropout=0.2)
        step = step_model(model)
        clip = micro_features()
        state = initial_state(step, 2)
        for t, expected in enumerate(model.predict(clip, verbose=0).swapaxes(0, 1)):
            result = step.predict_on_batch({"frame": clip[:, t], **state})
            state = {name: result[f"{name}_next"] for name in state}
            np.testing.assert_allclose(result["posterior"], expected, atol=1e-5)

    def test_learns_under_jit(self, detector):
        """The label of a frame is whether the first feature of the last one was high."""
        keras.utils.set_random_seed(1)
        model = detector(5, 8)
        model.compile(keras.optimizers.Adam(0.03), "binary_crossentropy", jit_compile="auto")
        clips = np.random.default_rng(1).uniform(0, 26, (32, 10, 5)).astype("float32")
        labels = np.roll(clips[..., :1] > 13, 1, axis=1)
        history = model.fit(clips, labels, epochs=25, batch_size=32, verbose=0)
        assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]

    def test_saves(self, detector, tmp_path):
        model = detector()
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        clip = micro_features()
        np.testing.assert_allclose(
            loaded.predict(clip, verbose=0), model.predict(clip, verbose=0), atol=1e-6
        )

    def test_rejects_feature_max_out_of_range(self, detector):
        with pytest.raises(ValueError, match=r"`feature_max` must be positive.*feature_max=-1"):
            detector(feature_max=-1)


class TestGRUDetector:
    def test_parameters(self):
        # Dense 40 * 32 + 32; GRU 3 gates of (32 + 48) * 48 weights, 2 * 48 biases; Dense 48 + 1.
        expected = (40 * 32 + 32) + 3 * ((32 + 48) * 48 + 2 * 48) + (48 + 1)
        assert gru_detector().count_params() == expected == 13_169

    def test_without_dense(self):
        assert gru_detector(dense_units=0).get_layer("gru").input.shape == (None, None, 40)

    @pytest.mark.parametrize("argument", ["features", "dense_units", "gru_units", "classes"])
    def test_rejects_size_out_of_range(self, argument):
        with pytest.raises(ValueError, match=f"`{argument}` must be .*Received: {argument}=-1"):
            gru_detector(**{argument: -1})


class TestConvDetector:
    def test_parameters(self):
        # Dense 40 * 32 and its norm; 4 blocks of 5 taps, 32 * 32 weights, 2 norms; Dense 32 + 1.
        norm = 4 * 32
        expected = (40 * 32 + norm) + 4 * (5 * 32 + 32 * 32 + 2 * norm) + (32 + 1)
        assert conv_detector().count_params() == expected == 7_201

    def test_state_is_the_past_of_each_block(self):
        state = initial_state(step_model(conv_detector()))
        assert [x.shape for x in state.values()] == [(1, 4 * d, 32) for d in (1, 2, 4, 8)]

    def test_receptive_field(self):
        """The posterior depends on the last 1 + 4 * (1 + 2) = 13 frames."""
        model = conv_detector(dilations=(1, 2))
        clip = micro_features(frames=20)
        changed = clip.copy()
        changed[:, 3] = 26 - changed[:, 3]
        before, after = (model.predict(x, verbose=0)[..., 0] for x in (clip, changed))
        moved = abs(after - before).max(axis=0) > 0
        assert not moved[:3].any()
        assert moved[3]
        assert not moved[3 + 13 :].any()

    @pytest.mark.parametrize("argument", ["features", "channels", "kernel_frames", "classes"])
    def test_rejects_size_out_of_range(self, argument):
        with pytest.raises(ValueError, match=f"`{argument}` must be .*Received: {argument}=-1"):
            conv_detector(**{argument: -1})

    @pytest.mark.parametrize("dilations", [(), (1, 0), (1.5,)])
    def test_rejects_dilations(self, dilations):
        with pytest.raises(ValueError, match=r"`dilations` must be positive integers.*Received"):
            conv_detector(dilations=dilations)
