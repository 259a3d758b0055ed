"""The first frames of all crops that may be cut, numbered in a row and kept as ranges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_sal.typing import Array, ArrayLike


class CropStarts:
    """A sequence of rows `(stream, first output frame)`, which takes bytes for each event only.

    Args:
        allowed: For each stream, a bool for each output frame: whether a crop may begin there.

    Example:
        >>> starts = CropStarts([np.array([True, False, True, True]), np.array([True])])
        >>> len(starts), starts[[0, 1, 3]].tolist()
        (4, [[0, 0], [0, 2], [1, 0]])
        >>> starts.count_before(0, 3), starts.count_before(1, 0)
        (2, 3)
    """

    def __init__(self, allowed: Sequence[Array]) -> None:
        ranges = [np.flatnonzero(np.diff(np.r_[False, each, False])) for each in allowed]
        self._first_range = np.cumsum([0, *(len(each) // 2 for each in ranges)])
        self._first, self._beyond = np.concatenate([np.empty(0, int), *ranges]).reshape(-1, 2).T
        self._stream = np.repeat(np.arange(len(ranges)), np.diff(self._first_range))
        self._count = np.cumsum([0, *(self._beyond - self._first)])  # of starts before each range

    def __len__(self) -> int:
        return int(self._count[-1])

    def __getitem__(self, numbers: ArrayLike) -> Array:
        numbers = np.asarray(numbers, int)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(self):
            raise IndexError(f"There are {len(self)} crops.")
        place = np.searchsorted(self._count, numbers, side="right") - 1
        start = self._first[place] + numbers - self._count[place]
        return np.stack([self._stream[place], start], axis=-1)

    def count_before(self, stream: int, frame: int) -> int:
        """Return the number of starts before a frame of a stream.

        Args:
            stream: Number of the stream.
            frame: Output frame in it.
        """
        ranges = slice(*self._first_range[stream : stream + 2])
        place = self._first_range[stream] + np.searchsorted(self._first[ranges], frame)
        beyond = self._beyond[place - 1] if place > ranges.start else frame
        return int(self._count[place] - max(0, beyond - frame))
