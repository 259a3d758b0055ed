"""Results of predictions made by hand, and the schema of `results.json`."""

import json
import re

import numpy as np
import pytest
from made_predictions import TIMES, made_predictions, predictions_deaf_to_speakers

from keras_sal.detection import (
    Scoring,
    binomial_interval,
    bootstrap,
    operating_point,
    poisson_interval,
)
from keras_sal.evaluation import Predictions, ScoringProtocol, evaluate
from keras_sal.evaluation import results as results_module
from keras_sal.files import json_ready, write_json

pytestmark = pytest.mark.any_backend

BUDGET = 30.0  # two false alarms in the 255 s of a stream that are outside its 30 windows of 1.5 s


def system(results, name):
    return next(each for each in results["systems"] if each["name"] == name)


# --- figures


def test_points_by_hand(results):
    """30 words; `good` misses 1, at 0.1 s; `poor` misses 3, at 0.3 s, and has one false alarm."""
    good = system(results, "good")["conditions"]["clean"]["at_budget"]
    poor = system(results, "poor")["conditions"]["clean"]["at_budget"]
    assert (good["misses"], good["events"], good["false_alarms"]) == (1, 30, 0)
    assert (poor["misses"], poor["events"], poor["false_alarms"]) == (3, 30, 1)
    assert good["latency_p50_s"] == pytest.approx(0.1, abs=0.005)
    assert poor["latency_p90_s"] == pytest.approx(0.3, abs=0.005)
    assert poor["hours"] == pytest.approx((300 - 30 * 1.51) / 3600)
    assert poor["intervals"]["frr"]["exact"] == binomial_interval(3, 30)[1:]
    assert poor["intervals"]["fa_per_hour"]["exact"] == poisson_interval(1, poor["hours"])[1:]
    low, high = poor["intervals"]["frr"]["recordings"]
    assert low < 0.1 < high


def test_mistakes_are_named(results):
    poor = system(results, "poor")["conditions"]["clean"]
    [alarm] = poor["false_alarms"]
    assert alarm["label"] == "alexa"
    assert alarm["file"] == "alexa/test-clean-1.flac"
    assert alarm["time_s"] == pytest.approx(7.0, abs=0.006)
    assert poor["triggered_by"] == [{"label": "alexa", "false_alarms": 1, "occurrences": 10}]
    anchors = made_predictions().streams("test", "clean")[0].anchors_s
    assert [miss["anchor_s"] for miss in poor["misses"]] == [anchors[event] for event in (4, 5, 6)]
    assert all(miss["score"] == pytest.approx(0.01) for miss in poor["misses"])


def test_band_holds_its_curve(results):
    for each in results["systems"]:
        band = each["conditions"]["clean"]["band"]
        low, frr, high = (np.array(band[name]) for name in ("low", "frr", "high"))
        assert np.all(low <= frr)
        assert np.all(frr <= high)
        assert BUDGET in band["fa_per_hour"]
        assert np.all(np.diff(frr) <= 0)


def test_corners_of_the_curve_are_enough_to_draw_it():
    """The fewest misses within each budget, from the corners and from the whole curve."""
    streams, rng = made_predictions().stream_sets, np.random.default_rng(0)
    noise = [[rng.beta(1, 20, 30_000).astype("float32")] for _ in streams]
    for [p], each in zip(noise, streams, strict=True):
        for anchor_s in each.streams[0].anchors_s:
            p[round(100 * anchor_s) :][:20] += rng.uniform(0, 0.4)
    predictions = Predictions("computer", streams, {"noise": noise}, {"noise": TIMES})
    results = evaluate(predictions, ScoringProtocol(30.0, replicates=5))
    det = results["systems"][0]["conditions"]["clean"]["det"]
    det = {name: np.array(values) for name, values in det.items()}
    curve = predictions.curve("noise", "test", "clean", max_fa_per_hour=600.0)
    assert 10 < len(det["frr"]) < len(curve.frr)
    assert det["threshold"][0] == np.inf
    assert np.all(np.diff(det["threshold"]) < 0)
    budgets = np.geomspace(1, 600, 50)
    fewest = [det["frr"][det["fa_per_hour"] <= budget].min() for budget in budgets]
    np.testing.assert_array_equal(fewest, curve.frr_over(budgets))


def test_equal_error_rate_by_hand(results):
    """`good` misses 1 of 30 without a false alarm, and no lower threshold hits the last word
    before most of the 254.7 s outside the windows hold an alarm."""
    found = system(results, "good")["conditions"]["clean"]
    assert found["eer"] == pytest.approx(1 / 30)


# --- the schema


def test_results_are_json_as_documented(results, tmp_path):
    write_json(tmp_path / "results.json", results)
    kept = json.loads((tmp_path / "results.json").read_text())
    assert kept == json.loads(json.dumps(json_ready(results)))
    assert kept["format"] == results_module.FORMAT == 2

    def names(value):
        if isinstance(value, dict):
            for key, item in value.items():
                yield key
                yield from names(item)
        elif isinstance(value, list):
            for item in value[:3]:
                yield from names(item)

    documented = set(re.findall(r"\w+", results_module.__doc__))
    elsewhere = {"clean", "10", "dB", "10 dB"} | set(vars(Scoring(frame_step_s=1.0)))
    elsewhere |= set(results["systems"][0]["threshold"])  # `threshold_record`
    elsewhere |= set(vars(operating_point([np.zeros(9)], [[]], 0.5, frame_step_s=1.0)))
    assert set(names(kept)) - elsewhere <= documented


# --- by speaker


def test_intervals_by_speaker_draw_speakers():
    """Two of seven speakers are never heard: by recording that looks like many misses apart."""
    predictions = predictions_deaf_to_speakers("s1", "s4")
    protocol = ScoringProtocol(BUDGET, replicates=60)
    results = evaluate(predictions, protocol)
    recordings = predictions.streams("test", "clean")[0].recordings
    groups = [each.speaker or each.file for each in recordings]
    curve = predictions.curve("deaf", "test", "clean", max_fa_per_hour=protocol.max_fa_per_hour)
    for kind in ("at_budget", "at_threshold"):
        point = system(results, "deaf")["conditions"]["clean"][kind]
        threshold = point["threshold"]
        by_recording, by_speaker = (
            point["intervals"]["frr"][unit] for unit in ("recordings", "speakers")
        )
        assert np.ptp(by_speaker) > 1.4 * np.ptp(by_recording)
        figure = {"at_budget": lambda c: c.at(BUDGET).frr}.get(
            kind, lambda c, threshold=threshold: c.point(threshold).frr
        )
        expected = bootstrap(curve, figure, groups=groups, replicates=60)
        assert by_speaker == list(expected[1:])
