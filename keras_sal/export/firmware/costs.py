"""What a bundle costs on a Cortex-M4: flash, RAM and instructions, part by part.

The model, its arena and the size of the detector are those of the bundle. The rest was measured
with `tests/firmware/real_tflm.py` on the detectors of `keras_sal.training.recipe`, on a Cortex-M4
of QEMU, by arm-none-eabi-g++ 12.2 with `-Os`; `benchmarks/results/firmware.json` has all figures.
A bundle with the multiply-accumulates of the measured detector has its instructions. Any other one
has an estimate: those of the more similar detector, in proportion to the multiply-accumulates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from keras_sal.export.scratch import with_margin

KERNELS = {"reference": "reference kernels", "cmsis_nn": "CMSIS-NN"}
ARENA = "cmsis_nn"  # for which the sources reserve on a Cortex-M4, whichever kernels it has
CLOCK_HZ = 64_000_000
FRAMES_A_SECOND = 100  # of the front-end
FRAME_VALUES = 120  # of the measured detectors
POINTER_BYTES = 4
TRIGGER_BYTES = 28  # of a `Trigger`
VALUE_BYTES = {"int8": 1, "int16": 2, "float32": 4}
QUANTIZATIONS = {"int8": "int8", "int16": "int16x8", "float32": "float32"}  # by type of the inputs
ARENA_SHARES = (0.64, 0.88)  # of the reserved arena, in which the measured detectors ran
# Of `MicroFrontend`: code and tables, an object, the stack of its deepest call, the instructions of
# a frame at most.
MICRO_FRONTEND_COST = {
    "flash_bytes": 4657,
    "ram_bytes": 2148,
    "stack_bytes": 256,
    "instructions": 75_160,
}


class Measured(NamedTuple):
    """Figures of a detector; of a pair, the first is with reference kernels.

    Attributes:
        macs: Multiply-accumulates of a step.
        sources_bytes: Code of the bundle, without the front-end.
        buffers_bytes: RAM of the bundle, without arena, detector and front-end.
        tensorflow_bytes: Code of TensorFlow Lite Micro: its core, and the kernels of the operators.
        stack_bytes: Stack of a step.
        instructions: Instructions of a step.
    """

    macs: int
    sources_bytes: int
    buffers_bytes: int
    tensorflow_bytes: tuple[int, int]
    stack_bytes: tuple[int, int]
    instructions: tuple[int, int]


# By network, quantization and state.
MEASURED: dict[tuple[str, str, str], Measured] = {
    ("gru", "int8", "explicit"): Measured(
        12_768, 2_838, 1_417, (64_351, 94_446), (1_528, 1_040), (563_672, 192_135)
    ),
    ("gru", "int8", "internal"): Measured(
        12_768, 2_846, 1_561, (67_058, 97_153), (1_520, 1_032), (564_110, 192_574)
    ),
    ("gru", "int16x8", "explicit"): Measured(
        12_768, 2_804, 1_417, (64_351, 94_446), (1_440, 976), (508_124, 126_524)
    ),
    ("gru", "int16x8", "internal"): Measured(
        12_768, 2_828, 1_561, (67_058, 97_153), (1_432, 968), (508_570, 126_971)
    ),
    ("gru", "float32", "explicit"): Measured(
        12_768, 2_712, 1_417, (64_351, 94_446), (1_440, 940), (346_951, 347_213)
    ),
    ("gru", "float32", "internal"): Measured(
        12_768, 2_718, 1_561, (67_058, 97_153), (1_432, 932), (347_390, 347_651)
    ),
    ("conv", "int8", "explicit"): Measured(
        10_720, 2_982, 1_381, (63_365, 104_969), (1_536, 1_048), (711_262, 121_866)
    ),
    ("conv", "int8", "internal"): Measured(
        10_720, 2_816, 1_525, (66_072, 107_676), (1_520, 1_032), (712_420, 123_025)
    ),
    ("conv", "int16x8", "explicit"): Measured(
        10_720, 3_004, 1_417, (65_610, 107_214), (1_448, 904), (836_320, 247_648)
    ),
    ("conv", "int16x8", "internal"): Measured(
        10_720, 2_828, 1_561, (68_317, 109_921), (1_432, 888), (837_507, 248_838)
    ),
    ("conv", "float32", "explicit"): Measured(
        10_720, 2_884, 1_381, (63_365, 104_969), (1_448, 792), (651_017, 651_122)
    ),
    ("conv", "float32", "internal"): Measured(
        10_720, 2_690, 1_525, (66_072, 107_676), (1_432, 776), (652_193, 652_297)
    ),
}


def costs(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a bundle costs.

    Args:
        manifest: The manifest of the bundle, without its costs.

    Returns:
        A dict with `kernels`, which has for each of `KERNELS` the `flash_bytes` and `ram_bytes` by
        part, the `instructions` of a `step` and of a `frame` of the front-end, and the
        `duty_cycle`: the share of the instructions of a second, at one a cycle and `clock_hz`.
        `measured_on` names the detector that was measured; `estimated` is whether the
        instructions of a step are in proportion to its own.
    """
    network = "conv" if "DEPTHWISE_CONV_2D" in manifest["operators"] else "gru"
    quantization = QUANTIZATIONS[manifest["inputs"][0]["dtype"]]
    measured = MEASURED[network, quantization, manifest["state"]]
    scale = manifest["macs"] / measured.macs
    return {
        "clock_hz": CLOCK_HZ,
        "measured_on": f'keras_sal.training.recipe.detector("{network}")',
        "measured_macs": measured.macs,
        "estimated": scale != 1,
        "kernels": {
            kernels: _with_kernels(manifest, measured, kernels, scale) for kernels in KERNELS
        },
    }


