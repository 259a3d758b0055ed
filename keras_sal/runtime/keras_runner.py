"""A Keras model as a runner: over streams of any length, in few compiled calls."""

from collections.abc import Mapping

import keras
import numpy as np
from keras import ops

from keras_sal.export.sequences import check_sequence
from keras_sal.export.signature import NEXT_SUFFIX, Signature
from keras_sal.export.step_runner import TensorInfo
from keras_sal.streaming import chunk_model, delay_frames, initial_state, step_model

CHUNK_STEPS = (4096, 512, 64, 8, 1)  # few sizes, so that few programs are compiled
SIDE_BY_SIDE = 32


class KerasRunner:
    """A Keras model over streams, long chunks at a time, compiled.

    Use it through `keras_sal.runtime.open_runner`. Chunks are cut into pieces of 4096, 512, 64, 8
    and 1 steps, so that five programs are compiled at most, each the first time it is needed.

    Args:
        model: Whole-clip Keras model, or a step model. Weights are shared: train it on, and the
            runner follows.
        max_delay_frames: As in `keras_sal.streaming.step_model`. Default 0.
        jit_compile: As in `keras.Model.compile`. Default `"auto"`.

    Attributes:
        signature: Names of its frames, states and posteriors.
        inputs: `TensorInfo` of frames, then states, of one stream.
        outputs: `TensorInfo` of posteriors, then next states.
        frames_per_output: Frames it takes for one answer.
        delay_frames: How many answers late it is; the first so many of a stream belong to no frame.
    """

    def __init__(self, model, max_delay_frames=0, jit_compile="auto"):
        if _is_step(model):
            step, chunk = model, _Rolled(model)
        else:
            late = {"max_delay_frames": max_delay_frames}
            step, chunk = step_model(model, **late), chunk_model(model, **late)
        chunk.compile(jit_compile=jit_compile)
        self.signature = Signature.from_names(step.input, step.output)
        self.inputs = tuple(_info(name, step.input[name]) for name in self.signature.inputs)
        self.outputs = tuple(_info(name, step.output[name]) for name in self.signature.outputs)
        steps = {name: step.input[name].shape[1:] for name in self.signature.frames}
        if step is model:
            frames, hops = steps, map(usual_hop, steps.values())
        else:
            frames = {name: chunk.input[name].shape[2:] for name in steps}
            hops = (1 if shape == frames[name] else shape[0] for name, shape in steps.items())
        self.frames_per_output = max(hops)
        self.delay_frames = delay_frames(step)
        self._step, self._chunk = step, chunk
        self._step_shapes, self._frame_shapes = steps, frames
        self.reset()

    def reset(self):
        """Starts a new stream."""
        self._state = initial_state(self._step)

    def stream(self, features):
        """Answers the next frames of the stream.

        Args:
            features: Float frames `(frames, features)`; a dict of such arrays by input name where
                the model has several frame inputs. Cut a stream wherever you like: the state is
                carried between calls.

        Returns:
            Posteriors, float32 `(frames, classes)`; a dict by output name where the model has
            several posterior outputs.

        Raises:
            ValueError: Wrong shape, no frame, or NaN among the features.
        """
        frames = self._checked(features)
        pieces, start = [], 0
        for size in _pieces(_length(frames)):
            piece = {name: x[None, start : start + size] for name, x in frames.items()}
            posteriors, self._state = self._run(piece, self._state)
            pieces.append(posteriors)
            start += size
        return self._joined([{name: x[0] for name, x in piece.items()} for piece in pieces])

    def predict(self, streams):
        """Answers whole streams side by side, each from a fresh state.

        The state that `stream` carries is reset.

        Args:
            streams: List of what `stream` takes.

        Returns:
            List of what `stream` gives.
        """
        self.reset()
        checked = [self._checked(features) for features in streams]
        answers = [None] * len(checked)
        longest_first = sorted(range(len(checked)), key=lambda i: -_length(checked[i]))
        for first in range(0, len(checked), SIDE_BY_SIDE):
            chosen = longest_first[first : first + SIDE_BY_SIDE]
            together = self._together([checked[i] for i in chosen])
            for i, posteriors in zip(chosen, together, strict=True):
                answers[i] = posteriors
        return answers

    def _together(self, streams):
        """Answers streams of falling length in chunks of one size, zeros after their ends."""
        size = min(CHUNK_STEPS[0], _power_of_two(_length(streams[0])))
        batch_size = _power_of_two(len(streams))
        state = initial_state(self._step, batch_size)
        pieces = [[] for _ in streams]
        for start in range(0, _length(streams[0]), size):
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

    def _run(self, frames, state):
        """Answers frames `(batch, steps, ...)`."""
        frames = {
            name: x.reshape(len(x), -1, *self._frame_shapes[name]) for name, x in frames.items()
        }
        given = self._chunk.predict_on_batch(frames | state)
        posteriors = {name: np.asarray(given[name], "float32") for name in self.signature.posteriors}
        return posteriors, {name: given[name + NEXT_SUFFIX] for name in self.signature.states}

    def _checked(self, features):
        return check_sequence(features, self._step_shapes, "features")

    def _joined(self, pieces):
        joined = {name: np.concatenate([p[name] for p in pieces]) for name in self.signature.posteriors}
        return joined if len(joined) > 1 else next(iter(joined.values()))


class _Rolled(keras.Model):
    """A step model over several steps in one call: frames `(batch, steps, ...)`."""

    def __init__(self, step):
        super().__init__(name=f"{step.name}_rolled")
        self.step = step
        self.signature = Signature.from_names(step.input, step.output)

    def call(self, inputs):
        def one_step(t, state, answers):
            frame = {name: ops.take(x, t, axis=1) for name, x in frames.items()}
            given = self.step(frame | state, training=False)
            answers = {
                name: ops.slice_update(x, (t, *[0] * (len(x.shape) - 1)), given[name][None])
                for name, x in answers.items()
            }
            carried = {name: ops.cast(given[name + NEXT_SUFFIX], x.dtype) for name, x in state.items()}
            return t + 1, carried, answers

        frames = {name: inputs[name] for name in self.signature.frames}
        batch_size, steps = ops.shape(frames[self.signature.frames[0]])[:2]
        posteriors = {name: self.step.output[name] for name in self.signature.posteriors}
        _, state, answers = ops.while_loop(
            lambda t, *_: t < steps,
            one_step,
            (
                ops.convert_to_tensor(0, "int32"),
                {name: inputs[name] for name in self.signature.states},
                {
                    name: ops.zeros((steps, batch_size, *x.shape[1:]), x.dtype)
                    for name, x in posteriors.items()
                },
            ),
        )
        return {name: ops.swapaxes(x, 0, 1) for name, x in answers.items()} | {
            name + NEXT_SUFFIX: x for name, x in state.items()
        }


def _is_step(model):
    names = model.input if isinstance(getattr(model, "input", None), Mapping) else ()
    return any(name.startswith("frame") for name in names) and all(
        name.startswith(("frame", "state_")) for name in names
    )


def usual_hop(shape):
    """Frames in a step of `shape`, where a frame has one axis, as features have."""
    return shape[0] if len(shape) == 2 else 1


def _info(name, tensor):
    return TensorInfo(name, (1, *tensor.shape[1:]), keras.backend.standardize_dtype(tensor.dtype))


def _length(frames):
    return len(next(iter(frames.values())))


def _pieces(length):
    """Cuts `length` into few sizes, the largest first."""
    for size in CHUNK_STEPS:
        yield from [size] * (length // size)
        length %= size


def _power_of_two(length):
    return 1 << (length - 1).bit_length()
