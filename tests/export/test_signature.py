"""The signature of a step model."""

import pytest

from keras_sal.export.signature import Signature

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