def detector_bytes(manifest: Mapping[str, Any]) -> int:
    """Return the bytes of the `Detector` on a 32-bit processor: its states, and its triggers.

    Args:
        manifest: The manifest of the bundle.
    """
    names = {state for state, _ in manifest["states"]}
    states = sum(math.prod(e["shape"]) for e in manifest["inputs"] if e["name"] in names)
    value = VALUE_BYTES[manifest["inputs"][0]["dtype"]]
    classes = len(manifest["classes"])
    history = 4 * classes * manifest["trigger"]["smooth_frames"]
    used = _up(POINTER_BYTES + 1, value) + max(1, states) * value
    used = _up(_up(used, 4) + 4 * classes + classes, 4)  # posteriors, and whether detected
    return used + 4 + TRIGGER_BYTES * classes + history


def rows(costs: Mapping[str, Any]) -> str:
    """Return the rows of a Markdown table with a column for each of `KERNELS`.

    Args:
        costs: What `costs` returned.
    """
    columns = [costs["kernels"][kernels] for kernels in KERNELS]
    lines = [_row("", KERNELS.values()), _row("---", ["--:" for _ in columns])]
    for memory in ("flash", "ram"):
        parts = [column[f"{memory}_bytes"] for column in columns]
        name = {"flash": "flash", "ram": "RAM"}[memory]
        lines += [
            _row(f"{name}: {_NAMES[memory, part]}", [f"{own[part]:,}" for own in parts])
            for part in parts[0]
        ]
        lines.append(_row(f"**{name}, bytes**", [f"**{sum(own.values()):,}**" for own in parts]))
    step = "instructions a step" + (", estimated" if costs["estimated"] else "")
    lines.append(_row(step, [f"{column['instructions']['step']:,}" for column in columns]))
    if columns[0]["instructions"]["frame"]:
        frames = [f"{column['instructions']['frame']:,}" for column in columns]
        lines.append(_row("instructions every 10 ms, front-end, at most", frames))
    clock = f"duty cycle at {costs['clock_hz'] / 1e6:g} MHz, estimated"
    lines.append(_row(clock, [f"{100 * column['duty_cycle']:.0f} %" for column in columns]))
    return "\n".join(lines)


_NAMES = {
    ("flash", "model"): "model",
    ("flash", "sources"): "detector, trigger, example",
    ("flash", "frontend"): "front-end",
    ("flash", "tensorflow"): "TensorFlow Lite Micro",
    ("ram", "arena"): "arena",
    ("ram", "detector"): "detector, with its states",
    ("ram", "frontend"): "front-end",
    ("ram", "buffers"): "interpreter, buffers of the example",
    ("ram", "stack"): "stack",
}


def _with_kernels(
    manifest: Mapping[str, Any], measured: Measured, kernels: str, scale: float
) -> dict[str, Any]:
    at = list(KERNELS).index(kernels)
    frontend = (
        MICRO_FRONTEND_COST if manifest["frontend"] else dict.fromkeys(MICRO_FRONTEND_COST, 0)
    )
    step, frame = round(measured.instructions[at] * scale), frontend["instructions"]
    a_second = step / manifest["frame_step_s"] + frame * FRAMES_A_SECOND
    return {
        "flash_bytes": {
            "model": manifest["flash_bytes"],
            "sources": measured.sources_bytes,
            "frontend": frontend["flash_bytes"],
            "tensorflow": measured.tensorflow_bytes[at],
        },
        "ram_bytes": {
            "arena": with_margin(manifest["arenas"][ARENA], ARENA),
            "detector": detector_bytes(manifest),
            "frontend": frontend["ram_bytes"],
            "buffers": measured.buffers_bytes + 4 * (_frame_values(manifest) - FRAME_VALUES),
            "stack": max(measured.stack_bytes[at], frontend["stack_bytes"]),
        },
        "instructions": {"step": step, "frame": frame},
        "duty_cycle": round(a_second / CLOCK_HZ, 4),
    }


def _frame_values(manifest: Mapping[str, Any]) -> int:
    names = {state for state, _ in manifest["states"]}
    return sum(math.prod(e["shape"]) for e in manifest["inputs"] if e["name"] not in names)


def _row(name: str, cells: Any) -> str:
    return "| " + " | ".join([name, *cells]) + " |"


def _up(value: int, grain: int) -> int:
    return -(-value // grain) * grain
