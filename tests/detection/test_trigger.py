"""The trigger: by hand, in C++, and live in chunks of any size."""

import math
import shutil
import subprocess

import numpy as np
import pytest
from detection_reference import (
    RULES_WITHOUT_HYSTERESIS,
    SEEDS,
    all_thresholds,
    golden,
    random_case,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_sal import detection
from keras_sal.detection import Detection, Scoring, Trigger, detect

pytestmark = pytest.mark.any_backend

RULES = st.fixed_dictionaries(
    {
        "frame_step_s": st.sampled_from([0.01, 0.02, 1.0]),
        "frame_offset_s": st.sampled_from([0.0, 0.03]),
        "smooth_frames": st.integers(1, 6),
        "on_frames": st.integers(1, 4),
        "hysteresis": st.sampled_from([None, 0.0, 0.1, 0.4]),
        "refractory_s": st.sampled_from([0.0, 0.025, 0.05, 3.0]),
    }
)


def random_posteriors(seed, frames, classes, dtype):
    """Posteriors that rise and fall, on a coarse grid so that scores meet the threshold exactly."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(scale=0.25, size=(frames, classes)), axis=0)
    return (np.round(8 * (0.5 + 0.5 * np.sin(walk))) / 8).astype(dtype)


def fed_in_chunks(trigger, posteriors, cuts):
    found = []
    for chunk in np.split(posteriors, sorted(cut % (len(posteriors) + 1) for cut in cuts)):
        found += trigger.feed(chunk)
    return found


@settings(max_examples=300)
@given(
    seed=st.integers(0, 10**6),
    frames=st.integers(1, 60),
    classes=st.integers(1, 3),
    dtype=st.sampled_from(["float32", "float64"]),
    cuts=st.lists(st.integers(0, 60), max_size=8),
    threshold=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 1.0, math.inf]),
    rule=RULES,
)
def test_any_chunking_finds_what_detect_finds(seed, frames, classes, dtype, cuts, threshold, rule):
    posteriors = random_posteriors(seed, frames, classes, dtype)
    trigger = Trigger(threshold, classes=classes, **rule)
    whole = detect(posteriors, threshold, **rule)
    assert fed_in_chunks(trigger, posteriors, cuts) == whole
    trigger.reset()
    assert fed_in_chunks(trigger, posteriors, range(frames)) == whole


def test_the_property_is_not_empty():
    """The random streams above fire several times each."""
    rule = {"frame_step_s": 0.01, "hysteresis": 0.1, "refractory_s": 0.05}
    found = [detect(random_posteriors(seed, 60, 1, "float32"), 0.5, **rule) for seed in range(20)]
    assert sum(map(len, found)) > 40


def test_smoothing_remembers_the_chunk_before():
    """(0.9 + 0.3) / 2 is 0.6; the first frame is (0.9 + 0) / 2."""
    trigger = Trigger(0.6, frame_step_s=1.0, smooth_frames=2)
    assert trigger.feed(np.array([0.9])) == []
    assert trigger.feed(np.array([0.3])) == [Detection(1.0, 0.6, 0)]


def test_on_frames_count_across_chunks():
    trigger = Trigger(0.5, frame_step_s=1.0, on_frames=3)
    assert trigger.feed([0.6, 0.7]) == []
    assert trigger.feed([0.8]) == [Detection(2.0, 0.8, 0)]


def test_refractory_time_runs_across_chunks():
    trigger = Trigger(0.5, frame_step_s=1.0, refractory_s=3.0)
    assert [d.time_s for d in trigger.feed([0.6, 0.6])] == [0.0]
    assert [d.time_s for d in trigger.feed([0.6, 0.6])] == [3.0]


def test_hysteresis_holds_across_chunks():
    """Only a score below 0.5 - 0.25 arms it again."""
    trigger = Trigger(0.5, frame_step_s=1.0, refractory_s=0.0, hysteresis=0.25)
    assert [d.time_s for d in trigger.feed([0.75, 0.25])] == [0.0]
    assert trigger.feed([0.75]) == []
    assert [d.time_s for d in trigger.feed([0.125, 0.75])] == [4.0]


def test_classes_have_thresholds_of_their_own():
    trigger = Trigger([0.9, 0.5], classes=2, frame_step_s=1.0)
    assert trigger.feed([[0.6, 0.6]]) == [Detection(0.0, 0.6, 1)]


def test_no_frame_is_fine():
    trigger = Trigger(0.5, frame_step_s=1.0)
    assert trigger.feed([]) == []
    assert trigger.feed(np.empty((0, 1))) == []
    assert trigger.feed([0.9]) == [Detection(0.0, 0.9, 0)]


def test_what_it_is_fed_may_change_afterwards():
    trigger = Trigger(0.6, frame_step_s=1.0, smooth_frames=2)
    chunk = np.array([0.9], "float32")
    trigger.feed(chunk)
    chunk[:] = 0
    assert len(trigger.feed(np.array([0.4], "float32"))) == 1


def test_hours_of_single_frames_keep_the_time():
    trigger = Trigger(0.5, frame_step_s=0.01, frame_offset_s=0.03)
    trigger.feed(np.zeros(360_000, "float32"))
    [found] = trigger.feed([0.75])
    assert found.time_s == pytest.approx(3600.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.5}, r"`threshold` must be in \[0, 1\]"),
        ({"threshold": [0.5, 0.5]}, "one for each of the 1 classes"),
        ({"classes": 0}, "`classes` must be an integer >= 1"),
        ({"classes": True}, "`classes` must be an integer >= 1"),
        ({"smooth_frames": 0}, "`smooth_frames` must be an integer >= 1"),
    ],
)
def test_rejects_a_bad_trigger(options, message):
    with pytest.raises(ValueError, match=message):
        Trigger(**{"threshold": 0.5, "frame_step_s": 1.0} | options)


@pytest.mark.parametrize(
    ("posteriors", "message"),
    [
        ([[0.1, 0.2, 0.3]], "`posteriors` must have a column for each of the 2 classes"),
        ([0.1, 0.2], "`posteriors` must have a column for each of the 2 classes"),
        ([[0.1, math.nan]], r"Received: posteriors\[0\]=nan"),
        ([[0.1, 3.0]], r"`posteriors` must lie in \[0, 1\]"),
    ],
)
def test_rejects_bad_posteriors(posteriors, message):
    with pytest.raises(ValueError, match=message):
        Trigger(0.5, classes=2, frame_step_s=1.0).feed(posteriors)


# --- whole streams


@golden("trigger")
def test_detect_golden(case):
    found = detect(case["posterior"], case["threshold"], **case["scoring"])
    np.testing.assert_allclose(
        [(detection.time_s, detection.score) for detection in found], case["detections"], atol=1e-12
    )


@given(seed=SEEDS, rule=RULES_WITHOUT_HYSTERESIS)
@settings(max_examples=25, deadline=None)
def test_raising_the_threshold_never_adds_detections(seed, rule):
    posteriors, _ = random_case(seed, 64, **rule)
    keywords = {name: rule[name] for name in rule if name not in ("early_s", "max_delay_s")}
    for posterior in posteriors:
        found = [
            len(detect(posterior, level, **keywords))
            for level in all_thresholds([posterior], Scoring(**rule))
        ]
        assert found == sorted(found)


@given(seed=SEEDS, rule=RULES_WITHOUT_HYSTERESIS)
@settings(max_examples=50, deadline=None)
def test_a_lower_threshold_loses_a_hit_only_to_a_detection_just_before_its_window(seed, rule):
    posteriors, _ = random_case(seed, 16, **rule)
    posterior, step = posteriors[0], rule["frame_step_s"]
    anchor = 0.2
    window = np.array([anchor - rule["early_s"], anchor + rule["max_delay_s"]])
    device = {k: v for k, v in rule.items() if k not in ("early_s", "max_delay_s")}

    def times(level):
        return np.array([each.time_s for each in detect(posterior, level, **device)])

    def is_hit(level):
        return ((times(level) >= window[0] - 1e-9) & (times(level) <= window[1] + 1e-9)).any()

    hit_above = False
    for level in all_thresholds([posterior], Scoring(**rule)):
        if hit_above and not is_hit(level):
            before = times(level)[times(level) < window[0]]
            assert before.max() > window[0] - max(rule["refractory_s"], step) - 1e-9
            # ... which reaches a frame of the window
            assert before.max() + rule["refractory_s"] > window[0]
        hit_above = hit_above or is_hit(level)


def test_threshold_is_not_rounded_to_float32():
    posterior = np.full(3, 0.7, "float32")  # 0.69999999 in float32
    assert detect(posterior, 0.7, frame_step_s=1.0) == []
    assert len(detect(posterior, float(posterior[0]), frame_step_s=1.0)) == 3


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize("hysteresis", [None, 0.25])
def test_the_trigger_in_the_docstring_compiles_and_agrees(tmp_path, hysteresis):
    code = detection.__doc__.split("it reads\n")[1].split("  So detections")[0]
    rng = np.random.default_rng(7)
    posterior = np.round(rng.random(997) ** 2 * 256) / 256
    rule = Scoring(
        frame_step_s=0.01, smooth_frames=3, on_frames=2, refractory_s=0.05, hysteresis=hysteresis
    )
    source = f"""
        #include <cstdio>
        #include <numeric>
        #include <vector>
        const int smooth_frames = {rule.smooth_frames}, on_frames = {rule.on_frames};
        const int refractory_frames = {rule.refractory_frames};
        const double threshold = 0.5, hysteresis = {hysteresis or 0.0};
        const bool use_hysteresis = {int(hysteresis is not None)};
        double sum(const std::vector<double>& v) {{
          return std::accumulate(v.begin(), v.end(), 0.0);
        }}
        void detection(int t, double) {{ std::printf("%d\\n", t); }}
        int main() {{
          std::vector<double> ring(smooth_frames);
          int t = 0, on = 0, dead = 0;
          bool latched = false;
          double posterior;
          while (std::scanf("%lf", &posterior) == 1) {{ {code} }}
        }}
    """
    (tmp_path / "trigger.cc").write_text(source)
    subprocess.run(["g++", "-Wall", "-o", "trigger", "trigger.cc"], cwd=tmp_path, check=True)
    answer = subprocess.run(
        [tmp_path / "trigger"],
        input="\n".join(map(repr, posterior.tolist())),
        capture_output=True,
        text=True,
        check=True,
    )
    frames = [round(each.time_s / 0.01) for each in detect(posterior, 0.5, **vars(rule))]
    assert len(frames) > 10
    assert list(map(int, answer.stdout.split())) == frames


def test_each_class_has_a_trigger_of_its_own():
    posterior = np.array([[0.9, 0.9], [0.9, 0.1], [0.1, 0.6]])
    found = detect(posterior, [0.8, 0.5], frame_step_s=1.0)
    assert found == [
        Detection(0.0, 0.9, 0),
        Detection(0.0, 0.9, 1),
        Detection(1.0, 0.9, 0),
        Detection(2.0, 0.6, 1),
    ]


@pytest.mark.parametrize(
    ("refractory_s", "frame_step_s", "frames"),
    [(0.07, 0.01, 7), (1.0, 0.25, 4), (0.0, 0.01, 1), (0.071, 0.01, 8)],  # 0.07 / 0.01 > 7
)
def test_a_refractory_time_of_whole_frames_is_not_rounded_up(refractory_s, frame_step_s, frames):
    rule = Scoring(frame_step_s=frame_step_s, refractory_s=refractory_s)
    assert rule.refractory_frames == frames
    found = detect(np.full(50, 0.9), 0.5, frame_step_s=frame_step_s, refractory_s=refractory_s)
    assert round(found[1].time_s / frame_step_s) == frames
