"""Joining of two `.tflite` files of steps: what the first computes is the frame of the second."""

from __future__ import annotations

import copy
from typing import Any

from keras_sal.export.signature import NEXT_SUFFIX, Signature
from keras_sal.export.tflite.editor import Editor
from keras_sal.export.tflite.flatbuffer import Flatbuffer


def join(first: Flatbuffer, second: Flatbuffer) -> Flatbuffer:
    """Join two files of step models into one, whose states are those of both.

    The states of the first come first: `state_0` of the second is `state_2` of the whole if the
    first has two. Weights and operators of both stay as they are.

    Args:
        first: A file with one posterior output, all in float32; stays as it is.
        second: A file with one frame input of as many numbers, in float32; stays as it is.

    Returns:
        The joined file.
    """
    joined = Flatbuffer(first.tobytes(), check=False)
    _Joiner(joined, second).run()
    return joined


class _Joiner:
    """Appends the second file to the first."""

    def __init__(self, file: Flatbuffer, second: Flatbuffer) -> None:
        self.file, self.second = file, second
        self.first_tensor = len(file.graph.tensors)
        self.first_code = len(file.tree.operatorCodes)
        self.first_buffer = len(file.tree.buffers) - 1  # buffer 0 is empty in both
        self.same: dict[int, int] = {}  # tensors of the second file that are tensors of the first

    def run(self) -> None:
        ours = Signature.from_names(self.file.inputs, self.file.outputs)
        theirs = Signature.from_names(self.second.inputs, self.second.outputs)
        result, frame = self.file.outputs[ours.posteriors[0]], self.second.inputs[theirs.frames[0]]
        shape = self.second.shape(frame)
        if self.file.shape(result) == shape:
            self.same = {frame: result}
        else:
            self._reshape(result, self._moved(frame), shape)
        self._append()
        inputs = {name: self.file.inputs[name] for name in ours.inputs}
        outputs = {name: self._moved(self.second.outputs[name]) for name in theirs.posteriors}
        for state in ours.states:
            outputs[state + NEXT_SUFFIX] = self.file.outputs[state + NEXT_SUFFIX]
        for number, state in enumerate(theirs.states, len(ours.states)):
            name = f"state_{number}"
            inputs[name] = self._moved(self.second.inputs[state])
            outputs[name + NEXT_SUFFIX] = self._moved(self.second.outputs[state + NEXT_SUFFIX])
        self._set_signature(inputs, outputs)

    def _reshape(self, given: int, made: int, shape: tuple[int, ...]) -> None:
        """Append an operator; the tensor that it makes is appended later."""
        editor = Editor(self.file)
        options = {"ReshapeOptions": {"newShape": list(shape)}}
        self.file.graph.operators.append(editor.operator("RESHAPE", [given], [made], **options))
        self.first_code = len(self.file.tree.operatorCodes)

    def _moved(self, index: int) -> int:
        """Return the index in the whole of a tensor of the second file."""
        return self.same.get(index, index + self.first_tensor if index >= 0 else index)

    def _append(self) -> None:
        tree, other = self.file.tree, copy.deepcopy(self.second.tree)
        graph, other_graph = self.file.graph, other.subgraphs[0]
        tree.operatorCodes = [*tree.operatorCodes, *other.operatorCodes]
        tree.buffers = [*tree.buffers, *other.buffers[1:]]
        for tensor in other_graph.tensors:
            tensor.buffer += self.first_buffer if tensor.buffer else 0
        for op in other_graph.operators:
            op.opcodeIndex += self.first_code
            op.inputs, op.outputs = (
                [self._moved(index) for index in side] for side in (op.inputs, op.outputs)
            )
        graph.tensors = [*graph.tensors, *other_graph.tensors]
        graph.operators = [*graph.operators, *other_graph.operators]

    def _set_signature(self, inputs: dict[str, int], outputs: dict[str, int]) -> None:
        (signature,) = self.file.tree.signatureDefs
        for side, indices in (("inputs", inputs), ("outputs", outputs)):
            setattr(self.file.graph, side, list(indices.values()))
            setattr(signature, side, [self._entry(name, k) for name, k in indices.items()])
        for name, index in (inputs | outputs).items():
            self.file.tensor(index).name = name
        self.file.inputs, self.file.outputs = inputs, outputs

    def _entry(self, name: str, index: int) -> Any:
        entry = self.file.schema.TensorMapT()
        entry.name, entry.tensorIndex = name, index
        return entry
