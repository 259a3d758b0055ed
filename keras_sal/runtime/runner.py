"""The protocol of runners, which predict the next frames of a stream in some runtime."""

from __future__ import annotations

from typing import Protocol

from keras_sal.typing import Array, ArrayLike


class Runner(Protocol):
    """What a runner must have.

    Runners of models with several inputs take dicts of features by input name; those of models with
    several outputs return dicts of posteriors by output name. A runner may also have
    `delay_frames`, by how many output frames its outputs are late, and `frames_per_output`.
    """

    def stream(self, features: ArrayLike, /) -> Array | dict[str, Array]:
        """Predict the next frames of a stream.

        Args:
            features: Float array `(frames, features)`.

        Returns:
            Posteriors, float32 `(frames, classes)`.
        """

    def reset(self) -> None:
        """Start a new stream."""
