"""What a model costs, against hand arithmetic and against the exported file."""

import math

import keras
import numpy as np
import pytest
from keras import layers
from slope import Slope
from stepping import WIDTH, outputs_of, random_clip, randomise, sequential

from keras_sal.layers import CausalDepthwiseConv1D, CumulativeMaxPooling1D
from keras_sal.models import conv_detector, conv_gru_detector, gru_detector, multimodal_detector
from keras_sal.streaming import costs, receptive_field


class TestByHand:
    def test_gru(self):
        gru = costs(gru_detector())
        # Three gates of (32 + 48) * 48 weights, each used once; biases are no multiply-adds.
        assert [layer.macs for layer in gru.layers] == [0, 40 * 32, 3 * (32 + 48) * 48, 48]
        assert gru.macs_per_output == 12_848
        assert gru.macs_per_second == pytest.approx(1_284_800)
        assert gru.parameters == sum(layer.parameters for layer in gru.layers) == 13_169
        assert (gru.state_values, gru.state_bytes) == (48, 192)
        assert gru.receptive_field_frames == math.inf

    def test_conv(self):
        conv = costs(conv_detector(channels=16, kernel_frames=5, dilations=(1, 2)), 0.02)
        assert conv.macs_per_output == 40 * 16 + 2 * (5 * 16 + 16 * 16) + 16
        assert conv.macs_per_second == 50 * conv.macs_per_output
        assert conv.state_values == 4 * (1 + 2) * 16
        assert conv.receptive_field_frames == 1 + 4 * (1 + 2)

    @pytest.mark.parametrize(
        ("stack", "macs"),
        [
            ([layers.Conv1D(6, 3, padding="causal", groups=2)], 3 * 2 * 6),
            ([layers.Conv1D(6, 3, padding="causal", dilation_rate=4)], 3 * 4 * 6),
            ([CausalDepthwiseConv1D(5, depth_multiplier=2)], 5 * 4 * 2),
            ([layers.ZeroPadding1D((2, 0)), layers.SeparableConv1D(6, 3)], 3 * 4 + 4 * 6),
            ([layers.LSTM(6, return_sequences=True)], 4 * (4 + 6) * 6),
            ([layers.SimpleRNN(6, return_sequences=True)], (4 + 6) * 6),
            # Two frames for each output: the dense layer runs twice, the convolution once.
            ([layers.Dense(6), layers.Conv1D(3, 2, strides=2, padding="causal")], 48 + 36),
            ([layers.TimeDistributed(layers.Dense(6))], 4 * 6),
            # Four places of 2 * 2 taps in one channel, and three of them out.
            (
                [
                    layers.Reshape((-1, 4, 1)),
                    layers.Conv2D(3, (1, 2), padding="same"),
                    layers.Reshape((-1, 12)),
                ],
                4 * 2 * 3,
            ),
            ([Slope()], 0),
            ([layers.BatchNormalization(), layers.PReLU(shared_axes=[1]), layers.Dropout(0.1)], 0),
        ],
    )
    def test_layer(self, stack, macs):
        assert costs(sequential(*stack)).macs_per_output == macs

    def test_nested_and_shared(self):
        shared = layers.GRU(WIDTH, return_sequences=True, name="shared")
        inner = keras.Sequential([keras.Input((None, WIDTH)), shared, layers.Dense(WIDTH)])
        clips = keras.Input((None, WIDTH))
        twice = costs(keras.Model(clips, inner(inner(clips))))
        assert twice.macs_per_output == 2 * (3 * 8 * WIDTH + WIDTH * WIDTH)
        assert twice.state_values == 2 * WIDTH
        assert twice.parameters == inner.count_params()

    def test_waiting_branch_costs_state(self):
        clips = keras.Input((None, WIDTH))
        model = keras.Model(clips, clips + layers.Conv1D(WIDTH, 3, padding="same")(clips))
        # The past of the convolution and the frame that waits for it.
        assert costs(model).state_values == 2 * WIDTH + WIDTH

    def test_inputs_of_different_rates(self):
        both = costs(multimodal_detector(rate_ratio=4))
        fast = 4 * 40 * 24 + 4 * 24 * 24
        assert both.macs_per_output == fast + 6 * 16 + 3 * (40 + 40) * 40 + 40
        assert both.outputs_per_second == pytest.approx(25)

    def test_rejects_frame_step(self):
        with pytest.raises(ValueError, match=r"`frame_step_s` must be positive.*frame_step_s=0"):
            costs(gru_detector(), frame_step_s=0)


