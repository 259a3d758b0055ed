"""ESPHome: a detector that the `micro_wake_word` component of a stock ESPHome firmware loads.

    write("detector.tflite", "okay_nabu", wake_word="okay nabu", author="me", threshold=0.9)

The component keeps no state of its own, quantises the features of its micro front-end in its own
fixed way, reads a byte from 0 to 255, and has a fixed set of operators. So the file gets internal
state (`keras_sal.export.internal_state`), an input (1, step, 40) of that scale, an output of that type,
and is refused where it holds another operator: convolutional detectors fit, a GRU (TANH, SUB,
SPLIT) does not. Beside the file lies the JSON, version 2, that its YAML names:

    micro_wake_word:
      models:
        - model: okay_nabu/okay_nabu.json

Facts: https://esphome.io/components/micro_wake_word and the component's source, read in 2026.
"""

import math
from pathlib import Path

import numpy as np

from keras_sal.detection.trigger import as_thresholds
from keras_sal.export.firmware_sources import is_logit
from keras_sal.export.internal_state import InternalModel, internalise
from keras_sal.export.signature import Ports
from keras_sal.export.tflite.editor import Editor
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.export.worker import ExportError
from keras_sal.files import atomic_folder, write_json

OPERATORS = frozenset({
    "ADD", "ASSIGN_VARIABLE", "AVERAGE_POOL_2D", "CALL_ONCE", "CONCATENATION", "CONV_2D",
    "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "LOGISTIC", "MAX_POOL_2D", "MEAN", "MUL", "QUANTIZE",
    "READ_VARIABLE", "RESHAPE", "STRIDED_SLICE", "VAR_HANDLE",
})  # fmt: skip
FEATURES = 40
# It computes round(v * 256 / 666) - 128 of the front-end's v, which is 25.6 times the feature.
FRAME_SCALE, FRAME_ZERO_POINT = 666 / 256 / 25.6, -128
BYTE_SCALE, BYTE_ZERO_POINT = 1 / 256, 0
CUTOFF_STEPS = 255
ARENA_MARGIN = 1.25  # kernels of ESP-NN want scratch memory
MINIMUM_VERSION = "2024.7.0"


def write(
    model,
    folder,
    *,
    wake_word,
    author,
    threshold,
    smooth_frames=1,
    languages=("en",),
    website=None,
):
    """Writes `NAME.tflite` and `NAME.json` to a folder, NAME being that of the folder.

    Args:
        model: `MicroModel`, or the path of its `.tflite` file: int8, explicit state, one output,
            on the features of `keras_sal.audio.MicroFrontend`.
        folder: Where to write; its parent exists. It appears complete or not at all.
        wake_word: What is said, shown to the user.
        author: Who made it.
        threshold: Float in [0, 1]: the component detects when the mean exceeds it.
        smooth_frames: Posteriors in that mean, its `sliding_window_size`. Default 1.
        languages: Codes of the languages trained on. Default `("en",)`.
        website: URL, or None.

    Returns:
        The `InternalModel` of the file; its posteriors are those of the component.

    Raises:
        ValueError: An argument is unusable.
        ExportError: The model holds an operator that the component has not.
    """
    folder = Path(folder)
    if folder.exists() or not folder.absolute().parent.is_dir():
        raise ValueError(
            "`folder` must be new, in a folder that exists. "
            f"Received: folder={str(folder)!r}. Name another one."
        )
    (level,) = as_thresholds(threshold, 1).tolist()
    path = Path(getattr(model, "path", model))
    file = Flatbuffer(path.read_bytes())
    step = _check(file)
    adapt(file, step)
    internalise(file)
    _check_operators(file)
    name = folder.name
    with atomic_folder(folder) as unfinished:
        (unfinished / f"{name}.tflite").write_bytes(file.tobytes())
        arena_bytes = InternalModel(unfinished / f"{name}.tflite").arena_bytes
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
                "tensor_arena_size": 16 * math.ceil(ARENA_MARGIN * arena_bytes / 16),
                "minimum_esphome_version": MINIMUM_VERSION,
            },
        }
        write_json(unfinished / f"{name}.json", manifest)
    return InternalModel(folder / f"{name}.tflite")


