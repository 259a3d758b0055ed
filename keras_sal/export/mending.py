"""What a converter leaves undone in a step model's `.tflite` file, done."""

import numpy as np

from keras_sal.export.ports import NEXT, Ports

# These compute on the bytes as they are: their operands must keep the scale of their results.
SAME_SCALE = {
    "CONCATENATION", "STRIDED_SLICE", "SLICE", "SPLIT", "RESHAPE", "PAD", "GATHER", "TRANSPOSE",
    "MAX_POOL_2D", "AVERAGE_POOL_2D", "EXPAND_DIMS", "SQUEEZE", "PACK", "UNPACK", "MAXIMUM",
    "MINIMUM",
}  # fmt: skip
WITH_BIAS = {"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"}
METADATA_THAT_DIFFERS_BETWEEN_RUNS = "CONVERSION_METADATA"


def mend(file):
    """Names and orders the ends, ties the states, drops what no runtime reads."""
    ports = Ports.of(file.inputs, file.outputs)
    tie_states(file, ports)
    file.graph.inputs = [file.inputs[name] for name in ports.inputs]
    file.graph.outputs = [file.outputs[name] for name in ports.outputs]
    for name, index in (file.inputs | file.outputs).items():
        file.tensor(index).name = name
    _drop_metadata(file)


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


def _drop_metadata(file):
    entries = list(file.tree.metadata if file.tree.metadata is not None else [])
    for entry in entries:
        if entry.name.decode() == METADATA_THAT_DIFFERS_BETWEEN_RUNS:
            file.tree.buffers[entry.buffer].data = None
            file.tree.metadata.remove(entry)
