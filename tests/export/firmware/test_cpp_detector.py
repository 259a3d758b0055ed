"""The C++ detector against Python: frames in, state carried, posteriors and detections out."""

import numpy as np
import pytest
from firmware_programs import PROGRAMS, CortexM4, Host, needs_compiler, run
from replays import (
    FAILURE,
    NOT_FINITE,
    NOTHING,
    RESET,
    SPOILED,
    Dice,
    expected_outputs,
    features_for,
    replay,
    tensor_info,
    write_settings,
)

from keras_sal.detection import Scoring
from keras_sal.export.firmware import sources

pytestmark = [pytest.mark.any_backend, needs_compiler]

SCORING = Scoring(
    frame_step_s=0.01, smooth_frames=3, on_frames=2, hysteresis=0.05, refractory_s=0.07
)
SEVERAL = [0.55, 0.5, 0.45]


@pytest.fixture(params=[Host(), CortexM4()], ids=lambda machine: machine.name)
def machine(request):
    return request.param


FRAME = (("frame", 7),)


def dice(dtype, output, classes, states, frames=FRAME, scales=(1, 1, 1), zeros=(0, 0, 0)):
    """A runner with the tensors of a converted model; scales, zeros: of frame, state, output."""

    def quantised(which):
        return () if dtype == "float32" else (scales[which], zeros[which])

    state = [(f"state_{k}", size) for k, size in enumerate(states)]
    return Dice(
        [tensor_info(name, size, dtype, *quantised(0)) for name, size in frames]
        + [tensor_info(name, size, dtype, *quantised(1)) for name, size in state],
        [tensor_info(output, classes, dtype, *quantised(2))]
        + [tensor_info(f"{name}_next", size, dtype, *quantised(1)) for name, size in state],
    )


RUNNERS = {
    "int8 posterior": lambda: dice(
        "int8", "posterior", 1, [5], scales=(0.1, 0.0078, 1 / 256), zeros=(-128, 3, -128)
    ),
    "int8 logit": lambda: dice(
        "int8", "logit", 1, [5], scales=(0.1, 0.0078, 0.11), zeros=(-128, 3, 17)
    ),
    "int16 posteriors": lambda: dice(
        "int16",
        "posterior",
        3,
        [5, 11, 2],
        frames=[("frame_a", 7), ("frame_b", 3)],
        scales=(0.0008, 3e-5, 1 / 32768),
        zeros=(0, 0, 0),
    ),
    "float32 posteriors": lambda: dice("float32", "posterior", 3, [5, 2]),
    "int8, no state": lambda: dice(
        "int8", "posterior", 3, [], scales=(0.1, 1, 1 / 256), zeros=(-128, 0, -128)
    ),
}


def shuffled(runner, seed=1):
    """Indices that are not in the order of the names."""
    rng = np.random.default_rng(seed)
    positions = {}
    for infos in (runner.inputs, runner.outputs):
        places = rng.permutation(len(infos)).tolist()
        positions |= {info.name: place for info, place in zip(infos, places, strict=True)}
    return positions


def posteriors_of(runner, outputs):
    """The posteriors of a runner's outputs, which are logits if it says so."""
    (output,) = (info for info in runner.outputs if info.name in runner.signature.posteriors)
    if not sources.is_logit(output) or np.min(outputs) >= 0:
        return outputs
    values = np.rint(np.array(outputs) / np.float32(output.scale)).astype(int) + output.zero_point
    return sources.posterior_table(output)[values + 128]


def outputs_of(machine, files, folder, content):
    (folder / "replay.bin").write_bytes(content)
    run(machine.build([PROGRAMS / "check_detector.cc", *files], folder, folder), cwd=folder)
    return np.fromfile(folder / "outputs.bin", "float32")


@pytest.mark.parametrize("name", RUNNERS)
def test_detector_equals_python_to_the_bit(machine, tmp_path, name):
    """Resets and failures in between; tensors at shuffled indices; inputs checked on every step."""
    runner = RUNNERS[name]()
    events = np.random.default_rng(3).choice([NOTHING, RESET, FAILURE], 300, p=[0.96, 0.02, 0.02])
    positions = shuffled(runner)
    raw_content, raw = replay(runner, features_for(runner, len(events)), events, positions)
    posteriors = posteriors_of(runner, raw)
    thresholds = [0.6] if len(posteriors[0]) == 1 else SEVERAL
    expected = expected_outputs(posteriors, events, thresholds, SCORING)
    files = write_settings(runner, positions, tmp_path, thresholds, SCORING)
    outputs = outputs_of(machine, files, tmp_path, raw_content).reshape(expected.shape)
    np.testing.assert_array_equal(outputs, expected)
    assert expected[..., 2].sum() >= 5


@pytest.mark.parametrize("name", ["int8 posterior", "float32 posteriors"])
def test_steps_that_are_not_finite_are_refused_and_change_nothing(tmp_path, name):
    runner = RUNNERS[name]()
    bad = [NOT_FINITE, SPOILED] if "float32" in name else [NOT_FINITE]  # integers are finite
    share = 0.3 / len(bad)
    events = np.random.default_rng(5).choice(
        [NOTHING, RESET, *bad], 200, p=[0.68, 0.02, *[share] * len(bad)]
    )
    positions = shuffled(runner)
    content, posteriors = replay(runner, features_for(runner, len(events)), events, positions)
    thresholds = [0.6] if len(posteriors[0]) == 1 else SEVERAL
    expected = expected_outputs(posteriors, events, thresholds, SCORING)
    files = write_settings(runner, positions, tmp_path, thresholds, SCORING)
    outputs = outputs_of(Host(), files, tmp_path, content).reshape(expected.shape)
    np.testing.assert_array_equal(outputs, expected)
    assert expected[..., 2].sum() >= 3


def test_outputs_of_a_late_model_that_belong_to_no_frame_are_left_out(machine, tmp_path):
    runner = RUNNERS["int8 posterior"]()
    events = np.random.default_rng(4).choice([NOTHING, RESET, FAILURE], 200, p=[0.94, 0.03, 0.03])
    positions = shuffled(runner)
    content, posteriors = replay(runner, features_for(runner, len(events)), events, positions)
    expected = expected_outputs(posteriors, events, [0.6], SCORING, delay_frames=3)
    files = write_settings(runner, positions, tmp_path, [0.6], SCORING, delay_frames=3)
    outputs = outputs_of(machine, files, tmp_path, content).reshape(expected.shape)
    np.testing.assert_array_equal(outputs, expected)
    assert expected[..., 2].sum() >= 3
    assert (expected[:3, 0, 0] == 0).all()


def test_int16_logit_is_within_rounding_of_python(machine, tmp_path):
    runner = dice("int16", "logit", 1, [4], scales=(1e-3, 3e-5, 5e-4), zeros=(0, 0, 0))
    output = runner.outputs[0]
    events = np.zeros(200, int)
    content, raw = replay(runner, features_for(runner, len(events)), events, shuffled(runner))
    raw = np.array(raw)[:, 0]
    if raw.min() < 0:
        raw = 1 / (1 + np.exp(-raw.astype("float64")))
    assert output.name == "logit"
    files = write_settings(runner, shuffled(runner), tmp_path, [0.6], SCORING)
    outputs = outputs_of(machine, files, tmp_path, content).reshape(-1, 3)
    np.testing.assert_allclose(outputs[:, 0], raw, rtol=3e-7)
    assert raw.min() < 1e-6
