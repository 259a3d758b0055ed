"""Detection scoring against a literal loop, hand-made streams and properties."""

import itertools
import json
import math
import pathlib
import shutil
import subprocess
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from keras_sal import detection
from keras_sal.detection import (
    Detection,
    NegativeHoursWarning,
    Scoring,
    det_curve,
    detect,
    match_events,
    operating_point,
)

# --- the slow reference: the trigger and the matching as they are described, one frame at a time


def reference_scores(posterior, smooth_frames):
    scores = []
    for t in range(len(posterior)):
        total = 0.0
        for lag in range(smooth_frames):
            total += float(posterior[t - lag]) if t >= lag else 0.0
        scores.append(total / smooth_frames)
    return scores


def reference_detect(posterior, threshold, rule):
    frames, on, dead, latched = [], 0, 0, False
    refractory = max(1, math.ceil(rule.refractory_s / rule.frame_step_s - 1e-6))
    for t, score in enumerate(reference_scores(posterior, rule.smooth_frames)):
        on = on + 1 if score >= threshold else 0
        if rule.hysteresis is not None and score + rule.hysteresis < threshold:
            latched = False
        if dead > 0:
            dead -= 1
        if on >= rule.on_frames and dead == 0 and not latched:
            frames.append(t)
            dead = refractory
            latched = rule.hysteresis is not None
    return frames


def reference_counts(posterior, anchors, threshold, rule):
    """False alarms and latencies of one stream, by looking at every pair."""
    hit, false_alarms = {}, 0
    for frame in reference_detect(posterior, threshold, rule):
        time = rule.frame_offset_s + frame * rule.frame_step_s
        inside = [
            event
            for event in sorted(range(len(anchors)), key=lambda event: anchors[event])
            if anchors[event] - rule.early_s - 1e-6
            <= time
            <= anchors[event] + rule.max_delay_s + 1e-6
        ]
        free = [event for event in inside if event not in hit]
        if free:
            hit[free[0]] = time - anchors[free[0]]
        elif not inside:
            false_alarms += 1
    return false_alarms, list(hit.values())


def reference_negative_hours(frames, anchors, rule):
    outside = 0
    for t in range(frames):
        time = rule.frame_offset_s + t * rule.frame_step_s
        outside += not any(
            a - rule.early_s - 1e-6 <= time <= a + rule.max_delay_s + 1e-6 for a in anchors
        )
    return outside * rule.frame_step_s / 3600


def all_thresholds(posteriors, rule):
    """Every value at which a trigger can change, something between any two, and `inf`."""
    levels = {s for p in posteriors for s in reference_scores(p, rule.smooth_frames)}
    if rule.hysteresis is not None:
        levels |= {score + rule.hysteresis for score in levels}
    levels = sorted(level for level in levels if level <= 1)
    between = [(low + high) / 2 for low, high in itertools.pairwise(levels)]
    return sorted({*levels, *between, math.inf}, reverse=True)


def random_case(seed, levels, **scoring):
    """A few streams of prime lengths; few levels make ties."""
    rng = np.random.default_rng(seed)
    rule = Scoring(**scoring)
    posteriors, anchors = [], []
    for frames in (37, 1, 19, 43):
        walk = np.abs(np.sin(np.cumsum(rng.normal(0, 0.5, frames))))
        noise = rng.random(frames)
        posterior = np.where(rng.random(frames) < 0.5, walk, noise)
        posteriors.append(np.round(posterior * levels) / levels)
        end = rule.time_s(frames - 1)
        anchors.append(rng.uniform(0, end, rng.integers(0, 5)) if end else np.empty(0))
    return posteriors, anchors


def assert_same_as_reference(posteriors, anchors, max_fa_per_hour=math.inf, **scoring):
    rule = Scoring(**scoring)
    curve = det_curve(posteriors, anchors, max_fa_per_hour=max_fa_per_hour, **scoring)
    hours = sum(
        reference_negative_hours(len(p), a, rule) for p, a in zip(posteriors, anchors, strict=True)
    )
    assert curve.hours == pytest.approx(hours)
    assert curve.events == sum(map(len, anchors))
    held = set()
    for threshold in all_thresholds(posteriors, rule):
        per_stream = [
            reference_counts(p, a, threshold, rule)
            for p, a in zip(posteriors, anchors, strict=True)
        ]
        false_alarms = sum(count for count, _ in per_stream)
        latencies = sorted(latency for _, each in per_stream for latency in each)
        if hours and false_alarms / hours > max_fa_per_hour:
            assert threshold not in curve.threshold
            continue
        if threshold <= curve.floor:
            assert rule.hysteresis is not None  # without it everything allowed is on the curve
            continue
        held.add(threshold)
        index = np.flatnonzero(curve.threshold >= threshold)[-1]
        assert curve.false_alarms[index] == false_alarms
        assert curve.hits[index] == len(latencies)
        point = curve.point(threshold)
        assert (point.false_alarms, point.hits) == (false_alarms, len(latencies))
        np.testing.assert_allclose(
            sorted(curve.hit_table.latency_s[curve.hit_table.at(threshold)]), latencies, atol=1e-9
        )
        alone = operating_point(posteriors, anchors, threshold, **scoring)
        assert repr(alone) == repr(point)
    assert held >= set(curve.threshold.tolist())


