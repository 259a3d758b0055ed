"""What a step model's `.tflite` file must fulfil before anyone gets it."""

from keras_sal.export.ports import NEXT, Ports
from keras_sal.export.worker import ExportError


def check_flow(file, origins):
    """Refuses loops and branches: TensorFlow Lite Micro hangs in them or answers wrongly."""
    for op in file.operators():
        if op.name in ("WHILE", "IF"):
            raise ExportError(
                f"The converted model holds {op.name}{_from(op.name, origins)}: TensorFlow Lite "
                "Micro hangs in a loop over time, or answers wrongly. A step takes one frame; "
                "make it with `keras_sal.streaming.step_model`, which replaces a recurrent layer "
                "by its cell."
            )


def check_integers(file, origins):
    """Refuses a float tensor and a DEQUANTIZE in a model that is meant to be quantised."""
    for op in file.operators():
        floats = [
            file.tensor_name(index)
            for index in (*op.inputs, *op.outputs)
            if index >= 0 and file.dtype(index).startswith(("float", "bfloat"))
        ]
        if floats or op.name == "DEQUANTIZE":
            what = f"the float tensor `{floats[0]}`" if floats else "a float detour"
            raise ExportError(
                f"The converted model holds {what} at operator {op.name}"
                f"{_from(op.name, origins)}: this part was not quantised and would need float "
                "kernels on the device. Rewrite that layer with operations that quantise (an "
                "output that nothing reads is a known cause), or export with "
                '`quantization="float32"`.'
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


def unknown_operators(origins):
    """The error about operators that TensorFlow Lite Micro lacks."""
    held = ", ".join(f"{name}{_from(name, origins)}" for name in sorted(origins))
    return ExportError(
        f"The model holds {held}: TensorFlow Lite Micro has no such operator. Build that layer "
        "from operations it has (dense, convolution, element-wise arithmetic, sigmoid, tanh, "
        "softmax)."
    )


def _from(name, origins):
    layers = " or ".join(f"`{layer}`" for layer in origins.get(name, []) if layer)
    return f" from layer {layers}" if layers else ""
