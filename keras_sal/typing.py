"""Types that several packages annotate with."""

import os
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

Tensor: TypeAlias = Any
"""A tensor of the Keras backend, a NumPy array, or a symbolic `keras.KerasTensor`."""

Array: TypeAlias = np.ndarray[Any, Any]
"""A NumPy array of any shape and dtype; docstrings give both."""

ArrayLike: TypeAlias = Any
"""What `numpy.asarray` takes: an array or nested sequences of numbers."""

PathLike: TypeAlias = str | os.PathLike[str]
"""The path of a file or folder."""

Progress: TypeAlias = Callable[[int, int], object]
"""A function called as `progress(done, total)`."""
