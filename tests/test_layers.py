"""The layers that Keras lacks, on whole clips."""

import keras
import numpy as np
import pytest
from keras import layers
from stepping import outputs_of, random_clip, run

from keras_sal.layers import (
    CausalDepthwiseConv1D,
    CumulativeAveragePooling1D,
    CumulativeMaxPooling1D,
)
from keras_sal.streaming import step_model


class TestCausalDepthwiseConv1D:
    def test_by_hand(self):
        """Taps 1, 10, 100 two frames apart: y_t = x_{t-4} + 10 x_{t-2} + 100 x_t + 1000."""
        layer = CausalDepthwiseConv1D(3, dilation_rate=2)
        layer.build((None, None, 1))
        layer.set_weights([np.array([[[1.0]], [[10.0]], [[100.0]]]), np.array([1000.0])])
        clip = np.arange(1.0, 7.0, dtype="float32").reshape(1, 6, 1)
        expected = [1100, 1200, 1310, 1420, 1531, 1642]
        assert outputs_of(layer, clip).ravel().tolist() == expected

    def test_equals_padding_and_convolution(self):
        layer = CausalDepthwiseConv1D(5, strides=2, activation="tanh", use_bias=False)
        clip = random_clip(frames=12)
        streamed = outputs_of(layer, clip)
        pair = keras.Sequential(
            [
                keras.Input((None, 4)),
                layers.ZeroPadding1D((4, 0)),
                layers.DepthwiseConv1D(5, strides=2, activation="tanh", use_bias=False),
            ]
        )
        pair.set_weights(layer.get_weights())
        np.testing.assert_allclose(streamed, outputs_of(pair, clip), atol=1e-6)
        assert layer.compute_output_shape((2, 12, 4)) == (2, 6, 4)
        assert layer.compute_output_shape((2, None, 4)) == (2, None, 4)

    def test_saves(self, tmp_path):
        clips = keras.Input((None, 4))
        model = keras.Model(clips, CausalDepthwiseConv1D(3, depth_multiplier=2)(clips))
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(
            outputs_of(loaded, random_clip()), outputs_of(model, random_clip())
        )

    def test_rejects_padding(self):
        with pytest.raises(ValueError, match=r"`padding` must be left out.*padding='same'"):
            CausalDepthwiseConv1D(3, padding="same")

    def test_rejects_channels_first(self):
        with pytest.raises(ValueError, match=r"`data_format` must be.*channels_first"):
            CausalDepthwiseConv1D(3, data_format="channels_first")


class TestCumulativePooling:
    clip = random_clip(frames=23) - 2

    def test_average(self):
        expected = [self.clip[:, : t + 1].mean(axis=1) for t in range(23)]
        averages = outputs_of(CumulativeAveragePooling1D(), self.clip)
        np.testing.assert_allclose(averages, np.stack(expected, axis=1), atol=1e-6)

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_average_of_many_frames_in_half_precision(self, policy):
        constant = np.full((1, 5000, 1), 20.0, "float32")
        averages = outputs_of(CumulativeAveragePooling1D(dtype=policy), constant)
        np.testing.assert_array_equal(averages, constant)

    def test_maximum(self):
        maxima = outputs_of(CumulativeMaxPooling1D(), self.clip)
        np.testing.assert_array_equal(maxima, np.maximum.accumulate(self.clip, axis=1))

    def test_last_output_is_that_of_global_pooling(self):
        pairs = {
            CumulativeAveragePooling1D: layers.GlobalAveragePooling1D,
            CumulativeMaxPooling1D: layers.GlobalMaxPooling1D,
        }
        for ours, of_keras in pairs.items():
            last = outputs_of(ours(), self.clip)[:, -1]
            np.testing.assert_allclose(last, outputs_of(of_keras(), self.clip), atol=1e-6)

    def test_maximum_of_a_stream_is_exact_below_zero(self):
        """The state begins with zeros, which must not count as heard."""
        clips = keras.Input((None, 4))
        step = step_model(keras.Model(clips, CumulativeMaxPooling1D()(clips)))
        streamed, _ = run(step, self.clip)
        np.testing.assert_array_equal(streamed, np.maximum.accumulate(self.clip, axis=1))
