"""Arrays that grow at their end, at the same mean cost for each value."""

from __future__ import annotations

import numpy as np

from keras_sal.typing import Array


class GrowingArray:
    """An array that is extended often, with room for a quarter more than it holds.

    Args:
        values: array `(length,)` to begin with, of the dtype of all values.

    Example:

    >>> numbers = GrowingArray(np.array([1, 2]))
    >>> numbers.extend(np.array([3]))
    >>> numbers.values.tolist()
    [1, 2, 3]
    """

    def __init__(self, values: Array) -> None:
        self._room, self._length = values, len(values)

    def __len__(self) -> int:
        return self._length

    @property
    def values(self) -> Array:
        """The values, a view that is valid until the next change."""
        return self._room[: self._length]

    def extend(self, values: Array) -> None:
        """Add values at the end.

        Args:
            values: array `(more,)`.
        """
        end = self._length + len(values)
        if end > len(self._room):
            room = np.empty(end + end // 4, self._room.dtype)
            room[: self._length] = self.values
            self._room = room
        self._room[self._length : end] = values
        self._length = end

    def replace(self, values: Array) -> None:
        """Put other values in the place of all.

        Args:
            values: array `(length,)`.
        """
        self._room, self._length = values, len(values)
