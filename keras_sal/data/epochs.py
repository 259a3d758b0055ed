"""Epochs of batches: each batch follows from its epoch and its place in it, and nothing else."""

from concurrent.futures import ThreadPoolExecutor

import keras

from keras_sal.checks import require


class Epochs(keras.utils.PyDataset):
    """A `PyDataset` whose batches are made by `at(epoch, index)`, by threads of its own if asked.

    Keras' own workers make batches ahead, too, but on JAX and PyTorch those that were made ahead
    when `fit` looked at the first batch are kept, so that every epoch of the first `fit` begins
    with batches of the one before (Keras 3.15). Whatever changes between epochs would come late,
    and training would depend on the number of workers. So Keras is told of one worker here.

    Args:
        batches: Batches in an epoch.
        workers: Threads that make batches ahead, or 1 (default) to make each when it is asked for.
        max_queue_size: How many batches are made ahead. Default 10.

    Attributes:
        epoch: Which epoch `dataset[index]` is of. `fit` looks at the first batch of epoch 0 and
            begins with epoch 1.

    Raises:
        ValueError: If a number is less than 1.
    """

    def __init__(self, batches, *, workers=1, max_queue_size=10):
        super().__init__()
        require(
            workers >= 1 and max_queue_size >= 1,
            "`workers` and `max_queue_size` must be at least 1; they count threads and batches. "
            f"Received: workers={workers}, max_queue_size={max_queue_size}. Use the defaults.",
        )
        self.batches, self.epoch = batches, 0
        self._ahead, self._made = max_queue_size, {}
        self._pool = ThreadPoolExecutor(workers) if workers > 1 else None

    def __len__(self):
        return self.batches

    def __getitem__(self, index):
        if self._pool is None:
            return self.at(self.epoch, index)
        room = self._ahead if len(self._made) <= self._ahead else 1  # fit may shuffle
        for ahead in range(index, min(index + room, self.batches)):
            key = self.epoch, ahead
            if key not in self._made:
                self._made[key] = self._pool.submit(self.at, *key)
        return self._made.pop((self.epoch, index)).result()

    def __getstate__(self):
        return vars(self) | {"_pool": None, "_made": {}}

    def at(self, epoch, index):
        """The batch `index` of any epoch."""
        raise NotImplementedError

    def on_epoch_end(self):
        """Moves on to the next epoch."""
        self.forget()
        self.epoch += 1

    def forget(self):
        """Forgets what was made ahead, because what it was made from has changed."""
        for future in self._made.values():
            future.cancel()
        self._made = {}
