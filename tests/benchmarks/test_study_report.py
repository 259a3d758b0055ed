"""The page of the study is made of the stored runs, whatever else lies beside them."""

import json
import shutil
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.any_backend
pytest.importorskip("scipy", reason="the study has a Sobol design")
study_report = pytest.importorskip("study_report")  # draws, with matplotlib
default_choice = pytest.importorskip("loss_study.default_choice")
ablations = pytest.importorskip("loss_study.ablations")
losses = pytest.importorskip("loss_study.losses")
tasks = pytest.importorskip("loss_study.tasks")

CELL = "onset-span-gru-micro"
LOSSES = ("cross_entropy", "focal", "sal")


def test_page_of_a_cell(tmp_path, monkeypatch):
    results, page = tmp_path / "results", tmp_path / "page.md"
    stored = study_report.RESULTS / CELL
    shutil.copytree(stored / "speakers", results / CELL / "speakers")
    (results / CELL / "test").mkdir()
    for loss in LOSSES:
        for seed in (0, 1):
            shutil.copy(stored / "test" / f"speech-{loss}-{seed}.json", results / CELL / "test")
    (results / CELL / "ablations").mkdir()
    for seed in (0, 1):  # as if half of the streams did just as well
        run = json.loads((stored / "test" / f"speech-cross_entropy-{seed}.json").read_text())
        for change in ("nothing", "half of the streams"):
            key = {"variant": "speech", "of": "cross entropy", "change": change, "seed": seed}
            path = results / CELL / "ablations" / f"{change}-{seed}.json"
            path.write_text(json.dumps(run | {"key": key}))
    (results / "summary.json").write_text("{}")  # of a report before
    monkeypatch.setattr("loss_study.summary.REPLICATES", 20)
    monkeypatch.setattr(
        sys, "argv", ["study_report.py", "--results", str(results), "--page", str(page)]
    )
    study_report.main()
    text = page.read_text()
    assert "## Onset, span labels, gru micro\n\nspeech; 2 seeds; clean: 930 events" in text
    assert text.count("| focal |") == 3 + 2  # conditions, budgets
    [row] = [line for line in text.splitlines() if "half of the streams |" in line]
    assert row.startswith("| cross entropy | half of the streams | 2 |")
    assert row.count("+0.0 [0.0, 0.0]") == 3 * 2  # conditions, misses and latency
    [row] = [line for line in text.splitlines() if "| nothing |" in line]
    assert row.count(" - ") == 3 * 2
    assert (tmp_path / f"study_{CELL}.svg").stat().st_size > 10_000
    assert CELL in (results / "summary.json").read_text()


def trial(loss, number, criterion):
    return {
        "key": {"loss": loss, "trial": number},
        "learning_rate": 0.004,
        "parameters": {},
        "dev": {"criterion": criterion},
    }


def test_default_is_the_best_over_all_cells():
    trials = {
        "a": [trial("cross entropy", 0, 0.4), trial("sal", 0, 0.1), trial("safl", 0, 0.2)],
        "b": [trial("cross entropy", 0, 0.5), trial("sal", 0, 1.0), trial("safl", 0, 0.2)],
    }
    trials["a"] += [trial("cross entropy", 1, 0.8), trial("sa+fl", 0, 0.01)]  # not tried in b
    best, second = default_choice.judge_settings(trials)
    assert (best.loss, best.ratios) == ("safl", {"a": 0.5, "b": 0.4})
    assert best.mean_ratio == pytest.approx(0.2**0.5)  # of 1/2 * 2/5
    assert second.loss == "sal"
    assert second.mean_ratio == pytest.approx(0.5**0.5)  # of 1/4 * 2


def event_stream(*events, duration_s=10.0):
    features = np.zeros((round(100 * duration_s), 40), "float32")
    return tasks.EventStream("s", features, np.array(events), ("a",) * len(events), duration_s)


def test_moved_events_keep_their_length():
    streams = [event_stream((1.0, 1.5, 0), (4.0, 4.7, 0)), event_stream((2.0, 2.9, 0))]
    change = ablations.Change(jitter_s=0.2)
    moved = [stream.events for stream in change.streams(streams, seed=7)]
    for before, after in zip(streams, moved, strict=True):
        shift = after[:, 0] - before.events[:, 0]
        np.testing.assert_allclose(after[:, 1] - before.events[:, 1], shift)
        assert ((np.abs(shift) > 0) & (np.abs(shift) <= 0.2)).all()
        np.testing.assert_array_equal(after[:, 2], 0)
    again = [stream.events for stream in change.streams(streams, seed=7)]
    for first, second in zip(moved, again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert (moved[0] != change.streams(streams, seed=8)[0].events).any()


def test_a_share_of_the_streams():
    streams = [event_stream((1.0, 1.5, 0)) for _ in range(8)]
    assert ablations.Change(share=0.25).streams(streams, seed=0) == streams[:2]
    assert ablations.NONE.streams(streams, seed=0) == streams


@pytest.mark.parametrize(("name", "other"), [("keyword", "onset"), ("onset", "offset")])
def test_the_other_end_as_anchor(name, other):
    task = tasks.TASKS[name]
    assert ablations.Change(other_anchor=True).task(task).anchor == other
    assert ablations.NONE.task(task) is task


def test_a_run_of_another_default_is_refused(tmp_path):
    runs = study_report.RunFiles(tmp_path, study_report.FULL.settings)
    path = tmp_path / CELL / "ablations" / "one.json"
    path.parent.mkdir(parents=True)
    change = ablations.ABLATIONS["default"]["strength 2"]
    for strength in (2.0, 3.0):
        parameters = losses.default_parameters() | {"strength": strength}
        run = {
            "key": {"of": "default", "change": "strength 2"},
            "settings": study_report.FULL.settings("onset", "ablations"),
            "parameters": parameters,
            "change": change.describe(),
        }
        path.write_text(json.dumps(run))
        if strength == 2.0:
            assert len(runs.read(CELL, "ablations")) == 1
        else:
            with pytest.raises(SystemExit, match=r"written with the default.*'strength': 3\.0"):
                runs.read(CELL, "ablations")
