"""ESPHome: a detector that the `micro_wake_word` component of a stock ESPHome firmware loads.

    write("detector.tflite", "okay_nabu", wake_word="okay nabu", author="me", threshold=0.9)

The component carries no state, quantizes the features of its micro front-end in a fixed way, reads
a posterior from 0 to 255, and has a fixed set of operators. So the file gets internal state
(`keras_sal.export.internal_state`), an input (1, step, 40) of that scale and an output of that
type, and is refused if it holds another operator: convolutional detectors fit, a GRU (TANH, SUB,
SPLIT) does not. `check_model` says so before a conversion.

The trigger is the component's own: it detects when the mean of the last bytes exceeds the cutoff,
and then not again for 100 steps of 10 ms. Choose the threshold with the file of `component_file`
and the scores of `component_scores`. Beside the file is the JSON, version 2, that its YAML names:

    micro_wake_word:
      models:
        - model: okay_nabu/okay_nabu.json

Facts: https://esphome.io/components/micro_wake_word, and the component's `streaming_model.cpp` at
commit 33fdbbe of ESPHome, October 2024.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_sal.checks import frame_count, require
from keras_sal.detection.validation import validate_thresholds
from keras_sal.export import scratch
from keras_sal.export.conversion.float_model import as_step_model
from keras_sal.export.detector_settings import is_class_name
from keras_sal.export.errors import ExportError
from keras_sal.export.firmware.sources import is_logit
from keras_sal.export.internal_state import InternalModel, move_states_inside
from keras_sal.export.micro import MicroModel
from keras_sal.export.signature import Signature
from keras_sal.export.tflite.editor import Editor
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.files import (
    atomic_folder,
    check_parent,
    check_path,
    check_plain_name,
    write_atomically,
    write_json,
)
from keras_sal.typing import Array, ArrayLike, PathLike

if TYPE_CHECKING:
    import keras

OPERATORS = frozenset({
    "ADD", "ASSIGN_VARIABLE", "AVERAGE_POOL_2D", "CALL_ONCE", "CONCATENATION", "CONV_2D",
    "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "LOGISTIC", "MAX_POOL_2D", "MEAN", "MUL", "QUANTIZE",
    "READ_VARIABLE", "RESHAPE", "STRIDED_SLICE", "VAR_HANDLE",
})  # fmt: skip
# Activations that convert to operators which it has not.
OTHER_ACTIVATIONS = frozenset({
    "celu", "elu", "exponential", "gelu", "log_sigmoid", "log_softmax", "mish", "selu", "softmax",
    "softplus", "softsign", "tanh",
})  # fmt: skip
MAX_STATES = 20  # variables that the component has room for
FEATURES = 40
# The component computes round(v * 256 / 666) - 128 of the front-end's v, 25.6 times the feature.
FRAME_SCALE, FRAME_ZERO_POINT = 666 / 256 / 25.6, -128
BYTE_SCALE, BYTE_ZERO_POINT = 1 / 256, 0
CUTOFF_STEPS = 255
MINIMUM_VERSION = "2024.7.0"


def write(
    model: MicroModel | PathLike,
    folder: PathLike,
    *,
    wake_word: str,
    author: str,
    threshold: float,
    smooth_frames: int = 1,
    languages: Sequence[str] = ("en",),
    website: str | None = None,
) -> InternalModel:
    """Write `NAME.tflite` and `NAME.json` to a folder called NAME.

    Args:
        model: The converted model, or the path of its `.tflite` file: int8, explicit state, one
            output, on the features of `keras_sal.audio.MicroFrontend`. Or what `component_file`
            made of it.
        folder: Where to write; its parent exists. It appears complete or not at all.
        wake_word: The wake word, shown to the user.
        author: Who made the model.
        threshold: Float in [0, 1]: the component detects when the mean reaches it.
        smooth_frames: Number of posteriors in that mean, its `sliding_window_size`. Defaults to 1.
        languages: Codes of the languages trained on. Defaults to `("en",)`.
        website: URL, or `None` (default).

    Returns:
        The `InternalModel` of the file; its posteriors are those of the component.

    Raises:
        ValueError: If an argument is unusable.
        ExportError: If the model holds an operator that the component has not, or more states.
    """
    folder = check_parent(folder)
    check_plain_name(folder)
    require(
        not folder.exists(),
        "`folder` must be new; nothing is replaced. "
        f"Received: folder={str(folder)!r}. Name another one.",
    )
    _check_texts(
        wake_word=[wake_word],
        author=[author],
        website=[website] if website else [],
        languages=list(languages),
    )
    (level,) = validate_thresholds(threshold, 1).tolist()
    smooth_frames = frame_count("smooth_frames", smooth_frames)
    content = _component_content(model)
    name = folder.name
    with atomic_folder(folder) as unfinished:
        (unfinished / f"{name}.tflite").write_bytes(content)
        reference = InternalModel(unfinished / f"{name}.tflite").arena_bytes
        arena_bytes = scratch.arenas(Flatbuffer(content), reference)["esp_nn"]
        manifest = {
            "type": "micro",
            "wake_word": wake_word,
            "author": author,
            **({"website": website} if website else {}),
            "model": f"{name}.tflite",
            "trained_languages": list(languages),
            "version": 2,
            "micro": {
                "probability_cutoff": cutoff(level),
                "feature_step_size": 10,
                "sliding_window_size": smooth_frames,
                "tensor_arena_size": scratch.with_margin(arena_bytes, "esp_nn"),
                "minimum_esphome_version": MINIMUM_VERSION,
            },
        }
        write_json(unfinished / f"{name}.json", manifest)
    return InternalModel(folder / f"{name}.tflite")


def check_model(model: keras.Model) -> None:
    """Refuse a model that the component can't run, before the minutes that a conversion takes.

    The operators of a converted file are checked again by `write`.

    Args:
        model: Whole-clip model or step model.

    Raises:
        ValueError: If its frames or outputs are not those of the component.
        ExportError: If it has a layer or activation without an operator in the component, or too
            many states.
    """
    for layer in _layers(model):
        fault = _unfit(layer)
        if fault:
            raise ExportError(
                f"Layer `{layer.name}` is {fault}: ESPHome's micro_wake_word has no such operator "
                "in its resolver. Build the detector from convolutions, dense layers, ReLU and "
                "sigmoid."
            )
    step = as_step_model(model)
    shapes = {tensor.name: tuple(tensor.shape) for tensor in step.inputs}
    outputs = {name: tuple(tensor.shape) for name, tensor in step.output.items()}
    signature = Signature.from_names(shapes, outputs)
    posteriors = [outputs[name] for name in signature.posteriors]
    require(
        len(signature.frames) == len(posteriors) == 1
        and shapes[signature.frames[0]][-1] == FEATURES
        and posteriors[0][1:] == (1,),
        f"`model` must take frames of {FEATURES} features and give one posterior, as ESPHome's "
        f"micro_wake_word does. Received: frames={[shapes[name] for name in signature.frames]}, "
        f"posteriors={posteriors}. Train it on the features of `keras_sal.audio.MicroFrontend`, "
        "for one wake word.",
    )
    _check_states(len(signature.states))


def component_file(model: MicroModel | PathLike, path: PathLike) -> InternalModel:
    """Write the file that the component loads, to choose a threshold with it.

    Args:
        model: As for `write`.
        path: Where to write the `.tflite` file. It appears complete or not at all.

    Returns:
        The `InternalModel` of the file, which `write` takes too.

    Raises:
        ValueError: If the model does not fit.
        ExportError: If it holds an operator that the component has not, or more states.
    """
    path = check_path(path)
    write_atomically(path, _component_content(model))
    return InternalModel(path)


def component_scores(posteriors: ArrayLike, smooth_frames: int) -> Array:
    """Return the scores of the component's trigger.

    The component detects where the mean of `smooth_frames` bytes exceeds a whole number. So it
    detects where this score, which is the mean rounded up to a byte, reaches the threshold.

    Args:
        posteriors: Array of shape `(frames,)` or `(frames, 1)`, what the `InternalModel` of
            `component_file` gives.
        smooth_frames: Number of posteriors in a mean. Before the stream begins, they are 0.

    Returns:
        float64 array of the same shape.

    Example:

    >>> component_scores([0.5, 0.51171875, 0.5], 2).tolist()  # bytes 128, 131, 128
    [0.25, 0.5078125, 0.5078125]
    """
    given = np.asarray(posteriors, "float64")
    sums = np.cumsum(np.rint(given / BYTE_SCALE).astype("int64"), axis=0)
    sums[smooth_frames:] -= sums[:-smooth_frames].copy()
    return -(-sums // smooth_frames) * BYTE_SCALE


def cutoff(threshold: float) -> float:
    """Return the component's cutoff for a threshold.

    The component compares bytes, whose mean must exceed `int(255 * cutoff)`, while the posterior of
    a byte is the 256th part of it. So that a mean equal to the threshold is detected, the cutoff is
    that of the byte below it.

    Args:
        threshold: Threshold in [0, 1].

    Example:

    >>> cutoff(0.75), int(cutoff(0.75) * 255)  # 191 / 256 is just below 0.75
    (0.751, 191)
    """
    byte = min(max(0, math.ceil(threshold / BYTE_SCALE) - 1), CUTOFF_STEPS - 1)
    return round((byte + 0.5) / CUTOFF_STEPS, 4)


def _frames_per_step(file: Flatbuffer) -> int:
    """Return how many frames the model takes in a step, if its inputs and outputs fit."""
    signature = Signature.from_names(file.inputs, file.outputs)
    infos = [file.info(name) for name in (*signature.frames, *signature.posteriors)]
    frame, *posteriors = infos
    require(
        len(signature.frames) == len(posteriors) == 1
        and {info.dtype for info in infos} == {"int8"}
        and frame.shape[-1] == FEATURES
        and int(np.prod(posteriors[0].shape)) == 1,
        f"`model` must take int8 frames of {FEATURES} features and give one int8 posterior. "
        f"Received: {infos}. Convert it with `keras_sal.export.micro.convert`, "
        'quantization="int8".',
    )
    return int(np.prod(frame.shape)) // FEATURES


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of a model and of the models and layers inside it."""
    found = []
    for layer in model.layers:
        found += _layers(layer) if hasattr(layer, "layers") else [layer]
        inner = getattr(layer, "layer", None)
        found += [inner] if inner is not None else []
    return found


