"""Detection scoring against a literal loop, hand-made streams and properties."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_sal.detection import Scoring, det_curve, operating_point

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
            sorted(curve.hit_rows.latency_s[curve.hit_rows.at(threshold)]), latencies, atol=1e-9
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
