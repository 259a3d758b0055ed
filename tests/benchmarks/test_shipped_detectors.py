"""Figures of shipped detectors, on predictions whose hits and false alarms are known."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from made_predictions import made_predictions

from keras_sal import pretrained as detectors
from keras_sal.audio import output_times
from keras_sal.data import Stream
from keras_sal.evaluation import ScoringProtocol, evaluate
from keras_sal.export import bundle

for package in ("soundfile", "ai_edge_litert"):
    pytest.importorskip(package, reason="needs the train extra")
peers = pytest.importorskip("peers")
kept_posteriors = pytest.importorskip("kept_posteriors")
pretrained = pytest.importorskip("pretrained")
shipped_detectors = pytest.importorskip("shipped_detectors")
shipped_figures = pytest.importorskip("shipped_figures")
shipped_tables = pytest.importorskip("shipped_tables")

PAGE = Path(__file__).parents[2] / "docs" / "results" / "detectors.md"

pytestmark = [pytest.mark.any_backend, pytest.mark.filterwarnings("ignore::UserWarning")]


@pytest.fixture(scope="module")
def predictions():
    return made_predictions()


@pytest.fixture(scope="module")
def results(predictions):
    shipped = {"good": {"threshold": {"threshold": 0.5}}, "poor": {"threshold": {"threshold": 0.6}}}
    return evaluate(predictions, ScoringProtocol(1.0, replicates=20), shipped=shipped)


@pytest.fixture(scope="module")
def utterances(predictions):
    """Each recording is one, but for the first two misses of `poor`, which are copies."""
    files = [
        stream.recording_at(anchor_s).file
        for condition in predictions.conditions
        for stream in predictions.streams("test", condition)
        for anchor_s in stream.anchors_s
    ]
    return lambda condition: (
        [{file} for file in files if condition in file and file not in copies(files, condition)]
        + [copies(files, condition)]
    )


def copies(files, condition):
    of_condition = [file for file in files if condition in file]
    return {of_condition[4], of_condition[5]}


def test_counts_at_both_points_and_by_utterance(results, predictions, utterances):
    found = shipped_figures.of_system(results, "poor", predictions, utterances("clean"))["clean"]
    point = found["at_threshold"]
    assert (point["misses"], point["events"], point["false_alarms"]) == (3, 30, 1)
    assert point["frr_of_utterances"] == pytest.approx(2 / 29)
    assert point["false_alarms_by_corpus"] == {"made": 1}
    assert found["at_budget"]["false_alarms"] == 0
    assert found["at_budget"]["misses"] == 30  # its false alarm scores more than its hits


def test_differences_are_to_the_first(results):
    found = shipped_figures.differences(results, "poor")["10 dB"]
    assert found["frr"] == pytest.approx(29 / 30)
    low, high = found["frr_95_by_voice"]
    assert low <= found["frr"] <= high


def test_bars_over_both_conditions(results, predictions, utterances):
    test = shipped_figures.of_system(results, "good", predictions, utterances("clean"))
    assert shipped_figures.over_conditions(test)["false_alarms"] == 0
    bars = shipped_figures.bars(test)
    assert not bars["false_alarms_at_threshold"]  # none is less than half of one an hour
    assert bars["misses_at_threshold"] == {"clean": True, "10 dB": True}
    assert bars["misses_at_budget"]["10 dB"]["frr"]  # 1 of 30
    assert not bars["misses_at_budget"]["clean"]["frr"]
    assert bars["latency"] == {"clean": False, "10 dB": False}  # 100 ms


def test_dev_counts_misses_over_budgets(predictions):
    """`good` has no false alarm and misses what `at_budget` says; `poor` can't do without."""
    good, poor = (shipped_figures.dev_mean_frr(predictions, name) for name in ("good", "poor"))
    curve = predictions.curve("good", "dev", max_fa_per_hour=10.0)
    assert good == pytest.approx(curve.mean_frr(10.0))
    assert good < poor <= 1