RULES = st.fixed_dictionaries(
    {
        "frame_step_s": st.just(0.01),
        "frame_offset_s": st.sampled_from([0.0, 0.03]),
        "smooth_frames": st.integers(1, 4),
        "on_frames": st.integers(1, 3),
        "hysteresis": st.sampled_from([None, None, 0.0, 0.25, 0.6]),
        "refractory_s": st.sampled_from([0.0, 0.01, 0.03, 0.07, 0.195, 2.0]),
        "early_s": st.sampled_from([0.0, 0.02, 0.05]),
        "max_delay_s": st.sampled_from([0.0, 0.03, 0.11]),
    }
)


@given(seed=st.integers(0, 2**32 - 1), levels=st.sampled_from([2, 7, 64, 10**6]), rule=RULES)
@settings(max_examples=50, deadline=None)
def test_curve_is_the_reference_at_every_score(seed, levels, rule):
    posteriors, anchors = random_case(seed, levels, **rule)
    assert_same_as_reference(posteriors, anchors, **rule)


@given(
    seed=st.integers(0, 2**32 - 1),
    levels=st.sampled_from([7, 10**6]),
    rule=RULES,
    max_fa_per_hour=st.sampled_from([1.0, 4e3, 2e4, 1e5]),
)
@settings(max_examples=50, deadline=None)
def test_bounded_curve_holds_every_point_within_the_bound(seed, levels, rule, max_fa_per_hour):
    posteriors, anchors = random_case(seed, levels, **rule)
    assert_same_as_reference(posteriors, anchors, max_fa_per_hour, **rule)


# --- by hand

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"


def golden(name):
    cases = json.loads((GOLDEN / f"detection_{name}.json").read_text())
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


@golden("trigger")
def test_detect_golden(case):
    found = detect(case["posterior"], case["threshold"], **case["scoring"])
    np.testing.assert_allclose(
        [(detection.time_s, detection.score) for detection in found], case["detections"], atol=1e-12
    )


@golden("matching")
def test_match_events_golden(case):
    matches = match_events(
        [Detection(time_s, 1.0) for time_s in case["detections_s"]],
        case["anchors_s"],
        early_s=case["early_s"],
        max_delay_s=case["max_delay_s"],
    )
    assert [[detection.time_s, event] for detection, event in matches.hits] == case["hits"]
    assert matches.misses == case["misses"]
    assert [detection.time_s for detection in matches.false_alarms] == case["false_alarms"]
    assert [detection.time_s for detection in matches.ignored] == case["ignored"]
    np.testing.assert_allclose(matches.latencies_s, case["latencies_s"], atol=1e-12)


@golden("curve")
@pytest.mark.filterwarnings("ignore::keras_sal.detection.NegativeHoursWarning")
def test_det_curve_golden(case):
    posteriors = []
    for length, peaks in zip(case["lengths"], case["peaks"], strict=True):
        posterior = np.zeros(length)
        posterior[[int(frame) for frame in peaks]] = list(peaks.values())
        posteriors.append(posterior)
    curve = det_curve(
        posteriors, case["anchors_s"], max_fa_per_hour=case["max_fa_per_hour"], **case["scoring"]
    )
    assert curve.hours == pytest.approx(case["hours"])
    assert curve.events == case["events"]
    assert curve.threshold.tolist() == [float(level) for level in case["threshold"]]
    assert curve.hits.tolist() == case["hits"]
    assert curve.false_alarms.tolist() == case["false_alarms"]
    for budget, expected in case["at"].items():
        point = curve.at(float(budget))
        assert point.threshold == curve.threshold_at(float(budget)) == expected["threshold"]
        assert point.frr == curve.frr_at(float(budget)) == expected["frr"]
        assert point.fa_per_hour == pytest.approx(expected["fa_per_hour"])
        latency = curve.latency_at(float(budget))
        assert (latency.p50_s, latency.p90_s) == (expected["p50_s"], expected["p90_s"])
        assert latency.mean_s == pytest.approx(expected["mean_s"])
        assert latency.frr == expected["frr"]
        assert latency.hits == point.hits
    for latency_s, budget, expected, _ in case["frr_within"]:
        assert curve.frr_within(latency_s, budget) == expected
    bound, expected, _ = case["mean_frr"]
    assert curve.mean_frr(bound) == pytest.approx(expected)


