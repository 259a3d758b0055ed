"""The converter process: TensorFlow Lite's converter, or tf2onnx, on a saved model.

Run as `python -m keras_sal.export.conversion.converter FOLDER`, with Keras on TensorFlow whatever
backend the model was trained on. The folder holds `model.keras`, `calibration.npz` if scales are
needed, and the job; the program writes `converted` to it.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_sal.export.conversion import calibration
from keras_sal.export.signature import NEXT_SUFFIX, Signature
from keras_sal.export.tflite.gates import describe_operator
from keras_sal.export.tflite.layer_names import layer_of, record_layers
from keras_sal.export.worker import WorkerReport
from keras_sal.typing import Array

# The converter's message about an operation that TensorFlow Lite does not have.
UNTRANSLATED = re.compile(r"""error: .*?", "([^"@]+)@.*'(tf\.\w+)' op is neither a custom op""")
LOOPS = {"While", "StatelessWhile", "If", "StatelessIf", "TensorListReserve"}


def main(report: WorkerReport) -> None:
    """Load, trace, calibrate and convert a model.

    Args:
        report: The job, and the report of its stages, which name the place of a crash.
    """
    report.write(stage="import TensorFlow and the modules of the model's own layers")
    import keras

    for module in report.job["modules"]:
        importlib.import_module(module)

    report.write(stage="load the model")
    model = keras.models.load_model(report.folder / "model.keras", compile=False, safe_mode=False)
    report.write(stage="trace the model")
    function, layers = _trace(model, batch=report.job["batch"])
    report.write(layers=layers, suspects=f"one of the layers {sorted(set(layers.values()))}")
    if report.job["target"] == "onnx":
        _to_onnx(report, function, layers)
    else:
        _to_tflite(report, model, function, layers)


def _to_tflite(report: WorkerReport, model: Any, function: Any, layers: dict[str, str]) -> None:
    job, folder = report.job, report.folder
    if loops := _describe_loops(function, layers):
        report.write(
            suspects=loops,
            advice="A step model must not loop over time: the converter crashes when it quantizes "
            "a loop, and TensorFlow Lite Micro does not run it rightly. Replace a recurrent layer "
            "by its cell, as `keras_sal.streaming.step_model` does.",
        )
    converter = _tflite_converter(model, function, str(folder / "saved_model"))
    rollout = None
    if "int" in job["quantization"]:
        report.write(stage="roll the model through the calibration sequences")
        rollout = _roll(model, folder / "calibration.npz")
        silent = calibration.silent_channels(rollout, job["min_posterior"])
        if silent:
            report.write(silent=silent, frames=rollout.frame_count())
            return
    _set_quantization(converter, rollout, job)

    report.write(stage=f"convert the model to {job['quantization']}")
    try:
        content = converter.convert()
    except Exception as error:
        untranslated = UNTRANSLATED.findall(str(error))
        if not untranslated:
            raise
        report.write(
            untranslated=[
                describe_operator(op, layer_of(name, layers)) for name, op in untranslated
            ]
        )
    else:
        (folder / "converted").write_bytes(content)


def _to_onnx(report: WorkerReport, function: Any, layers: dict[str, str]) -> None:
    import onnx
    import tf2onnx

    report.write(stage="convert the model to ONNX")
    proto, _ = tf2onnx.convert.from_function(
        function,
        input_signature=list(function.input_signature),
        opset=report.job["opset"],
    )
    _replace_erfc(proto.graph)
    unknown = [n for n in proto.graph.node if n.domain or not onnx.defs.has(n.op_type)]
    if unknown:  # which tf2onnx leaves in the file
        report.write(
            untranslated=[
                describe_operator(node.op_type, layer_of(node.name, layers)) for node in unknown
            ]
        )
    else:
        (report.folder / "converted").write_bytes(proto.SerializeToString())


def _replace_erfc(graph: Any) -> None:
    """Replace `Erfc(x)`, which ONNX does not have and gelu needs, by `1 - Erf(x)`."""
    import onnx

    nodes = list(graph.node)
    if not any(node.op_type == "Erfc" for node in nodes):
        return
    one = "keras_sal/one"
    graph.initializer.append(onnx.numpy_helper.from_array(np.float32(1), one))
    del graph.node[:]
    for node in nodes:
        if node.op_type != "Erfc":
            graph.node.append(node)
            continue
        erf = f"{node.output[0]}/erf"
        graph.node.append(onnx.helper.make_node("Erf", list(node.input), [erf], f"{node.name}/Erf"))
        graph.node.append(onnx.helper.make_node("Sub", [one, erf], list(node.output), node.name))


def _trace(model: Any, batch: int | None) -> tuple[Any, dict[str, str]]:
    """Return the model as a function of its named inputs, and the layer of each scope."""
    import keras
    import tensorflow as tf

    names = [tensor.name for tensor in model.inputs]
    specs = [tf.TensorSpec((batch, *t.shape[1:]), t.dtype, name=t.name) for t in model.inputs]

    @tf.function(input_signature=specs)
    def function(*tensors: Any) -> dict[str, Any]:
        outputs = _call(model, dict(zip(names, tensors, strict=True)))
        if isinstance(outputs, dict):
            return outputs
        return dict(zip(model.output_names, keras.tree.flatten(outputs), strict=True))

    layers: dict[str, str] = {}
    with record_layers(model, layers):
        function.get_concrete_function()
    return function, layers


def _call(model: Any, tensors: Mapping[str, Any]) -> Any:
    import keras

    flat = [tensors[tensor.name] for tensor in model.inputs]
    return model(keras.tree.pack_sequence_as(model.input, flat))


def _describe_loops(function: Any, layers: dict[str, str]) -> str:
    graph = function.get_concrete_function().graph
    loops = [op for op in graph.get_operations() if op.type in LOOPS]
    named = {f"{op.type} of layer `{layer_of(op.name, layers) or '?'}`" for op in loops}
    return ", ".join(sorted(named))


def _tflite_converter(model: Any, function: Any, folder: str) -> Any:
    """Return a converter of the saved model, in which the tensors keep their names."""
    import keras
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("step", function)
    archive.write_out(folder, verbose=False)
    return tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["step"])


