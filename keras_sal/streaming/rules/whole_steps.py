"""The input layer of chunks that checks that a chunk consists of whole steps."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from keras_sal.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_sal")
class WholeSteps(layers.Layer):
    """An identity layer that rejects a chunk whose last step is incomplete.

    Args:
        frames_per_step: Frames of one step, an integer > 1.
        **kwargs: See `keras.layers.Layer`.
    """

    def __init__(self, frames_per_step: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.frames_per_step = frames_per_step

    def call(self, frames: Tensor) -> Tensor:
        """Return the frames.

        Args:
            frames: `(batch, frames, ...)`.

        Raises:
            ValueError: If their number is no multiple of `frames_per_step`.
        """
        count = frames.shape[1]
        if isinstance(count, int) and count % self.frames_per_step:
            raise ValueError(
                f"`frame` must hold a multiple of {self.frames_per_step} frames; the model takes "
                f"{self.frames_per_step} for each output. Received: {count} frames in a chunk. "
                "Keep the rest for the next chunk."
            )
        features = tuple(frames.shape[2:])
        # If the number is unknown until the call, this reshape fails instead.
        steps = ops.reshape(frames, (ops.shape(frames)[0], -1, self.frames_per_step, *features))
        return ops.reshape(steps, (ops.shape(frames)[0], -1, *features))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the frames."""
        return shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments for `from_config`."""
        return {**super().get_config(), "frames_per_step": self.frames_per_step}
