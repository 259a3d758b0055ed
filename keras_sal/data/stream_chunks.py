"""Chunks of streams that continue from batch to batch, for stateful detectors.

A detector trained on crops of seconds never learns what its state is like after minutes. Here row i
of each batch continues row i of the batch before. `keras_sal.training.stateful` has a detector that
keeps its state from batch to batch, and shows how the two are used together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_sal.checks import positive, require
from keras_sal.data.crops import Crops
from keras_sal.data.epoch_dataset import EpochDataset
from keras_sal.data.streams import Stream
from keras_sal.targets import AnchorTargets
from keras_sal.typing import Array


class StreamChunks(EpochDataset):
    """Batches of consecutive chunks of whole streams, for `model.fit` with `shuffle=False`.

    Every epoch holds each stream once, `batch_size` of them side by side, in an order that follows
    from `(seed, epoch)`. Streams of the same number of chunks are put together. Where one ends
    before the others, or the last streams don't fill a batch, rows are zeros with label -1. Anchors
    up to 2 s beyond the edges of a chunk count in its distances, so that chunks joined have the
    targets of the stream.

    Args:
        streams: A sequence of `Stream` with features, at least `batch_size`.
        targets: An `AnchorTargets` as for `StreamBatches`; its `frames` are those of a chunk.
        batch_size: Streams side by side, at least 1. Defaults to 32.
        shuffle: Whether the order of streams is drawn. `False` keeps the order of `streams`, but
            longer streams come later. Defaults to `True`.
        seed: Seed of the order. Defaults to 0.
        **ahead: `workers` and `max_queue_size`; see `keras_sal.data.epoch_dataset.EpochDataset`.

    Returns:
        From `chunks[index]`: `(features, targets)`, as `StreamBatches` gives them.

    Raises:
        ValueError: If streams, targets and batch size don't fit; and from `chunks[index]`, if
            chunks are not asked for in order. `at` gives any.

    Example:
        >>> from keras_sal import AnchorTargets
        >>> from keras_sal.data import Stream
        >>> hum = Stream("hum", (), 10.0, features=np.zeros((998, 40), "float32"))
        >>> targets = AnchorTargets(400, frame_step_s=0.01, frame_offset_s=0.03)
        >>> chunks = StreamChunks([hum] * 4, targets, batch_size=2)
        >>> len(chunks), [index for index in range(6) if chunks.begins(index)]
        (6, [0, 3])
        >>> features, packed = chunks.at(0, 2)
        >>> features.shape, [int((row[:, 0] == -1).sum()) for row in packed]  # 3 * 400 - 998
        ((2, 400, 40), [202, 202])
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        targets: AnchorTargets,
        *,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int = 0,
        **ahead: int,
    ) -> None:
        self.batch_size = round(positive("batch_size", batch_size))
        self.crops = Crops(streams, targets)
        self.streams, self.targets = self.crops.streams, targets
        self.shuffle, self.seed = shuffle, seed
        require(
            len(self.streams) >= self.batch_size,
            "`streams` must be at least as many as `batch_size`; each is one row of a batch. "
            f"Received: {len(self.streams)} streams, batch_size={batch_size}. Make more, shorter "
            "streams, or smaller batches.",
        )
        self._chunks = -(-np.array(self.crops.output_frames) // self.crops.frames)
        super().__init__(int(self._plan(0)[1][-1]), **ahead)
        self._last = -1

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        require(
            index in (0, self._last + 1),
            "`StreamChunks` must be read in order; each continues the one before. Received: chunk "
            f"{index} after {self._last}. Pass `shuffle=False` to fit, or use `at`.",
        )
        self._last = index
        return super().__getitem__(index)

    def on_epoch_end(self) -> None:
        """Move on to the next epoch and its order of streams."""
        self._last = -1
        super().on_epoch_end()

    def at(self, epoch: int, index: int) -> tuple[Any, Any]:
        """Return a batch of any epoch.

        Args:
            epoch: Number of the epoch, from 0.
            index: Place of the batch in the epoch, from 0.

        Returns:
            `(features, targets)`.
        """
        groups, ends = self._plan(epoch)
        place = int(np.searchsorted(ends, index, side="right"))
        group = groups[place]
        chunk = index - (ends[place] - self._chunks[group].max())
        rows = [(stream, chunk * self.crops.frames) for stream in group]
        empty = (0, self.crops.output_frames[0])  # after the end of a stream
        return self.crops.cut(rows + [empty] * (self.batch_size - len(group)))

    def begins(self, index: int) -> bool:
        """Tell whether the rows of a batch of this epoch begin new streams.

        Args:
            index: Place of the batch in the epoch, from 0.

        Returns:
            `True` for a batch whose rows don't continue those of the batch before.
        """
        return index == 0 or index in self._plan(self.epoch)[1]

    def _plan(self, epoch: int) -> tuple[list[Array], Array]:
        """Groups of streams side by side, and the batch before which each group ends."""
        rng = np.random.default_rng([self.seed, epoch])
        order = np.arange(len(self.streams))
        if self.shuffle:
            order = rng.permutation(order)
        order = order[np.argsort(self._chunks[order], kind="stable")]
        groups = [
            order[first : first + self.batch_size]
            for first in range(0, len(order), self.batch_size)
        ]
        if self.shuffle:
            groups = [groups[place] for place in rng.permutation(len(groups))]
        return groups, np.cumsum([self._chunks[group].max() for group in groups])
