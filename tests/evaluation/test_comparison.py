"""Differences between systems, by hand, and the parity of their posteriors."""

import pytest
from made_predictions import TIMES, made_predictions

from keras_sal.evaluation import Predictions, ScoringProtocol, evaluate
from keras_sal.evaluation.comparison import DIFFERENCES

pytestmark = pytest.mark.any_backend


def test_difference_by_hand(results):
    rows = {(row["condition"], row["figure"]): row for row in results["differences"]}
    frr = rows["clean", "frr_at_budget"]
    assert (frr["system"], frr["reference"]) == ("poor", "good")
    assert frr["estimate"] == pytest.approx(2 / 30)
    assert frr["recordings"][0] <= 2 / 30 <= frr["recordings"][1]
    late = rows["10 dB", "latency_p50_s_at_threshold"]
    assert late["estimate"] == pytest.approx(0.2, abs=0.011)
    assert {figure for _, figure in rows} == set(DIFFERENCES)


def test_parity_by_hand(results):
    row = next(row for row in results["parity"] if row["condition"] == "clean")
    assert (row["both_hit"], row["only_system"], row["only_reference"], row["neither"]) == (
        *(27, 0, 2),
        1,
    )
    assert row["frames"] == 30000
    assert row["largest"] == pytest.approx(0.89)  # where one has 0.9 and the other 0.01


def test_a_system_is_no_different_from_itself():
    predictions = made_predictions()
    twice = Predictions(
        predictions.word,
        predictions.stream_sets,
        {"a": predictions.posteriors["good"], "b": predictions.posteriors["good"]},
        {"a": TIMES, "b": TIMES},
    )
    results = evaluate(twice, ScoringProtocol(30.0, replicates=10))
    for row in results["differences"]:
        assert (row["estimate"], row["recordings"], row["speakers"]) == (0, [0, 0], [0, 0])
    assert all(row["largest"] == 0 for row in results["parity"])
