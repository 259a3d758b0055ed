"""The signature of a step model."""

import keras
import pytest

from keras_sal.export.signature import Signature, is_step_model

pytestmark = pytest.mark.any_backend


def test_tensors_go_by_name():
    signature = Signature.from_names(
        ["state_1", "frame", "state_0"], ["state_1_next", "posterior", "state_0_next"]
    )
    assert signature == (("frame",), ("state_1", "state_0"), ("posterior",))
    assert signature.inputs == ("frame", "state_1", "state_0")
    assert signature.outputs == ("posterior", "state_1_next", "state_0_next")


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        (["frame", "state_0"], ["posterior"]),
        (["frame"], ["posterior", "state_0_next"]),
        (["state_0"], ["posterior", "state_0_next"]),
        (["frame", "state_0"], ["state_0_next"]),
    ],
    ids=["lost-output", "lost-input", "no-frame", "no-posterior"],
)
def test_rejects_lost_tensors(inputs, outputs):
    with pytest.raises(ValueError, match=r"`model` must be a step model"):
        Signature.from_names(inputs, outputs)


def dense_model(inputs, names):
    tensors = {name: keras.Input(shape, name=name) for name, shape in inputs.items()}
    head = keras.layers.Dense(1)
    outputs = map(head, tensors.values())
    return keras.Model(tensors, dict(zip(names, outputs, strict=False)))


def test_a_step_model_is_known_by_its_dicts_and_fixed_frames():
    step = dense_model({"frame": (4,), "state_0": (4,)}, ["posterior", "state_0_next"])
    assert is_step_model(step)
    assert is_step_model(dense_model({"frame_mic": (3, 4), "frame_imu": (4,)}, ["a", "b"]))
    for clip in (
        dense_model({"frames": (7, 4)}, ["posterior"]),
        dense_model({"frame": (None, 4)}, ["posterior"]),
        dense_model({"frame_a": (None, 4), "frame_b": (None, 4)}, ["a", "b"]),
        keras.Sequential([keras.Input((None, 4), name="frame"), keras.layers.Dense(1)]),
        keras.Sequential([keras.layers.Dense(1)]),
    ):
        assert not is_step_model(clip)
