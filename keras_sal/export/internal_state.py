"""Internal state: files for hosts that only feed frames and read posteriors.

    internal = from_file("detector.tflite", "internal.tflite")
    internal.stream(features)                  # the same bits as from the first file

Some firmware can't carry a state, for example ESPHome's micro_wake_word. `from_file` rewrites a
converted file so that the interpreter keeps the state in resource variables: each is read where it
is needed and assigned where its next value is made, and `CALL_ONCE` runs a second graph that fills
them with their zero points. Without that graph, LiteRT reads uninitialized memory.

Prefer explicit state if you can: a new stream is a few bytes to set, NPUs run the whole graph, and
file and arena are smaller. On a Cortex-M4 internal state cost a GRU 0.6 KB of file and 0.5 KB of
arena, an int8 convolution 3.6 KB and 2.8 KB, and 2.7 KB of flash for its operators
(`benchmarks/results/firmware.json`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_sal.checks import require
from keras_sal.export import micro
from keras_sal.export.litert import LiteModel
from keras_sal.export.micro import MicroModel
from keras_sal.export.signature import NEXT_SUFFIX, Signature
from keras_sal.export.tflite.editor import Editor
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.files import check_path, write_atomically
from keras_sal.typing import ArrayLike, PathLike

if TYPE_CHECKING:
    import keras


def from_model(
    model: keras.Model,
    path: PathLike,
    calibration: Iterable[ArrayLike] | None = None,
    **options: Any,
) -> InternalModel:
    """Convert a trained detector to a file that keeps its state itself.

    Args:
        model: As for `keras_sal.export.micro.convert`.
        path: Where to write the `.tflite` file. It appears complete or not at all.
        calibration: As for `keras_sal.export.micro.convert`.
        **options: The other arguments of `keras_sal.export.micro.convert`.

    Returns:
        The `InternalModel` of the file.

    Raises:
        ImportError: As from `keras_sal.export.micro.convert`.
        ValueError: As from `keras_sal.export.micro.convert`, or if the model has no state.
        ExportError: As from `keras_sal.export.micro.convert`.
    """
    path = check_path(path)
    with tempfile.TemporaryDirectory(prefix="keras_sal_internal_") as folder:
        explicit = micro.convert(model, Path(folder) / "model.tflite", calibration, **options)
        return from_file(explicit.path, path)


def from_file(source: PathLike, path: PathLike) -> InternalModel:
    """Rewrite a file with explicit state as one that keeps its state itself.

    Args:
        source: A `.tflite` file written by `keras_sal.export.micro.convert`.
        path: Where to write the new file. It appears complete or not at all.

    Returns:
        The `InternalModel` of the new file.

    Raises:
        ValueError: If `source` is not such a file, or has no state.
    """
    path = check_path(path)
    file = Flatbuffer.from_file(source)
    move_states_inside(file)
    write_atomically(path, file.tobytes())
    return InternalModel(path)


def move_states_inside(file: Flatbuffer) -> None:
    """Replace the states of a file's signature by resource variables.

    Args:
        file: A file with explicit state; changed in place.

    Raises:
        ValueError: If the file has no state.
    """
    states = Signature.from_names(file.inputs, file.outputs).states
    require(
        len(states) > 0,
        "`source` must have explicit states to move inside. Received: a file without a state. "
        "Use it as it is: it remembers nothing, or does so itself already.",
    )
    _StateMover(file).run(states)


class InternalModel(MicroModel):
    """A file that keeps its state itself, in the interpreter of TensorFlow Lite Micro.

    It is used as a `MicroModel`. Its inputs are frames only, its outputs posteriors only.

    Args:
        path: A file written by `from_model` or `from_file`.
    """

    def reset(self) -> None:
        """Start a new stream: the interpreter sets every variable to its zero point."""
        super().reset()
        self._interpreter.reset()


class InternalLiteModel(LiteModel):
    """A file that keeps its state itself, in the LiteRT interpreter.

    Args:
        path: A file written by `from_model` or `from_file`.
    """

    def reset(self) -> None:
        """Start a new stream in a new interpreter, since LiteRT can't reset such variables."""
        super().reset()
        self._load()


def is_internal(path: PathLike) -> bool:
    """Return whether a `.tflite` file keeps its state itself.

    Args:
        path: A file written by `keras_sal.export`.
    """
    return Flatbuffer.from_file(path).resource_variables() > 0


class _StateMover:
    """Moves states into variables, and adds the graph that fills them."""

    def __init__(self, file: Flatbuffer) -> None:
        self.file = file
        self.editor = Editor(file)
        self.filling = file.schema.SubGraphT()
        self.filling.name = "fill_states"
        self.filling.tensors, self.filling.operators = [], []
        self.filling.inputs, self.filling.outputs = [], []

    def run(self, states: tuple[str, ...]) -> None:
        graph, subgraphs = self.file.graph, self.file.tree.subgraphs
        once = {"initSubgraphIndex": len(subgraphs)}
        before = [self.editor.operator("CALL_ONCE", [], [], CallOnceOptions=once)]
        operators = list(graph.operators)
        for state in states:
            current, following = self.file.inputs[state], self.file.outputs[state + NEXT_SUFFIX]
            handle = self._add_handle(graph, state, before)
            read = self.editor.operator("READ_VARIABLE", [handle], [current])
            assign = self.editor.operator("ASSIGN_VARIABLE", [handle, following], [])
            readers = [place for place, op in enumerate(operators) if current in op.inputs]
            operators.insert(min(readers, default=0), read)
            makers = [place for place, op in enumerate(operators) if following in op.outputs]
            operators.insert(max([*makers, operators.index(read)]) + 1, assign)
            self._fill_with_zero_point(state)
        graph.operators = [*before, *operators]
        subgraphs.append(self.filling)
        self._remove_from_signature(states)

    def _add_handle(self, graph: Any, state: str, operators: list[Any]) -> int:
        """Add the tensor that stands for the variable of a state, and its operator."""
        handle = self.editor.tensor(graph, f"{state}/handle", [], "RESOURCE")
        name = {"container": "", "sharedName": state}
        operators.append(self.editor.operator("VAR_HANDLE", [], [handle], VarHandleOptions=name))
        return handle

    def _fill_with_zero_point(self, state: str) -> None:
        """Let the second graph set a state to its zero point."""
        info = self.file.info(state)
        handle = self._add_handle(self.filling, state, self.filling.operators)
        zero = self.editor.tensor(
            self.filling,
            f"{state}/zero",
            info.shape,
            info.dtype.upper(),
            scale=info.scale,
            zero_point=info.zero_point,
            data=np.full(info.shape, info.zero_point or 0, info.dtype),
        )
        self.filling.operators.append(self.editor.operator("ASSIGN_VARIABLE", [handle, zero], []))

    def _remove_from_signature(self, states: tuple[str, ...]) -> None:
        """Remove the states from the inputs and outputs of the graph and of its signature."""
        (signature,) = self.file.tree.signatureDefs
        for indices, names, side in (
            (self.file.inputs, states, "inputs"),
            (self.file.outputs, [state + NEXT_SUFFIX for state in states], "outputs"),
        ):
            gone = {indices.pop(name) for name in names}
            kept = [index for index in getattr(self.file.graph, side) if index not in gone]
            setattr(self.file.graph, side, kept)
            entries = [e for e in getattr(signature, side) if e.tensorIndex not in gone]
            setattr(signature, side, entries)
