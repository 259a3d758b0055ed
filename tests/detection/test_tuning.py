"""The trigger that tuning finds, and the record of how a threshold was chosen."""

import json
import math

import numpy as np
import pytest

from keras_sal.detection import (
    class_curves,
    det_curve,
    join_threshold_records,
    operating_point,
    threshold_record,
    tune,
)

pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.filterwarnings("ignore::keras_sal.detection.NegativeHoursWarning"),
]


def development_set(seed=0):
    """Ten hours of 0.1 s frames: clicks of one frame are higher than the events, which last."""
    rng = np.random.default_rng(seed)
    posteriors, anchors = [], []
    for _ in range(10):
        posterior = rng.random(36000) * 0.3
        posterior[rng.choice(36000, 50, replace=False)] = 0.95
        times = 100.0 + 300.0 * np.arange(11)
        for time in times:
            frame = round(time * 10)
            posterior[frame : frame + 6] = 0.6 + 0.3 * rng.random()
        posteriors.append(posterior)
        anchors.append(times)
    return posteriors, anchors


def test_tune_finds_the_trigger_that_ignores_clicks():
    posteriors, anchors = development_set()
    found = tune(
        posteriors,
        anchors,
        fa_per_hour=1.0,
        smooth_frames=[1, 3],
        on_frames=[1, 3],
        hysteresis=[None, 0.1],
        frame_step_s=0.1,
    )
    assert len(found.trials) == 2 * 2 * 2
    plain = next(t for t in found.trials if t["smooth_frames"] == t["on_frames"] == 1)
    assert plain["frr"] == 1.0  # 50 clicks an hour are above every event
    assert found.trials[0]["frr"] == 0.0
    assert found.trials[0]["frr"] == min(trial["frr"] for trial in found.trials)
    settings = {name: found.trials[0][name] for name in ("smooth_frames", "on_frames")}
    assert settings["smooth_frames"] * settings["on_frames"] > 1
    # every trial is what the curve of its settings says
    for trial in found.trials:
        varied = {name: trial[name] for name in ("smooth_frames", "on_frames", "hysteresis")}
        curve = det_curve(posteriors, anchors, frame_step_s=0.1, **varied)
        assert trial["frr"] == curve.frr_at(1.0)
        assert trial["threshold"] == curve.threshold_at(1.0)
    best = vars(found.curve.scoring)
    assert all(best[name] == settings[name] for name in settings)


def test_tune_prefers_the_sooner_of_equal_triggers():
    posteriors, anchors = development_set()
    found = tune(
        posteriors,
        anchors,
        fa_per_hour=1.0,
        smooth_frames=[1],
        on_frames=[5, 4, 3, 2],
        frame_step_s=0.1,
    )
    assert [trial["frr"] for trial in found.trials] == [0.0] * 4
    assert [trial["on_frames"] for trial in found.trials] == [2, 3, 4, 5]
    assert found.curve.scoring.on_frames == 2


def test_tune_keeps_to_a_latency_budget():
    posteriors, anchors = development_set()
    found = tune(
        posteriors,
        anchors,
        fa_per_hour=1.0,
        latency_budget_s=0.25,
        smooth_frames=[1],
        on_frames=[5, 3],
        frame_step_s=0.1,
    )
    # on for 3 frames is 0.2 s after the anchor, on for 5 is 0.4 s: all late
    assert [trial["on_frames"] for trial in found.trials] == [3, 5]
    assert [trial["frr"] for trial in found.trials] == [0.0, 1.0]


def test_tune_rejects_an_empty_grid():
    with pytest.raises(ValueError, match="`on_frames` must name at least one value to try"):
        tune([np.zeros(9)], [[]], fa_per_hour=1.0, on_frames=[], frame_step_s=1.0)


def test_threshold_record_survives_json_and_scores_other_data():
    curve = det_curve(*development_set(), frame_step_s=0.1, on_frames=2)
    record = threshold_record(curve, 1.0, data="dev, int8 model")
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["threshold"] == curve.threshold_at(1.0)
    assert record["data"] == "dev, int8 model"
    assert record["budget_fa_per_hour"] == 1.0
    assert record["budget_latency_s"] is None
    assert record["false_alarms"] <= 1.0 * record["hours"]
    assert record["frr_low_95"] <= record["frr"] <= record["frr_high_95"]
    assert record["fa_per_hour"] < record["fa_per_hour_upper_95"]
    # what is in the record is all that is needed to score a test set the same way
    point = operating_point(*development_set(1), record["threshold"], **record["scoring"])
    assert point.events == 110
    assert point.frr < 0.1


def test_threshold_record_without_events_has_no_frr():
    posterior = np.zeros(7200)
    posterior[[100, 900]] = 0.5, 0.25
    record = threshold_record(det_curve([posterior], [[]], frame_step_s=1.0), 1.5)
    assert record["threshold"] == 0.25
    assert record["frr"] is record["frr_low_95"] is record["latency_p50_s"] is None


@pytest.mark.parametrize("latency_budget_s", [math.inf, 0.0])
def test_threshold_record_rejects_a_budget_that_nothing_meets(latency_budget_s):
    posterior = np.zeros(7200)
    posterior[[100, 901]] = 0.9, 0.5  # the false alarm is above the only, late, hit
    curve = det_curve([posterior], [[900.0]], frame_step_s=1.0)
    with pytest.raises(ValueError, match="`fa_per_hour` must leave room for a detector that hits"):
        threshold_record(curve, 0.1, latency_budget_s=latency_budget_s)


def test_tune_counts_no_alarm_while_an_event_lasts():
    """A sentence of a minute fires again each 5 s; clicks are rarer but as high as it is."""
    posterior = np.zeros(36000)
    posterior[500:560] = 0.8
    posterior[2000] = 0.9
    search = {"fa_per_hour": 0.5, "refractory_s": [5.0], "on_frames": [1, 2], "frame_step_s": 1.0}
    found = tune([posterior], [[500.0]], event_ends_s=[[560.0]], smooth_frames=[1], **search)
    assert found.trials[0]["frr"] == 0.0
    assert found.trials[0]["on_frames"] == 1
    assert tune([posterior], [[500.0]], smooth_frames=[1], **search).trials[0]["frr"] == 1.0


def test_records_of_several_classes_are_joined():
    times = {"frame_step_s": 1.0}
    posterior = np.zeros((36000, 2))
    posterior[500] = 0.9, 0.2
    posterior[900] = 0.1, 0.7
    curves = class_curves([posterior], [[[500.0, 0], [900.0, 1]]], **times)
    records = [threshold_record(curve, 0.5, data="dev") for curve in curves]
    joined = join_threshold_records(records)
    assert joined["threshold"] == [each["threshold"] for each in records]
    assert joined["threshold"][0] != joined["threshold"][1]
    assert [each | {"scoring": joined["scoring"]} for each in joined["classes"]] == records
    other = class_curves([posterior], [[[500.0, 0], [900.0, 1]]], refractory_s=3.0, **times)
    with pytest.raises(ValueError, match="`records` must have one trigger"):
        join_threshold_records([records[0], threshold_record(other[1], 0.5)])
    with pytest.raises(ValueError, match="at least one"):
        join_threshold_records([])