def test_networks_are_compared_over_the_words_that_have_both():
    rows = [
        ("a", "gru", 2.1, 0.1),
        ("a", "gru", 2.1, 0.3),
        ("a", "conv", None, 0.1),
        ("a", "gru", 0.0, 0.4),
        ("b", "gru", 2.1, 0.9),
    ]
    names = ("word", "network", "further_negatives_hours", "dev_mean_frr")
    detectors = [dict(zip(names, row, strict=True)) for row in rows]
    kinds = ["gru", "conv", "gru, fewer negatives"]
    assert shipped_tables._networks(detectors, kinds) == [
        ["a", "20.0 %", "10.0 %", "40.0 %"],
        ["b", "90.0 %", "-", "-"],
        ["mean of those with all", "20.0 %", "10.0 %", "40.0 %"],
    ]


def test_hours_of_training_by_folder(tmp_path):
    """Further negatives are from elsewhere, of which a record has the names of files alone."""
    record = tmp_path / "splits.json"
    rows = [
        ("keywords/computer/ann.flac", "train", 1800),
        ("sentences/a.flac", "train", 360),
        ("beep.g722.flac", "train", 720),
        ("at.g722.flac", "train", 720),
        ("hat.ogg.flac", "dev", 3600),
    ]
    names = ("file", "split", "duration_s")
    listed = [dict(zip(names, row, strict=True)) for row in rows]
    record.write_text(json.dumps({"recordings": listed}))
    assert shipped_detectors.further_negatives_hours(record) == pytest.approx(0.4)
    assert shipped_detectors.further_negatives_hours(None) is None
    assert pretrained.training_data(record) == {
        "keywords/computer": {"recordings": 1, "hours": 0.5},
        "sentences": {"recordings": 1, "hours": 0.1},
        "further negatives": {"recordings": 2, "hours": 0.4},
    }


class Echo:
    """A system that returns a feature, and remembers what it was asked for."""

    name, version, times = "echo", "1", output_times(1)

    def __init__(self):
        self.asked = []

    def predict(self, stream):
        self.asked.append(stream.name)
        return stream.features[:, 0]


def test_a_stream_is_predicted_once(tmp_path):
    echo = Echo()
    streams = [
        Stream(name, (), 1.0, seed, features=np.full((98, 40), seed, "float32"))
        for seed, name in enumerate("ab")
    ]
    for _ in range(2):
        found = kept_posteriors.predict(echo, streams, tmp_path)
        assert [each.mean() for each in found] == [0.0, 1.0]
    assert echo.asked == ["a", "b"]


def test_a_threshold_is_stored_without_another_change(tmp_path):
    source = detectors.path("computer")
    before = bundle.read(source).manifest
    record = {key: value for key, value in before["threshold"].items() if key != "scoring"}
    pretrained.store(source, tmp_path / "computer", record | {"threshold": 0.5, "data": "dev"})
    after = bundle.read(tmp_path / "computer").manifest
    assert after["trigger"] == before["trigger"] | {"threshold": 0.5}
    assert after["threshold"]["data"] == "dev"
    assert after["threshold"]["scoring"] == before["threshold"]["scoring"]
    assert after["sha256"] == before["sha256"]


def test_a_word_that_peers_do_not_know_has_none(tmp_path):
    for name in ("pymicro_wakeword-2.5.0-py3-none-any.whl", "openwakeword-0.4.0-py3-none-any.whl"):
        zipfile.ZipFile(tmp_path / name, "w").close()
    assert peers.load(tmp_path, "computer") == []


def test_thresholds_that_hold_the_rate_by_chance():
    """2 alarms in 1 h of dev: Gamma(2.5, 1) on test, and 1 or 2 of 1 h hold it."""
    detector = {
        "threshold": {"false_alarms": 2, "hours": 1.0},
        "false_alarms_over_conditions": {"hours": 1.0},
    }
    # of k: Gamma(k + 2.5) / (Gamma(2.5) k!) * 0.5 ** (k + 2.5)
    expected = 2.5 * 0.5**3.5 + 2.5 * 3.5 / 2 * 0.5**4.5
    assert shipped_tables.expected_within([detector] * 3, 1) == pytest.approx(3 * expected)


def test_the_page_holds_the_tables():
    page = PAGE.read_text(encoding="utf-8")
    for table in shipped_tables.tables(shipped_tables.read()):
        assert table in page, table
    assert shipped_tables.by_chance(shipped_tables.read()) in " ".join(page.split())
