"""The page of the study is made of the stored runs, whatever else lies beside them."""

import shutil
import sys

import pytest

pytestmark = pytest.mark.any_backend
pytest.importorskip("scipy", reason="the study has a Sobol design")
study_report = pytest.importorskip("study_report")  # draws, with matplotlib
default_choice = pytest.importorskip("loss_study.default_choice")

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
    (results / "summary.json").write_text("{}")  # of a report before
    monkeypatch.setattr("loss_study.summary.REPLICATES", 20)
    monkeypatch.setattr(
        sys, "argv", ["study_report.py", "--results", str(results), "--page", str(page)]
    )
    study_report.main()
    text = page.read_text()
    assert "## Onset, span labels, gru micro\n\nspeech; 2 seeds; clean: 930 events" in text
    assert text.count("| focal |") == 3 + 2  # conditions, budgets
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
