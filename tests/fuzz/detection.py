"""The trigger, its operating points and the DET curve, against literal loops over frames."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from detection_reference import (
    reference_counts,
    reference_detect,
    reference_negative_hours,
    reference_scores,
)
from messages import check_message

from keras_sal.detection import Scoring, Trigger, det_curve, operating_point

THRESHOLDS = 4
CLASSES = 3
HOSTILE = (
    [[math.nan]],
    [[1.5]],
    [[-0.1]],
    [[math.inf]],
    [["0"]],
    [[None]],
    [[1j]],
    [],
    [[[0.5, 0.5]]],
)


def attempt(random, folder):
    """Compare one rule on a few streams at some thresholds, each of which is an input."""
    rule = {
        "frame_step_s": random.choice((0.01, 0.02, 0.03)),
        "frame_offset_s": random.choice((0.0, 0.03)),
        "smooth_frames": random.randint(1, 5),
        "on_frames": random.randint(1, 3),
        "hysteresis": random.choice((None, None, 0.0, 0.25, 0.6)),
        "refractory_s": random.choice((0.0, 0.01, 0.03, 0.07, 0.195, 2.0)),
        "early_s": random.choice((0.0, 0.02, 0.05)),
        "max_delay_s": random.choice((0.0, 0.03, 0.11)),
    }
    if random.random() < 0.02:
        return _refused(random, rule)
    rng = np.random.default_rng(random.getrandbits(64))
    levels = random.choice((1, 2, 7, 64, 10**6))
    posteriors = [
        np.round(rng.random(random.randint(1, 40)) * levels) / levels
        for _ in range(random.randint(1, 3))
    ]
    scoring = Scoring(**rule)
    anchors = [
        rng.uniform(0, scoring.time_s(len(p) - 1) + 1e-9, random.randint(0, 4)) for p in posteriors
    ]
    given = random.choice((None, [a + rng.uniform(0, 0.3, len(a)) for a in anchors]))
    ends = anchors if given is None else given
    scores = [reference_scores(p, scoring.smooth_frames) for p in posteriors]
    options = {"event_ends_s": given, **rule}
    curve = det_curve(posteriors, anchors, max_fa_per_hour=math.inf, **options)
    hours = sum(
        reference_negative_hours(len(p), a, scoring, e)
        for p, a, e in zip(posteriors, anchors, ends, strict=True)
    )
    assert math.isclose(curve.hours, hours, abs_tol=1e-12), (curve.hours, hours)
    for threshold in _thresholds(random, scores, scoring):
        each = [
            reference_counts(s, a, threshold, scoring, e)
            for s, a, e in zip(scores, anchors, ends, strict=True)
        ]
        alarms, latencies, repeats = zip(*each, strict=True)
        expected = sum(alarms), sum(map(len, latencies)), sum(repeats)
        point = operating_point(posteriors, anchors, threshold, **options)
        found = point.false_alarms, point.hits, point.repeats
        assert found == expected, (rule, threshold, point, expected)
        if threshold > curve.floor:
            on_curve = curve.point(threshold)
            assert repr(on_curve) == repr(point), (rule, on_curve, point)
        _check_trigger(random, rng, posteriors[0], scores[0], threshold, rule)
    return Counter(agreed=THRESHOLDS)


def _thresholds(random, scores, rule):
    """Scores, scores with the hysteresis added, and what lies beside and between them."""
    flat = [score for each in scores for score in each]
    for _ in range(THRESHOLDS):
        level = random.choice(flat) + random.choice((0.0, 0.0, rule.hysteresis or 0.0))
        level = random.choice((level, level, (level + random.choice(flat)) / 2, math.inf, 0.0))
        yield level if level <= 1 else math.inf


def _check_trigger(random, rng, posterior, scores, threshold, rule):
    """Detections in chunks are those of the whole stream; each class has its own."""
    scoring = Scoring(**rule)
    fields = ("frame_step_s", "frame_offset_s", "smooth_frames", "on_frames", "hysteresis")
    trigger = Trigger(
        threshold, classes=CLASSES, **{name: rule[name] for name in (*fields, "refractory_s")}
    )
    columns = rng.random((len(posterior), CLASSES))
    columns[:, 1] = posterior
    found, at = [], 0
    while at < len(columns):
        size = random.randint(0, 9)
        found += trigger.feed(columns[at : at + size])
        at += size
    frames = reference_detect(scores, threshold, scoring)
    assert [each.time_s for each in found if each.class_index == 1] == [
        scoring.time_s(frame) for frame in frames
    ], (rule, threshold)


def _refused(random, rule):
    """What is no posterior must be refused."""
    hostile = random.choice(HOSTILE)
    try:
        det_curve(hostile, [[] for _ in hostile], max_fa_per_hour=math.inf, **rule)
    except ValueError as error:
        check_message(error)
        return Counter(refused=1)
    raise AssertionError(f"{hostile} must be refused")
