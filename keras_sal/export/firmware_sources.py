"""The C++ sources of a bundle that vary: what `settings`, `model_data` and `op_resolver` write.

All else is in `keras_sal.export.firmware`, as files.
"""

import bisect
from importlib import resources

import numpy as np

from keras_sal.export.signature import NEXT
from keras_sal.export.step_runner import TensorInfo, dequantise

C_TYPES = {"int8": "int8_t", "int16": "int16_t", "float32": "float"}
BYTES_A_LINE = 16
NO_HYSTERESIS_RELEASE = 2.0  # above every score: armed again at once
# Operators whose method of the resolver isn't their name in CamelCase.
IRREGULAR = {
    "BATCH_MATMUL": "BatchMatMul",
    "CUMSUM": "CumSum",
    "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}


def fixed(name):
    """The text of a source that is the same for every model."""
    return resources.files("keras_sal.export.firmware").joinpath(name).read_text(encoding="utf-8")


def model_data(content):
    """`model_data.h` and `.cc`: the model as a constant array."""
    header = _header(
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
    return {"model_data.h": header, "model_data.cc": _source("model_data.h", source)}


def op_resolver(operators, resource_variables=0):
    """`op_resolver.h`: a resolver with exactly these operators."""
    calls = " &&\n         ".join(f"resolver->{method(name)}() == kTfLiteOk" for name in operators)
    return _header(
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


def method(operator):
    """The method of `MicroMutableOpResolver` that adds an operator."""
    parts = operator.split("_")
    camel = "".join(part if part[0].isdigit() else part.capitalize() for part in parts)
    return "Add" + IRREGULAR.get(operator, camel)


def settings(model, positions, *, scoring, thresholds, class_names, arena_bytes, delay_frames=0):
    """`detector_settings.h` and `.cc`: tensors, scales and the trigger's numbers.

    Args:
        model: A `StepRunner`.
        positions: `{name: index}` at which the interpreter knows each end.
        scoring: A `keras_sal.detection.Scoring`.
        thresholds: One for each class.
        class_names: One for each class.
        arena_bytes: Size of the tensor arena.
        delay_frames: Answers at the start that belong to no frame.
    """
    ends = {info.name: info for info in (*model.inputs, *model.outputs)}
    frames = [ends[name] for name in model.ports.frames]
    states = [ends[name] for name in model.ports.states]
    (output,) = (ends[name] for name in model.ports.posteriors)
    rules = [_rule(scoring, threshold) for threshold in thresholds]
    header = _header(
        "DETECTOR_SETTINGS",
        "The numbers of this model and its trigger.",
        ["#include <stddef.h>", "#include <stdint.h>", "", '#include "trigger.h"'],
        [
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
            "  int output;  // that of its next value",
            "  int values;",
            "  Value zero;  // stands for 0",
            "};",
            "",
            f"constexpr int kNumFrames = {len(frames)};",
            *_array(
                "FrameTensor kFrames",
                [
                    f"{positions[i.name]}, {_values(i)}, {literal(i.scale or 1)}, "
                    f"{i.zero_point or 0}}},  // {i.name}"
                    for i in frames
                ],
            ),
            f"constexpr int kFrameValues = {sum(map(_values, frames))};",
            "",
            f"constexpr int kNumStates = {len(states)};",
            *_array(
                "StateTensor kStates",
                [
                    f"{positions[i.name]}, {positions[i.name + NEXT]}, {_values(i)}, "
                    f"{i.zero_point or 0}}},  // {i.name}"
                    for i in states
                ]
                or ["0, 0, 0, 0},  // the model keeps its state itself"],
            ),
            f"constexpr int kStateValues = {max(1, sum(map(_values, states)))};",
            "",
            f"constexpr int kPosteriorOutput = {positions[output.name]};  // {output.name}",
            "float PosteriorOf(Value output);",
            "",
            f"constexpr int kClasses = {len(class_names)};",
            f"constexpr int kDelayFrames = {delay_frames};  // answers at the start to leave out",
            f"constexpr int kSmoothFrames = {scoring.smooth_frames};",
            "extern const char* const kClassNames[kClasses];",
            "extern const TriggerRule kTriggerRules[kClasses];",
            "",
            f"constexpr size_t kArenaBytes = {arena_bytes};",
        ],
    )
    source = [
        *_posterior_of(output),
        "",
        "const char* const kClassNames[kClasses] = {",
        *(f"    {text_literal(name)}," for name in class_names),
        "};",
        "",
        "const TriggerRule kTriggerRules[kClasses] = {",
        "    // threshold, release, smooth_frames, on_frames, refractory_frames",
        *(f"    {{{rule}}}," for rule in rules),
        "};",
    ]
    includes = ["#include <math.h>"] if "expf" in "\n".join(source) else []
    return {
        "detector_settings.h": header,
        "detector_settings.cc": _source("detector_settings.h", source, includes),
    }


def float_threshold(threshold):
    """The smallest float32 that reaches a threshold: `x >= threshold` for float32 `x`, exactly."""
    rounded = np.float32(threshold)
    return rounded if float(rounded) >= threshold else np.nextafter(rounded, np.float32(np.inf))


def float_release(threshold, hysteresis):
    """The smallest float32 `x >= 0` for which `x + hysteresis < threshold` no longer holds."""
    if hysteresis is None:
        return np.float32(NO_HYSTERESIS_RELEASE)
    floats = range(int(np.float32(NO_HYSTERESIS_RELEASE).view("int32")) + 1)  # as their bits
    first = bisect.bisect_left(
        floats, True, key=lambda bits: _float_of(bits) + hysteresis >= threshold
    )
    return np.float32(_float_of(first))


def _float_of(bits):
    return float(np.int32(bits).view("float32"))


def literal(value):
    """A float literal that reads back as the same float32."""
    text = f"{np.float32(value):.9g}"
    return text + ("f" if set(text) & set(".e") else ".0f")


def text_literal(text):
    """A string literal of the UTF-8 bytes of a text."""
    plain = set(range(32, 127)) - set(b'"?\\')
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode()) + '"'


def is_logit(info):
    """Whether an output is a logit, whose posterior is its sigmoid."""
    return info.name.startswith("logit")


def posterior_table(info):
    """The posterior of every value that an int8 logit may have, from -128 to 127."""
    logits = dequantise(np.arange(-128, 128).astype("int8"), info)
    return np.float32(1) / (np.float32(1) + np.exp(-logits))


def _posterior_of(info: TensorInfo):
    real = "output"
    if info.scale is not None:
        zero_point = f"{info.zero_point}.0f" if info.zero_point >= 0 else f"({info.zero_point}.0f)"
        real = f"(static_cast<float>(output) - {zero_point}) * {literal(info.scale)}"
    if not is_logit(info):
        return ["float PosteriorOf(Value output) { return " + real + "; }"]
    if info.dtype != "int8":
        return [
            "float PosteriorOf(Value output) {",
            f"  return 1.0f / (1.0f + expf(-({real})));",
            "}",
        ]
    table = [literal(posterior) for posterior in posterior_table(info)]
    return [
        "// The sigmoid of every logit there is.",
        "static const float kPosteriors[256] = {",
        *("    " + ", ".join(table[at : at + 6]) + "," for at in range(0, 256, 6)),
        "};",
        "",
        "float PosteriorOf(Value output) { return kPosteriors[static_cast<int>(output) + 128]; }",
    ]


def _rule(scoring, threshold):
    return ", ".join(
        [
            literal(float_threshold(threshold)),
            literal(float_release(threshold, scoring.hysteresis)),
            f"{scoring.smooth_frames}",
            f"{scoring.on_frames}",
            f"{scoring.refractory_frames}",
        ]
    )


def _values(info):
    return int(np.prod(info.shape))


def _array(declaration, rows):
    return [f"constexpr {declaration}[] = {{", *(f"    {{{row}" for row in rows), "};"]


def _header(name, comment, includes, body):
    guard = f"KERAS_SAL_{name}_H_"
    return "\n".join(
        [
            f"// {comment} Written by keras_sal.",
            "",
            f"#ifndef {guard}",
            f"#define {guard}",
            "",
            *includes,
            "",
            "namespace keras_sal {",
            "",
            *body,
            "",
            "}  // namespace keras_sal",
            "",
            f"#endif  // {guard}",
            "",
        ]
    )


def _source(header, body, includes=()):
    return "\n".join(
        [
            f'#include "{header}"',
            "",
            *includes,
            *([""] if includes else []),
            "namespace keras_sal {",
            "",
            *body,
            "",
            "}  // namespace keras_sal",
            "",
        ]
    )
