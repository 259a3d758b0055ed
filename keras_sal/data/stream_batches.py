"""Batches to train on: random crops of streams."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from keras_sal.checks import positive, require
from keras_sal.data.crops import Crops
from keras_sal.data.epoch_dataset import EpochDataset
from keras_sal.data.streams import Stream
from keras_sal.targets import AnchorTargets
from keras_sal.typing import Array


class StreamBatches(EpochDataset):
    """Batches of random crops of streams, for `model.fit`.

    A batch takes a fraction of a train step: features are in memory, or in files of which seven
    hours stay in memory once they were read. The crops follow from `(seed, epoch, index)` alone,
    whatever the number of workers. `fit` chooses the order of the batches; pass `shuffle=False` to
    keep it, as they are random already. No crop begins inside an event or its positive frames: the
    detector could not know of what came before. Events up to 2 s outside a crop still count in its
    distances.

    Args:
        streams: A sequence of `Stream` with features; see `keras_sal.data.crops` for several
            inputs.
        targets: An `AnchorTargets` with `frames` set (the length of a crop), `frame_step_s=0.01`
            and `frame_offset_s=0.03`; see `keras_sal.data.crops` for a detector that gives one
            output for several frames.
        batch_size: Crops in a batch, at least 1. Defaults to 32.
        batches: Batches in an epoch, at least 1. Defaults to 100.
        seed: Seed of the crops. Defaults to 0.
        focus_share: Share of the crops of a batch that cover the moments given to `focus`, in
            `[0, 1]`. Defaults to 0.25; without such moments all crops are drawn evenly.
        augment: Called on each batch as `augment(features, targets, rng)`; see
            `keras_sal.augmentation`. Defaults to `None`.
        augment_epochs: Number of epochs of `fit` that are augmented, at least 1; later ones are
            not. `keras_sal.data.sources` begin with epoch 0, which is one more. Batch
            normalisation keeps the statistics of the batches that a model saw last, which should be
            like those it will meet. Defaults to `None`: all epochs.
        **ahead: `workers`, the number of threads that make batches ahead, 1 by default, and
            `max_queue_size`; see `keras_sal.data.epoch_dataset.EpochDataset`.

    Attributes:
        crops: The `keras_sal.data.crops.Crops` that are drawn from.
        epoch: Epoch of `batches[index]`. `fit` looks at the first batch of epoch 0 and trains from
            epoch 1 on.

    Returns:
        From `batches[index]`: `(features, targets)`, `float32` arrays of shapes
        `(batch, time, 40)` and `(batch, time, channels + 1)`.

    Raises:
        ValueError: If a stream has no features, none is as long as a crop, or `targets` lacks
            `frames` or counts other frames than the features.

    Example:
        >>> import numpy as np
        >>> from keras_sal.data import Stream
        >>> from keras_sal.targets import AnchorTargets
        >>> stream = Stream("quiet", (), 10.0, features=np.zeros((998, 40), "float32"))
        >>> targets = AnchorTargets(frames=400, frame_step_s=0.01, frame_offset_s=0.03)
        >>> features, packed = StreamBatches([stream], targets, batch_size=8)[0]
        >>> features.shape, packed.shape
        ((8, 400, 40), (8, 400, 2))
    """

    any_order = True

    def __init__(
        self,
        streams: Sequence[Stream],
        targets: AnchorTargets,
        *,
        batch_size: int = 32,
        batches: int = 100,
        seed: int = 0,
        focus_share: float = 0.25,
        augment: Callable[..., tuple[Any, Any]] | None = None,
        augment_epochs: int | None = None,
        **ahead: int,
    ) -> None:
        super().__init__(round(positive("batches", batches)), **ahead)
        require(
            0 <= focus_share <= 1,
            "`focus_share` must lie in [0, 1]; it is a share of the crops of a batch. Received: "
            f"focus_share={focus_share}. Leave it at its default, 0.25.",
        )
        self.streams, self.targets = list(streams), targets
        self.batch_size = round(positive("batch_size", batch_size))
        self.seed, self.focus_share, self.augment = seed, focus_share, augment
        self.augment_epochs = math.inf
        if augment_epochs is not None:
            self.augment_epochs = positive("augment_epochs", augment_epochs)
        self._own_crops = Crops(self.streams, targets)
        self.focus(())
        if not self._evenly:
            longest = max(self.crops.output_frames, default=0)
            raise ValueError(
                f"`streams` must be longer than a crop; there is no room for one. Received: "
                f"{len(self.streams)} streams of up to {longest} frames for crops of "
                f"{self.targets.frames}. Make longer streams or shorter crops."
            )

    def at(self, epoch: int, index: int) -> tuple[Any, Any]:
        """Return a batch of any epoch.

        Args:
            epoch: Number of the epoch, from 0.
            index: Place of the batch in the epoch, from 0.

        Returns:
            `(features, targets)`.
        """
        features, targets = self.crops.cut(self.draw(epoch, index))
        if self.augment is None or epoch > self.augment_epochs:
            return features, targets
        return self.augment(features, targets, np.random.default_rng([self.seed, epoch, index, 1]))

    def draw(self, epoch: int, index: int) -> Array:
        """Draw the crops of a batch.

        Args:
            epoch: Number of the epoch, from 0.
            index: Place of the batch in the epoch, from 0.

        Returns:
            Integers `(batch, 2)`, rows `(stream, first output frame)`.
        """
        rng = np.random.default_rng([self.seed, epoch, index])
        places = rng.integers(self._evenly, size=self.batch_size)
        if len(self._focused):
            count = round(self.focus_share * self.batch_size)
            first, beyond = self._focused[rng.integers(len(self._focused), size=count)].T
            places[:count] = rng.integers(first, beyond)
        return self.crops.starts[places]

    def focus(
        self, moments: Iterable[tuple[Any, ...]], streams: Sequence[Stream] | None = None
    ) -> int:
        """Let a share of the crops cover given moments from now on.

        Use it for what a detector gets wrong; `keras_sal.training.hard_negatives` finds such
        moments. A batch has `round(focus_share * batch_size)` crops that cover one of them, drawn
        evenly, anywhere in the crop but within its first second. They come first in the batch, and
        are crops like the others: none begins inside an event.

        Args:
            moments: Tuples that begin with `(stream, time_s)`: the place of a stream in `streams`,
                and seconds from its start. They replace those given before; none switches it off.
            streams: The streams that are meant, if they are others than those trained on. Defaults
                to `None`.

        Returns:
            The number of moments that have crops; next to an event there may be none.
        """
        self.discard_ahead()
        own, shift = self._own_crops, 0
        self.crops, self._evenly = own, len(own.starts)
        if streams is not None:
            self.crops, shift = Crops([*self.streams, *streams], self.targets), len(self.streams)
        self._focused = self.crops.covering([(shift + stream, t) for stream, t, *_ in moments])
        return len(self._focused)
