"""Masks of time and of frequency."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from keras_sal.checks import require
from keras_sal.typing import Array, ArrayLike


@dataclass(frozen=True)
class SpecAugment:
    """Masks of time and of frequency, so that a model does not rely on a single detail.

    The width of each mask is drawn from 0 to the greatest width, and its place from all where it
    fits. The anchors stay where they are, as what is hidden has still been said: keep time masks
    shorter than a word.

    Reference:
        Park et al., SpecAugment, Interspeech 2019, arXiv:1904.08779 (masking; for its warp of time
        see `TimeStretch`).

    Args:
        time_masks: Number of masks of time in a clip, at least 0. Defaults to 2.
        time_frames: Greatest width of a mask of time, in frames. Defaults to 10.
        frequency_masks: Number of masks of frequency in a clip, at least 0. Defaults to 2.
        frequency_channels: Greatest width of a mask of frequency, in channels. Defaults to 6.
        fill: Value of hidden features; `None` (default) means the mean of the clip.

    Raises:
        ValueError: If a number is negative or not whole.

    Example:
        >>> import numpy as np
        >>> hide = SpecAugment(0, 0, frequency_masks=1, frequency_channels=2, fill=0)
        >>> features, targets = np.ones((1, 3, 4)), np.zeros((1, 3, 2))
        >>> hide(features, targets, np.random.default_rng(3))[0][0].tolist()
        [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]
    """

    time_masks: int = 2
    time_frames: int = 10
    frequency_masks: int = 2
    frequency_channels: int = 6
    fill: float | None = None

    def __post_init__(self) -> None:
        for name in ("time_masks", "time_frames", "frequency_masks", "frequency_channels"):
            value = getattr(self, name)
            require(
                isinstance(value, Integral) and int(value) >= 0,
                f"`{name}` must be a whole number of at least 0; it counts masks, frames or "
                f"channels. Received: {name}={value!r}. Give 0 for none.",
            )

    def __call__(
        self, features: ArrayLike, targets: ArrayLike, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """Hide parts of each clip.

        Args:
            features: Array `(batch, time, features)`; it is not changed.
            targets: Packed targets `(batch, time, channels + 1)`.
            rng: A `numpy.random.Generator`.

        Returns:
            `(features, targets)`, the targets as they were.
        """
        features = np.asarray(features)
        batch, time, channels = features.shape
        times = _masks(rng, batch, time, self.time_masks, self.time_frames)
        bands = _masks(rng, batch, channels, self.frequency_masks, self.frequency_channels)
        hidden = times[:, :, None] | bands[:, None, :]
        fill = features.mean(axis=(1, 2), keepdims=True) if self.fill is None else self.fill
        return np.where(hidden, np.asarray(fill, features.dtype), features), targets


def _masks(rng: np.random.Generator, batch: int, length: int, masks: int, widest: int) -> Array:
    """Booleans `(batch, length)`: the places that are hidden in each clip."""
    width = rng.integers(0, min(widest, length) + 1, (batch, masks, 1))
    start = rng.integers(0, length - width + 1)
    place = np.arange(length)
    return np.any((start <= place) & (place < start + width), axis=1)
