"""What a step model does besides its layers survives int8: waiting, marks, cumulative maxima."""

import keras
import numpy as np
import pytest
from export_task import streams_with_events, trained
from keras import layers

from keras_sal.export import micro
from keras_sal.layers import CausalDepthwiseConv1D, CumulativeMaxPooling1D
from keras_sal.streaming import delay_frames, step_model

pytestmark = [pytest.mark.any_backend, pytest.mark.usefixtures("exports")]


def centred(width):
    return layers.Conv1D(16, width, padding="same", activation="relu")


def with_maximum():
    frames = keras.Input((None, 16))
    return keras.Model(frames, layers.Concatenate()([frames, CumulativeMaxPooling1D()(frames)]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hidden", "delay"),
    [
        ([centred(3), layers.LayerNormalization(), layers.GRU(16, return_sequences=True)], 1),
        (
            [
                centred(3),
                centred(5),
                layers.RMSNormalization(),
                layers.GRU(16, return_sequences=True),
            ],
            3,
        ),
        (
            [
                CausalDepthwiseConv1D(5, dilation_rate=2, activation="relu"),
                with_maximum(),
                layers.GRU(16, return_sequences=True),
            ],
            0,
        ),
    ],
    ids=[
        "one frame late, layer norm",
        "three frames late, rms norm",
        "causal depthwise, cumulative maximum",
    ],
)
def test_exports_to_int8(hidden, delay, tmp_path):
    model = trained(hidden)
    step = step_model(model, max_delay_frames=delay)
    assert delay_frames(step) == delay
    clips, _ = streams_with_events(8, 80, seed=1)
    file = micro.convert(step, tmp_path / "step.tflite", list(clips[:6]), min_posterior=0.2)
    whole = model.predict(clips, verbose=0)
    assert whole[6:].std() > 0.05
    errors = []
    for clip, expected in zip(clips[6:], whole[6:], strict=True):
        file.reset()
        errors.append(abs(file.stream(clip)[delay:] - expected[: len(expected) - delay]))
    assert np.mean(errors) < 5e-3
