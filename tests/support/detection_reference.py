"""The trigger, the matching and the hours as they are described: literal loops over frames."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from keras_sal.detection import Scoring


def reference_scores(posterior, smooth_frames):
    scores = []
    for t in range(len(posterior)):
        total = 0.0
        for lag in range(smooth_frames):
            total += float(posterior[t - lag]) if t >= lag else 0.0
        scores.append(total / smooth_frames)
    return scores


def reference_detect(scores, threshold, rule):
    """The frames of the detections; `scores` are those of `reference_scores`."""
    frames, on, dead, latched = [], 0, 0, False
    refractory = max(1, math.ceil(rule.refractory_s / rule.frame_step_s - 1e-6))
    for t, score in enumerate(scores):
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


def while_event(time, anchor, end, rule):
    """Whether a time is in the hit window of an event, or while the event lasts."""
    return anchor - rule.early_s - 1e-6 <= time <= max(anchor + rule.max_delay_s, end) + 1e-6


def reference_counts(scores, anchors, threshold, rule, ends=None):
    """False alarms, latencies and repeats of one stream, by looking at every pair."""
    hit, false_alarms, repeats = {}, 0, 0
    ends = anchors if ends is None else ends
    for frame in reference_detect(scores, threshold, rule):
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
        elif any(while_event(time, *each, rule) for each in zip(anchors, ends, strict=True)):
            repeats += 1
        else:
            false_alarms += 1
    return false_alarms, list(hit.values()), repeats


def reference_negative_hours(frames, anchors, rule, ends=None):
    outside, ends = 0, anchors if ends is None else ends
    for t in range(frames):
        time = rule.frame_offset_s + t * rule.frame_step_s
        outside += not any(
            while_event(time, *each, rule) for each in zip(anchors, ends, strict=True)
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


def random_ends(seed, anchors):
    """Ends of events: some inside others, before their anchors, after their stream."""
    rng = np.random.default_rng(seed + 1)
    return [each + rng.uniform(-0.05, 0.25, len(each)) for each in anchors]


SEEDS = st.integers(0, 2**32 - 1)

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

RULES_WITHOUT_HYSTERESIS = st.fixed_dictionaries(
    {
        "frame_step_s": st.just(0.01),
        "smooth_frames": st.integers(1, 3),
        "on_frames": st.integers(1, 2),
        "refractory_s": st.sampled_from([0.0, 0.03, 0.11]),
        "early_s": st.sampled_from([0.0, 0.04]),
        "max_delay_s": st.sampled_from([0.02, 0.09]),
    }
)


def golden(name):
    """Parametrise a test by the cases of a file written by hand."""
    path = Path(__file__).parents[1] / "golden" / f"detection_{name}.json"
    cases = json.loads(path.read_text())
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])
