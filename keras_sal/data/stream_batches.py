"""Batches to train on: random crops of streams."""

import math

import numpy as np

from keras_sal.checks import positive, require
from keras_sal.data.crops import Crops
from keras_sal.data.epochs import Epochs


class StreamBatches(Epochs):
    """Batches of random crops of streams, for `model.fit`.

    Crops are cut from features in memory, so a batch takes a fraction of a train step. Which crops
    follows from `(seed, epoch, index)` alone: the same whatever the number of workers. The order
    of the batches is `fit`'s: pass `shuffle=False` to keep it, they are random already. No crop
    begins inside an event or its positive frames, for a detector can't answer for what it did not
    hear. Events up to 2 s outside a crop still count in its distances.

    Args:
        streams: A sequence of `Stream` with features; see `keras_sal.data.crops` for several inputs.
        targets: An `AnchorTargets` with `frames` set (the length of a crop),
            `frame_step_s=0.01` and `frame_offset_s=0.03`; see `keras_sal.data.crops` for a detector
            that answers less often.
        batch_size: Crops in a batch, at least 1. Default 32.
        batches: Batches in an epoch, at least 1. Default 100.
        seed: What the crops are drawn from. Default 0.
        focus_share: Share of the crops of a batch that cover the moments given to `focus`, in
            `[0, 1]`. Default 0.25; without such moments all crops are drawn evenly.
        augment: Called on each batch as `augment(features, targets, rng)`; see
            `keras_sal.augmentation.features`. Default `None`.
        augment_epochs: How many epochs are augmented, at least 1; the batches of later ones are
            as cut. Batch normalisation keeps the statistics of what a model saw last, which should
            be what it will hear. Default `None`: all epochs.
        **ahead: `workers`, threads that make batches ahead, default 1, and `max_queue_size`; see
            `keras_sal.data.epochs.Epochs`.

    Attributes:
        crops: The `keras_sal.data.crops.Crops` that are drawn from.
        epoch: Which epoch `batches[index]` is of. `fit` looks at the first batch of epoch 0 and
            trains from epoch 1 on.

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

    def __init__(
        self,
        streams,
        targets,
        *,
        batch_size=32,
        batches=100,
        seed=0,
        focus_share=0.25,
        augment=None,
        augment_epochs=None,
        **ahead,
    ):
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
            longest = max(self.crops.answers, default=0)
            raise ValueError(
                f"`streams` must be longer than a crop; there is no room for one. Received: "
                f"{len(self.streams)} streams of up to {longest} frames for crops of "
                f"{self.targets.frames}. Make longer streams or shorter crops."
            )

    def at(self, epoch, index):
        """The batch `index` of any epoch."""
        features, targets = self.crops.cut(self.draw(epoch, index))
        if self.augment is None or epoch > self.augment_epochs:
            return features, targets
        return self.augment(features, targets, np.random.default_rng([self.seed, epoch, index, 1]))

    def draw(self, epoch, index):
        """Which crops are in a batch: integers `(batch, 2)`, rows `(stream, first frame)`."""
        rng = np.random.default_rng([self.seed, epoch, index])
        places = rng.integers(self._evenly, size=self.batch_size)
        if len(self._focused):
            count = round(self.focus_share * self.batch_size)
            first, beyond = self._focused[rng.integers(len(self._focused), size=count)].T
            places[:count] = rng.integers(first, beyond)
        return self.crops.starts[places]

    def focus(self, moments, streams=None):
        """From now on, has a share of the crops cover moments that matter more than others.

        Use it for what a detector gets wrong; `keras_sal.training.hard_negatives` finds such moments. A
        batch has `round(focus_share * batch_size)` crops that cover one of them, drawn evenly,
        anywhere in the crop but within its first second. They come first in the batch, and are
        crops like the others: none begins inside an event.

        Args:
            moments: A sequence of `(stream, time_s)`, or of tuples that begin so: the place of a
                stream in `streams`, and seconds from its start. They take the place of those given
                before; none switches it off.
            streams: The streams that are meant, if they are others than those trained on. Default
                `None`.

        Returns:
            How many of the moments there are crops for; next to an event there may be none.
        """
        self.forget()
        own, shift = self._own_crops, 0
        self.crops, self._evenly = own, len(own.starts)
        if streams is not None:
            self.crops, shift = Crops([*self.streams, *streams], self.targets), len(self.streams)
        self._focused = self.crops.covering([(shift + stream, t) for stream, t, *_ in moments])
        return len(self._focused)
