"""The runner of Keras models, which runs over streams of any length in few compiled calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_sal.export.sequences import check_sequence
from keras_sal.export.signature import NEXT_SUFFIX, Signature, is_step_model
from keras_sal.export.step_runner import TensorInfo
from keras_sal.runtime.runner_steps import frames_in_step, split_remainder
from keras_sal.streaming import chunk_model, delay_frames, initial_state, step_model
from keras_sal.typing import Array, ArrayLike, Tensor

CHUNK_STEPS = (4096, 512, 64, 8, 1)  # few sizes, so that few programs are compiled
STREAMS_PER_BATCH = 32


class KerasRunner:
    """A Keras model that runs over streams, in long compiled chunks.

    Use it through `keras_sal.runtime.open_runner`. Streams are cut into chunks of 4096, 512, 64, 8
    and 1 steps, so that at most five programs are compiled, each when it is first needed.

    Args:
        model: Whole-clip Keras model, or a step model. Weights are shared: if the model is trained
            further, the runner follows.
        max_delay_frames: As in `keras_sal.streaming.step_model`. Defaults to 0.
        jit_compile: As in `keras.Model.compile`. Defaults to `"auto"`.

    Attributes:
        signature: Names of its frames, states and posteriors.
        inputs: `TensorInfo` of the frames, then of the states, of one stream.
        outputs: `TensorInfo` of the posteriors, then of the next states.
        frames_per_output: How many frames it takes for one output frame.
        delay_frames: By how many output frames its outputs are late; as many outputs at the start
            of a stream belong to no frame.
    """

    def __init__(
        self, model: keras.Model, max_delay_frames: int = 0, jit_compile: bool | str = "auto"
    ) -> None:
        if is_step_model(model) and isinstance(model.input, Mapping):
            step, chunk = model, _StepLoop(model)
        else:
            step = step_model(model, max_delay_frames=max_delay_frames)
            chunk = chunk_model(model, max_delay_frames=max_delay_frames)
        chunk.compile(jit_compile=jit_compile)
        self.signature = Signature.from_names(step.input, step.output)
        self.inputs = tuple(_info(name, step.input[name]) for name in self.signature.inputs)
        self.outputs = tuple(_info(name, step.output[name]) for name in self.signature.outputs)
        step_shapes = {name: step.input[name].shape[1:] for name in self.signature.frames}
        if step is model:
            frame_shapes = step_shapes
            counts = [frames_in_step(shape) for shape in step_shapes.values()]
        else:
            frame_shapes = {name: chunk.input[name].shape[2:] for name in step_shapes}
            counts = [
                1 if shape == frame_shapes[name] else shape[0]
                for name, shape in step_shapes.items()
            ]
        self.frames_per_output = max(counts)
        self.delay_frames = delay_frames(step)
        self._step, self._chunk = step, chunk
        self._step_shapes, self._frame_shapes = step_shapes, frame_shapes
        self.reset()

    def reset(self) -> None:
        """Start a new stream."""
        self._state = initial_state(self._step)

    def stream(self, features: ArrayLike) -> Array | dict[str, Array]:
        """Predict the next frames of the stream.

        Args:
            features: Float frames `(frames, features)`; a dict of such arrays by input name if the
                model has several frame inputs. A stream may be cut anywhere: the state is carried
                from one call to the next.

        Returns:
            Posteriors, float32 `(frames, classes)`; a dict by output name if the model has several
            posterior outputs.

        Raises:
            ValueError: If the shape is wrong, there is no frame, or a feature is not finite.
        """
        frames = self._checked(features)
        pieces, start = [], 0
        for size in _chunk_sizes(_length(frames)):
            piece = {name: x[None, start : start + size] for name, x in frames.items()}
            posteriors, self._state = self._run(piece, self._state)
            pieces.append(posteriors)
            start += size
        return self._joined([{name: x[0] for name, x in piece.items()} for piece in pieces])

    def predict(self, streams: Sequence[ArrayLike]) -> list[Any]:
        """Predict whole streams side by side, each from a fresh state.

        The state that `stream` carries is reset. Of stored features, 32 streams are read at a time.

        Args:
            streams: For each stream, what `stream` takes. Frames at the end that fill no step are
                dropped.

        Returns:
            For each stream, what `stream` returns.
        """
        self.reset()
        predictions: list[Any] = [None] * len(streams)
        longest_first = sorted(range(len(streams)), key=lambda i: -_frame_count(streams[i]))
        for first in range(0, len(streams), STREAMS_PER_BATCH):
            chosen = longest_first[first : first + STREAMS_PER_BATCH]
            whole = [split_remainder(self, streams[i])[0] for i in chosen]
            batch = self._predict_batch([self._checked(features) for features in whole])
            for i, posteriors in zip(chosen, batch, strict=True):
                predictions[i] = posteriors
        return predictions

    def _predict_batch(self, streams: list[dict[str, Array]]) -> list[Any]:
        """Predict streams in chunks of one size, with zeros after their ends."""
        longest = max(_length(stream) for stream in streams)
        size = min(CHUNK_STEPS[0], _power_of_two(longest))
        batch_size = _power_of_two(len(streams))
        state = initial_state(self._step, batch_size)
        pieces: list[list[dict[str, Array]]] = [[] for _ in streams]
        for start in range(0, longest, size):
            chunk = {
                name: np.zeros((batch_size, size, *x.shape[1:]), "float32")
                for name, x in streams[0].items()
            }
            for i, stream in enumerate(streams):
                for name, x in stream.items():
                    piece = x[start : start + size]
                    chunk[name][i, : len(piece)] = piece
            posteriors, state = self._run(chunk, state)
            for i, stream in enumerate(streams):
                left = max(0, _length(stream) - start)
                pieces[i].append({name: x[i, :left] for name, x in posteriors.items()})
        return [self._joined(parts) for parts in pieces]

    def _run(
        self, frames: dict[str, Array], state: dict[str, Tensor]
    ) -> tuple[dict[str, Array], dict[str, Tensor]]:
        """Return posteriors and next states for frames `(batch, steps, ...)`."""
        frames = {
            name: x.reshape(len(x), -1, *self._frame_shapes[name]) for name, x in frames.items()
        }
        outputs = self._chunk.predict_on_batch(frames | state)
        posteriors = {
            name: np.asarray(outputs[name], "float32") for name in self.signature.posteriors
        }
        return posteriors, {name: outputs[name + NEXT_SUFFIX] for name in self.signature.states}

    def _checked(self, features: ArrayLike) -> dict[str, Array]:
        return check_sequence(features, self._step_shapes, "features")

    def _joined(self, pieces: list[dict[str, Array]]) -> Array | dict[str, Array]:
        joined = {
            name: np.concatenate([p[name] for p in pieces]) for name in self.signature.posteriors
        }
        return joined if len(joined) > 1 else next(iter(joined.values()))


class _StepLoop(keras.Model):
    """A loop of a step model over the steps of a chunk; frames are `(batch, steps, ...)`."""

    def __init__(self, step: keras.Model) -> None:
        super().__init__(name=f"{step.name}_loop")
        self.step = step
        self.signature = Signature.from_names(step.input, step.output)

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        def one_step(t: Tensor, state: Any, posteriors: Any) -> tuple[Tensor, Any, Any]:
            frame = {name: ops.take(x, t, axis=1) for name, x in frames.items()}
            outputs = self.step(frame | state, training=False)
            posteriors = {
                name: ops.slice_update(x, (t, *[0] * (len(x.shape) - 1)), outputs[name][None])
                for name, x in posteriors.items()
            }
            carried = {
                name: ops.cast(outputs[name + NEXT_SUFFIX], x.dtype) for name, x in state.items()
            }
            return t + 1, carried, posteriors

        frames = {name: inputs[name] for name in self.signature.frames}
        batch_size, steps = ops.shape(frames[self.signature.frames[0]])[:2]
        specs = {name: self.step.output[name] for name in self.signature.posteriors}
        _, state, posteriors = ops.while_loop(
            lambda t, *_: t < steps,
            one_step,
            (
                ops.convert_to_tensor(0, "int32"),
                {name: inputs[name] for name in self.signature.states},
                {
                    name: ops.zeros((steps, batch_size, *x.shape[1:]), x.dtype)
                    for name, x in specs.items()
                },
            ),
        )
        return {name: ops.swapaxes(x, 0, 1) for name, x in posteriors.items()} | {
            name + NEXT_SUFFIX: x for name, x in state.items()
        }


def _info(name: str, tensor: Tensor) -> TensorInfo:
    return TensorInfo(name, (1, *tensor.shape[1:]), keras.backend.standardize_dtype(tensor.dtype))


def _length(frames: dict[str, Array]) -> int:
    return len(next(iter(frames.values())))


def _frame_count(features: ArrayLike) -> int:
    return len(next(iter(features.values())) if isinstance(features, Mapping) else features)


def _chunk_sizes(length: int) -> Iterator[int]:
    """Yield chunk sizes that add up to `length`, the largest first."""
    for size in CHUNK_STEPS:
        yield from [size] * (length // size)
        length %= size


def _power_of_two(length: int) -> int:
    """Return the smallest power of two that is at least `length`."""
    return 1 << (length - 1).bit_length()
