"""How long a training takes still."""

import time

import keras


class Timetable(keras.callbacks.Callback):
    """Shows the train step, the loss and the time left; nine times in a line of its own.

    Args:
        console: A `keras_sal.cli.console.Console`.
        stage: A stage of it.
    """

    def __init__(self, console, stage):
        super().__init__()
        self._console, self._stage = console, stage
        self._done, self._started, self._told = 0, None, 0

    def on_train_batch_end(self, batch, logs=None):  # noqa: D102
        now = time.monotonic()
        total = self.params["epochs"] * self.params["steps"]
        self._done += 1
        if self._started is None:  # the first step compiles the model, which happens once
            self._started = now
            return
        left_s = (now - self._started) / (self._done - 1) * (total - self._done)
        text = f"{time_left(left_s)} left"
        if logs and "loss" in logs:
            text = f"loss {float(logs['loss']):.4f}, {text}"
        self._stage.named_progress(f"Train, {text}", self._done, total)
        tenth = 10 * self._done // total
        if tenth > self._told and self._done < total:
            self._told = tenth
            self._console.say(f"  step {self._done} of {total}, {text}")


def time_left(seconds):
    """Says how long something takes.

    >>> time_left(42.3), time_left(600), time_left(5400)
    ('42 s', '10 min', '1 h 30 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
