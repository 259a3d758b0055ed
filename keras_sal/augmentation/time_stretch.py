"""Stretches of time between frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_sal.augmentation.factors import check_factor
from keras_sal.targets import clips
from keras_sal.typing import Array, ArrayLike


@dataclass(frozen=True)
class TimeStretch:
    """Clips sped up or slowed down by interpolation between frames, with their anchors.

    A clip that was slowed down loses its end. One that was sped up is filled up with its last frame
    and label -1. See `keras_sal.targets.clips.stretch`. `change_tempo`, on sound, is more natural
    but costs sixty times as much, without the front-end.

    Args:
        factor: Least and greatest factor of a clip's duration, greater than 0. Defaults to
            `(0.9, 1.1)`.

    Raises:
        ValueError: If numbers are out of order.

    Example:
        >>> import numpy as np
        >>> from keras_sal import AnchorTargets
        >>> targets = AnchorTargets(frames=100, anchor="offset")(np.array([[[20, 40]]]))
        >>> slower = TimeStretch((1.5, 1.5))
        >>> _, targets = slower(np.zeros((1, 100, 40)), targets, np.random.default_rng(0))
        >>> targets[0, 60].tolist()
        [1.0, 0.0]
    """

    factor: tuple[float, float] = (0.9, 1.1)

    def __post_init__(self) -> None:
        check_factor(self.factor)

    def __call__(
        self, features: ArrayLike, targets: ArrayLike, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """Stretch each clip by a factor of its own.

        Args:
            features: Array `(batch, time, features)`.
            targets: Packed targets `(batch, time, channels + 1)`.
            rng: A `numpy.random.Generator`.

        Returns:
            `(features, targets)`, of the same shapes.
        """
        factors = rng.uniform(*self.factor, len(features)).tolist()
        stretched = map(self._stretched, features, targets, factors)
        features, targets = zip(*stretched, strict=True)
        return np.stack(features), np.stack(targets)

    @staticmethod
    def _stretched(features: Array, targets: Array, factor: float) -> tuple[Array, Array]:
        time = len(targets)
        features, targets = clips.stretch(features, targets, factor)
        lacking = max(0, time - len(targets))
        features, targets = clips.pad(features, targets, after=lacking, fill=features[-1])
        return clips.crop(features, targets, 0, time)
