"""What is repaired in a converted file."""

import numpy as np
import pytest

from keras_sal.export import ExportError
from keras_sal.export.micro import MicroModel
from keras_sal.export.signature import Signature
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.export.tflite.repair import tie_states

pytestmark = pytest.mark.any_backend


def test_buffers_are_aligned(gru_int8):
    content = gru_int8.path.read_bytes()
    tree = Flatbuffer(content).tree
    constants = [
        (
            np.asarray(buffer.data).__array_interface__["data"][0]
            - np.frombuffer(content, "uint8").__array_interface__["data"][0],
            len(buffer.data),
        )
        for buffer in tree.buffers
        if buffer.data is not None and len(buffer.data)
    ]
    assert sum(size >= 16 for _, size in constants) > 5
    assert all(start % (16 if size >= 16 else 4) == 0 for start, size in constants)


def test_tensors_are_named_by_layer(gru_int8):
    file = Flatbuffer(gru_int8.path.read_bytes())
    names = {file.tensor_name(index) for op in file.operators() for index in op.outputs}
    assert {"memory/Tanh", "posterior", "state_0_next"} <= names


def test_tying_a_state_rescales_the_bias_it_was_made_for(gru_int8, test_streams, tmp_path):
    """The same function, written for a state of another scale, is tied back to what it was."""
    file = Flatbuffer(gru_int8.path.read_bytes())
    state = file.inputs["state_0"]
    reader = next(op for op in file.operators() if state in op.inputs and len(op.inputs) == 3)
    bias = reader.inputs[2]
    before = file.values(bias)
    assert np.abs(before).max() > 100
    file.tensor(state).quantization.scale = np.float32([1.25 * file.scale(state)])
    file.set_values(bias, np.rint(before / 1.25))
    file.tensor(bias).quantization.scale = np.float32([1.25 * file.scale(bias)])
    untied = tmp_path / "untied.tflite"
    untied.write_bytes(file.tobytes())
    with pytest.raises(ExportError, match=r"(?s)State `state_0` must leave the model as it came"):
        MicroModel(untied)

    tie_states(file, Signature.from_names(file.inputs, file.outputs))
    assert file.info("state_0")[1:] == file.info("state_0_next")[1:]
    assert np.abs(file.values(bias) - before).max() <= 1
    tied = tmp_path / "tied.tflite"
    tied.write_bytes(file.tobytes())
    gru_int8.reset()
    difference = MicroModel(tied).stream(test_streams[0]) - gru_int8.stream(test_streams[0])
    assert np.abs(difference).mean() <= 1e-3
