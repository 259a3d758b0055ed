"""A Keras callback that estimates the remaining time of a training."""

from __future__ import annotations

import time
from typing import Any

import keras

from keras_sal.progress import Reporter, Stage


class RemainingTime(keras.callbacks.Callback):
    """Callback that reports the train step, the loss and the remaining time.

    Every step updates the stage; after each tenth of the training a line is reported, too.

    Args:
        reporter: Receiver of the lines.
        stage: The stage of `reporter` that the training is.
    """

    def __init__(self, reporter: Reporter, stage: Stage):
        super().__init__()
        self._reporter, self._stage = reporter, stage
        self._done, self._tenths = 0, 0
        self._before: int | None = None  # steps of an earlier process
        self._started: float | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the steps of the epochs that were trained before an interruption."""
        if self._before is None:
            self._before = self._done = epoch * self.params["steps"]

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Report the step."""
        now = time.monotonic()
        total = self.params["epochs"] * self.params["steps"]
        self._done += 1
        if self._started is None:  # the first step compiles the model, which happens once
            self._started = now
            return
        left_s = (
            (now - self._started) / (self._done - (self._before or 0) - 1) * (total - self._done)
        )
        text = f"{_duration(left_s)} left"
        if logs and "loss" in logs:
            text = f"loss {float(logs['loss']):.4f}, {text}"
        self._stage.named_progress(f"Train, {text}", self._done, total)
        tenths = 10 * self._done // total
        if tenths > self._tenths and self._done < total:
            self._tenths = tenths
            self._reporter.say(f"  step {self._done} of {total}, {text}")


def _duration(seconds: float) -> str:
    """Format a duration.

    >>> _duration(42.3), _duration(600), _duration(5400)
    ('42 s', '10 min', '1 h 30 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