def test_table():
    text = str(costs(conv_detector(size="nano")))
    lines = text.splitlines()
    assert lines[0].split() == ["layer", "type", "parameters", "multiply-adds", "state"]
    assert "total 1,777 1,456 896" in " ".join(text.split())
    assert len({len(line) for line in lines[: lines.index("")]}) == 1
    assert "receptive field      57 frames" in text


class TestReceptiveField:
    @pytest.mark.parametrize(
        ("stack", "frames"),
        [
            ([layers.Dense(2)], 1),
            ([layers.Conv1D(3, 3, padding="causal", dilation_rate=2)], 5),
            ([layers.Conv1D(3, 5, padding="same")], 5),
            ([layers.Conv1D(3, 4), layers.ZeroPadding1D((3, 0))], 4),
            ([layers.AveragePooling1D(2), layers.Conv1D(3, 3, padding="causal")], 2 + 2 * 2),
            (
                [
                    layers.Conv1D(3, 3, padding="same"),
                    layers.Conv1D(3, 2, strides=2, padding="causal"),
                    layers.Conv1D(3, 3, padding="same"),
                ],
                3 + 1 + 2 * 2,
            ),
        ],
    )
    def test_by_change(self, stack, frames):
        """Every frame of the field, and none besides, changes an output from its middle."""
        model = sequential(*stack)
        assert receptive_field(model) == frames
        clip = random_clip(frames=24, batch=1)
        changes = 3 * np.eye(24, dtype="float32")[:, :, None]  # one frame of each clip
        # In one batch, since the arithmetic of a batch of one differs in the last digits.
        whole, *changed = outputs_of(model, np.concatenate([clip, clip + changes]))
        middle = len(whole) // 2
        seen = np.flatnonzero(abs(changed - whole)[:, middle].max(axis=-1) > 1e-6)
        assert seen[-1] - seen[0] + 1 == frames

    def test_branches_of_different_lateness(self):
        """One branch sees 4 frames back, the other 2 ahead."""
        clips = keras.Input((None, WIDTH))
        past = layers.Conv1D(WIDTH, 5, padding="causal")(clips)
        ahead = layers.Cropping1D((2, 0))(layers.ZeroPadding1D((0, 2))(clips))
        assert receptive_field(keras.Model(clips, past + ahead)) == 4 + 1 + 2

    @pytest.mark.parametrize(
        "stack",
        [
            [layers.GRU(2, return_sequences=True), layers.Conv1D(2, 3, padding="causal")],
            [CumulativeMaxPooling1D()],
            [Slope()],
        ],
    )
    def test_without_limit(self, stack):
        assert receptive_field(sequential(*stack)) == math.inf


@pytest.mark.any_backend
@pytest.mark.slow
@pytest.mark.parametrize("detector", [gru_detector, conv_detector, conv_gru_detector])
def test_exported_file(detector, tmp_path):
    pytest.importorskip("tflite_micro")
    from keras_sal.export import micro

    model = randomise(detector())  # biases of zero would be left out of the file
    clip = np.random.default_rng(0).uniform(0, 26, (200, 40)).astype("float32")
    exported = micro.convert(model, tmp_path / "model.tflite", [clip], min_posterior=0.0)
    expected = costs(model)
    assert exported.macs == expected.macs_per_output
    assert exported.flash_bytes == pytest.approx(expected.flash_bytes, rel=0.1)
    states = [info for info in exported.inputs if info.name.startswith("state_")]
    assert sum(math.prod(info.shape) for info in states) == expected.state_values
