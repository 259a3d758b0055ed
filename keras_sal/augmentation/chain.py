"""Sequences of augmentations of features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Chain:
    """Several augmentations, one after another.

    Args:
        *steps: Functions or augmentations, called in turn as `step(features, targets, rng)`.

    Example:
        >>> from keras_sal.augmentation import TimeStretch
        >>> Chain(TimeStretch(), TimeStretch((1.0, 1.2)))
        Chain(TimeStretch(factor=(0.9, 1.1)), TimeStretch(factor=(1.0, 1.2)))
    """

    def __init__(self, *steps: Callable[..., tuple[Any, Any]]) -> None:
        self.steps = steps

    def __call__(self, features: Any, targets: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        """Apply all steps.

        Args:
            features: Array `(batch, time, features)`.
            targets: Packed targets `(batch, time, channels + 1)`.
            rng: A `numpy.random.Generator`.

        Returns:
            `(features, targets)`.
        """
        for step in self.steps:
            features, targets = step(features, targets, rng)
        return features, targets

    def __repr__(self) -> str:
        return f"Chain({', '.join(map(repr, self.steps))})"
