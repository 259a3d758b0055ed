"""Where the ranges of a quantised step model come from: real streams, with the state rolled.

A quantiser sees single steps. What it must see are states as they occur: each the outcome of the
frames before it, positives among them, or the range of the logits is never met and the posterior
saturates. So the float model is rolled through the sequences first, and the quantiser gets a sample
of the frames it met together with the states in which it met them.
"""

from typing import NamedTuple

import numpy as np

from keras_sal.export.signature import NEXT

STREAMS_AT_ONCE = 64


class Rollout(NamedTuple):
    """All frames of all sequences in one row, with what the float model made of them."""

    frames: dict
    states: dict
    posteriors: dict
    next_states: dict

    def __len__(self):
        return len(next(iter(self.frames.values())))


def roll(run, sequences, ports, state_shapes, streams_at_once=STREAMS_AT_ONCE):
    """Rolls the float model through sequences, side by side, each from a zero state.

    Args:
        run: `(frames {name: (frames, streams, ...)}, states {name: (streams, ...)})` to outputs
            `{name: (frames, streams, ...)}`.
        sequences: Streams as `check_sequences` gives them.
        ports: The names.
        state_shapes: `{state: shape of one state}`.
        streams_at_once: Sequences rolled side by side.
    """
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i][ports.frames[0]]))
    parts = []
    for start in range(0, len(order), streams_at_once):
        group = [sequences[i] for i in order[start : start + streams_at_once]]
        frames = {name: _side_by_side([s[name] for s in group]) for name in ports.frames}
        zeros = {
            name: np.zeros((len(group), *shape), "float32") for name, shape in state_shapes.items()
        }
        outputs = {name: np.asarray(value) for name, value in run(frames, zeros).items()}
        for column, sequence in enumerate(group):
            length = len(sequence[ports.frames[0]])
            ours = {name: value[:length, column] for name, value in outputs.items()}
            after = {name: ours[name + NEXT] for name in ports.states}
            before = {
                name: np.concatenate([zeros[name][:1], value[:-1]]) for name, value in after.items()
            }
            parts.append(Rollout(sequence, before, {n: ours[n] for n in ports.posteriors}, after))
    return Rollout(*(_joined([part[field] for part in parts]) for field in range(4)))


def silent_channels(rollout, min_posterior):
    """Output channels that never pass `min_posterior`, as `(name, channel, maximum)`."""
    silent = []
    for name, posterior in rollout.posteriors.items():
        peaks = posterior.reshape(-1, posterior.shape[-1]).max(axis=0)
        silent += [
            (name, channel, float(peak))
            for channel, peak in enumerate(peaks)
            if not peak >= min_posterior
        ]
    return silent


def samples(rollout, limit):
    """Yields steps `{input: (1, ...)}` for the quantiser, about `limit` of them.

    Half are spread evenly, half have the highest posteriors. The steps at which a state comes out
    or goes in at its extremes are always among them, so that it has the same range at both ends.
    """
    for index in _choose(rollout, limit):
        yield {
            name: value[index : index + 1]
            for name, value in (rollout.frames | rollout.states).items()
        }


def _choose(rollout, limit):
    count = len(rollout)
    if count <= limit:
        return np.arange(count)
    evenly = np.linspace(0, count - 1, limit // 2).astype(int)
    loudest = np.max(
        [p.reshape(count, -1).max(axis=1) for p in rollout.posteriors.values()], axis=0
    )
    loud = np.argsort(-loudest, kind="stable")[: limit - limit // 2]
    extremes = _extremes(rollout.next_states) + _extremes(rollout.states)
    return np.unique(np.concatenate([evenly, loud, np.asarray(extremes, int)]))


def _extremes(states):
    rows = [value.reshape(len(value), -1) for value in states.values()]
    return [
        int(index) for row in rows for index in (row.min(axis=1).argmin(), row.max(axis=1).argmax())
    ]


def _side_by_side(arrays):
    length = max(map(len, arrays))
    padded = np.zeros((length, len(arrays), *arrays[0].shape[1:]), "float32")
    for column, array in enumerate(arrays):
        padded[: len(array), column] = array
    return padded


def _joined(dicts):
    return {name: np.concatenate([part[name] for part in dicts]) for name in dicts[0]}
