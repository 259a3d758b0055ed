"""The C++ sources of a bundle: generated for the model, or copied."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources

import numpy as np

from keras_sal.checks import require
from keras_sal.detection import Scoring
from keras_sal.export.firmware.golden import SEED, Golden
from keras_sal.export.firmware.literals import (
    comment_text,
    float_literal,
    float_release,
    float_threshold,
    text_literal,
)
from keras_sal.export.scratch import least_arena, with_margin
from keras_sal.export.signature import NEXT_SUFFIX
from keras_sal.export.step_runner import StepRunner, TensorInfo, dequantize
from keras_sal.typing import Array

C_TYPES = {"int8": "int8_t", "int16": "int16_t", "float32": "float"}
BYTES_A_LINE = 16
SELF_TEST = "KERAS_SAL_SELF_TEST"  # the macro with which it is compiled
NAMESPACE = "model_name"  # in `cpp`
LONGEST_NAME = 40
MAX_INT = 2**31 - 1
PLAIN_NAME = re.compile("[a-z0-9]+(_[a-z0-9]+)*")
BUILTIN = re.compile(r"[A-Z][A-Z0-9_]*[A-Z0-9]")
# Operators whose method of the resolver is not their name in CamelCase.
IRREGULAR = {
    "BATCH_MATMUL": "BatchMatMul",
    "CUMSUM": "CumSum",
    "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}


def fixed(name: str, model: str | None = None) -> str:
    """Return the text of a file that is the same for every model but for its namespace.

    Args:
        name: Name of the file in `keras_sal/export/firmware/cpp`.
        model: Namespace of the model, as `namespace_of` gives it. Defaults to `None`, for files
            that several models share.
    """
    folder = resources.files("keras_sal.export.firmware").joinpath("cpp")
    text = folder.joinpath(name).read_text(encoding="utf-8")
    if model is None:
        return text
    return text.replace(NAMESPACE, model).replace(NAMESPACE.upper(), model.upper())


def namespace_of(name: str) -> str:
    """Return the C++ namespace of a model, so that several fit in one firmware.

    Names that differ have namespaces that differ: unless a name is short and an identifier of small
    letters and digits, six digits of its SHA-256 follow.

    Args:
        name: Name of the model, any text.

    Example:
        >>> namespace_of("hey_you"), namespace_of("Hey-you"), namespace_of("señor")
        ('model_hey_you', 'model_hey_you_8a9afa', 'model_se_u00f1_or_ea6f98')
    """
    if PLAIN_NAME.fullmatch(name) and len(name) <= LONGEST_NAME:
        return f"model_{name}"
    plain = re.sub(r"[^\x00-\x7f]", lambda found: f"_u{ord(found[0]):04x}_", name.lower())
    words = re.findall("[a-z0-9]+", plain[:LONGEST_NAME])
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
    return "_".join(["model", *words, digest[:6]])


def model_data(content: bytes, model: str) -> dict[str, str]:
    """Return `model_data.h` and `model_data.cc`, which hold the model as a constant array.

    Args:
        content: Bytes of the `.tflite` file.
        model: Namespace of the model.

    Returns:
        The texts by file name.
    """
    header = _header(
        model,
        "MODEL_DATA",
        "The bytes of model.tflite.",
        ["#include <stddef.h>"],
        [
            "extern const unsigned char kModelData[];",
            f"constexpr size_t kModelDataBytes = {len(content)};",
        ],
    )
    lines = [content[at : at + BYTES_A_LINE] for at in range(0, len(content), BYTES_A_LINE)]
    source = [
        "alignas(16) const unsigned char kModelData[] = {",
        *("    " + ", ".join(f"0x{byte:02x}" for byte in line) + "," for line in lines),
        "};",
    ]
    return {"model_data.h": header, "model_data.cc": _source(model, "model_data.h", source)}


def op_resolver(operators: Sequence[str], model: str, resource_variables: int = 0) -> str:
    """Return `op_resolver.h`, which registers the operators of a model and no others.

    Args:
        operators: Names of the operators.
        model: Namespace of the model.
        resource_variables: Number of variables in which the model keeps its state. Defaults to 0.

    Raises:
        ValueError: If an operator is a custom one, which the resolver has no method for.
    """
    custom = [name for name in operators if not BUILTIN.fullmatch(name)]
    require(
        not custom,
        "`model` must hold operators of TensorFlow Lite only; a custom operator has no method in "
        f"its resolver. Received: {custom}. Build that layer from other operations.",
    )
    calls = " &&\n         ".join(
        f"resolver->{resolver_method(name)}() == kTfLiteOk" for name in operators
    )
    return _header(
        model,
        "OP_RESOLVER",
        "The operators of the model, and no others.",
        ['#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"'],
        [
            f"constexpr int kNumResourceVariables = {resource_variables};",
            "",
            f"using OpResolver = tflite::MicroMutableOpResolver<{len(operators)}>;",
            "",
            "inline bool RegisterOperators(OpResolver* resolver) {",
            f"  return {calls};",
            "}",
        ],
    )


def resolver_method(operator: str) -> str:
    """Return the method of `MicroMutableOpResolver` that adds an operator.

    Example:
        >>> resolver_method("FULLY_CONNECTED")
        'AddFullyConnected'
    """
    parts = operator.split("_")
    camel = "".join(part if part[0].isdigit() else part.capitalize() for part in parts)
    return "Add" + IRREGULAR.get(operator, camel)


def detector_settings(
    runner: StepRunner,
    positions: Mapping[str, int],
    *,
    model: str,
    scoring: Scoring,
    thresholds: Sequence[float],
    class_names: Sequence[str],
    arenas: Mapping[str, int],
    delay_frames: int = 0,
) -> dict[str, str]:
    """Return `detector_settings.h` and `.cc`: tensors, scales and the numbers of the trigger.

    Args:
        runner: The model.
        positions: Position of each input and output in the interpreter, by name.
        model: Namespace of the model.
        scoring: The trigger.
        thresholds: Threshold of each class.
        class_names: Name of each class.
        arenas: Arena by kernels, as by `keras_sal.export.scratch.arenas`.
        delay_frames: Outputs at the start of a stream that belong to no frame. Defaults to 0.

    Returns:
        The texts by file name.
    """
    infos = {info.name: info for info in (*runner.inputs, *runner.outputs)}
    frames = [infos[name] for name in runner.signature.frames]
    states = [infos[name] for name in runner.signature.states]
    (output,) = (infos[name] for name in runner.signature.posteriors)
    header = [
        *_tensor_types(output),
        *_tensor_tables(frames, states, positions),
        f"constexpr int kPosteriorOutput = {positions[output.name]};"
        f"  // {comment_text(output.name)}",
        "float PosteriorOf(Value output);",
        "",
        f"constexpr int kClasses = {len(class_names)};",
        delay_line(delay_frames),
        f"constexpr int kSmoothFrames = {scoring.smooth_frames};",
        "extern const char* const kClassNames[kClasses];",
        "extern const TriggerRule kTriggerRules[kClasses];",
        *_arena(model, arenas),
        "",
        'static_assert(sizeof(float) == 4, "floats must be those of IEEE 754");',
        "static_assert(kFrameValues > 0 && kClasses > 0 && kSmoothFrames > 0 && kDelayFrames >= 0,",
        '              "these numbers belong to one model");',
    ]
    source = [
        *_posterior_function(output),
        "",
        class_table(class_names),
        "",
        trigger_table(scoring, thresholds),
    ]
    includes = ["#include <math.h>"] if "expf" in "\n".join(source) else []
    return {
        "detector_settings.h": _header(
            model,
            "DETECTOR_SETTINGS",
            "The numbers of this model and its trigger.",
            ["#include <stddef.h>", "#include <stdint.h>", "", '#include "trigger.h"'],
            header,
        ),
        "detector_settings.cc": _source(model, "detector_settings.h", source, includes),
    }


def class_table(class_names: Sequence[str]) -> str:
    """Return the lines of `detector_settings.cc` that name the classes.

    Args:
        class_names: Name of each class.
    """
    names = [f"    {text_literal(name)}," for name in class_names]
    return "\n".join(["const char* const kClassNames[kClasses] = {", *names, "};"])


def trigger_table(scoring: Scoring, thresholds: Sequence[float]) -> str:
    """Return the lines of `detector_settings.cc` with the numbers of the trigger.

    Args:
        scoring: The trigger.
        thresholds: Threshold of each class.
    """
    rules = [f"    {{{_trigger_rule(scoring, threshold)}}}," for threshold in thresholds]
    return "\n".join(
        [
            "const TriggerRule kTriggerRules[kClasses] = {",
            "    // threshold, release, smooth_frames, on_frames, refractory_frames",
            *rules,
            "};",
        ]
    )


def delay_line(delay_frames: int) -> str:
    """Return the line of `detector_settings.h` with the outputs that belong to no frame.

    Args:
        delay_frames: Their number.
    """
    return f"constexpr int kDelayFrames = {delay_frames};  // outputs at the start to leave out"


def self_test_data(golden: Golden, model: str, scoring: Scoring) -> dict[str, str]:
    """Return `self_test_data.h` and `.cc`, which hold what the self-test must compute.

    Args:
        golden: The results in Python.
        model: Namespace of the model.
        scoring: The trigger.

    Returns:
        The texts by file name.
    """
    steps = [
        ", ".join(f"{{{float_literal(p)}, {mark}}}" for p, mark in zip(*row, strict=True))
        for row in zip(golden.posteriors, golden.marks.tolist(), strict=True)
    ]
    header = [
        "struct GoldenStep {",
        "  float posterior;",
        "  uint8_t marks;  // 1: the detector detects, 2: the trigger with `kGoldenRules` fires",
        "};",
        "",
        f"constexpr uint32_t kGoldenSeed = {SEED};",
        f"constexpr float kGoldenFrameStep = {float_literal(golden.frame_step)};",
        f"constexpr float kPosteriorTolerance = {float_literal(golden.tolerance)};",
        f"constexpr int kGoldenSteps = {len(steps)};",
        f"constexpr int kGoldenFrames = {len(golden.hashes)};",
        "extern const GoldenStep kGolden[kGoldenSteps][kClasses];",
        "extern const TriggerRule kGoldenRules[kClasses];",
        "extern const uint32_t kGoldenFeatures[];  // a hash of each frame of the front-end",
    ]
    rules = [f"    {{{_trigger_rule(scoring, level)}}}," for level in golden.thresholds]
    hashes = [f"    {number:#010x}u," for number in golden.hashes or [0]]
    source = [
        "const GoldenStep kGolden[kGoldenSteps][kClasses] = {",
        *(f"    {{{step}}}," for step in steps),
        "};",
        "",
        "const TriggerRule kGoldenRules[kClasses] = {",
        *rules,
        "};",
        "",
        "const uint32_t kGoldenFeatures[] = {",
        *hashes,
        "};",
    ]
    guarded = _source(model, "self_test_data.h", source)
    return {
        "self_test_data.h": _header(
            model,
            "SELF_TEST_DATA",
            "What the self-test must compute.",
            ["#include <stdint.h>", "", '#include "detector_settings.h"'],
            header,
        ),
        "self_test_data.cc": f"#if defined({SELF_TEST})\n\n{guarded}\n#endif  // {SELF_TEST}\n",
    }


def is_logit(info: TensorInfo) -> bool:
    """Return whether an output is a logit, whose posterior is its sigmoid."""
    return info.name.startswith("logit")


def posterior_table(info: TensorInfo) -> Array:
    """Return the posterior of every value that an int8 logit may have, from -128 to 127.

    Args:
        info: The output.

    Returns:
        float32 of shape `(256,)`.
    """
    logits = dequantize(np.arange(-128, 128).astype("int8"), info)
    return np.float32(1) / (np.float32(1) + np.exp(-logits))


def _tensor_types(output: TensorInfo) -> list[str]:
    return [
        f"using Value = {C_TYPES[output.dtype]};  // of frames, states and outputs",
        "",
        "struct FrameTensor {",
        "  int input;  // its index",
        "  int values;",
        "  float scale;",
        "  int32_t zero_point;",
        "};",
        "",
        "struct StateTensor {",
        "  int input;   // its index",
        "  int output;  // the index of its next value",
        "  int values;",
        "  Value zero;  // stands for 0",
        "};",
        "",
    ]


def _tensor_tables(
    frames: Sequence[TensorInfo], states: Sequence[TensorInfo], positions: Mapping[str, int]
) -> list[str]:
    frame_rows = [
        f"{positions[info.name]}, {_size(info)}, {float_literal(info.scale or 1)}, "
        f"{info.zero_point or 0}}},  // {comment_text(info.name)}"
        for info in frames
    ]
    state_rows = [
        f"{positions[info.name]}, {positions[info.name + NEXT_SUFFIX]}, {_size(info)}, "
        f"{info.zero_point or 0}}},  // {comment_text(info.name)}"
        for info in states
    ] or ["0, 0, 0, 0},  // the model keeps its state itself"]
    return [
        f"constexpr int kNumFrames = {len(frames)};",
        *_array("FrameTensor kFrames", frame_rows),
        f"constexpr int kFrameValues = {sum(map(_size, frames))};",
        "",
        f"constexpr int kNumStates = {len(states)};",
        *_array("StateTensor kStates", state_rows),
        f"constexpr int kStateValues = {max(1, sum(map(_size, states)))};",
        "",
    ]


def _posterior_function(info: TensorInfo) -> list[str]:
    real = "output"
    if info.scale is not None:
        zero = info.zero_point or 0
        zero_point = f"{zero}.0f" if zero >= 0 else f"({zero}.0f)"
        real = f"(static_cast<float>(output) - {zero_point}) * {float_literal(info.scale)}"
    if not is_logit(info):
        return ["float PosteriorOf(Value output) { return " + real + "; }"]
    if info.dtype != "int8":
        return [
            "float PosteriorOf(Value output) {",
            f"  return 1.0f / (1.0f + expf(-({real})));",
            "}",
        ]
    table = [float_literal(posterior) for posterior in posterior_table(info)]
    return [
        "// The sigmoid of every possible logit.",
        "static const float kPosteriors[256] = {",
        *("    " + ", ".join(table[at : at + 6]) + "," for at in range(0, 256, 6)),
        "};",
        "",
        "float PosteriorOf(Value output) { return kPosteriors[static_cast<int>(output) + 128]; }",
    ]


def _trigger_rule(scoring: Scoring, threshold: float) -> str:
    return ", ".join(
        [
            float_literal(float_threshold(threshold)),
            float_literal(float_release(threshold, scoring.hysteresis)),
            f"{scoring.smooth_frames}",
            f"{scoring.on_frames}",
            f"{min(scoring.refractory_frames, MAX_INT)}",
        ]
    )


def _size(info: TensorInfo) -> int:
    return int(np.prod(info.shape))


def _array(declaration: str, rows: Iterable[str]) -> list[str]:
    return [f"constexpr {declaration}[] = {{", *(f"    {{{row}" for row in rows), "};"]


def _arena(model: str, arenas: Mapping[str, int]) -> list[str]:
    """The arena by target: ESP-IDF has ESP-NN; Arm with DSP or MVE is taken to have CMSIS-NN."""
    macro = f"KERAS_SAL_{model.upper()}_ARENA_BYTES"
    needed, least = arenas["reference"], least_arena(arenas)
    states_least = f"{macro} must be at least"

    def case(condition: str, kernels: str) -> list[str]:
        return [
            condition,
            f"constexpr size_t kLeastArenaBytes = {arenas[kernels]};",
            f"constexpr size_t kArenaBytes = {with_margin(arenas[kernels], kernels)};",
        ]

    return [
        "",
        "// The tensor arena: what the interpreter needs on a 64-bit computer, what the kernels of",
        "// the target ask for, and a margin. Define the macro to set a size that you measured.",
        "constexpr size_t kArenaAlignment = 16;",
        f"#if defined({macro})",
        f"constexpr size_t kLeastArenaBytes = {macro};",
        "constexpr size_t kArenaBytes = kLeastArenaBytes;",
        f"static_assert(kArenaBytes >= {least},",
        f'              "{states_least} {least}: no device runs the model in less");',
        f"static_assert(sizeof(void*) < 8 || kArenaBytes >= {needed},",
        f'              "{states_least} {needed} on a 64-bit processor");',
        *case("#elif defined(ESP_PLATFORM)", "esp_nn"),
        *case("#elif defined(__ARM_FEATURE_MVE)", "cmsis_nn_mve"),
        *case("#elif defined(__ARM_FEATURE_DSP)", "cmsis_nn"),
        *case("#else", "reference"),
        "#endif",
        'static_assert(kArenaBytes % kArenaAlignment == 0, "the arena is a multiple of 16 bytes");',
    ]


def _header(
    model: str, name: str, comment: str, includes: Iterable[str], body: Iterable[str]
) -> str:
    guard = f"KERAS_SAL_{model.upper()}_{name}_H_"
    return "\n".join(
        [
            f"// {comment} Written by keras_sal.",
            "",
            f"#ifndef {guard}",
            f"#define {guard}",
            "",
            *includes,
            "",
            *_opening(model),
            "",
            *body,
            "",
            *_closing(model),
            "",
            f"#endif  // {guard}",
            "",
        ]
    )


def _opening(model: str) -> list[str]:
    return ["namespace keras_sal {", f"namespace {model} {{"]


def _closing(model: str) -> list[str]:
    return [f"}}  // namespace {model}", "}  // namespace keras_sal"]


def _source(model: str, header: str, body: Iterable[str], includes: Sequence[str] = ()) -> str:
    return "\n".join(
        [
            f'#include "{header}"',
            "",
            *includes,
            *([""] if includes else []),
            *_opening(model),
            "",
            *body,
            "",
            *_closing(model),
            "",
        ]
    )
