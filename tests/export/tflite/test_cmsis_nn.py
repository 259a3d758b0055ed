"""Int8 layers at which TensorFlow Lite Micro stops with the kernels of CMSIS-NN."""

import copy

import keras
import numpy as np
import pytest
from export_task import streams_with_events, untrained
from keras import layers

from keras_sal.export import ExportError, bundle, micro
from keras_sal.export.micro import MicroModel
from keras_sal.export.tflite import gates
from keras_sal.export.tflite.editor import Editor
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.export.tflite.repair import flatten_dense

pytestmark = pytest.mark.any_backend

POINTWISE = "pointwise"


@pytest.fixture(scope="module")
def model(exports, calibration):
    """A block of a depthwise and a pointwise convolution, as in `conv_detector`."""
    keras.utils.set_random_seed(4)  # layers draw their seeds when they are made
    block = [
        layers.Dense(16, name="dense"),
        layers.ZeroPadding1D((2, 0)),
        layers.DepthwiseConv1D(3, activation="relu"),
        layers.Dense(16, name=POINTWISE),
        layers.ReLU(),
    ]
    path = exports / "pointwise.tflite"
    return micro.convert(untrained(block), path, calibration, min_posterior=0.0)


def dense_outputs(file):
    """The pointwise layers whose depth 4 divides, and their outputs."""
    found = [op for op in file.operators() if op.name == "FULLY_CONNECTED"]
    return [(op, op.outputs[0]) for op in found if file.shape(op.inputs[1])[-1] % 4 == 0]


def spoiled(model):
    """The file as the converter writes it."""
    file = Flatbuffer(model.path.read_bytes())
    reshaped = {op.inputs[0] for op in file.operators() if op.name == "RESHAPE"}
    for _, output in dense_outputs(file):
        if output in reshaped:
            file.tensor(output).shape = [1, 1, *file.shape(output)]
    return file


def test_converted_files_have_no_such_layer(model):
    file = Flatbuffer(model.path.read_bytes())
    gates.check_cmsis_nn(file, {})
    assert dense_outputs(file)
    assert all(len(file.shape(output)) == 2 for _, output in dense_outputs(file))


def test_such_a_layer_is_refused(model, tmp_path):
    file = spoiled(model)
    at_fault = [op for op in file.operators() if gates.stops_in_cmsis_nn(file, op)]
    assert at_fault
    with pytest.raises(ExportError, match=r"FULLY_CONNECTED from layer `pointwise` in int8 with"):
        gates.check_cmsis_nn(file, dict.fromkeys(at_fault, POINTWISE))
    path = tmp_path / "spoiled.tflite"
    path.write_bytes(file.tobytes())
    with pytest.raises(ExportError, match="kernels of CMSIS-NN"):
        bundle.write(path, tmp_path / "bundle", threshold=0.5, frame_step_s=0.01)


def test_layers_that_the_kernel_takes_are_let_through(model):
    file = spoiled(model)
    (op, *_) = (op for op in file.operators() if gates.stops_in_cmsis_nn(file, op))
    weights = file.tensor(op.inputs[1])
    weights.quantization.scale = np.repeat(weights.quantization.scale, file.shape(op.inputs[1])[0])
    assert not gates.stops_in_cmsis_nn(file, op)


@pytest.mark.parametrize("reshaped_next", [True, False])
def test_flat_outputs_give_the_same_posteriors(model, tmp_path, reshaped_next):
    file = spoiled(model)
    if not reshaped_next:
        read_first(file)
    before = len(file.operators())
    (tmp_path / "before.tflite").write_bytes(file.tobytes())
    flatten_dense(file)
    gates.check_cmsis_nn(file, {})
    added = len(file.operators()) - before
    assert added == 0 if reshaped_next else added > 0
    (tmp_path / "after.tflite").write_bytes(file.tobytes())
    stream = streams_with_events(1, 60, seed=4)[0][0]
    expected = MicroModel(tmp_path / "before.tflite").stream(stream)
    np.testing.assert_array_equal(MicroModel(tmp_path / "after.tflite").stream(stream), expected)
    assert len(np.unique(expected)) > 3


def read_first(file):
    """Let another operator, which changes nothing, read the outputs before they are reshaped."""
    editor, operators = Editor(file), []
    outputs = {op.outputs[0] for op in file.operators() if gates.stops_in_cmsis_nn(file, op)}
    for op in file.graph.operators:
        if file.operator_name(op) == "RESHAPE" and op.inputs[0] in outputs:
            given = op.inputs[0]
            file.graph.tensors.append(copy.deepcopy(file.tensor(given)))
            same = len(file.graph.tensors) - 1
            operators.append(
                editor.operator("MINIMUM", [given, given], [same], MaximumMinimumOptions={})
            )
            op.inputs = [same, *op.inputs[1:]]
        operators.append(op)
    file.graph.operators = operators