# --- what holds for any stream

CURVE_RULES = st.fixed_dictionaries(
    {
        "frame_step_s": st.just(0.01),
        "smooth_frames": st.integers(1, 3),
        "on_frames": st.integers(1, 2),
        "refractory_s": st.sampled_from([0.0, 0.03, 0.11]),
        "early_s": st.sampled_from([0.0, 0.04]),
        "max_delay_s": st.sampled_from([0.02, 0.09]),
    }
)
SEEDS = st.integers(0, 2**32 - 1)


def counts_at(curve, thresholds):
    points = [curve.point(threshold) for threshold in thresholds]
    return np.array([(point.hits, point.false_alarms) for point in points])


@given(seed=SEEDS, rule=CURVE_RULES, silence=st.integers(1, 29))
@settings(max_examples=25, deadline=None)
def test_silence_before_a_stream_changes_nothing_but_the_hours(seed, rule, silence):
    posteriors, anchors = random_case(seed, 64, **rule)
    # keep the windows off the start, where they would be cut
    anchors = [each[each > 0.05] for each in anchors]
    later = [np.concatenate([np.zeros(silence), p]) for p in posteriors]
    shifted = [each + silence * 0.01 for each in anchors]
    curve = det_curve(posteriors, anchors, max_fa_per_hour=math.inf, **rule)
    after = det_curve(later, shifted, max_fa_per_hour=math.inf, **rule)
    levels = [level for level in all_thresholds(posteriors, Scoring(**rule)) if level > 0]
    np.testing.assert_array_equal(counts_at(curve, levels), counts_at(after, levels))
    assert after.hours - curve.hours == pytest.approx(len(posteriors) * silence * 0.01 / 3600)


@given(seed=SEEDS, rule=CURVE_RULES)
@settings(max_examples=25, deadline=None)
def test_streams_add_up(seed, rule):
    posteriors, anchors = random_case(seed, 64, **rule)
    more, other = random_case(seed + 1, 64, **rule)
    curves = [
        det_curve(*streams, max_fa_per_hour=math.inf, **rule)
        for streams in ((posteriors, anchors), (more, other), (posteriors + more, anchors + other))
    ]
    levels = all_thresholds(posteriors + more, Scoring(**rule))
    first, second, both = (counts_at(curve, levels) for curve in curves)
    np.testing.assert_array_equal(first + second, both)
    assert curves[0].hours + curves[1].hours == pytest.approx(curves[2].hours)
    assert curves[0].events + curves[1].events == curves[2].events


@given(seed=SEEDS, rule=CURVE_RULES)
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


@given(seed=SEEDS, rule=CURVE_RULES)
@settings(max_examples=25, deadline=None)
def test_raising_the_threshold_never_adds_hits_without_refractory_time(seed, rule):
    rule = rule | {"refractory_s": 0.0}
    posteriors, anchors = random_case(seed, 64, **rule)
    curve = det_curve(posteriors, anchors, max_fa_per_hour=math.inf, **rule)
    assert (np.diff(curve.hits) >= 0).all()
    assert (np.diff(curve.false_alarms) >= 0).all()


@given(seed=SEEDS, rule=CURVE_RULES)
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


@given(
    times=st.lists(st.integers(0, 60), max_size=9),
    anchors=st.lists(st.integers(0, 60), max_size=7),
    early=st.integers(0, 6),
    delay=st.integers(0, 9),
)
@settings(max_examples=200, deadline=None)
def test_matching_is_as_large_as_any(times, anchors, early, delay):
    matches = match_events(
        [Detection(float(time), 1.0) for time in times],
        np.array(anchors, float),
        early_s=early,
        max_delay_s=delay,
    )
    inside = np.array([[-early <= time - anchor <= delay for time in times] for anchor in anchors])
    graph = inside.reshape(len(anchors), len(times)).astype(int)
    largest = (maximum_bipartite_matching(csr_array(graph)) >= 0).sum() if graph.size else 0
    assert len(matches.hits) == largest
    assert len(matches.hits) + len(matches.misses) == len(anchors)
    counted = len(matches.hits) + len(matches.false_alarms) + len(matches.ignored)
    assert counted == len(times)
    outside = sum(not graph[:, column].any() for column in range(len(times)))
    assert len(matches.false_alarms) == outside


