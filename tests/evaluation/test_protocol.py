"""The protocol: which trigger and threshold a system gets, and how far its curve goes."""

import numpy as np
import pytest
from made_predictions import TIMES, made_predictions, posterior

from keras_sal.detection import operating_point, threshold_record
from keras_sal.evaluation import Predictions, ScoringProtocol, evaluate

pytestmark = pytest.mark.any_backend

BUDGET = 30.0


def system(results, name):
    return next(each for each in results["systems"] if each["name"] == name)


def test_threshold_is_of_dev_and_scores_test(results):
    """One false alarm fits the budget, so `poor` fires at the scores of its words."""
    for name, alarms in (("good", 0), ("poor", 1)):
        found = system(results, name)
        threshold = found["threshold"]["threshold"]
        assert found["threshold"]["data"] == "dev: clean"
        assert threshold == pytest.approx((0.9, 0.7)[alarms], abs=1e-6)
        predictions = made_predictions()
        point = operating_point(
            predictions.posteriors_of(name, "test", "10 dB"),
            [each.anchors_s for each in predictions.streams("test", "10 dB")],
            threshold,
            **TIMES,
        )
        kept = found["conditions"]["10 dB"]["at_threshold"]
        assert {key: kept[key] for key in vars(point)} == pytest.approx(vars(point))


def test_a_detector_that_never_fires_has_no_threshold():
    predictions = made_predictions()
    deaf = [[np.zeros_like(p) for p in part] for part in predictions.posteriors["good"]]
    predictions = Predictions(
        predictions.word, predictions.stream_sets, {"deaf": deaf}, {"deaf": TIMES}
    )
    results = evaluate(predictions, ScoringProtocol(15.0, replicates=10))
    [found] = results["systems"]
    assert found["threshold"]["threshold"] is None
    assert "must leave room for a detector that hits something" in found["threshold"]["rule"]
    assert found["conditions"]["clean"]["at_threshold"] is None
    assert found["conditions"]["clean"]["misses"] == []
    assert any("can't support 15 false alarms an hour" in text for text in results["warnings"])


def test_what_a_detector_ships_with_is_kept():
    shipped = {"scoring": {"smooth_frames": 2}, "threshold": {"threshold": 0.6, "rule": "shipped"}}
    results = evaluate(
        made_predictions(),
        ScoringProtocol(BUDGET, replicates=10),
        shipped={"poor": shipped},
        details={"poor": {"bytes": 7}},
    )
    poor = system(results, "poor")
    assert poor["threshold"] == {"threshold": 0.6, "rule": "shipped"}
    assert poor["scoring"]["smooth_frames"] == 2
    assert poor["bytes"] == 7
    assert poor["conditions"]["clean"]["at_threshold"]["threshold"] == 0.6
    assert system(results, "good")["scoring"]["smooth_frames"] == 1


def test_a_threshold_below_the_curve_is_scored_all_the_same():
    shipped = {"threshold": {"threshold": 0.005, "rule": "shipped"}}  # always on
    results = evaluate(
        made_predictions(), ScoringProtocol(1.0, replicates=10), shipped={"good": shipped}
    )
    point = system(results, "good")["conditions"]["clean"]["at_threshold"]
    assert point["fa_per_hour"] > 1000
    low, high = point["intervals"]["fa_per_hour"]["recordings"]
    assert low <= point["fa_per_hour"] <= high


def test_tuned_trigger_is_chosen_on_dev():
    """Clicks of one frame at 0.95: without a trigger that wants more, the budget costs words."""
    streams = made_predictions().stream_sets
    clicks = []
    for each in streams:
        p = posterior(each.streams[0], heard=0.8)
        p[130::500] = 0.95
        clicks.append([p])
    predictions = Predictions("computer", streams, {"clicks": clicks}, {"clicks": TIMES})
    plain = evaluate(predictions, ScoringProtocol(BUDGET, replicates=10))["systems"][0][
        "conditions"
    ]["clean"]["at_budget"]
    tuned = evaluate(predictions, ScoringProtocol(BUDGET, tuned=True, replicates=10))["systems"][0]
    assert plain["frr"] == 1
    assert tuned["conditions"]["clean"]["at_budget"]["frr"] == 0
    assert max(tuned["scoring"]["smooth_frames"], tuned["scoring"]["on_frames"]) > 1


def test_rejects_a_budget_of_nothing():
    with pytest.raises(ValueError, match="`fa_per_hour` must be a positive number"):
        ScoringProtocol(0.0)


def test_a_shipped_trigger_brings_no_hit_window():
    """A record of a threshold has the window that it was chosen with, and frame times."""
    predictions, protocol = made_predictions(), ScoringProtocol(BUDGET, replicates=10)
    record = threshold_record(predictions.curve("good", "dev"), BUDGET, data="dev")
    own = evaluate(predictions, protocol, shipped={"good": {"scoring": record["scoring"]}})
    assert system(own, "good")["threshold"]["threshold"] == record["threshold"]
    for name in ("early_s", "max_delay_s"):
        with pytest.raises(ValueError, match=f"`scoring` must have the `{name}` of the protocol"):
            evaluate(predictions, protocol, shipped={"good": {"scoring": {name: 5.0}}})


def test_what_is_tuned_is_not_given():
    with pytest.raises(ValueError, match=r"`scoring` must not have what is tuned.*smooth_frames"):
        ScoringProtocol(BUDGET, {"smooth_frames": 7}, tuned=True)
