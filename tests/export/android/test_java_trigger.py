"""The trigger in Java against Python."""

import numpy as np
import pytest
from android_project import needs_jdk, run_java
from trigger_cases import random_case

from keras_sal.detection import Scoring, detect

pytestmark = [pytest.mark.any_backend, needs_jdk]


def case_bytes(posteriors, thresholds, scoring):
    hysteresis = np.nan if scoring.hysteresis is None else scoring.hysteresis
    counts = scoring.smooth_frames, scoring.on_frames, scoring.refractory_frames
    return b"".join([
        np.array(counts, "<i4").tobytes(),
        np.array(hysteresis, "<f8").tobytes(),
        np.array(len(thresholds), "<i4").tobytes(),
        np.array(thresholds, "<f8").tobytes(),
        np.array(len(posteriors), "<i4").tobytes(),
        np.asarray(posteriors, "<f4").tobytes(),
    ])  # fmt: skip


def run(cases, classes, folder):
    """Return scores and marks of each case, `(frames, classes)`."""
    (folder / "cases.bin").write_bytes(b"".join(case_bytes(*case) for case in cases))
    run_java("kerassal.detector.CheckTrigger", folder, class_path=[classes])
    outputs = np.fromfile(folder / "outputs.bin", "<f4").reshape(-1, 2)
    sizes = [np.size(posteriors) for posteriors, *_ in cases]
    assert len(outputs) == sum(sizes)
    parts = np.split(outputs, np.cumsum(sizes)[:-1])
    return [
        part.reshape(len(posteriors), -1, 2)
        for part, (posteriors, *_) in zip(parts, cases, strict=True)
    ]


def several_classes(rng):
    """Posteriors of several classes with a threshold each, under one rule."""
    columns = [random_case(rng) for _ in range(int(rng.integers(1, 4)))]
    frames = min(len(posterior) for posterior, *_ in columns)
    posteriors = np.stack([posterior[:frames] for posterior, *_ in columns], axis=1)
    return posteriors, [threshold for _, threshold, _ in columns], columns[0][2]


def test_trigger_equals_python_to_the_bit(classes, tmp_path):
    rng = np.random.default_rng(0)
    cases = [several_classes(rng) for _ in range(600)]
    fired = 0
    for outputs, (posteriors, thresholds, scoring) in zip(
        run(cases, classes, tmp_path), cases, strict=True
    ):
        np.testing.assert_array_equal(outputs[..., 0], scoring.scores(posteriors)[0])
        found = detect(posteriors, thresholds, **vars(scoring))
        expected = [(int(each.time_s), each.class_index) for each in found]
        marks = [tuple(index) for index in np.argwhere(outputs[..., 1]).tolist()]
        assert marks == expected, (thresholds, scoring)
        fired += len(found)
    assert fired > 600, "the cases must make triggers fire"


@pytest.mark.parametrize(
    ("posterior", "threshold", "rule"),
    [
        ([0.0, 0.0, 1.0], 0.0, {"refractory_s": 0.0}),  # any score is on
        ([1.0, np.nextafter(np.float32(1), np.float32(0)), 1.0], 1.0, {"refractory_s": 1.0}),
        ([0.5] * 9, 0.5, {"hysteresis": 0.0, "refractory_s": 0.0}),  # one long alarm
        ([0.5], 0.5, {"smooth_frames": 64, "on_frames": 64}),  # a stream shorter than a window
        ([0.0] * 70 + [1.0] * 70, 0.5, {"smooth_frames": 64, "on_frames": 64}),
        ([1e-45, 0.0, 1e-45], 1e-45, {"refractory_s": 0.0}),  # the least number above 0
    ],
)
def test_edges_equal_python(classes, tmp_path, posterior, threshold, rule):
    posteriors, scoring = np.float32(posterior)[:, None], Scoring(frame_step_s=1.0, **rule)
    [outputs] = run([(posteriors, [threshold], scoring)], classes, tmp_path)
    np.testing.assert_array_equal(outputs[..., 0], scoring.scores(posteriors)[0])
    expected = [int(d.time_s) for d in detect(posteriors, threshold, **vars(scoring))]
    assert np.flatnonzero(outputs[..., 0, 1]).tolist() == expected
