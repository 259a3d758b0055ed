"""Float inputs and outputs for a `.tflite` file of integers, for runtimes whose callers use floats.

The integers inside stay as they are. A state that leaves as a float and comes back is the same
integer again, and a state of zeros is at its zero point.
"""

from __future__ import annotations

from typing import Any

from keras_sal.export.tflite.editor import Editor
from keras_sal.export.tflite.flatbuffer import Flatbuffer


def add_float_edges(file: Flatbuffer) -> None:
    """Put QUANTIZE behind each integer input, and DEQUANTIZE before each integer output.

    An output that is a logit becomes a posterior.

    Args:
        file: The file of a step model, changed in place.
    """
    _FloatEdges(file).run()


class _FloatEdges:
    """Adds the operators to one file."""

    def __init__(self, file: Flatbuffer) -> None:
        self.file, self.editor = file, Editor(file)

    def run(self) -> None:
        operators = self.file.graph.operators
        before = [
            self.editor.operator("QUANTIZE", [self._replaced("inputs", name)], [inner])
            for name, inner in list(self.file.inputs.items())
            if self.file.scale(inner) is not None
        ]
        after: list[Any] = []
        for name, inner in list(self.file.outputs.items()):
            if self.file.scale(inner) is not None:
                outer = self._replaced("outputs", name)
                after.append(self.editor.operator("DEQUANTIZE", [inner], [outer]))
            if name.startswith("logit"):
                logit = self.file.outputs[name]
                posterior = self._replaced("outputs", name, name.replace("logit", "posterior", 1))
                after.append(self.editor.operator("LOGISTIC", [logit], [posterior]))
        self.file.graph.operators = [*before, *operators, *after]

    def _replaced(self, side: str, name: str, new_name: str | None = None) -> int:
        """Put a float tensor in the place of an input or output, and return its index."""
        new_name = new_name or name
        indices, graph = getattr(self.file, side), self.file.graph
        inner = indices[name]
        self.file.tensor(inner).name = f"{new_name}/inside"
        outer = self.editor.tensor(graph, new_name, self.file.shape(inner), "FLOAT32")
        renamed = {new_name if old == name else old: index for old, index in indices.items()}
        setattr(self.file, side, renamed | {new_name: outer})
        setattr(graph, side, [outer if index == inner else index for index in getattr(graph, side)])
        for entry in getattr(self.file.tree.signatureDefs[0], side):
            if entry.tensorIndex == inner:
                entry.name, entry.tensorIndex = new_name, outer
        return outer
