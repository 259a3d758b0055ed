"""Base class of the callbacks that act after every n-th epoch."""

from __future__ import annotations

from typing import Any

import keras

from keras_sal.checks import require


class EpochRounds(keras.callbacks.Callback):
    """Callback that runs after the epochs `first`, `first + every`, and so on up to `last`.

    Args:
        first: The first epoch, counted from 1.
        every: Epochs from one round to the next, >= 1. Defaults to 1.
        last: The last epoch after which a round may take place. Defaults to `None`, for no limit.

    Raises:
        ValueError: If a number is less than 1.
    """

    def __init__(self, first: int, every: int = 1, last: int | None = None):
        super().__init__()
        require(
            first >= 1 and every >= 1 and (last is None or last >= 1),
            "`first`, `every` and `last` must be at least 1; they count epochs. Received: "
            f"first={first}, every={every}, last={last}. Use the defaults.",
        )
        self.first, self.every, self.last = first, every, last

    def run(self) -> dict[str, float]:
        """Run a round.

        Returns:
            Figures by name, which are added to the `logs` of the epoch.
        """
        raise NotImplementedError

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Run a round if one is due after this epoch, which Keras counts from 0."""
        done = epoch + 1
        due = done >= self.first and (done - self.first) % self.every == 0
        if due and (self.last is None or done <= self.last):
            found = self.run()
            if logs is not None:
                logs.update(found)
