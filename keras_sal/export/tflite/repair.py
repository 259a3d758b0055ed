"""What a converter leaves undone in a step model's `.tflite` file, done."""

import numpy as np

from keras_sal.export.signature import NEXT, Ports
from keras_sal.export.tflite.layer_names import layer_of

# These compute on the bytes as they are: their operands must keep the scale of their results.
SAME_SCALE = {
    "CONCATENATION", "STRIDED_SLICE", "SLICE", "SPLIT", "RESHAPE", "PAD", "GATHER", "TRANSPOSE",
    "MAX_POOL_2D", "AVERAGE_POOL_2D", "EXPAND_DIMS", "SQUEEZE", "PACK", "UNPACK", "MAXIMUM",
    "MINIMUM",
}  # fmt: skip
WITH_BIAS = {"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"}


def mend(file, layers):
    """Ties the states, names and orders the ends, takes out what no runtime reads.

    Args:
        file: The `Flatbuffer`, changed in place.
        layers: `{scope: layer name}` as `origins.noting` filled it.
    """
    ports = Ports.of(file.inputs, file.outputs)
    tie_states(file, ports)
    file.graph.inputs = [file.inputs[name] for name in ports.inputs]
    file.graph.outputs = [file.outputs[name] for name in ports.outputs]
    _rename(file, layers)
    _share_empty_buffers(file)
    file.tree.metadata = file.tree.metadataBuffer = None  # has a fingerprint that changes each run


def tie_states(file, ports):
    """Gives each state the quantisation with which it leaves the model where it comes back in.

    Then a device carries a state by copying bytes. Readers of a state take scale and zero point
    from the tensor; only the bias of a fully connected layer or convolution was computed for the
    old scale, and is rescaled. A state that can't be tied is left for the gates to refuse.
    """
    for state in ports.states:
        source, target = file.outputs[state + NEXT], file.inputs[state]
        new, old = _quantization(file, source), _quantization(file, target)
        readers = [op for op in file.operators() if target in op.inputs]
        if new == old or None in (*new, *old) or any(op.name in SAME_SCALE for op in readers):
            continue
        for op in readers:
            if op.name in WITH_BIAS and len(op.inputs) > 2 and op.inputs[2] >= 0:
                _rescale_bias(file, op.inputs[2], old[0] / new[0])
        origin, copy = file.tensor(source).quantization, file.tensor(target).quantization
        copy.scale, copy.zeroPoint = origin.scale, origin.zeroPoint


def _quantization(file, index):
    return file.scale(index), file.zero_point(index)


def _rescale_bias(file, index, ratio):
    bias = file.values(index)
    limits = np.iinfo(bias.dtype)
    rescaled = np.clip(np.rint(bias * np.float64(ratio)), limits.min, limits.max)
    file.set_values(index, rescaled)
    quantization = file.tensor(index).quantization
    quantization.scale = (np.asarray(quantization.scale, "float64") / ratio).astype("float32")


def _rename(file, layers):
    """Calls the ends by their names, all else `layer/operation`, without the scopes in between."""
    for index, tensor in enumerate(file.graph.tensors):
        name = file.tensor_name(index).split(";")[0]
        layer = (layer_of(name, layers) or "").partition("/")[0]
        tensor.name = f"{layer}/{name.rpartition('/')[2]}".lstrip("/")
    for name, index in (file.inputs | file.outputs).items():
        file.tensor(index).name = name


def _share_empty_buffers(file):
    """Lets all tensors without data share buffer 0, which the format keeps empty for them."""
    buffers = file.tree.buffers
    kept = [buffers[0]]
    place = {number: 0 for number, buffer in enumerate(buffers) if not _has_data(buffer)}
    for graph in file.tree.subgraphs:
        for tensor in graph.tensors:
            if tensor.buffer not in place:
                place[tensor.buffer] = len(kept)
                kept.append(buffers[tensor.buffer])
            tensor.buffer = place[tensor.buffer]
    file.tree.buffers = kept


def _has_data(buffer):
    return buffer.data is not None and len(buffer.data) > 0
