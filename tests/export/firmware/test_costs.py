"""What a bundle says that it costs, and the stored figures that this comes from."""

import json
import shutil

import pytest
from firmware_programs import CORTEX_M4, CROSS_COMPILER, PROGRAMS, no_cross_library, run
from replays import NAMESPACE, Dice, tensor_info, write_settings

from keras_sal import streaming
from keras_sal.detection import Scoring
from keras_sal.export.firmware import costs
from keras_sal.training import recipe

pytestmark = pytest.mark.any_backend

RESULT = PROGRAMS.parents[1] / "benchmarks" / "results" / "firmware.json"


def manifest(*, dtype="int8", macs=None, network="gru", **changes):
    """A manifest with the fields that costs depend on, of a measured detector by default."""
    quantization = costs.QUANTIZATIONS[dtype]
    made = {
        "inputs": [
            {"name": "frame", "shape": [1, 3, 40], "dtype": dtype},
            {"name": "state_0", "shape": [1, 48], "dtype": dtype},
        ],
        "states": [["state_0", "state_0_next"]],
        "classes": ["computer"],
        "trigger": {"smooth_frames": 3},
        "operators": ["FULLY_CONNECTED", *(["DEPTHWISE_CONV_2D"] * (network == "conv"))],
        "state": "explicit",
        "frontend": {"kind": "micro"},
        "frame_step_s": 0.03,
        "flash_bytes": 19_040,
        "arenas": {"reference": 7008, "cmsis_nn": 7488},
    }
    made["macs"] = macs or costs.MEASURED[network, quantization, "explicit"].macs
    return made | changes


def test_measured_figures_are_the_stored_ones():
    rows = {
        tuple(row[name] for name in ("network", "quantization", "state", "kernels")): row
        for row in json.loads(RESULT.read_text())["rows"]
        if row["target"] == "cortex-m4"
    }
    assert {key[:3] for key in rows} == costs.MEASURED.keys()
    for key, measured in costs.MEASURED.items():
        for at, kernels in enumerate(costs.KERNELS):
            row = rows[(*key, kernels)]
            flash, ram = row["flash_bytes"], row["ram_bytes"]
            assert row["macs"] == measured.macs
            assert row["step_instructions"] == measured.instructions[at]
            assert row["step_stack_bytes"] == measured.stack_bytes[at]
            assert flash["tflm_core"] + flash["tflm_kernels"] == measured.tensorflow_bytes[at]
            assert flash["bundle"] == measured.sources_bytes
            own = row["detector_bytes"] + costs.MICRO_FRONTEND_COST["ram_bytes"]
            assert ram["bundle"] - own == measured.buffers_bytes
            assert flash["frontend"] == costs.MICRO_FRONTEND_COST["flash_bytes"]
            assert row["frontend_stack_bytes"] == costs.MICRO_FRONTEND_COST["stack_bytes"]
    most = max(row["frontend_most_instructions"] for row in rows.values())
    assert most == costs.MICRO_FRONTEND_COST["instructions"]
    page = (PROGRAMS.parents[1] / "docs/results/costs.md").read_text()
    assert f"{most:,} instructions every 10 ms at most" in " ".join(page.split())


def test_share_of_the_arena_is_the_stored_one():
    rows = [row for row in json.loads(RESULT.read_text())["rows"] if row["target"] == "cortex-m4"]
    shares = [row["arena_bytes_least"] / row["arena_bytes_reserved"] for row in rows]
    assert (round(min(shares), 2), round(max(shares), 2)) == costs.ARENA_SHARES
    least, most = (round(100 * share) for share in costs.ARENA_SHARES)
    guide = (PROGRAMS.parents[1] / "docs/guides/microcontrollers.md").read_text()
    assert f"ran in {least} to {most} % of it" in guide


def test_a_measured_detector_has_its_instructions():
    found = costs.costs(manifest())
    assert not found["estimated"]
    measured = costs.MEASURED["gru", "int8", "explicit"]
    for at, kernels in enumerate(costs.KERNELS):
        assert found["kernels"][kernels]["instructions"]["step"] == measured.instructions[at]
    assert found["measured_on"] == 'keras_sal.training.recipe.detector("gru")'


