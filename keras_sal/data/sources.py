"""Data sources: batches of streams as a `tf.data.Dataset` or a `grain.MapDataset`.

Use them in pipelines that are built with one of the two; `model.fit` takes `StreamBatches` as they
are. The elements are the batches of all epochs in a row (`at(0, 0)`, `at(0, 1)` and so on). They
follow from the seed alone, however many threads or processes make them. A later `focus` does not
reach them: focus the batches first.

    batches = StreamBatches(streams, targets, batches=100)
    dataset = tf_dataset(batches, num_parallel_calls=2).prefetch(8)
    model.fit(dataset, epochs=10, steps_per_epoch=100)

    crops = grain_dataset(batches, crops=True)
    dataset = crops.map(my_augmentation).batch(32).to_iter_dataset()
    model.fit(dataset, epochs=10, steps_per_epoch=100)

Cutting a batch takes milliseconds (`benchmarks/input_pipeline.py`), so threads are enough. A
process of grain's gets a copy of the features, and grain requires that absl's flags are parsed
before it starts one, as `absl.app.run(main)` does.
"""

from __future__ import annotations

import copy
from typing import Any

import keras

from keras_sal.checks import require
from keras_sal.data.epoch_dataset import EpochDataset
from keras_sal.extras import import_package

ENDLESS = 2**40  # elements


class BatchSource:
    """The batches of all epochs in a row, with the interface of a grain source: `len` and `[n]`.

    Args:
        batches: A `keras_sal.data.StreamBatches` or `keras_sal.data.StreamChunks`.
        epochs: Number of epochs, at least 1; `None` (default) for no end.

    Raises:
        ValueError: If `epochs` is less than 1.

    Example:
        >>> import numpy as np
        >>> from keras_sal import AnchorTargets
        >>> from keras_sal.data import Stream, StreamBatches
        >>> hum = Stream("hum", (), 10.0, features=np.zeros((998, 40), "float32"))
        >>> targets = AnchorTargets(400, frame_step_s=0.01, frame_offset_s=0.03)
        >>> source = BatchSource(StreamBatches([hum], targets, batch_size=8, batches=10), epochs=3)
        >>> features, packed = source[29]
        >>> len(source), features.shape
        (30, (8, 400, 40))
    """

    def __init__(self, batches: EpochDataset, epochs: int | None = None) -> None:
        require(
            epochs is None or epochs >= 1,
            "`epochs` must be at least 1, or None for no end; it counts epochs. Received: "
            f"epochs={epochs}. Leave it out.",
        )
        self.batches = copy.copy(batches)
        self.epochs = epochs

    def __len__(self) -> int:
        return ENDLESS if self.epochs is None else self.epochs * len(self.batches)

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        return self.batches.at(*divmod(self._checked(number), len(self.batches)))

    def _checked(self, number: int) -> int:
        if not 0 <= number < len(self):
            raise IndexError(f"There is no element {number} among {len(self)}.")
        return int(number)


class CropSource(BatchSource):
    """The crops of all epochs in a row: those of the first batch, then those of the second.

    Args:
        batches: A `keras_sal.data.StreamBatches` without `augment`, as that changes whole batches.
        epochs: Number of epochs, at least 1; `None` (default) for no end.

    Raises:
        ValueError: If `batches` has no crops of its own, or `epochs` is less than 1.
    """

    def __init__(self, batches: EpochDataset, epochs: int | None = None) -> None:
        super().__init__(batches, epochs)
        require(
            hasattr(batches, "draw") and getattr(batches, "augment", None) is None,
            "`batches` must be StreamBatches without `augment` to give single crops; chunks go on "
            "from batch to batch, and augmentation changes whole batches. Received: "
            f"{type(batches).__name__}. Leave `augment` out and map it, or take whole batches.",
        )

    def __len__(self) -> int:
        crops = len(self.batches) * self.batches.batch_size
        return ENDLESS if self.epochs is None else self.epochs * crops

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        batch, place = divmod(self._checked(number), self.batches.batch_size)
        drawn = self.batches.draw(*divmod(batch, len(self.batches)))
        return keras.tree.map_structure(lambda x: x[0], self.batches.crops.cut(drawn[[place]]))


def grain_dataset(batches: EpochDataset, *, crops: bool = False, epochs: int | None = None) -> Any:
    """Return the batches, or their crops, as a `grain.MapDataset`.

    Args:
        batches: A `keras_sal.data.StreamBatches` or `keras_sal.data.StreamChunks`.
        crops: Whether elements are single crops, for you to change and to batch, or whole batches.
            Defaults to `False`: whole batches, which are made faster.
        epochs: Number of epochs, at least 1; `None` (default) for no end.

    Returns:
        A `grain.MapDataset` of `(features, targets)`.

    Raises:
        ImportError: If `grain` is missing.
        ValueError: If `epochs` is less than 1.
    """
    grain = import_package("grain", "make a grain dataset", "data")
    return grain.MapDataset.source((CropSource if crops else BatchSource)(batches, epochs))


def tf_dataset(
    batches: EpochDataset,
    *,
    crops: bool = False,
    epochs: int | None = None,
    num_parallel_calls: int | None = None,
) -> Any:
    """Return the batches, or their crops, as a `tf.data.Dataset`.

    NumPy cuts them in this process, so the dataset can't be saved or sent to another process.

    Args:
        batches: A `keras_sal.data.StreamBatches` or `keras_sal.data.StreamChunks`.
        crops: Whether elements are single crops or whole batches (default).
        epochs: Number of epochs, at least 1; `None` (default) for no end.
        num_parallel_calls: Number of elements that are cut at the same time, or `None` (default)
            for one after another. The order does not depend on it.

    Returns:
        A `tf.data.Dataset` of `(features, targets)`.

    Raises:
        ImportError: If `tensorflow` is missing.
        ValueError: If `epochs` is less than 1.
    """
    tf = import_package("tensorflow", "make a tf.data dataset", "tensorflow")
    source = (CropSource if crops else BatchSource)(batches, epochs)
    first = source[0]

    def cut(number):
        tensors = tf.numpy_function(
            lambda n: keras.tree.flatten(source[n]),
            [number],
            [tf.as_dtype(x.dtype) for x in keras.tree.flatten(first)],
        )
        for tensor, x in zip(tensors, keras.tree.flatten(first), strict=True):
            tensor.set_shape(x.shape)
        return keras.tree.pack_sequence_as(first, tensors)

    order = {} if num_parallel_calls is None else {"deterministic": True}
    numbers = tf.data.Dataset.range(len(source))
    return numbers.map(cut, num_parallel_calls=num_parallel_calls, **order)
