"""The scratch memory of optimised kernels, by hand from the published formulas."""

import pytest
from export_task import untrained
from keras import layers

from keras_sal.export import micro, scratch
from keras_sal.export.scratch import Convolution
from keras_sal.export.tflite.flatbuffer import Flatbuffer

pytestmark = pytest.mark.any_backend


def convolution(**changes):
    """A 1 x 3 filter over 5 frames of 40 features, without padding, to 16 channels."""
    plain = {
        "depthwise": False, "dtype": "int8", "size": (1, 5), "channels": 40, "filter_size": (1, 3),
        "stride": (1, 1), "padding": (0, 0), "output_size": (1, 3), "filters": 16,
    }  # fmt: skip
    return Convolution(**(plain | changes))


@pytest.mark.parametrize(
    ("changes", "dsp", "mve", "esp_nn"),
    [
        # Weights in rows of 48 channels and in rows of 128 values, sums, alignment.
        ({}, 4 * 120, 4 * 128, 16 * 3 * 48 + 16 * 128 + 4 * 16 + 64),
        ({"dtype": "int16"}, 4 * 120, 8 * 128, None),
        # Pointwise: weights, and inputs if their channels are no multiple of 8.
        ({"filter_size": (1, 1), "output_size": (1, 5)}, 0, 0, 40 * 16 + 64),
        (
            {"filter_size": (1, 1), "output_size": (1, 5), "channels": 6},
            0,
            0,
            5 * 8 + 8 * 16 + 64,
        ),
        # Eight positions are transposed.
        (
            {"filter_size": (1, 1), "size": (1, 8), "output_size": (1, 8)},
            0,
            0,
            16 * 40 + 40 * 16 + 64,
        ),
        # Few channels: a window in one row.
        ({"channels": 4, "filter_size": (1, 4), "output_size": (1, 2)}, 4 * 16, 4 * 16, None),
        (
            {"channels": 4, "filter_size": (2, 3), "size": (2, 5)},
            4 * 24,
            4 * 32,
            16 * 4 + 16 + 16 * 32 + 16 + 32 + 64,
        ),
    ],
)
def test_scratch_is_that_of_the_formula(changes, dsp, mve, esp_nn):
    conv = convolution(**changes)
    assert scratch._cmsis_nn(conv) == dsp
    assert scratch._cmsis_nn_mve(conv) == mve
    if esp_nn is not None:
        assert scratch._esp_nn(conv) == esp_nn


def test_padded_inputs_are_counted():
    plain = scratch._esp_nn(convolution())
    padded = convolution(padding=(0, 1), output_size=(1, 5))
    # 5 + 2 positions with zeros, and 2 beyond the end: 5 * 1 + 3 - 1 - 5.
    assert scratch._esp_nn(padded) == plain + (5 + 2) * 40 + (5 + 2) * 40


def test_depthwise_bound_holds_for_each_path():
    """The formulas of the int16 path, and of the path that makes 16 channels of 12."""
    for channels, path in [(16, 2 * (9 * 16 + 25 * 16) + 32), (12, 2 * (9 + 25 + 0) * 16)]:
        conv = convolution(
            depthwise=True, channels=channels, filters=channels, size=(5, 5),
            filter_size=(3, 3), output_size=(3, 3),
        )  # fmt: skip
        assert scratch._esp_nn(conv) >= path
        assert scratch._cmsis_nn(conv) == 2 * channels * 9
        assert scratch._cmsis_nn_mve(conv) == 4 * 124 * 9 + 8


def test_bounds_hold_for_arenas_found_with_the_real_interpreter():
    """The least arenas of `conv_detector` by bisection on 32 bits, reference kernels on 64 bits."""
    reference, cmsis_nn_m4, esp_nn_1_2_3 = 11_952, 9_504, 19_056
    first = convolution(size=(1, 3), stride=(1, 3), output_size=(1, 1), filters=40)
    deep = convolution(
        depthwise=True, size=(1, 33), filter_size=(1, 9), output_size=(1, 1), filters=40
    )
    dsp = max(scratch._cmsis_nn(first), scratch._cmsis_nn(deep))
    esp_nn = max(scratch._esp_nn(first), scratch._esp_nn(deep))
    assert cmsis_nn_m4 <= reference + dsp <= 1.4 * cmsis_nn_m4
    assert esp_nn_1_2_3 <= reference + esp_nn <= 1.4 * esp_nn_1_2_3


def test_arenas_of_a_model_add_the_largest(exports, calibration):
    model = micro.convert(
        untrained([layers.Conv1D(8, 5, padding="causal", activation="relu")]),
        exports / "scratch.tflite",
        calibration,
        min_posterior=0.0,
    )
    file = Flatbuffer.from_file(model.path)
    found = scratch.convolutions(file)
    assert found
    assert all(conv.output_size == (1, 1) for conv in found)
    arenas = scratch.arenas(file, model.arena_bytes)
    assert arenas["reference"] == model.arena_bytes
    largest = max(scratch._esp_nn(conv) for conv in found)
    assert 0 <= arenas["esp_nn"] - model.arena_bytes - largest < 16
    assert arenas["cmsis_nn_mve"] >= arenas["cmsis_nn"] > model.arena_bytes
    assert all(size % 16 == 0 for size in arenas.values())
