"""What a step model's `.tflite` file must fulfil before anyone gets it."""

from keras_sal.export.signature import NEXT, Ports
from keras_sal.export.worker import ExportError


def check_flow(file, origins):
    """Refuses loops and branches: TensorFlow Lite Micro hangs in them or answers wrongly."""
    if loops := [op for op in file.operators() if op.name in ("WHILE", "IF")]:
        raise ExportError(
            f"The converted model holds {_described(loops, origins)}: TensorFlow Lite Micro hangs "
            "in a loop over time, or answers wrongly. A step takes one frame; make it with "
            "`keras_sal.streaming.step_model`, which replaces a recurrent layer by its cell."
        )


def check_integers(file, origins):
    """Refuses float operators, and DEQUANTIZE, in a model that is meant to be quantised."""
    floats = [
        op
        for op in file.operators()
        if op.name == "DEQUANTIZE"
        or any("float" in file.dtype(index) for index in (*op.inputs, *op.outputs) if index >= 0)
    ]
    if floats:
        at_fault = [op for op in floats if op.name not in ("QUANTIZE", "DEQUANTIZE")] or floats
        raise ExportError(
            f"The converted model holds {_described(at_fault, origins)} in float: this part was "
            "not quantised and would need float kernels on the device. Rewrite that layer with "
            "operations that quantise (an output that nothing reads is a known cause), or export "
            'with `quantization="float32"`.'
        )


def check_states(file):
    """Refuses a state whose type, shape, scale or zero point changes on the way round."""
    for state in Ports.of(file.inputs, file.outputs).states:
        before, after = file.info(state), file.info(state + NEXT)
        if before[1:] != after[1:]:
            raise ExportError(
                f"State `{state}` must leave the model as it came in, since a device carries it "
                "as bytes. Received (shape, type, scale, zero point): "
                f"in={before[1:]}, out={after[1:]}. "
                "Give more calibration sequences, so that both see the same range, and export "
                "again with `keras_sal.export.micro.convert`."
            )


def check_known(file, unknown, origins):
    """Refuses operators named `unknown`, which the TensorFlow Lite Micro interpreter lacks."""
    if found := [op for op in file.operators() if op.name == unknown]:
        raise lacking(_described(found, origins))


def lacking(described):
    """The error about operators that TensorFlow Lite Micro does not have."""
    return ExportError(
        f"The model holds {described}: TensorFlow Lite Micro has no such operator. Build that "
        "layer from operations it has (dense, convolution, element-wise arithmetic, sigmoid, tanh, "
        "softmax)."
    )


def described(name, layer):
    """An operator with the layer it came from, where that is known."""
    return f"{name} from layer `{layer}`" if layer else name


def _described(operators, origins):
    return ", ".join(dict.fromkeys(described(op.name, origins.get(op)) for op in operators))
