"""Samples cut into the steps of a model that has its front-end inside."""

from __future__ import annotations

import numpy as np

from keras_sal.audio.samples import from_pcm16, to_pcm16
from keras_sal.typing import Array, ArrayLike


class SampleSteps:
    """Cuts chunks of sound into the steps of a model that takes samples.

    It stands in the place of a front-end in `StreamingDetector`. Samples are rounded to the 16 bits
    of a microphone.

    Args:
        samples_per_step: Samples that a step takes, an integer >= 1.

    Raises:
        ValueError: When called, if the samples are not one channel in range.

    Example:

    >>> import numpy as np
    >>> steps = SampleSteps(160)
    >>> steps(np.zeros(159, "float32")).shape, steps(np.zeros(161, "float32")).shape
    ((0, 160), (2, 160))
    """

    def __init__(self, samples_per_step: int) -> None:
        self.samples_per_step = samples_per_step
        self._rest: Array = np.zeros(0, "<i2")

    def __call__(self, samples: ArrayLike) -> Array:
        """Return the steps that these samples complete.

        Args:
            samples: Array of shape `(samples,)`, any length: float in `[-1, 1]`, or `int16`.

        Returns:
            A `float32` array of shape `(steps, samples_per_step)`, in `[-1, 1]`.
        """
        pending = np.concatenate([self._rest, to_pcm16(samples)])
        whole = len(pending) // self.samples_per_step * self.samples_per_step
        self._rest = pending[whole:]
        return from_pcm16(pending[:whole].reshape(-1, self.samples_per_step))

    def reset(self) -> None:
        """Discard the samples that do not fill a step yet."""
        self._rest = self._rest[:0]
