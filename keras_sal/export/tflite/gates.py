"""Final checks of the `.tflite` file of a step model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from keras_sal.export.errors import ExportError
from keras_sal.export.signature import NEXT_SUFFIX, Signature
from keras_sal.export.tflite.flatbuffer import Flatbuffer, Operator

LayersOfOperators = Mapping[Operator, str | None]
"""The layer that each operator came from, as `layer_names.layers_of_operators` gives it."""


def check_control_flow(file: Flatbuffer, layers: LayersOfOperators) -> None:
    """Refuse loops and branches, in which TensorFlow Lite Micro hangs or computes wrongly.

    Args:
        file: The file.
        layers: The layers of its operators, for the error message.

    Raises:
        ExportError: If the file holds a loop or branch.
    """
    if loops := [op for op in file.operators() if op.name in ("WHILE", "IF")]:
        raise ExportError(
            f"The converted model holds {_describe(loops, layers)}: TensorFlow Lite Micro hangs "
            "in a loop over time, or computes it wrongly. A step takes one frame; make it with "
            "`keras_sal.streaming.step_model`, which replaces a recurrent layer by its cell."
        )


def check_quantized(file: Flatbuffer, layers: LayersOfOperators) -> None:
    """Refuse float operators, and DEQUANTIZE, in a model that is meant to be quantized.

    Args:
        file: The file.
        layers: The layers of its operators, for the error message.

    Raises:
        ExportError: If the file holds such an operator.
    """
    floats = [
        op
        for op in file.operators()
        if op.name == "DEQUANTIZE"
        or any("float" in file.dtype(index) for index in (*op.inputs, *op.outputs) if index >= 0)
    ]
    if floats:
        at_fault = [op for op in floats if op.name not in ("QUANTIZE", "DEQUANTIZE")] or floats
        raise ExportError(
            f"The converted model holds {_describe(at_fault, layers)} in float: this part was "
            "not quantized and would need float kernels on the device. Rewrite that layer with "
            "operations that quantize (an output that nothing reads is a known cause), or export "
            'with `quantization="float32"`.'
        )


def stops_in_cmsis_nn(file: Flatbuffer, op: Operator) -> bool:
    """Return whether TensorFlow Lite Micro's CMSIS-NN kernel stops at an assertion in an operator.

    Since 27 September 2024 (47b5450) its fully connected kernel takes int8 layers with outputs of
    more than two dimensions and a depth that 4 divides for convolutions. If their weights have one
    scale, it asserts that the index of a scratch buffer is at least 4, which it need not be.

    Args:
        file: The file.
        op: One of its operators.
    """
    if op.name != "FULLY_CONNECTED" or file.dtype(op.inputs[0]) != "int8":
        return False
    depth = file.shape(op.inputs[1])[-1]
    flat = len(file.shape(op.outputs[0])) <= 2
    return not flat and depth % 4 == 0 and file.scale(op.inputs[1]) is not None


def check_cmsis_nn(file: Flatbuffer, layers: LayersOfOperators) -> None:
    """Refuse layers at which the firmware stops if it has the kernels of CMSIS-NN.

    Args:
        file: The file.
        layers: The layers of its operators, for the error message.

    Raises:
        ExportError: If the file holds such a layer.
    """
    if found := [op for op in file.operators() if stops_in_cmsis_nn(file, op)]:
        raise ExportError(
            f"The model holds {_describe(found, layers)} in int8 with outputs of more than two "
            "dimensions: TensorFlow Lite Micro stops there at an assertion of its own if it has "
            "the kernels of CMSIS-NN. Convert the model again with "
            "`keras_sal.export.micro.convert`, which gives these outputs two dimensions."
        )


def check_states(file: Flatbuffer) -> None:
    """Refuse a state that leaves the model in another type, shape or scale than it came in.

    Args:
        file: The file.

    Raises:
        ExportError: If there is such a state.
    """
    for state in Signature.from_names(file.inputs, file.outputs).states:
        before, after = file.info(state), file.info(state + NEXT_SUFFIX)
        if before[1:] != after[1:]:
            raise ExportError(
                f"State `{state}` must leave the model as it came in, since a device carries it "
                "as bytes. Received (shape, type, scale, zero point): "
                f"in={before[1:]}, out={after[1:]}. "
                "Give more calibration sequences, so that both see the same range, and export "
                "again with `keras_sal.export.micro.convert`."
            )


def check_supported(file: Flatbuffer, unsupported: str, layers: LayersOfOperators) -> None:
    """Refuse operators that the interpreter of TensorFlow Lite Micro lacks.

    Args:
        file: The file.
        unsupported: Name of the operator that the interpreter did not find.
        layers: The layers of the file's operators, for the error message.

    Raises:
        ExportError: If the file holds that operator.
    """
    if found := [op for op in file.operators() if op.name == unsupported]:
        raise unsupported_error(_describe(found, layers))


def check_kernel(file: Flatbuffer, name: str, number: int, layers: LayersOfOperators) -> None:
    """Refuse an operator that the interpreter has, but not for numbers of its type.

    Args:
        file: The file.
        name: Name of the operator that the interpreter could not prepare or run.
        number: Its place among the operators.
        layers: The layers of the file's operators, for the error message.

    Raises:
        ExportError: If the file holds that operator at that place.
    """
    operators = file.operators()
    if number >= len(operators) or operators[number].name != name:
        return
    op = operators[number]
    types = dict.fromkeys(file.dtype(index) for index in (*op.inputs, *op.outputs) if index >= 0)
    raise ExportError(
        f"The model holds {describe_operator(name, layers.get(op))} on {' and '.join(types)}: "
        "TensorFlow Lite Micro has no kernel of that operator for these types. Activations "
        "such as softplus, mish and exponential need one: use relu, sigmoid or tanh in that layer, "
        'or export with `quantization="float32"`.'
    )


def unsupported_error(described: str, runtime: str = "TensorFlow Lite Micro") -> ExportError:
    """Return the error about operators that a runtime does not have.

    Args:
        described: The operators, as `describe_operator` says them.
        runtime: Name of the runtime. Defaults to `"TensorFlow Lite Micro"`.
    """
    return ExportError(
        f"The model holds {described}: {runtime} has no such operator. Build that "
        "layer from operations it has (dense, convolution, element-wise arithmetic, sigmoid, tanh, "
        "softmax)."
    )


def describe_operator(name: str, layer: str | None) -> str:
    """Return the name of an operator, with the layer it came from if that is known."""
    return f"{name} from layer `{layer}`" if layer else name


def _describe(operators: Iterable[Operator], layers: LayersOfOperators) -> str:
    return ", ".join(dict.fromkeys(describe_operator(op.name, layers.get(op)) for op in operators))