def _unfit(layer: keras.layers.Layer) -> str:
    """Return what a layer is, if the component lacks its operators, else nothing."""
    import keras

    if isinstance(layer, keras.layers.RNN):
        return f"a {type(layer).__name__}"
    if isinstance(layer, keras.layers.Softmax):
        return "a Softmax"
    name = getattr(getattr(layer, "activation", None), "__name__", "")
    return f"activated by {name}" if name in OTHER_ACTIVATIONS else ""


def _component_content(model: MicroModel | PathLike) -> bytes:
    """Return the bytes of the component's file, of a file as converted or of such a file."""
    file = Flatbuffer.from_file(model.path if isinstance(model, MicroModel) else model)
    if not _is_adapted(file):
        _check_states(len(Signature.from_names(file.inputs, file.outputs).states))
        adapt(file, _frames_per_step(file))
        move_states_inside(file)
    _check_operators(file)
    _check_states(file.resource_variables())
    return file.tobytes()


def _is_adapted(file: Flatbuffer) -> bool:
    inputs, outputs = file.tensor_infos()
    return (
        file.resource_variables() > 0
        and len(inputs) == len(outputs) == 1
        and inputs[0].shape[-1] == FEATURES
        and (inputs[0].scale, inputs[0].zero_point) == (np.float32(FRAME_SCALE), FRAME_ZERO_POINT)
        and (outputs[0].dtype, outputs[0].scale) == ("uint8", BYTE_SCALE)
    )


