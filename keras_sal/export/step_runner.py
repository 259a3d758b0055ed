"""The base class of runners: a step model that is run over streams, its state carried by name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_sal.export.sequences import check_sequence
from keras_sal.export.signature import NEXT_SUFFIX, Signature
from keras_sal.typing import Array, ArrayLike, PathLike


class TensorInfo(NamedTuple):
    """An input or output of a model: what a caller must know to fill or read it.

    A quantized value `q` stands for `(q - zero_point) * scale`.

    Attributes:
        name: Its name in the signature.
        shape: Its shape, batch axis included.
        dtype: Name of its type, such as `"int8"`.
        scale: Its scale, `None` if it isn't quantized.
        zero_point: Its zero point, `None` if it isn't quantized.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None


class StepRunner:
    """A step model in a file, run over streams; subclasses bring the interpreter.

    Args:
        path: The file.
        inputs: `TensorInfo` of all inputs, in any order.
        outputs: `TensorInfo` of all outputs, in any order.

    Attributes:
        path: The file.
        flash_bytes: Size of the file.
        signature: Names of its frames, states and posteriors.
        inputs: `TensorInfo` of the frames, then of the states.
        outputs: `TensorInfo` of the posteriors, then of the next states.
    """

    def __init__(
        self, path: PathLike, inputs: Iterable[TensorInfo], outputs: Iterable[TensorInfo]
    ) -> None:
        inputs, outputs = list(inputs), list(outputs)
        infos = {info.name: info for info in (*inputs, *outputs)}
        self.signature = Signature.from_names(
            [info.name for info in inputs], [info.name for info in outputs]
        )
        self.path = Path(path)
        self.flash_bytes = self.path.stat().st_size
        self.inputs = tuple(infos[name] for name in self.signature.inputs)
        self.outputs = tuple(infos[name] for name in self.signature.outputs)
        self._frames = [infos[name] for name in self.signature.frames]
        self._states = [infos[name] for name in self.signature.states]
        self._posteriors = [infos[name] for name in self.signature.posteriors]
        self.reset()

    def __repr__(self) -> str:
        inputs = ", ".join(f"{info.name} {info.dtype}{info.shape}" for info in self.inputs)
        return f"{type(self).__name__}({str(self.path)!r}: {self.flash_bytes} bytes, {inputs})"

    def reset(self) -> None:
        """Start a new stream: set every state to zero, which is its zero point if quantized."""
        self._state = {
            info.name: np.full(info.shape, info.zero_point or 0, info.dtype)
            for info in self._states
        }

    def stream(self, features: ArrayLike) -> Array | dict[str, Array]:
        """Run the model over the next frames of a stream, one step at a time, as a device does.

        Args:
            features: Float frames of shape `(frames, features)`, or a dict of such arrays by input
                name if the model has several frame inputs. A stream may be cut anywhere: the state
                is carried from one call to the next.

        Returns:
            The posteriors in [0, 1], float32 of shape `(frames, classes)`; a dict by output name if
            the model has several posterior outputs.

        Raises:
            ValueError: If the shape is wrong, there is no frame, or a feature isn't finite.
        """
        shapes = {info.name: info.shape[1:] for info in self._frames}
        checked = check_sequence(features, shapes, "features")
        frames = {info.name: quantize(checked[info.name], info) for info in self._frames}
        steps = len(next(iter(frames.values())))
        raw = {
            info.name: np.empty((steps, *info.shape[1:]), info.dtype) for info in self._posteriors
        }
        for t in range(steps):
            outputs = self._step({name: x[t : t + 1] for name, x in frames.items()} | self._state)
            for name, values in raw.items():
                values[t] = outputs[name][0]
            self._state = {name: outputs[name + NEXT_SUFFIX] for name in self._state}
        posteriors = {info.name: dequantize(raw[info.name], info) for info in self._posteriors}
        return posteriors if len(posteriors) > 1 else next(iter(posteriors.values()))

    def _step(self, tensors: dict[str, Array]) -> dict[str, Array]:
        """Run one step: outputs by name for inputs by name, in the types of the file."""
        raise NotImplementedError


def quantize(values: ArrayLike, info: TensorInfo) -> Array:
    """Convert float values to the type of a tensor.

    Args:
        values: Float values of any shape.
        info: The tensor.

    Returns:
        The values in the tensor's type: if it is quantized, rounded half away from zero and
        saturated.
    """
    if info.scale is None:
        return np.ascontiguousarray(values, info.dtype)
    limits = np.iinfo(info.dtype)
    scaled = np.asarray(values, "float32") / np.float32(info.scale)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)) + info.zero_point
    return np.clip(rounded, limits.min, limits.max).astype(info.dtype)


def dequantize(values: Array, info: TensorInfo) -> Array:
    """Convert values of a tensor to the float32 values that they stand for.

    Args:
        values: Values in the tensor's type, of any shape.
        info: The tensor.

    Returns:
        float32 values of the same shape.
    """
    if info.scale is None:
        return np.asarray(values, "float32")
    return (values.astype("float32") - np.float32(info.zero_point)) * np.float32(info.scale)
