"""Repairs of a converted `.tflite` file: states, names, order of inputs and outputs, buffers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_sal.export.signature import NEXT_SUFFIX, Signature
from keras_sal.export.tflite import gates
from keras_sal.export.tflite.editor import Editor
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.export.tflite.layer_names import layer_of

# These copy integers unchanged, so their inputs must have the scale of their outputs.
SAME_SCALE = {
    "CONCATENATION", "STRIDED_SLICE", "SLICE", "SPLIT", "RESHAPE", "PAD", "GATHER", "TRANSPOSE",
    "MAX_POOL_2D", "AVERAGE_POOL_2D", "EXPAND_DIMS", "SQUEEZE", "PACK", "UNPACK", "MAXIMUM",
    "MINIMUM",
}  # fmt: skip
WITH_BIAS = {"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"}


def repair(file: Flatbuffer, layers: Mapping[str, str]) -> None:
    """Tie states, flatten dense outputs, name and order tensors, and remove what nothing reads.

    Args:
        file: A file as the converter wrote it; changed in place.
        layers: The layer of each scope, as `layer_names.record_layers` recorded them.
    """
    signature = Signature.from_names(file.inputs, file.outputs)
    tie_states(file, signature)
    flatten_dense(file)
    file.graph.inputs = [file.inputs[name] for name in signature.inputs]
    file.graph.outputs = [file.outputs[name] for name in signature.outputs]
    _rename_tensors(file, layers)
    _share_empty_buffers(file)
    file.tree.metadata = file.tree.metadataBuffer = None  # has a fingerprint that changes each run


def tie_states(file: Flatbuffer, signature: Signature) -> None:
    """Give each state input the scale and zero point of its next state.

    Then a device carries a state by copying bytes. The operators that read a state take its scale
    and zero point from the tensor. Only the bias of a fully connected layer or convolution was
    computed for the old scale, so it is rescaled. A state that can't be tied is left as it is, and
    `gates.check_states` refuses it.

    Args:
        file: The file, changed in place.
        signature: Names of its tensors.
    """
    for state in signature.states:
        source, target = file.outputs[state + NEXT_SUFFIX], file.inputs[state]
        (new_scale, new_zero), (old_scale, old_zero) = (
            (file.scale(index), file.zero_point(index)) for index in (source, target)
        )
        readers = [op for op in file.operators() if target in op.inputs]
        if (
            new_scale is None
            or old_scale is None
            or (new_scale, new_zero) == (old_scale, old_zero)
            or any(op.name in SAME_SCALE for op in readers)
        ):
            continue
        for op in readers:
            if op.name in WITH_BIAS and len(op.inputs) > 2 and op.inputs[2] >= 0:
                _rescale_bias(file, op.inputs[2], old_scale / new_scale)
        tied, followed = file.tensor(target).quantization, file.tensor(source).quantization
        tied.scale, tied.zeroPoint = followed.scale, followed.zeroPoint


def flatten_dense(file: Flatbuffer) -> None:
    """Give two dimensions to outputs at which a kernel of CMSIS-NN stops.

    The converter mostly reshapes them next, which then costs nothing; else RESHAPE is added.

    Args:
        file: The file, changed in place.
    """
    editor, operators = Editor(file), []
    for described, op in zip(file.operators(), list(file.graph.operators or ()), strict=True):
        operators.append(op)
        if not gates.stops_in_cmsis_nn(file, described):
            continue
        (output,) = described.outputs
        readers = [other for other in file.operators() if output in other.inputs]
        if readers and all(other.name == "RESHAPE" for other in readers):
            _flatten(file.tensor(output))
        else:
            operators.append(_reshape_after(file, editor, op))
        op.builtinOptions.keepNumDims = False
    file.graph.operators = operators


def _flatten(tensor: Any) -> None:
    tensor.shape = [int(np.prod(tensor.shape[:-1])), int(tensor.shape[-1])]
    tensor.shapeSignature = None


def _reshape_after(file: Flatbuffer, editor: Editor, op: Any) -> Any:
    """Let a layer write to a tensor of two dimensions, and return what makes its output of it."""
    (output,) = op.outputs
    flat = copy.deepcopy(file.tensor(output))
    shape = [int(size) for size in flat.shape]
    _flatten(flat)
    file.graph.tensors.append(flat)
    op.outputs = [len(file.graph.tensors) - 1]
    return editor.operator(
        "RESHAPE", list(op.outputs), [output], ReshapeOptions={"newShape": shape}
    )


def _rescale_bias(file: Flatbuffer, index: int, ratio: float) -> None:
    bias = file.values(index)
    limits = np.iinfo(bias.dtype)
    rescaled = np.clip(np.rint(bias * np.float64(ratio)), limits.min, limits.max)
    file.set_values(index, rescaled)
    quantization = file.tensor(index).quantization
    quantization.scale = (np.asarray(quantization.scale, "float64") / ratio).astype("float32")


def _rename_tensors(file: Flatbuffer, layers: Mapping[str, str]) -> None:
    """Name inputs and outputs as in the signature, and other tensors `layer/operation`."""
    for index, tensor in enumerate(file.graph.tensors):
        name = file.tensor_name(index).split(";")[0]
        layer = (layer_of(name, layers) or "").partition("/")[0]
        tensor.name = f"{layer}/{name.rpartition('/')[2]}".lstrip("/")
    for name, index in (file.inputs | file.outputs).items():
        file.tensor(index).name = name


def _share_empty_buffers(file: Flatbuffer) -> None:
    """Let all tensors without data share buffer 0, which the format keeps empty for them."""
    buffers = file.tree.buffers
    kept = [buffers[0]]
    place = {
        number: 0
        for number, buffer in enumerate(buffers)
        if buffer.data is None or len(buffer.data) == 0
    }
    for graph in file.tree.subgraphs:
        for tensor in graph.tensors:
            if tensor.buffer not in place:
                place[tensor.buffer] = len(kept)
                kept.append(buffers[tensor.buffer])
            tensor.buffer = place[tensor.buffer]
    file.tree.buffers = kept
