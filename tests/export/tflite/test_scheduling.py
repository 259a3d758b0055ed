"""The order of operators: what it costs, and that it changes nothing else."""

import keras
import numpy as np
import pytest

from keras_sal.export.micro import MicroModel, convert
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.export.tflite.scheduling import live_bytes, schedule
from keras_sal.export.tflite.structure import check_structure
from keras_sal.layers import CausalDepthwiseConv1D

pytestmark = pytest.mark.any_backend


@pytest.fixture(scope="module")
def detector(exports):
    """A convolution over 33 frames of 40 features, whose state are 32 of them."""
    pytest.importorskip("tflite_micro", reason="needs the micro extra")
    keras.utils.set_random_seed(0)
    clips = keras.Input((None, 40))
    x = CausalDepthwiseConv1D(9, dilation_rate=4)(clips)
    model = keras.Model(clips, keras.layers.Dense(1, activation="sigmoid")(x))
    calibration = np.random.default_rng(0).normal(size=(4, 60, 40))
    return convert(model, exports / "window.tflite", calibration, min_posterior=0.0)


def cut_at_once(file):
    """Cut the next state from its window before the convolution reads it; return the operators."""
    operators = list(file.graph.operators)
    names = [file.operator_name(op) for op in operators]
    cut = operators.pop(names.index("STRIDED_SLICE"))
    operators.insert(names.index("CONCATENATION") + 1, cut)
    return operators


def test_bytes_are_those_between_the_making_and_the_last_reading(detector):
    """Window and its reshaped copy have 33 * 40 bytes, state and next state 32 * 40."""
    file = Flatbuffer.from_file(detector.path)
    window, state, frame = 33 * 40, 32 * 40, 40
    assert " ".join(op.name for op in file.operators()) == (
        "RESHAPE CONCATENATION RESHAPE DEPTHWISE_CONV_2D FULLY_CONNECTED STRIDED_SLICE LOGISTIC"
    )
    kept = [
        frame + state + frame,
        state + frame + window,
        window + window,
        window + window + frame,
        window + frame + 1,
        window + 1 + state,
        1 + state + 1,
    ]
    assert live_bytes(file, file.graph.operators) == sorted(kept, reverse=True)
    early = live_bytes(file, cut_at_once(file))
    assert early[0] == window + window + state


def test_a_next_state_waits_for_the_convolution(detector, tmp_path):
    file = Flatbuffer.from_file(detector.path)
    file.graph.operators = cut_at_once(file)
    early = tmp_path / "early.tflite"
    early.write_bytes(file.tobytes())
    schedule(file)
    late = tmp_path / "late.tflite"
    late.write_bytes(file.tobytes())
    early, late = MicroModel(early), MicroModel(late)
    assert early.arena_bytes - late.arena_bytes == pytest.approx(32 * 40, abs=64)
    assert late.arena_bytes == detector.arena_bytes
    clip = np.random.default_rng(1).normal(size=(50, 40))
    expected = detector.stream(clip)
    assert np.ptp(expected) > 0.1
    for model in (early, late):
        np.testing.assert_array_equal(model.stream(clip), expected)


def test_what_waits_for_nothing_stays(gru_int8):
    file = Flatbuffer.from_file(gru_int8.path)
    before = file.operators()
    schedule(file)
    assert file.operators() == before


def test_a_type_that_runtimes_lack_is_named_by_the_check_of_the_file(gru_int8):
    file = Flatbuffer.from_file(gru_int8.path)
    file.tensor(file.graph.operators[0].outputs[0]).type = file.schema.TensorType.STRING
    schedule(file)
    with pytest.raises(ValueError, match="of type string"):
        check_structure(file)
