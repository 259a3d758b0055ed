"""Differences between systems, by hand, and the parity of their posteriors."""

import numpy as np
import pytest
from made_predictions import TIMES, made_predictions, predictions_deaf_to_speakers

from keras_sal.detection import paired_bootstrap
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


def test_intervals_by_speaker_draw_speakers():
    """What only some speakers suffer from is no clear difference between systems."""
    predictions = predictions_deaf_to_speakers("s1", "s4")
    protocol = ScoringProtocol(30.0, replicates=60)
    rows = evaluate(predictions, protocol)["differences"]
    row = next(r for r in rows if (r["condition"], r["figure"]) == ("clean", "frr_at_budget"))
    assert np.ptp(row["speakers"]) > 1.4 * np.ptp(row["recordings"])
    recordings = predictions.streams("test", "clean")[0].recordings
    groups = [each.speaker or each.file for each in recordings]
    curves = [
        predictions.curve(name, "test", "clean", max_fa_per_hour=protocol.max_fa_per_hour)
        for name in ("deaf", "good")
    ]
    expected = paired_bootstrap(*curves, lambda c: c.at(30.0).frr, groups=groups, replicates=60)
    assert row["speakers"] == list(expected[1:])


def test_a_system_without_a_threshold_hits_nothing():
    predictions = made_predictions()
    deaf = [[np.zeros_like(p) for p in part] for part in predictions.posteriors["good"]]
    systems = {"good": predictions.posteriors["good"], "deaf": deaf}
    both = Predictions(
        predictions.word, predictions.stream_sets, systems, dict.fromkeys(systems, TIMES)
    )
    results = evaluate(both, ScoringProtocol(30.0, replicates=10))
    for row in results["parity"]:
        assert (row["both_hit"], row["neither"]) == (0, 1)  # `good` misses one
        assert {row["only_system"], row["only_reference"]} == {0, 29}
