"""Scrambled clips: the sounds of the word without the word."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from keras_sal.anchors import IGNORE, NO_ANCHOR
from keras_sal.checks import flag, require
from keras_sal.typing import Array, ArrayLike


@dataclass(frozen=True)
class Scramble:
    """Clips cut into pieces and joined in another order: speech without the word.

    A scrambled clip holds the sounds of the word in the same voices, but is a negative: label 0, no
    anchor. It trains a detector not to fire on a part of the word, or on a known voice. A clip with
    frames to ignore (label -1) is left as it is.

    With `encoding="one_hot"` the first label channel is that of the background, and is 1 in a
    scrambled clip.

    Args:
        share: Share of the clips that are scrambled, in [0, 1]. Defaults to 0.25.
        piece_frames: Least and greatest length of a piece, in frames; shorter than the word.
            Defaults to `(12, 36)`.
        background: Whether the first of several label channels is that of the background. Defaults
            to `None`: it is if exactly one label is 1 in every frame of the batch.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> import numpy as np
        >>> clip, targets = np.arange(6.0).reshape(1, 6, 1), np.ones((1, 6, 2))
        >>> shuffle = Scramble(1.0, piece_frames=(2, 2))
        >>> clip, targets = shuffle(clip, targets, np.random.default_rng(2))
        >>> clip[0, :, 0].tolist(), targets[0, :, 0].tolist()
        ([4.0, 5.0, 2.0, 3.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    """

    share: float = 0.25
    piece_frames: tuple[int, int] = (12, 36)
    background: bool | None = None

    def __post_init__(self) -> None:
        require(
            0 <= self.share <= 1,
            f"`share` must lie in [0, 1]; it is a share of the clips. Received: "
            f"share={self.share}. Give 0 for none.",
        )
        low, high = self.piece_frames
        require(
            isinstance(low, Integral) and isinstance(high, Integral) and 1 <= low <= high,
            "`piece_frames` must be (least, greatest), whole numbers of at least 1; lengths are "
            f"drawn between the two. Received: piece_frames={self.piece_frames}. Stay well below "
            "the length of the word.",
        )
        if self.background is not None:
            flag("background", self.background)

    def __call__(
        self, features: ArrayLike, targets: ArrayLike, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """Scramble a share of the clips.

        Args:
            features: Array `(batch, time, features)`; it is not changed.
            targets: Packed targets `(batch, output frames, channels + 1)`; they are not changed.
            rng: A `numpy.random.Generator`.

        Returns:
            `(features, targets)`, of the same shapes.
        """
        features, targets = np.array(features), np.array(targets)
        has_background = self._has_background(targets[..., :-1])
        chosen = rng.random(len(features)) < self.share
        for clip in np.flatnonzero(chosen & ~(targets[..., :-1] == IGNORE).any(axis=(1, 2))):
            features[clip] = features[clip, self._order(features.shape[1], rng)]
            targets[clip, :, :-1] = 0
            targets[clip, :, 0] = has_background
            targets[clip, :, -1] = NO_ANCHOR
        return features, targets

    def _has_background(self, labels: Array) -> bool:
        """Whether the first label channel is that of the background."""
        if self.background is not None or labels.shape[-1] == 1:
            return bool(self.background)
        known = (labels != IGNORE).all(axis=-1)
        return bool(known.any() and (labels[known].sum(axis=-1) == 1).all())

    def _order(self, frames: int, rng: np.random.Generator) -> Array:
        """The frames in their new order."""
        low, high = self.piece_frames
        ends = np.cumsum(rng.integers(low, high + 1, frames // low + 1))
        pieces = np.split(np.arange(frames), ends[ends < frames])
        return np.concatenate([pieces[i] for i in rng.permutation(len(pieces))])
