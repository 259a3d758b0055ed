"""The verdict of the report: good enough or not, and what would make it better."""

import copy

import pytest

from keras_sal.evaluation.report.verdict import NO, OPEN, YES, judge

pytestmark = pytest.mark.any_backend


def system(**conditions):
    """A system with a point for each condition, at the threshold and at the budget."""
    points = {
        name: {
            "events": 100,
            "misses": 0,
            "false_alarms": 0,
            "hours": 20.0,
            "latency_p90_s": 0.1,
            **point,
        }
        for name, point in conditions.items()
    }
    for point in points.values():
        point["frr"] = point["misses"] / point["events"]
        point["fa_per_hour"] = point["false_alarms"] / point["hours"]
    return {
        "conditions": {
            name: {"at_threshold": point, "at_budget": dict(point), "triggered_by": []}
            for name, point in points.items()
        }
    }


def test_good_enough_needs_data_that_show_it():
    assert judge(system(clean={}), budget=0.5).answer == YES
    assert judge(system(clean={}), budget=0.5).advice == ()
    few = judge(system(clean={"events": 50, "hours": 5.9}), budget=0.5)
    assert few.answer == OPEN
    assert few.advice == (
        "5.9 hours are too few to show 0.5 false alarms an hour at 95 %: score more of them; 6 "
        "without a false alarm would do.",
        "50 events are too few to show 5 % of misses at 95 %: score more of them; 60 without a "
        "miss would do.",
    )
    assert judge(system(clean={"events": 60, "hours": 6.0}), budget=0.5).answer == YES


def test_the_worst_condition_decides():
    verdict = judge(system(clean={"misses": 1}, noisy={"misses": 12}), budget=0.5)
    assert verdict.answer == NO
    assert verdict.reason == (
        "12.0 % missed and 0 false alarms an hour in the worst condition; the aim is at most 5 % "
        "and 0.5."
    )
    [advice] = verdict.advice
    assert "misses most in noisy, 12.0 % against 1.0 % in clean" in advice


def test_names_what_triggers_falsely():
    found = system(clean={"false_alarms": 30})
    found["conditions"]["clean"]["triggered_by"] = [
        {"label": "alexa", "false_alarms": 20, "occurrences": 50}
    ]
    verdict = judge(found, budget=0.5)
    assert verdict.answer == NO
    assert "above all to “alexa” (20 times)" in verdict.advice[0]


def test_tells_a_wrong_threshold_from_a_wrong_model():
    found = system(clean={"misses": 20})
    found["conditions"]["clean"]["at_budget"]["frr"] = 0.02
    assert "Another threshold would miss 2.0 %" in judge(found, budget=0.5).advice[0]
    found["conditions"]["clean"]["at_budget"]["frr"] = 0.2
    assert "events of more people" in judge(found, budget=0.5).advice[0]


def test_late_hits():
    [advice] = judge(system(clean={"latency_p90_s": 0.7}), budget=0.5).advice
    assert "later than 700 ms" in advice


def test_without_a_threshold():
    found = system(clean={})
    found["conditions"]["clean"]["at_threshold"] = None
    verdict = judge(found, budget=2.0)
    assert (verdict.answer, len(verdict.advice)) == (NO, 1)
    assert "No threshold within 2 false alarms" in verdict.reason


def test_reads_what_evaluate_returns(results):
    good, poor = (judge(each, results["fa_per_hour"]) for each in results["systems"])
    assert (good.answer, poor.answer) == (OPEN, NO)
    silent = copy.deepcopy(results["systems"][0])
    silent["conditions"]["clean"]["at_threshold"] |= {"events": 0, "frr": None, "hours": 0.0}
    silent["conditions"]["clean"]["at_threshold"]["fa_per_hour"] = None
    assert judge(silent, 1.0).answer == OPEN