@given(seed=SEEDS, rule=RULES)
@settings(max_examples=25, deadline=None)
def test_float32_posteriors_are_scored_as_they_are(seed, rule):
    posteriors, anchors = random_case(seed, 10**6, **rule)
    posteriors = [posterior.astype("float32") for posterior in posteriors]
    curve = det_curve(posteriors, anchors, max_fa_per_hour=math.inf, **rule)
    for threshold in [*curve.threshold[:: len(curve.threshold) // 20 + 1].tolist(), 0.7]:
        assert repr(curve.point(threshold)) == repr(
            operating_point(posteriors, anchors, threshold, **rule)
        )


def test_threshold_is_not_rounded_to_float32():
    posterior = np.full(3, 0.7, "float32")  # 0.69999999 in float32
    assert detect(posterior, 0.7, frame_step_s=1.0) == []
    assert len(detect(posterior, float(posterior[0]), frame_step_s=1.0)) == 3


def test_budget_counts_what_rounding_would_lose():
    # 5760 frames of 0.03 s are 0.048 h; 6 false alarms are 125 an hour, but not in binary
    posterior = np.zeros(5760)
    posterior[500:3500:500] = 0.9
    curve = det_curve([posterior], [[]], frame_step_s=0.03, max_fa_per_hour=125.0)
    assert curve.fa_per_hour[-1] > 125.0
    assert curve.threshold_at(125.0) == 0.9
    assert curve.at(125.0).false_alarms == 6


def test_thresholds_that_share_their_counts_are_split_in_the_middle():
    posterior = np.zeros(7200)
    # the hit moves from 103 to 100 as the threshold falls; the false alarm comes at 0.1
    posterior[100:104] = [0.3, 0.4, 0.5, 0.6]
    posterior[3000] = 0.1
    curve = det_curve([posterior], [[101.0]], frame_step_s=1.0, refractory_s=9.0, max_delay_s=2.0)
    assert curve.threshold.tolist() == [math.inf, 0.6, 0.5, 0.4, 0.3, 0.1]
    assert curve.hits.tolist() == [0, 1, 1, 1, 0, 0]  # frame 100 is 1 s early: outside
    assert curve.threshold_at(0.0) == 0.5


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize("hysteresis", [None, 0.25])
def test_the_trigger_in_the_docstring_compiles_and_agrees(tmp_path, hysteresis):
    code = detection.__doc__.split("reads\n")[1].split("  So detections")[0]
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


# --- a published scorer over all thresholds


@pytest.mark.parametrize("seed", range(5))
def test_hits_at_all_thresholds_agree_with_sed_scores_eval(seed):
    """A trigger that fires on each rise finds the onsets of sed_scores_eval's segments."""
    sed_scores_eval = pytest.importorskip("sed_scores_eval")
    if int(pytest.importorskip("pandas").__version__.split(".")[0]) > 2:
        pytest.skip("sed_scores_eval 0.0.4 can't take the read-only arrays of pandas 3")
    create_score_dataframe = sed_scores_eval.base_modules.scores.create_score_dataframe
    rng = np.random.default_rng(seed)
    frames, step = 701, 0.02
    edges = np.arange(frames + 1) * step
    scores, truth, posteriors, anchors = {}, {}, [], []
    for clip in range(3):
        posterior = np.abs(np.sin(np.cumsum(rng.normal(0, 0.2, frames)))) * rng.random(frames)
        onsets = np.sort(rng.choice(np.arange(1, 27), 8, replace=False)) * 0.5
        name = f"clip{clip}"
        scores[name] = create_score_dataframe(
            posterior[:, None], timestamps=edges, event_classes=["word"]
        )
        truth[name] = [(onset, onset + 0.3, "word") for onset in onsets]
        posteriors.append(posterior)
        anchors.append(onsets)
    curve = det_curve(
        posteriors,
        anchors,
        frame_step_s=step,
        hysteresis=0.0,
        refractory_s=0.0,
        early_s=0.2,
        max_delay_s=0.2,
        max_fa_per_hour=math.inf,
    )
    _, _, _, levels, counts = sed_scores_eval.collar_based.fscore_curve(
        scores, truth, onset_collar=0.2, offset_collar=1e6
    )["word"]
    # at the last level, inf, nothing is detected; below a score s the threshold is just under s
    hits = [curve.point(float(level)).hits for level in levels]
    assert hits == counts["tps"].astype(int).tolist()
    assert len(hits) > 500
    assert max(hits) > 10


# --- undefined is nan


def test_without_events_frr_and_latency_are_nan():
    posterior = np.zeros(7200)
    posterior[[100, 200]] = 0.5, 0.25
    curve = det_curve([posterior], [[]], frame_step_s=1.0)
    assert np.isnan(curve.frr).all()
    assert math.isnan(curve.frr_at(2.0))
    assert math.isnan(curve.frr_within(0.5, 2.0))
    assert math.isnan(curve.eer())
    assert math.isnan(curve.mean_frr(2.0))
    assert curve.latency_at(2.0).hits == 0
    assert math.isnan(curve.latency_at(2.0).p90_s)
    # negatives alone still give a threshold: the lowest within the budget
    assert curve.threshold_at(2.0) == 0.25
    assert curve.at(2.0).fa_per_hour == 1.0


def test_without_negative_audio_false_alarm_rates_are_nan():
    curve = det_curve([[0.2, 0.9, 0.3]], [[1.0]], frame_step_s=1.0, early_s=1.0, max_delay_s=1.0)
    assert curve.hours == 0
    assert np.isnan(curve.fa_per_hour).all()
    assert curve.frr.tolist() == [1.0, 0.0, 0.0]  # at inf, 0.9 and (sooner) 0.2
    assert math.isnan(curve.frr_at(1.0))
    assert math.isnan(curve.threshold_at(1.0))
    assert math.isnan(curve.at(1.0).frr)
    assert math.isnan(curve.eer())
    point = operating_point(
        [[0.2, 0.9]], [[1.0]], 0.5, frame_step_s=1.0, early_s=1.0, max_delay_s=1.0
    )
    assert math.isnan(point.fa_per_hour)
    assert point.frr == 0.0


def test_a_detector_that_never_fires_has_no_latency():
    point = operating_point([np.zeros(100)], [[50.0]], 0.5, frame_step_s=1.0)
    assert point.frr == 1.0
    assert point.fa_per_hour == 0.0
    assert math.isnan(point.latency_p50_s)
    assert math.isnan(point.latency_mean_s)


# --- figures of the curve


def test_eer_by_hand():
    # 4 events; slots of 10 s in 400 s of negative audio are 40
    posterior = np.zeros(404)
    posterior[[50, 150, 250, 350]] = [0.9, 0.8, 0.7, 0.2]
    false = np.arange(60, 120, 10)
    posterior[false] = [0.75, 0.6, 0.5, 0.4, 0.3, 0.1]
    curve = det_curve(
        [posterior],
        [[50.0, 150.0, 250.0, 350.0]],
        frame_step_s=1.0,
        refractory_s=10.0,
        early_s=0.0,
        max_delay_s=0.0,
        max_fa_per_hour=math.inf,
    )
    # at 0.7: 1 of 4 missed, 1 of 40 slots; at 0.2: none missed, 5 of 40 slots hold an alarm
    assert curve.eer() == pytest.approx(5 / 40)


def test_eer_beyond_the_curve_says_how_far_to_go():
    posterior = np.zeros(404)
    posterior[60:120:10] = 0.5
    curve = det_curve([posterior], [[350.0]], frame_step_s=1.0, max_fa_per_hour=2.0)
    with pytest.raises(ValueError, match="`max_fa_per_hour` must be at least 3600 for an equal"):
        curve.eer()


@given(seed=SEEDS, rule=CURVE_RULES, bound=st.sampled_from([100.0, 3e3, 1e4, 7e4]))
@settings(max_examples=25, deadline=None)
def test_mean_frr_is_the_mean_over_budgets(seed, rule, bound):
    posteriors, anchors = random_case(seed, 64, **rule)
    curve = det_curve(posteriors, anchors, max_fa_per_hour=1e5, **rule)
    if not curve.events:
        return
    budgets = bound * (np.arange(100) + 0.5) / 100
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampled = np.mean([curve.frr_at(budget) for budget in budgets])
        exact = curve.mean_frr(bound)
    # sampling a step function errs by at most one sample per step
    steps = len(np.unique(curve.frr))
    assert exact == pytest.approx(sampled, abs=steps / 100)


@given(seed=SEEDS, rule=CURVE_RULES, latency=st.sampled_from([-0.02, 0.0, 0.01, 0.05, 1.0]))
@settings(max_examples=25, deadline=None)
def test_frr_within_counts_late_hits_as_misses(seed, rule, latency):
    posteriors, anchors = random_case(seed, 64, **rule)
    curve = det_curve(posteriors, anchors, max_fa_per_hour=math.inf, **rule)
    if not curve.events:
        return
    in_time = []
    for level in curve.threshold:
        per_stream = [
            reference_counts(p, a, level, Scoring(**rule))
            for p, a in zip(posteriors, anchors, strict=True)
        ]
        in_time.append(sum(late <= latency + 1e-6 for _, each in per_stream for late in each))
    for budget in (0.0, 2e3, 4e4):
        best = max(
            hits
            for hits, rate in zip(in_time, curve.fa_per_hour, strict=True)
            if rate <= budget * (1 + 1e-9)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = curve.frr_within(latency, budget)
        assert found == pytest.approx(1 - best / curve.events)


@given(seed=SEEDS, rule=RULES)
@settings(max_examples=25, deadline=None)
def test_reweighted_curve_is_the_curve_of_repeated_streams(seed, rule):
    posteriors, anchors = random_case(seed, 16, **rule)
    times = np.random.default_rng(seed).integers(0, 4, len(posteriors))
    times[0] += 1
    repeated = [
        (posterior, anchor)
        for posterior, anchor, n in zip(posteriors, anchors, times, strict=True)
        for _ in range(n)
    ]
    expected = det_curve(*zip(*repeated, strict=True), max_fa_per_hour=math.inf, **rule)
    curve = det_curve(posteriors, anchors, max_fa_per_hour=math.inf, **rule).reweighted(times)
    assert curve.events == expected.events
    assert curve.hours == pytest.approx(expected.hours)
    for threshold in expected.threshold:
        ours, theirs = curve.point(threshold), expected.point(threshold)
        assert (ours.hits, ours.false_alarms) == (theirs.hits, theirs.false_alarms)
        assert ours.latency == pytest.approx(theirs.latency, nan_ok=True)


@given(seed=SEEDS, rule=RULES)
@settings(max_examples=25, deadline=None)
def test_pieces_of_streams_add_up_to_them(seed, rule):
    """A piece has the events, alarms and negative frames between its two cuts, and no others."""
    posteriors, anchors = random_case(seed, 16, **rule)
    scoring = Scoring(**rule)
    rng = np.random.default_rng(seed)
    cuts = [np.sort(rng.uniform(-0.1, 0.6, rng.integers(0, 5))) for _ in posteriors]
    cuts[0] = np.repeat(cuts[0], 2)  # a piece may be empty
    keywords = {"max_fa_per_hour": math.inf, **rule}
    whole = det_curve(posteriors, anchors, **keywords)
    curve = det_curve(posteriors, anchors, boundaries_s=cuts, **keywords)
    np.testing.assert_array_equal(curve.threshold, whole.threshold)
    np.testing.assert_array_equal(curve.hits, whole.hits)
    np.testing.assert_array_equal(curve.false_alarms, whole.false_alarms)
    assert curve.hours == pytest.approx(whole.hours)

    piece = 0
    for posterior, anchor, cut in zip(posteriors, anchors, cuts, strict=True):
        for begin, end in itertools.pairwise([-math.inf, *cut, math.inf]):

            def inside(time, begin=begin, end=end):
                return begin <= time + 1e-6 < end

            negative = sum(
                reference_negative_hours(
                    1, anchor - scoring.time_s(t) + scoring.frame_offset_s, scoring
                )
                for t in range(len(posterior))
                if inside(scoring.time_s(t))
            )
            assert curve.recording_events[piece] == sum(map(inside, anchor))
            assert curve.recording_hours[piece] == pytest.approx(negative, abs=1e-12)
            alone = curve.reweighted(np.arange(len(curve.recording_events)) == piece)
            for threshold in (0.25, 0.5, 0.8):
                if threshold <= curve.floor:
                    continue
                matches = match_events(
                    detect(posterior, threshold, **rule),
                    anchor,
                    early_s=scoring.early_s,
                    max_delay_s=scoring.max_delay_s,
                )
                point = alone.point(threshold)
                assert point.hits == sum(inside(anchor[event]) for _, event in matches.hits)
                assert point.false_alarms == sum(inside(d.time_s) for d in matches.false_alarms)
            piece += 1
    assert piece == len(curve.recording_events)


@given(seed=SEEDS, rule=RULES)
@settings(max_examples=25, deadline=None)
def test_frr_over_budgets_is_frr_at_each(seed, rule):
    curve = det_curve(*random_case(seed, 16, **rule), max_fa_per_hour=math.inf, **rule)
    budgets = [0.0, 1.0, 3e3, 2e4, math.inf]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [curve.frr_at(budget) for budget in budgets]
    np.testing.assert_array_equal(curve.frr_over(np.array(budgets)), expected)


def test_latencies_of_the_hits_at_a_threshold():
    posterior = np.zeros(100)
    posterior[[12, 31, 70]] = 0.9, 0.6, 0.8  # 2 s after 10, 1 s after 30, and a false alarm
    rule = {"frame_step_s": 1.0, "max_delay_s": 3.0, "max_fa_per_hour": math.inf}
    curve = det_curve([posterior], [[10.0, 30.0]], **rule)
    assert curve.latencies_at(0.5).tolist() == [1.0, 2.0]
    assert curve.latencies_at(0.7).tolist() == [2.0]
    assert curve.reweighted(np.array([2])).latencies_at(0.7).tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("cuts", "message"),
    [
        ([], "one array for each stream. Received: 0 boundaries_s for 1 streams"),
        ([[2.0, 1.0]], r"`boundaries_s\[0\]` must be rising seconds.*Received: boundaries_s\[0\]=\[2.0, 1.0\]"),
        ([[math.nan]], "must be rising seconds"),
    ],
)
def test_rejects_bad_cuts(cuts, message):
    with pytest.raises(ValueError, match=message):
        det_curve([np.zeros(9)], [[]], frame_step_s=1.0, boundaries_s=cuts)


def test_curve_says_whether_it_is_complete():
    posterior = np.linspace(0, 1, 500)
    whole = det_curve([posterior], [[250.0]], frame_step_s=1.0, max_fa_per_hour=math.inf)
    part = det_curve([posterior], [[250.0]], frame_step_s=1.0, max_fa_per_hour=100.0)
    assert whole.complete
    assert not part.complete
    # 498 s of negative audio at 100 an hour allow 13 false alarms; and `inf`
    assert repr(part).startswith("<DetCurve: 14 operating points up to 100 false alarms an hour")


def test_too_few_negative_hours_are_said_plainly():
    posterior = np.zeros(3 * 3600)
    curve = det_curve([posterior], [[]], frame_step_s=1.0)
    with pytest.warns(NegativeHoursWarning, match=r"3 hours .* can't support 0.5 .* 6 hours could"):
        curve.threshold_at(0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curve.threshold_at(1.0)
        curve.threshold_at(0.0)  # none at all was asked for, and none is what was observed


# --- several classes


def test_each_class_has_a_trigger_of_its_own():
    posterior = np.array([[0.9, 0.9], [0.9, 0.1], [0.1, 0.6]])
    found = detect(posterior, [0.8, 0.5], frame_step_s=1.0)
    assert found == [
        Detection(0.0, 0.9, 0),
        Detection(0.0, 0.9, 1),
        Detection(1.0, 0.9, 0),
        Detection(2.0, 0.6, 1),
    ]


def test_match_events_matches_within_a_class():
    matches = match_events(
        [Detection(1.0, 0.9, 1), Detection(1.2, 0.9, 0)], [1.0], anchor_classes=[0]
    )
    assert matches.hits == [(Detection(1.2, 0.9, 0), 0)]
    assert matches.false_alarms == [Detection(1.0, 0.9, 1)]


# --- bad input


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"frame_step_s": 0.0}, "`frame_step_s` must be a positive number of seconds"),
        ({"frame_step_s": math.nan}, "`frame_step_s` must be a positive number of seconds"),
        ({"frame_offset_s": -1.0}, "`frame_offset_s` must be a number of seconds, 0 or more"),
        ({"refractory_s": -1.0}, "`refractory_s` must be a number of seconds, 0 or more"),
        ({"early_s": math.nan}, "`early_s` must be a number of seconds, 0 or more"),
        ({"max_delay_s": math.inf}, "`max_delay_s` must be a number of seconds, 0 or more"),
        ({"smooth_frames": 0}, "`smooth_frames` must be an integer >= 1"),
        ({"smooth_frames": 2.5}, "`smooth_frames` must be an integer >= 1"),
        ({"on_frames": True}, "`on_frames` must be an integer >= 1"),
        ({"hysteresis": 1.0}, r"`hysteresis` must be in \[0, 1\) or None"),
    ],
)
def test_rejects_a_bad_rule(keywords, message):
    with pytest.raises(ValueError, match=message):
        det_curve([np.zeros(9)], [[]], **({"frame_step_s": 1.0} | keywords))