def _roll(model: Any, path: Path) -> calibration.Rollout:
    """Run the float model over the calibration sequences in one compiled loop."""
    import tensorflow as tf

    signature = Signature.from_names([tensor.name for tensor in model.inputs], model.output)

    @tf.function(reduce_retracing=True)
    def run(frames: Any, states: Any) -> Any:
        length = tf.shape(next(iter(frames.values())))[0]
        outputs = {name: tf.TensorArray("float32", length) for name in signature.outputs}

        def one_frame(t: Any, states: Any, outputs: Any) -> Any:
            given = _call(model, {name: frames[name][t] for name in frames} | states)
            written = {name: outputs[name].write(t, given[name]) for name in outputs}
            return t + 1, {name: given[name + NEXT_SUFFIX] for name in states}, written

        _, _, outputs = tf.while_loop(
            lambda t, *_: t < length, one_frame, (tf.constant(0), states, outputs)
        )
        return {name: outputs[name].stack() for name in outputs}

    shapes = {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs}
    batch = model.inputs[0].shape[0]
    return calibration.roll(
        run,
        _load_sequences(path, signature),
        signature,
        {name: shapes[name] for name in signature.states},
        streams_at_once=batch or calibration.STREAMS_AT_ONCE,
    )


def _load_sequences(path: Path, signature: Signature) -> list[dict[str, Array]]:
    with np.load(path) as archive:
        limits = np.cumsum(archive["lengths"])[:-1]
        split = {name: np.split(archive[f"frames_{name}"], limits) for name in signature.frames}
    return [dict(zip(split, parts, strict=True)) for parts in zip(*split.values(), strict=True)]


def _set_quantization(
    converter: Any, rollout: calibration.Rollout | None, job: dict[str, Any]
) -> None:
    import tensorflow as tf

    if job["quantization"] == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if job["quantization"] == "float16":
        converter.target_spec.supported_types = [tf.float16]
        return
    assert rollout is not None
    integer, operators = {
        "int8": (tf.int8, tf.lite.OpsSet.TFLITE_BUILTINS_INT8),
        "int16x8": (
            tf.int16,
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
        ),
    }[job["quantization"]]
    converter.representative_dataset = lambda: calibration.samples(rollout, job["max_samples"])
    converter.target_spec.supported_ops = [operators]
    if job["integer_io"]:
        converter.inference_input_type = converter.inference_output_type = integer
    converter._experimental_disable_per_channel_quantization_for_dense_layers = not job[
        "per_channel"
    ]


if __name__ == "__main__":
    main(WorkerReport(sys.argv[1]))
