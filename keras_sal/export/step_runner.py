"""A one-frame model in some interpreter, its state carried from frame to frame by name."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_sal.export.sequences import check_sequence
from keras_sal.export.signature import NEXT, Ports


class TensorInfo(NamedTuple):
    """One end of a model: what a caller must know to fill or read it.

    A quantised value `q` means `(q - zero_point) * scale`; float tensors have neither.
    """

    name: str
    shape: tuple
    dtype: str
    scale: float | None = None
    zero_point: int | None = None


class StepRunner:
    """Runs a step model's file over streams; the interpreters are in its subclasses.

    Args:
        path: The file.
        inputs: `TensorInfo` of all inputs, in any order.
        outputs: `TensorInfo` of all outputs, in any order.

    Attributes:
        path: The file.
        flash_bytes: Its size.
        ports: Names of its frames, states and posteriors.
        inputs: `TensorInfo` of frames, then states.
        outputs: `TensorInfo` of posteriors, then next states.
    """

    def __init__(self, path, inputs, outputs):
        ends = {info.name: info for info in (*inputs, *outputs)}
        ports = Ports.of([info.name for info in inputs], [info.name for info in outputs])
        self.ports = ports
        self.path = Path(path)
        self.flash_bytes = self.path.stat().st_size
        self.inputs = tuple(ends[name] for name in ports.inputs)
        self.outputs = tuple(ends[name] for name in ports.outputs)
        self._frames = [ends[name] for name in ports.frames]
        self._states = [ends[name] for name in ports.states]
        self._posteriors = [ends[name] for name in ports.posteriors]
        self.reset()

    def __repr__(self):
        ends = ", ".join(f"{info.name} {info.dtype}{info.shape}" for info in self.inputs)
        return f"{type(self).__name__}({str(self.path)!r}: {self.flash_bytes} bytes, {ends})"

    def reset(self):
        """Starts a new stream: every state back to zero, that is to its zero point."""
        self._carried = {
            info.name: np.full(info.shape, info.zero_point or 0, info.dtype)
            for info in self._states
        }

    def stream(self, features):
        """Answers the next frames of the stream, one by one, as a device does.

        Args:
            features: Float frames `(frames, features)`; a dict of such arrays by input name where
                the model has several frame inputs. Cut a stream wherever you like: the state is
                carried between calls.

        Returns:
            Posteriors in [0, 1], float32 `(frames, classes)`; a dict by output name where the model
            has several posterior outputs.

        Raises:
            ValueError: Wrong shape, no frame, or NaN among the features.
        """
        shapes = {info.name: info.shape[1:] for info in self._frames}
        frames = check_sequence(features, shapes, "features")
        frames = {info.name: quantise(frames[info.name], info) for info in self._frames}
        count = len(next(iter(frames.values())))
        raw = {
            info.name: np.empty((count, *info.shape[1:]), info.dtype) for info in self._posteriors
        }
        for t in range(count):
            now = self._step({name: x[t : t + 1] for name, x in frames.items()} | self._carried)
            for name, values in raw.items():
                values[t] = now[name][0]
            self._carried = {name: now[name + NEXT] for name in self._carried}
        posteriors = {info.name: dequantise(raw[info.name], info) for info in self._posteriors}
        return posteriors if len(posteriors) > 1 else next(iter(posteriors.values()))

    def _step(self, tensors):
        """Outputs by name, as the file holds them, for inputs by name."""
        raise NotImplementedError


def quantise(values, info):
    """Float values as the tensor `info` holds them: rounded half away from zero, saturated."""
    if info.scale is None:
        return np.ascontiguousarray(values, info.dtype)
    limits = np.iinfo(info.dtype)
    scaled = np.asarray(values, "float32") / np.float32(info.scale)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)) + info.zero_point
    return np.clip(rounded, limits.min, limits.max).astype(info.dtype)


def dequantise(values, info):
    """The float values that the tensor `info` stands for."""
    if info.scale is None:
        return np.asarray(values, "float32")
    return (values.astype("float32") - np.float32(info.zero_point)) * np.float32(info.scale)