def cutoff(threshold):
    """The component's cutoff for a threshold.

    It compares bytes, means of which must exceed `int(255 * cutoff)`, while the posterior of a
    byte is the 256th part of it. So that a mean of the threshold is detected, the cutoff is that of
    the byte below it.

    Example:

    >>> cutoff(0.75), int(cutoff(0.75) * 255)  # 191 / 256 is just below 0.75
    (0.751, 191)
    """
    byte = min(max(0, math.ceil(threshold / BYTE_SCALE) - 1), CUTOFF_STEPS - 1)
    return round((byte + 0.5) / CUTOFF_STEPS, 4)


def _check(file):
    """How many frames the model takes a step."""
    ports = Ports.of(file.inputs, file.outputs)
    ends = [file.info(name) for name in (*ports.frames, *ports.posteriors)]
    frame, *posteriors = ends
    fits = (
        len(ports.frames) == len(posteriors) == 1
        and {info.dtype for info in ends} == {"int8"}
        and frame.shape[-1] == FEATURES
        and int(np.prod(posteriors[0].shape)) == 1
    )
    if not fits:
        raise ValueError(
            f"`model` must take int8 frames of {FEATURES} features and give one int8 posterior. "
            f"Received: {ends}. Convert it with `keras_sal.export.micro.convert`, "
            'quantization="int8".'
        )
    return int(np.prod(frame.shape)) // FEATURES


def _check_operators(file):
    if unknown := sorted({op.name for op in file.operators()} - OPERATORS):
        raise ExportError(
            f"The model holds {', '.join(unknown)}: ESPHome's micro_wake_word has no such operator "
            "in its resolver. Build the detector from convolutions, dense layers, ReLU and sigmoid."
        )


def adapt(file, step):
    """Gives a file the ends that the component reads and writes.

    Args:
        file: The `Flatbuffer`, changed in place.
        step: Frames it takes at once.
    """
    make, graph = Editor(file), file.graph
    ports = Ports.of(file.inputs, file.outputs)
    (frame,), (posterior,) = ports.frames, ports.posteriors
    inner, found = file.inputs[frame], file.outputs[posterior]
    shape = file.shape(inner)

    theirs = {"scale": FRAME_SCALE, "zero_point": FRAME_ZERO_POINT}
    outer = make.tensor(graph, frame, (1, step, FEATURES), "INT8", **theirs)
    flat = make.tensor(graph, f"{frame}/flat", shape, "INT8", **theirs)
    sizes = make.tensor(graph, f"{frame}/shape", (len(shape),), "INT32", data=np.int32(shape))
    before = [
        make.operator("RESHAPE", [outer, sizes], [flat], ReshapeOptions={"newShape": list(shape)}),
        make.operator("QUANTIZE", [flat], [inner]),
    ]
    after = []
    answer = found
    if is_logit(file.info(posterior)):
        ours = {"scale": BYTE_SCALE, "zero_point": -128}
        answer = make.tensor(graph, "posterior/int8", file.shape(found), "INT8", **ours)
        after.append(make.operator("LOGISTIC", [found], [answer]))
    theirs = {"scale": BYTE_SCALE, "zero_point": BYTE_ZERO_POINT}
    byte = make.tensor(graph, "posterior", (1, 1), "UINT8", **theirs)
    after.append(make.operator("QUANTIZE", [answer], [byte]))
    graph.operators = [*before, *graph.operators, *after]
    _replace(file, "inputs", frame, frame, outer)
    _replace(file, "outputs", posterior, "posterior", byte)


def _replace(file, side, old, name, index):
    """Puts another tensor in the place of an end."""
    former = getattr(file, side).pop(old)
    getattr(file, side)[name] = index
    indices = [index if i == former else i for i in getattr(file.graph, side)]
    setattr(file.graph, side, indices)
    for end in getattr(file.tree.signatureDefs[0], side):
        if end.tensorIndex == former:
            end.name, end.tensorIndex = name, index
