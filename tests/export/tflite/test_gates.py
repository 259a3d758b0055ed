"""What a converted file must fulfil."""

import pytest

from keras_sal.export import ExportError
from keras_sal.export.tflite import gates
from keras_sal.export.tflite.flatbuffer import Flatbuffer

pytestmark = pytest.mark.any_backend


def test_float_operators_are_refused_with_their_layers(gru_float32):
    file = Flatbuffer(gru_float32.path.read_bytes())
    first, *_, last = file.operators()
    with pytest.raises(
        ExportError,
        match=r"FULLY_CONNECTED from layer `dense`, .*LOGISTIC from layer `posterior` in float",
    ):
        gates.check_quantized(file, {first: "dense", last: "posterior"})


def test_dequantize_is_refused(gru_int8):
    file = Flatbuffer(gru_int8.path.read_bytes())
    gates.check_quantized(file, {})
    code = file.tree.operatorCodes[file.graph.operators[-1].opcodeIndex]
    code.builtinCode = file.schema.BuiltinOperator.DEQUANTIZE
    code.deprecatedBuiltinCode = file.schema.BuiltinOperator.DEQUANTIZE
    with pytest.raises(ExportError, match=r"holds (LOGISTIC|DEQUANTIZE).* in float: this part was"):
        gates.check_quantized(file, {})
