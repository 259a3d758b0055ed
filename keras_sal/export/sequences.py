"""Feature sequences: the frames of one stream, checked before any long work starts."""

from collections.abc import Mapping

import numpy as np


def check_sequence(sequence, shapes, argument, number=None):
    """Returns one stream as `{input: float32 (frames, ...)}`.

    Args:
        sequence: Array `(frames, features)`, or a dict of such arrays where the model has several
            frame inputs.
        shapes: `{input: shape of one frame}`.
        argument: What the caller named it, for the error.
        number: Which of several sequences this is, for the error.
    """
    where = f"`{argument}`" if number is None else f"`{argument}` sequence {number}"
    if not isinstance(sequence, Mapping):
        if len(shapes) > 1:
            raise ValueError(
                f"{where} must be a dict with one array for each frame input, as the model has "
                f"several. Received: {type(sequence).__name__}. Give a dict with the keys "
                f"{sorted(shapes)}."
            )
        sequence = dict.fromkeys(shapes, sequence)
    if set(sequence) != set(shapes):
        raise ValueError(
            f"{where} must have one array for each frame input. Received: keys={sorted(sequence)}. "
            f"Give the keys {sorted(shapes)}."
        )
    arrays = {name: _check(sequence[name], tuple(shapes[name]), where) for name in shapes}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"{where} must have the same number of frames for every input, as one step takes one "
            f"frame of each. Received: frames={lengths}. Cut them to a common length."
        )
    return arrays


def check_sequences(sequences, shapes, argument):
    """Returns a list of streams, each as `check_sequence` gives it; none at all is refused."""
    try:
        sequences = list(sequences)
    except TypeError:
        raise ValueError(
            f"`{argument}` must be an iterable of feature sequences (frames, features). "
            f"Received: {argument}={sequences!r}. Put a single sequence into a list."
        ) from None
    if not sequences:
        raise ValueError(
            f"`{argument}` must hold at least one feature sequence; there is nothing to run. "
            f"Received: {argument}=[]. Give sequences (frames, features) like those trained on."
        )
    return [
        check_sequence(sequence, shapes, argument, number)
        for number, sequence in enumerate(sequences)
    ]


def _check(values, shape, where):
    try:
        array = np.asarray(values, "float32")
    except (TypeError, ValueError):
        raise ValueError(
            f"{where} must be an array of numbers. Received: {type(values).__name__}. "
            f"Give float frames of shape {_symbolic(shape)}."
        ) from None
    if len(shape) > 1 and array.ndim == len(shape) and array.shape[1:] == shape[1:]:
        array = _in_hops(array, shape[0], where)
    if array.shape[1:] != shape or array.ndim != len(shape) + 1:
        raise ValueError(
            f"{where} must have shape {_symbolic(shape)}, as the model takes such frames. "
            f"Received: shape={array.shape}. Compute the features as for training, and put a "
            "single sequence into a list where several are expected."
        )
    if not len(array):
        raise ValueError(
            f"{where} must have at least one frame. Received: shape={array.shape}. "
            "Leave empty recordings out."
        )
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"{where} must be finite; a single NaN or infinity spoils every state after it. "
            f"Received: {int((~finite).sum())} such frames, the first at {int(np.argmin(finite))}. "
            "Check the front-end, or leave the recording out."
        )
    return array


def _in_hops(array, hop, where):
    """Frames grouped as a model with strides takes them, several a step."""
    steps, rest = divmod(len(array), hop)
    if rest:
        raise ValueError(
            f"{where} must have a multiple of {hop} frames, as the model takes {hop} a step. "
            f"Received: frames={len(array)}. Leave out the last {rest}, or keep them for the next "
            "call."
        )
    return array.reshape(steps, hop, *array.shape[1:])


def _symbolic(shape):
    return "(" + ", ".join(["frames", *map(str, shape)]) + ")"
