"""Estimates of the remaining time of a training."""

import pytest

from keras_sal.training.remaining_time import RemainingTime

pytestmark = pytest.mark.any_backend


def test_reports_the_remaining_time(monkeypatch):
    """Steps of 2 s after a first one of 60 s, which compiles the model: 18 steps are 36 s."""
    now = iter([60.0, *(62.0 + 2 * step for step in range(19))])
    monkeypatch.setattr("keras_sal.training.remaining_time.time.monotonic", lambda: next(now))
    said, shown = [], []
    stage = type("Stage", (), {"named_progress": lambda self, *given: shown.append(given)})()
    console = type("Console", (), {"say": lambda self, text: said.append(text)})()
    callback = RemainingTime(console, stage)
    callback.set_params({"epochs": 2, "steps": 10})
    for step in range(20):
        callback.on_train_batch_end(step, {"loss": 0.5})
    assert shown[0] == ("Train, loss 0.5000, 36 s left", 2, 20)
    assert shown[-1] == ("Train, loss 0.5000, 0 s left", 20, 20)
    assert len(said) == 9
    assert said[4] == "  step 10 of 20, loss 0.5000, 20 s left"
