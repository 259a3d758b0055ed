"""Internal state: a file for hosts that only feed frames and read posteriors.

    internal = from_explicit("detector.tflite", "internal.tflite")
    internal.stream(features)                  # the same bits as the file it was made from

Some firmware can't carry a state, ESPHome's micro_wake_word for one. `from_explicit` rewrites a
converted file so that the interpreter keeps the state in resource variables: each is read before
the graph and assigned after it, and `CALL_ONCE` runs a second graph that fills them with their zero
points. Without that graph TensorFlow Lite Micro is well but LiteRT reads uninitialised memory.

Prefer explicit state where you can: a new stream is a few bytes to set, NPUs run the whole graph,
and file and arena are some hundred bytes smaller.
"""

import tempfile
from pathlib import Path

import numpy as np

from keras_sal.export import micro
from keras_sal.export.litert import LiteModel
from keras_sal.export.micro import MicroModel
from keras_sal.export.signature import NEXT, Ports
from keras_sal.export.tflite.editor import Editor
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.extras import import_package
from keras_sal.files import check_path, write_atomically


def convert(model, path, calibration=None, **options):
    """Converts a trained detector to a file that keeps its state itself.

    Args:
        model: As for `keras_sal.export.micro.convert`.
        path: Where to write the `.tflite` file. It appears complete or not at all.
        calibration: As for `keras_sal.export.micro.convert`.
        **options: The other arguments of that.

    Returns:
        The `InternalModel` of the file.

    Raises:
        ImportError, ValueError, ExportError: As `keras_sal.export.micro.convert` does.
    """
    path = check_path(path)
    with tempfile.TemporaryDirectory(prefix="keras_sal_internal_") as folder:
        explicit = micro.convert(model, Path(folder) / "model.tflite", calibration, **options)
        return from_explicit(explicit.path, path)


def from_explicit(source, path):
    """Rewrites a file with explicit state to one that keeps its state itself.

    Args:
        source: A `.tflite` file written by `keras_sal.export.micro.convert`.
        path: Where to write the new file. It appears complete or not at all.

    Returns:
        The `InternalModel` of the new file.

    Raises:
        ValueError: Not such a file, or one without a state.
    """
    path = check_path(path)
    file = Flatbuffer(Path(source).read_bytes())
    internalise(file)
    write_atomically(path, file.tobytes())
    return InternalModel(path)


def internalise(file):
    """Moves the states of a `Flatbuffer` into resource variables.

    Args:
        file: Changed in place.
    """
    states = Ports.of(file.inputs, file.outputs).states
    if not states:
        raise ValueError(
            "`source` must have explicit states to move inside. Received: a file without a state. "
            "Use it as it is: it remembers nothing, or does so itself already."
        )
    _Internalising(file).run(states)


class InternalModel(MicroModel):
    """A file that keeps its state itself, in the interpreter of TensorFlow Lite Micro.

    It is used as a `MicroModel`; only its ends are frames and posteriors alone.

    Args:
        path: A file written by `convert` or `from_explicit`.
    """

    def reset(self):
        """Starts a new stream: the interpreter sets every variable to its zero point."""
        super().reset()
        self._interpreter.reset()


class InternalLiteModel(LiteModel):
    """A file that keeps its state itself, in the LiteRT interpreter.

    Args:
        path: A file written by `convert` or `from_explicit`.
    """

    def reset(self):
        """Starts a new stream, with a new interpreter: LiteRT can't reset such variables."""
        super().reset()
        runtime = import_package("ai_edge_litert.interpreter", "run a model in LiteRT")
        content = self.path.read_bytes()
        self._interpreter = runtime.Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()


def is_internal(path):
    """Whether a `.tflite` file keeps its state itself."""
    file = Flatbuffer(Path(path).read_bytes())
    return any(op.name == "VAR_HANDLE" for op in file.operators())


class _Internalising:
    """Moves states into variables, and adds the graph that fills these."""

    def __init__(self, file):
        self.file = file
        self.make = Editor(file)
        self.filling = file.schema.SubGraphT()
        self.filling.name = "fill_states"
        self.filling.tensors, self.filling.operators = [], []
        self.filling.inputs, self.filling.outputs = [], []

    def run(self, states):
        graph, subgraphs = self.file.graph, self.file.tree.subgraphs
        once = {"initSubgraphIndex": len(subgraphs)}
        before, after = [self.make.operator("CALL_ONCE", [], [], CallOnceOptions=once)], []
        for state in states:
            current, following = self.file.inputs[state], self.file.outputs[state + NEXT]
            handle = self._handle(graph, state, before)
            before.append(self.make.operator("READ_VARIABLE", [handle], [current]))
            after.append(self.make.operator("ASSIGN_VARIABLE", [handle, following], []))
            self._fill(state)
        graph.operators = [*before, *graph.operators, *after]
        subgraphs.append(self.filling)
        self._close(states)

    def _handle(self, graph, state, operators):
        """Adds a tensor that stands for the variable of a state, and the operator that makes it."""
        handle = self.make.tensor(graph, f"{state}/handle", [], "RESOURCE")
        called = {"container": "", "sharedName": state}
        operators.append(self.make.operator("VAR_HANDLE", [], [handle], VarHandleOptions=called))
        return handle

    def _fill(self, state):
        """Has the second graph set a state to its zero point."""
        info = self.file.info(state)
        handle = self._handle(self.filling, state, self.filling.operators)
        zero = self.make.tensor(
            self.filling,
            f"{state}/zero",
            info.shape,
            info.dtype.upper(),
            scale=info.scale,
            zero_point=info.zero_point,
            data=np.full(info.shape, info.zero_point or 0, info.dtype),
        )
        self.filling.operators.append(self.make.operator("ASSIGN_VARIABLE", [handle, zero], []))

    def _close(self, states):
        """Takes the states from the ends of the graph and of its signature."""
        (signature,) = self.file.tree.signatureDefs
        for ends, names, side in (
            (self.file.inputs, states, "inputs"),
            (self.file.outputs, [state + NEXT for state in states], "outputs"),
        ):
            gone = {ends.pop(name) for name in names}
            kept = [index for index in getattr(self.file.graph, side) if index not in gone]
            setattr(self.file.graph, side, kept)
            mapped = [end for end in getattr(signature, side) if end.tensorIndex not in gone]
            setattr(signature, side, mapped)