@pytest.mark.parametrize(
    ("posterior", "message"),
    [
        ([0.1, math.nan], r"`posteriors\[0\]` must not hold nan.*posteriors\[0\]\[1\]=nan"),
        ([0.1, 1.5], r"must lie in \[0, 1\].*from 0.1 to 1.5.*sigmoid or softmax"),
        ([-7.0, 0.5], r"must lie in \[0, 1\].*from -7 to 0.5"),
        ([0.1, math.inf], r"must lie in \[0, 1\]"),
        (np.zeros((4, 2)), r"must have shape \(frames,\).*\(4, 2\)"),
        (0.5, r"must have shape \(frames,\).*shape \(\)"),
        ([], "must have at least one frame"),
    ],
)
def test_rejects_bad_posteriors(posterior, message):
    with pytest.raises(ValueError, match=message):
        det_curve([posterior], [[]], frame_step_s=1.0)
    with pytest.raises(ValueError, match=message):
        operating_point([posterior], [[]], 0.5, frame_step_s=1.0)


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        ([1500.0], "anchor at 1500 s in a stream of 10 frames that ends at 9 s.*milliseconds"),
        ([-1.0], r"`anchors_s\[0\]` must be finite seconds, 0 or more"),
        ([math.nan], r"`anchors_s\[0\]` must be finite seconds, 0 or more"),
        ([[1.0, 2.0]], r"`anchors_s\[0\]` must have shape \(events,\).*onset, offset"),
    ],
)
def test_rejects_bad_anchors(anchors, message):
    with pytest.raises(ValueError, match=message):
        det_curve([np.zeros(10)], [anchors], frame_step_s=1.0)
    with pytest.raises(ValueError, match=message):
        operating_point([np.zeros(10)], [anchors], 0.5, frame_step_s=1.0)


