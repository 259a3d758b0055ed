"""The worker that runs the TensorFlow Lite converter, or tf2onnx, on a saved model.

Run as `python -m keras_sal.export.converter FOLDER`, with Keras on TensorFlow whatever backend the
model was trained on. The folder holds `model.keras`, `calibration.npz` where ranges are needed, and
the job; it gets `converted`.
"""

import importlib
import re
import sys

import numpy as np

from keras_sal.export import calibration
from keras_sal.export.signature import NEXT, Ports
from keras_sal.export.tflite.gates import described
from keras_sal.export.tflite.layer_names import layer_of, noting
from keras_sal.export.worker import Report

# What the converter says of an operation that TensorFlow Lite does not have.
UNTRANSLATED = re.compile(r"""error: .*?", "([^"@]+)@.*'(tf\.\w+)' op is neither a custom op""")
LOOPS = {"While", "StatelessWhile", "If", "StatelessIf", "TensorListReserve"}


def convert(report):
    """Loads, traces, then calibrates and converts; the stages are what a crash is named by."""
    report.write(stage="import TensorFlow and the modules of the model's own layers")
    import keras

    for module in report.job["modules"]:
        importlib.import_module(module)

    report.write(stage="load the model")
    model = keras.models.load_model(report.folder / "model.keras", compile=False, safe_mode=False)
    report.write(stage="trace the model")
    function, layers = _trace(model, batch=report.job["batch"])
    report.write(layers=layers, suspects=f"one of the layers {sorted(set(layers.values()))}")
    {"tflite": _to_tflite, "onnx": _to_onnx}[report.job["target"]](report, model, function, layers)


def _to_tflite(report, model, step, layers):
    import keras
    import tensorflow as tf

    job, folder = report.job, report.folder
    if loops := _loops(step, layers):
        report.write(
            suspects=loops,
            advice="A step model must not loop over time: the converter crashes when it quantises "
            "a loop, and TensorFlow Lite Micro does not run it rightly. Replace a recurrent layer "
            "by its cell, as `keras_sal.streaming.step_model` does.",
        )
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("step", step)
    archive.write_out(str(folder / "saved_model"), verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(folder / "saved_model"), signature_keys=["step"]
    )
    rollout = None
    if "int" in job["quantization"]:
        report.write(stage="roll the model through the calibration sequences")
        rollout = _roll(model, folder / "calibration.npz")
        silent = calibration.silent_channels(rollout, job["min_posterior"])
        if silent:
            report.write(silent=silent, frames=len(rollout))
            return
    _quantise(converter, rollout, job)

    report.write(stage=f"convert the model to {job['quantization']}")
    try:
        content = converter.convert()
    except Exception as error:
        untranslated = UNTRANSLATED.findall(str(error))
        if not untranslated:
            raise
        report.write(
            untranslated=[described(op, layer_of(name, layers)) for name, op in untranslated]
        )
    else:
        (folder / "converted").write_bytes(content)


def _to_onnx(report, model, function, layers):
    import tf2onnx

    report.write(stage="convert the model to ONNX")
    proto, _ = tf2onnx.convert.from_function(
        function,
        input_signature=list(function.input_signature),
        opset=report.job["opset"],
    )
    (report.folder / "converted").write_bytes(proto.SerializeToString())


def _trace(model, batch):
    """The model as a TensorFlow function of its named inputs, and `{scope: layer}`."""
    import keras
    import tensorflow as tf

    names = [tensor.name for tensor in model.inputs]
    specs = [tf.TensorSpec((batch, *t.shape[1:]), t.dtype, name=t.name) for t in model.inputs]

    @tf.function(input_signature=specs)
    def function(*tensors):
        outputs = _call(model, dict(zip(names, tensors, strict=True)))
        if isinstance(outputs, dict):
            return outputs
        return dict(zip(model.output_names, keras.tree.flatten(outputs), strict=True))

    layers = {}
    with noting(model, layers):
        function.get_concrete_function()
    return function, layers


def _call(model, tensors):
    import keras

    flat = [tensors[tensor.name] for tensor in model.inputs]
    return model(keras.tree.pack_sequence_as(model.input, flat))


def _loops(step, layers):
    graph = step.get_concrete_function().graph
    loops = [op for op in graph.get_operations() if op.type in LOOPS]
    named = {f"{op.type} of layer `{layer_of(op.name, layers) or '?'}`" for op in loops}
    return ", ".join(sorted(named))


def _roll(model, path):
    """Runs the float model over the calibration sequences in one compiled loop."""
    import tensorflow as tf

    ports = Ports.of([tensor.name for tensor in model.inputs], model.output)

    def names_to(function, names):
        return {name: function(name) for name in names}

    @tf.function(reduce_retracing=True)
    def run(frames, states):
        length = tf.shape(next(iter(frames.values())))[0]
        outputs = names_to(lambda _: tf.TensorArray("float32", length), ports.outputs)

        def one_frame(t, states, outputs):
            now = _call(model, names_to(lambda name: frames[name][t], frames) | states)
            written = names_to(lambda name: outputs[name].write(t, now[name]), outputs)
            return t + 1, names_to(lambda name: now[name + NEXT], states), written

        _, _, outputs = tf.while_loop(
            lambda t, *_: t < length, one_frame, (tf.constant(0), states, outputs)
        )
        return names_to(lambda name: outputs[name].stack(), outputs)

    shapes = {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs}
    batch = model.inputs[0].shape[0]
    return calibration.roll(
        run,
        _load_sequences(path, ports),
        ports,
        {name: shapes[name] for name in ports.states},
        streams_at_once=batch or calibration.STREAMS_AT_ONCE,
    )


def _load_sequences(path, ports):
    with np.load(path) as archive:
        ends = np.cumsum(archive["lengths"])[:-1]
        split = {name: np.split(archive[f"frames_{name}"], ends) for name in ports.frames}
    return [dict(zip(split, parts, strict=True)) for parts in zip(*split.values(), strict=True)]


def _quantise(converter, rollout, job):
    import tensorflow as tf

    if job["quantization"] == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if job["quantization"] == "float16":
        converter.target_spec.supported_types = [tf.float16]
        return
    integer, operators = {
        "int8": (tf.int8, tf.lite.OpsSet.TFLITE_BUILTINS_INT8),
        "int16x8": (
            tf.int16,
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
        ),
    }[job["quantization"]]
    converter.representative_dataset = lambda: calibration.samples(rollout, job["max_samples"])
    converter.target_spec.supported_ops = [operators]
    if job["integer_ends"]:
        converter.inference_input_type = converter.inference_output_type = integer
    converter._experimental_disable_per_channel_quantization_for_dense_layers = not job[
        "per_channel"
    ]


if __name__ == "__main__":
    convert(Report(sys.argv[1]))
