"""Calibration of a quantized step model: the steps that the quantizer is shown.

A quantizer sees single steps. The states among them must be states as they occur: each follows from
the frames before it, positives among them. Otherwise the quantizer never sees the range of the
logits, and the posterior saturates. So the float model is first run over the sequences, and the
quantizer gets a sample of their frames together with the states in which the model met them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_sal.export.signature import NEXT_SUFFIX, Signature
from keras_sal.typing import Array

STREAMS_AT_ONCE = 64

Arrays = Mapping[str, Array]
"""Arrays by tensor name."""


class Rollout(NamedTuple):
    """All frames of all sequences in one row, and what the float model made of them.

    Attributes:
        frames: Arrays of shape `(frames, ...)` by frame input.
        states: The states before each frame, arrays of shape `(frames, ...)` by state input.
        posteriors: Arrays of shape `(frames, ...)` by posterior output.
        next_states: The states after each frame, as `states`.
    """

    frames: Arrays
    states: Arrays
    posteriors: Arrays
    next_states: Arrays

    def frame_count(self) -> int:
        """Return the number of frames."""
        return len(next(iter(self.frames.values())))


def roll(
    run: Callable[[dict[str, Array], dict[str, Array]], Mapping[str, Any]],
    sequences: Sequence[Arrays],
    signature: Signature,
    state_shapes: Mapping[str, tuple[int, ...]],
    streams_at_once: int = STREAMS_AT_ONCE,
) -> Rollout:
    """Run the float model over sequences, several at once, each from a zero state.

    Args:
        run: Maps frames of shape `(frames, streams, ...)` by frame input and states of shape
            `(streams, ...)` by state input to outputs of shape `(frames, streams, ...)` by name.
        sequences: Streams as `check_sequences` returns them.
        signature: The signature of the step model.
        state_shapes: Shape of one state, by name.
        streams_at_once: Number of sequences that are run at once. Defaults to 64.

    Returns:
        The rollout, with the sequences sorted by length.
    """
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i][signature.frames[0]]))
    parts = []
    for start in range(0, len(order), streams_at_once):
        group = [sequences[i] for i in order[start : start + streams_at_once]]
        frames = {name: _stack_padded([s[name] for s in group]) for name in signature.frames}
        zeros = {
            name: np.zeros((len(group), *shape), "float32") for name, shape in state_shapes.items()
        }
        outputs = {name: np.asarray(value) for name, value in run(frames, zeros).items()}
        for column, sequence in enumerate(group):
            length = len(sequence[signature.frames[0]])
            ours = {name: value[:length, column] for name, value in outputs.items()}
            after = {name: ours[name + NEXT_SUFFIX] for name in signature.states}
            before = {
                name: np.concatenate([zeros[name][:1], value[:-1]]) for name, value in after.items()
            }
            posteriors = {name: ours[name] for name in signature.posteriors}
            parts.append(Rollout(sequence, before, posteriors, after))
    return Rollout(*(_concatenate([part[field] for part in parts]) for field in range(4)))


def silent_channels(rollout: Rollout, min_posterior: float) -> list[tuple[str, int, float]]:
    """Return the output channels that never reach a posterior.

    Args:
        rollout: The rollout.
        min_posterior: The posterior to be reached, in [0, 1].

    Returns:
        `(output name, channel, highest posterior)` of each such channel.
    """
    silent = []
    for name, posterior in rollout.posteriors.items():
        peaks = posterior.reshape(-1, posterior.shape[-1]).max(axis=0)
        silent += [
            (name, channel, float(peak))
            for channel, peak in enumerate(peaks)
            if not peak >= min_posterior  # also if it is NaN
        ]
    return silent


def samples(rollout: Rollout, limit: int) -> Iterator[dict[str, Array]]:
    """Yield steps for the quantizer.

    Half of them are spread evenly, half have the highest posteriors. The steps in which a state
    enters or leaves the model at its extremes are always among them, so that it has the same range
    on both sides.

    Args:
        rollout: The rollout.
        limit: Number of steps, apart from those of the extremes.

    Yields:
        Arrays of shape `(1, ...)` by input name.
    """
    for index in _choose(rollout, limit):
        yield {
            name: value[index : index + 1]
            for name, value in {**rollout.frames, **rollout.states}.items()
        }


def _choose(rollout: Rollout, limit: int) -> Array:
    count = rollout.frame_count()
    if count <= limit:
        return np.arange(count)
    evenly = np.linspace(0, count - 1, limit // 2).astype(int)
    highest = np.max(
        [p.reshape(count, -1).max(axis=1) for p in rollout.posteriors.values()], axis=0
    )
    high = np.argsort(-highest, kind="stable")[: limit - limit // 2]
    extremes = _extremes(rollout.next_states) + _extremes(rollout.states)
    return np.unique(np.concatenate([evenly, high, np.asarray(extremes, int)]))


def _extremes(states: Arrays) -> list[int]:
    rows = [value.reshape(len(value), -1) for value in states.values()]
    return [
        int(index) for row in rows for index in (row.min(axis=1).argmin(), row.max(axis=1).argmax())
    ]


def _stack_padded(arrays: list[Array]) -> Array:
    length = max(map(len, arrays))
    padded = np.zeros((length, len(arrays), *arrays[0].shape[1:]), "float32")
    for column, array in enumerate(arrays):
        padded[: len(array), column] = array
    return padded


def _concatenate(parts: list[Arrays]) -> Arrays:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