def test_an_anchor_just_beyond_the_end_is_an_event():
    assert det_curve([np.zeros(10)], [[9.4]], frame_step_s=1.0).events == 1


@pytest.mark.parametrize("anchors", [[], [[], []]])
def test_rejects_lists_of_different_lengths(anchors):
    with pytest.raises(ValueError, match=r"one array for each stream.*1 posteriors, \d anchors_s"):
        det_curve([np.zeros(9)], anchors, frame_step_s=1.0)


def test_rejects_no_streams():
    with pytest.raises(ValueError, match="one array for each stream, and at least one"):
        det_curve([], [], frame_step_s=1.0)


@pytest.mark.parametrize("threshold", [-0.1, 1.5, math.nan, 50])
def test_rejects_bad_threshold(threshold):
    with pytest.raises(ValueError, match=r"`threshold` must be in \[0, 1\].*logit or a percentage"):
        detect([0.5], threshold, frame_step_s=1.0)


def test_rejects_thresholds_that_do_not_fit_the_classes():
    with pytest.raises(ValueError, match="one for each of the 3 classes"):
        detect(np.zeros((5, 3)), [0.5, 0.5], frame_step_s=1.0)


@pytest.mark.parametrize("name", ["early_s", "max_delay_s"])
def test_match_events_rejects_a_bad_window(name):
    with pytest.raises(ValueError, match=f"`{name}` must be a number of seconds, 0 or more"):
        match_events([], [1.0], **{name: math.nan})


