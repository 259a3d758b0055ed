"""Features that an int8 input rounds away."""

import functools
import warnings

import keras
import numpy as np
import pytest

from keras_sal.export import litert, micro
from keras_sal.export.conversion.feature_ranges import warn_of_drowned_features

pytestmark = pytest.mark.any_backend


def frames(*ranges):
    """Frames whose features vary from 0 to each of the given numbers."""
    return {"frame": np.linspace(0, 1, 50)[:, None] * np.array(ranges)}


def warn(values):
    """Warn of what has one scale over its whole range, with 0 in it."""
    [frame] = values.values()
    scale = (max(0.0, frame.max()) - min(0.0, frame.min())) / 255
    warn_of_drowned_features(values, {"frame": scale or 1.0})


def test_small_features_beside_large_ones_are_named():
    with pytest.warns(UserWarning, match=r"concatenated share it: 3\.92") as caught:
        warn(frames(1000.0, 20.0, 500.0, 0.5))
    text = str(caught[0].message)
    assert "feature 1 of `frame` varies by 5.1 steps" in text
    assert "feature 3 of `frame` varies by 0.13 steps" in text
    assert "feature 2" not in text


def test_an_offset_takes_steps_too():
    values = {"frame": 1000 + np.linspace(0, 1, 50)[:, None] * np.array([10.0, 1.0])}
    with pytest.warns(UserWarning, match="feature 0 of `frame` varies by 2.5 steps"):
        warn(values)


@pytest.mark.parametrize("ranges", [(26.0, 20.0, 1.0), (0.0, 5.0), (0.0,), (1e-9, 1e-9)])
def test_features_of_one_size_or_without_change_are_fine(ranges):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn(frames(*ranges))


def test_a_long_list_is_cut():
    with pytest.warns(UserWarning, match="and 12 more. Scale the features alike"):
        warn(frames(1000.0, *[1.0] * 20))


@pytest.mark.parametrize(
    "convert", [micro.convert, functools.partial(litert.convert, quantization="int8")]
)
def test_concatenated_inputs_share_a_scale(convert, tmp_path):
    for package in ("tensorflow", "tflite_micro", "ai_edge_litert"):
        pytest.importorskip(package)
    large, small = (keras.Input((None, 3), name=name) for name in ("large", "small"))
    x = keras.layers.Concatenate()([large, small])
    model = keras.Model([large, small], keras.layers.Dense(1, activation="sigmoid")(x))
    rng = np.random.default_rng(0)
    clip = {
        f"frame_{name}": rng.uniform(0, most, (60, 3)).astype("float32")
        for name, most in (("large", 100.0), ("small", 1.0))
    }
    with pytest.warns(UserWarning, match=r"feature 0 of `frame_small` varies by 2\.[45] steps"):
        convert(model, tmp_path / "detector.tflite", [clip], min_posterior=0.0)
