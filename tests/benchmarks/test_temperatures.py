"""The files whose logits are measured at several temperatures."""

import json
from pathlib import Path

import numpy as np
import pytest

from keras_sal import pretrained
from keras_sal.runtime import open_runner

pytest.importorskip("soundfile", reason="needs the train extra")
pytest.importorskip("ai_edge_litert", reason="needs the litert extra")
temperatures = pytest.importorskip("temperatures")

pytestmark = pytest.mark.any_backend


def test_the_logits_give_the_posteriors_of_the_file(tmp_path):
    model = pretrained.path("alexa") / "model.tflite"
    temperatures.without_sigmoid(model.read_bytes(), tmp_path / "logits.tflite")
    features = np.random.default_rng(0).uniform(0, 26, (300, 40))
    logits = open_runner(tmp_path / "logits.tflite", "litert").stream(features)
    posteriors = open_runner(model, "litert").stream(features)
    assert np.unique(posteriors).size > 5
    np.testing.assert_array_equal(temperatures.rounded(temperatures.sigmoid(logits)), posteriors)


def test_rounding_costs_nothing_where_it_joins_no_logits():
    logits = np.arange(-20, 21) * 0.06
    assert np.unique(temperatures.rounded(temperatures.sigmoid(logits / 2))).size == logits.size
    assert np.unique(temperatures.rounded(temperatures.sigmoid(logits + 6))).size < 12


def test_the_page_holds_the_table():
    found = json.loads(temperatures.RESULT.read_text(encoding="utf-8"))["misses_above_exact"]
    page = Path(__file__).parents[2] / "docs" / "results" / "detectors.md"
    assert temperatures.table(found) in page.read_text(encoding="utf-8")