def test_rejects_classes_that_do_not_fit_the_anchors():
    with pytest.raises(ValueError, match="`anchor_classes` must hold one class for each anchor"):
        match_events([], [1.0, 2.0], anchor_classes=[0])


@pytest.mark.parametrize("bound", [0.0, -1.0, math.nan])
def test_rejects_bad_max_fa_per_hour(bound):
    with pytest.raises(ValueError, match="`max_fa_per_hour` must be a positive number"):
        det_curve([np.zeros(9)], [[]], frame_step_s=1.0, max_fa_per_hour=bound)


def test_rejects_budgets_and_thresholds_beyond_the_curve():
    posterior = np.linspace(0, 1, 500)
    curve = det_curve([posterior], [[250.0]], frame_step_s=1.0, max_fa_per_hour=100.0)
    with pytest.raises(ValueError, match="`fa_per_hour` must be between 0 and 100, up to which"):
        curve.frr_at(101.0)
    with pytest.raises(ValueError, match="`fa_per_hour` must be between 0 and 100, up to which"):
        curve.threshold_at(-1.0)
    with pytest.raises(ValueError, match=r"`threshold` must be above .* use `operating_point`"):
        curve.point(0.1)


def test_accepts_a_model_output_with_a_channel_axis():
    flat = np.linspace(0, 1, 50, dtype="float32")
    points = [operating_point([p], [[30.0]], 0.5, frame_step_s=1.0) for p in (flat, flat[:, None])]
    assert points[0] == points[1]
