"""Checks of feature sequences."""

import numpy as np
import pytest

from keras_sal.export.sequences import check_sequence, check_sequences

pytestmark = pytest.mark.any_backend


def test_sequences_of_several_inputs_go_by_name():
    shapes = {"frame_audio": (2,), "frame_motion": (3,)}
    both = {"frame_motion": np.ones((4, 3)), "frame_audio": np.zeros((4, 2))}
    checked = check_sequence(both, shapes, "features")
    assert {name: (a.shape, a.dtype.name) for name, a in checked.items()} == {
        "frame_audio": ((4, 2), "float32"),
        "frame_motion": ((4, 3), "float32"),
    }


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        (np.zeros((4, 2)), "must be a dict with one array for each frame input"),
        ({"frame_audio": np.zeros((4, 2))}, r"one array for each.*keys=\['frame_audio'\]"),
        (
            {"frame_audio": np.zeros((4, 2)), "frame_motion": np.zeros((5, 3))},
            r"same number of frames.*\{'frame_audio': 4, 'frame_motion': 5\}",
        ),
    ],
    ids=["bare", "one-missing", "lengths"],
)
def test_rejects_sequences_of_several_inputs(sequence, message):
    with pytest.raises(ValueError, match=f"(?s)`calibration` sequence 0 .*{message}"):
        check_sequences([sequence], {"frame_audio": (2,), "frame_motion": (3,)}, "calibration")