def _check_texts(**texts: Sequence[object]) -> None:
    for name, values in texts.items():
        require(
            all(map(is_class_name, values)),
            f"`{name}` must be text that can be written as UTF-8, without U+0000; it stands in a "
            f"JSON file. Received: {name}={values}. Leave such characters out.",
        )


def _check_states(count: int) -> None:
    if count > MAX_STATES:
        raise ExportError(
            f"The model has {count} states: ESPHome's micro_wake_word has room for {MAX_STATES} "
            "variables. Build the detector from fewer layers with a memory."
        )


def _check_operators(file: Flatbuffer) -> None:
    if unknown := sorted(set(file.operator_names()) - OPERATORS):
        raise ExportError(
            f"The model holds {', '.join(unknown)}: ESPHome's micro_wake_word has no such operator "
            "in its resolver. Build the detector from convolutions, dense layers, ReLU and sigmoid."
        )


def adapt(file: Flatbuffer, frames_per_step: int) -> None:
    """Give a file the input that the component writes, and the output that it reads.

    Args:
        file: The file, changed in place.
        frames_per_step: Number of frames that the model takes in a step.
    """
    editor, graph = Editor(file), file.graph
    signature = Signature.from_names(file.inputs, file.outputs)
    (frame,), (posterior,) = signature.frames, signature.posteriors
    inner, output = file.inputs[frame], file.outputs[posterior]
    shape = file.shape(inner)

    def tensor(name: str, shape: Sequence[int], dtype: str, scale: float, zero_point: int) -> int:
        return editor.tensor(graph, name, shape, dtype, scale=scale, zero_point=zero_point)

    given = tensor(frame, (1, frames_per_step, FEATURES), "INT8", FRAME_SCALE, FRAME_ZERO_POINT)
    flat = tensor(f"{frame}/flat", shape, "INT8", FRAME_SCALE, FRAME_ZERO_POINT)
    sizes = editor.tensor(
        graph, f"{frame}/shape", (len(shape),), "INT32", data=np.array(shape, "int32")
    )
    before = [
        editor.operator(
            "RESHAPE", [given, sizes], [flat], ReshapeOptions={"newShape": list(shape)}
        ),
        editor.operator("QUANTIZE", [flat], [inner]),
    ]
    after = []
    if is_logit(file.info(posterior)):
        logit, output = (
            output,
            tensor("posterior/int8", file.shape(output), "INT8", BYTE_SCALE, -128),
        )
        after.append(editor.operator("LOGISTIC", [logit], [output]))
    byte = tensor("posterior", (1, 1), "UINT8", BYTE_SCALE, BYTE_ZERO_POINT)
    after.append(editor.operator("QUANTIZE", [output], [byte]))
    graph.operators = [*before, *graph.operators, *after]
    _replace(file, "inputs", frame, frame, given)
    _replace(file, "outputs", posterior, "posterior", byte)


def _replace(file: Flatbuffer, side: str, old: str, name: str, index: int) -> None:
    """Put another tensor in the place of an input or output."""
    former = getattr(file, side).pop(old)
    getattr(file, side)[name] = index
    indices = [index if i == former else i for i in getattr(file.graph, side)]
    setattr(file.graph, side, indices)
    for entry in getattr(file.tree.signatureDefs[0], side):
        if entry.tensorIndex == former:
            entry.name, entry.tensorIndex = name, index
