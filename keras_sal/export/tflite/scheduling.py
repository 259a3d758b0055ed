"""The order in which operators run, for a small arena."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.export.tflite.structure import ITEM_BYTES


def schedule(file: Flatbuffer) -> None:
    """Take each next state where it costs the least arena.

    The interpreter runs operators in the order of the file. It keeps a tensor from the operator
    that makes it to the last one that reads it, and an output to the end. The next state of a
    convolution is cut from its window: as long as the convolution has not read the window, it is
    one more tensor of that size.

    Args:
        file: The file; the order of its operators is changed, and nothing else.
    """
    for moved in _state_operators(file):
        others = [op for op in file.graph.operators if op is not moved]
        needed = set(moved.inputs)
        made = [place for place, op in enumerate(others, 1) if not needed.isdisjoint(op.outputs)]
        orders = (
            [*others[:place], moved, *others[place:]]
            for place in range(max(made, default=0), len(others) + 1)
        )
        file.graph.operators = min(
            [file.graph.operators, *orders], key=lambda order: live_bytes(file, order)
        )


def _state_operators(file: Flatbuffer) -> list[Any]:
    """Return the operators whose results are outputs, and are read by no operator."""
    read = {index for op in file.graph.operators for index in op.inputs}
    unread = set(file.graph.outputs) - read
    return [op for op in file.graph.operators if unread.issuperset(op.outputs)]


def live_bytes(file: Flatbuffer, operators: Sequence[Any]) -> list[int]:
    """Return how many bytes are kept while each operator runs, the most first.

    A value of a type that the runtimes lack counts as 8 bytes; the file is refused when it is read.

    Args:
        file: The file.
        operators: Its operators, in an order in which they can run.
    """
    made, read = dict.fromkeys(file.graph.inputs, 0), {}
    for place, op in enumerate(operators):
        made.update(dict.fromkeys(op.outputs, place))
        read.update(dict.fromkeys(op.inputs, place))
    read.update(dict.fromkeys(file.graph.outputs, len(operators) - 1))
    kept = np.zeros(len(operators), int)
    for index, first in made.items():
        size = math.prod(file.shape(index)) * ITEM_BYTES.get(file.dtype(index), 8)
        kept[first : read.get(index, first) + 1] += size
    return sorted(kept.tolist(), reverse=True)
