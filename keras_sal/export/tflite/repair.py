"""Repairs of a converted `.tflite` file: states, names, order of inputs and outputs, buffers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from keras_sal.export.signature import NEXT_SUFFIX, Signature
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
    """Tie the states, name and order the inputs and outputs, and remove what no runtime reads.

    Args:
        file: A file as the converter wrote it; changed in place.
        layers: The layer of each scope, as `layer_names.record_layers` recorded them.
    """
    signature = Signature.from_names(file.inputs, file.outputs)
    tie_states(file, signature)
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
