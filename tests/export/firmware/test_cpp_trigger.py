"""The C++ trigger against Python."""

import numpy as np
import pytest
from firmware_programs import PROGRAMS, CortexM4, Host, needs_compiler, run, trigger_source
from trigger_cases import random_case

from keras_sal.detection import Scoring, Trigger, detect
from keras_sal.export.firmware.literals import float_release, float_threshold

pytestmark = [pytest.mark.any_backend, needs_compiler]


@pytest.fixture(params=[Host(), CortexM4()], ids=lambda machine: machine.name)
def machine(request):
    return request.param


def case_bytes(posterior, threshold, scoring):
    levels = [
        float_threshold(threshold),
        float_release(threshold, scoring.hysteresis),
    ]
    counts = [scoring.smooth_frames, scoring.on_frames, scoring.refractory_frames, len(posterior)]
    return np.float32(levels).tobytes() + np.int32(counts).tobytes() + posterior.tobytes()


def test_trigger_equals_python_to_the_bit(machine, tmp_path):
    rng = np.random.default_rng(0)
    cases = [random_case(rng) for _ in range(600)]
    (tmp_path / "cases.bin").write_bytes(b"".join(case_bytes(*case) for case in cases))
    files = [PROGRAMS / "check_trigger.cc", trigger_source(tmp_path)]
    run(machine.build(files, tmp_path, tmp_path), cwd=tmp_path)
    outputs = np.fromfile(tmp_path / "outputs.bin", "float32").reshape(-1, 2)
    assert len(outputs) == sum(len(posterior) for posterior, _, _ in cases)
    fired = 0
    for posterior, threshold, scoring in cases:
        scores, outputs = outputs[: len(posterior)], outputs[len(posterior) :]
        np.testing.assert_array_equal(scores[:, 0], scoring.scores(posterior)[0])
        expected = detect(posterior, threshold, **vars(scoring))
        frames = [int(detection.time_s) for detection in expected]
        assert np.flatnonzero(scores[:, 1]).tolist() == frames, (threshold, scoring)
        live = Trigger(threshold, **vars(scoring)).feed(posterior)
        assert [detection.time_s for detection in live] == frames
        fired += len(frames)
    assert fired > 600, "the cases must make triggers fire"


def test_a_posterior_that_is_not_a_number_is_not_on(tmp_path):
    """It leaves the mean with the frames that follow, and the trigger goes on as before."""
    posterior = np.float32([0, np.nan, np.nan, np.nan, 0.2, 0.2, 0.9, 0.9, 0.9, np.nan, 0.2])
    scoring = Scoring(frame_step_s=1.0, smooth_frames=2, on_frames=2, hysteresis=0.1)
    (tmp_path / "cases.bin").write_bytes(case_bytes(posterior, 0.8, scoring))
    files = [PROGRAMS / "check_trigger.cc", trigger_source(tmp_path)]
    run(Host().build(files, tmp_path, tmp_path), cwd=tmp_path)
    outputs = np.fromfile(tmp_path / "outputs.bin", "float32").reshape(-1, 2)
    assert np.flatnonzero(outputs[:, 1]).tolist() == [8]
