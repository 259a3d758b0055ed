"""Data sets whose batches depend only on the epoch and the index of the batch."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras

from keras_sal.checks import require


class EpochDataset(keras.utils.PyDataset):
    """A `PyDataset` whose batches are made by `at(epoch, index)`, by threads of its own if asked.

    Keras' own workers make batches ahead as well. But on JAX and PyTorch those that were made when
    `fit` looked at the first batch are kept, so that every epoch of the first `fit` begins with
    batches of the epoch before (Keras 3.15). Whatever changes between epochs would come late, and
    training would depend on the number of workers. So Keras is told of one worker there.

    On TensorFlow, Keras' workers know the epoch, and spare a wait: without them, `fit` may wait
    after an epoch for a thread that tunes the queue, for up to a minute, on one core a quarter of
    the time (TensorFlow 2.21; `benchmarks/epoch_waits.py`). Keras has two there at least, if
    batches may be made in `any_order`.

    Args:
        batches: Number of batches in an epoch.
        workers: Number of threads that make batches ahead; 1 (default) makes each batch when it is
            asked for.
        max_queue_size: Number of batches that are made ahead, at least 1. Defaults to 10.

    Attributes:
        any_order: Whether batches of an epoch may be made in any order. `False`, unless a subclass
            says otherwise.
        epoch: Epoch of `dataset[index]`. `fit` looks at the first batch of epoch 0 and trains from
            epoch 1 on.

    Raises:
        ValueError: If `workers` or `max_queue_size` is less than 1.
    """

    any_order = False

    def __init__(self, batches: int, *, workers: int = 1, max_queue_size: int = 10) -> None:
        require(
            workers >= 1 and max_queue_size >= 1,
            "`workers` and `max_queue_size` must be at least 1; they count threads and batches. "
            f"Received: workers={workers}, max_queue_size={max_queue_size}. Use the defaults.",
        )
        by_keras = self.any_order and keras.backend.backend() == "tensorflow"
        super().__init__(max(2, workers) if by_keras else 1, max_queue_size=max_queue_size)
        self.batches, self.epoch = batches, 0
        self._ahead = max_queue_size
        self._made: dict[tuple[int, int], Future] = {}
        self._pool = ThreadPoolExecutor(workers) if workers > 1 and not by_keras else None

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if self._pool is None:
            return self.at(self.epoch, index)
        room = self._ahead if len(self._made) <= self._ahead else 1  # fit may shuffle
        for ahead in range(index, min(index + room, self.batches)):
            key = self.epoch, ahead
            if key not in self._made:
                self._made[key] = self._pool.submit(self.at, *key)
        return self._made.pop((self.epoch, index)).result()

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_pool": None, "_made": {}}

    def at(self, epoch: int, index: int) -> tuple[Any, Any]:
        """Return a batch of any epoch.

        Args:
            epoch: Number of the epoch, from 0.
            index: Place of the batch in the epoch, from 0.

        Returns:
            `(features, targets)`.
        """
        raise NotImplementedError

    def on_epoch_end(self) -> None:
        """Move on to the next epoch."""
        self.discard_ahead()
        self.epoch += 1

    def discard_ahead(self) -> None:
        """Discard the batches made ahead, because what they were made from has changed."""
        for future in self._made.values():
            future.cancel()
        self._made = {}