@pytest.mark.parametrize("network", ["gru", "conv"])
def test_detectors_of_size_nano_were_not_measured(network):
    sizes = ("nano", "micro")
    macs = [streaming.costs(recipe.detector(network, size)).macs_per_output for size in sizes]
    estimated = [costs.costs(manifest(network=network, macs=each))["estimated"] for each in macs]
    assert estimated == [True, False]


@pytest.mark.parametrize("network", ["gru", "conv"])
@pytest.mark.parametrize("dtype", costs.QUANTIZATIONS)
def test_another_detector_has_an_estimate_in_proportion(network, dtype):
    one = costs.costs(manifest(dtype=dtype, network=network))
    twice = manifest(dtype=dtype, network=network, macs=2 * one["measured_macs"])
    other = costs.costs(twice)
    assert other["estimated"]
    assert f'"{network}"' in other["measured_on"]
    for kernels in costs.KERNELS:
        single = one["kernels"][kernels]["instructions"]["step"]
        assert other["kernels"][kernels]["instructions"]["step"] == 2 * single


def test_duty_cycle_is_of_model_and_front_end():
    with_frontend = costs.costs(manifest())["kernels"]["cmsis_nn"]
    step, frame = with_frontend["instructions"].values()
    expected = (step / 0.03 + frame / 0.01) / 64e6
    assert with_frontend["duty_cycle"] == pytest.approx(expected, abs=1e-4)
    without = costs.costs(manifest(frontend=None))["kernels"]["cmsis_nn"]
    assert without["duty_cycle"] == pytest.approx(step / 0.03 / 64e6, abs=1e-4)
    assert without["flash_bytes"]["frontend"] == without["ram_bytes"]["frontend"] == 0


def test_table_has_the_sums():
    found = costs.costs(manifest())
    text = costs.rows(found)
    for kernels in found["kernels"].values():
        assert f"**{sum(kernels['flash_bytes'].values()):,}**" in text
        assert f"**{sum(kernels['ram_bytes'].values()):,}**" in text
    assert "instructions a step |" in text
    assert "instructions a step, estimated |" in costs.rows(costs.costs(manifest(macs=9)))
    assert len({line.count("|") for line in text.splitlines()}) == 1


@pytest.mark.parametrize("dtype", costs.QUANTIZATIONS)
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("states", [(), (7,), (5, 12)])
def test_detector_has_the_bytes_that_the_compiler_gives_it(dtype, classes, states, tmp_path):
    if not shutil.which(CROSS_COMPILER) or no_cross_library():
        pytest.skip(f"needs {CROSS_COMPILER} with a C++ library")
    scaled = () if dtype == "float32" else (0.1, 0)
    kept = [tensor_info(f"state_{k}", n, dtype, *scaled) for k, n in enumerate(states)]
    following = [info._replace(name=f"{info.name}_next") for info in kept]
    runner = Dice(
        [tensor_info("frame", 4, dtype, *scaled), *kept],
        [tensor_info("posterior", classes, dtype, *scaled), *following],
    )
    ends = (runner.inputs, runner.outputs)
    positions = {info.name: at for infos in ends for at, info in enumerate(infos)}
    scoring = Scoring(frame_step_s=0.01, smooth_frames=5)
    write_settings(runner, positions, tmp_path, [0.5] * classes, scoring)
    expected = costs.detector_bytes(
        {
            "inputs": [info._asdict() for info in runner.inputs],
            "states": [[info.name, f"{info.name}_next"] for info in kept],
            "classes": ["x"] * classes,
            "trigger": {"smooth_frames": 5},
        }
    )
    check = tmp_path / "check.cc"
    check.write_text(
        '#include "detector.h"\n'
        f'static_assert(sizeof(keras_sal::{NAMESPACE}::Detector) == {expected}, "");\n'
    )
    command = [CROSS_COMPILER, "-std=c++14", *CORTEX_M4, f"-I{tmp_path}", "-fsyntax-only"]
    run([*command, check])
