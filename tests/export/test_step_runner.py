"""The loop of every runner: quantization, the state, cuts of a stream."""

import numpy as np
import pytest

from keras_sal.export.step_runner import quantize

pytestmark = pytest.mark.any_backend


def test_stream_may_be_cut_anywhere(gru_int8, test_streams):
    gru_int8.reset()
    whole = gru_int8.stream(test_streams[0])
    gru_int8.reset()
    cuts = [1, 3, 10, 80]
    parts = [gru_int8.stream(part) for part in np.split(test_streams[0], cuts)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_reset_starts_a_new_stream(gru_int8, test_streams):
    gru_int8.reset()
    first = gru_int8.stream(test_streams[0])
    carried_on = gru_int8.stream(test_streams[0])
    gru_int8.reset()
    np.testing.assert_array_equal(gru_int8.stream(test_streams[0]), first)
    assert not np.array_equal(carried_on, first)


def test_state_starts_at_its_zero_point(gru_int8):
    state = next(info for info in gru_int8.inputs if info.name == "state_0")
    gru_int8.reset()
    np.testing.assert_array_equal(
        gru_int8._state["state_0"], np.full(state.shape, state.zero_point)
    )


def test_quantize_rounds_half_away_from_zero_and_saturates(gru_int8):
    info = gru_int8.inputs[0]._replace(scale=0.5, zero_point=-3)
    #  value / scale:   0.5 -> 1   -0.5 -> -1   1.5 -> 2   1000 and -1000 saturate
    values = [0.25, -0.25, 0.75, 500.0, -500.0]
    np.testing.assert_array_equal(quantize(values, info), [-2, -4, -1, 127, -128])


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((3, 41)), r"`features` must have shape \(frames, 40\)"),
        (np.full((3, 40), np.inf), "`features` must be finite"),
    ],
)
def test_stream_rejects_features(gru_int8, features, message):
    with pytest.raises(ValueError, match=message):
        gru_int8.stream(features)
