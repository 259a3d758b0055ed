"""Checks of feature sequences: the frames of one stream or of several.

A live detector calls `check_sequence` for every frame, so messages are made only when they are
needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from keras_sal.checks import require
from keras_sal.typing import Array, ArrayLike

Shapes = Mapping[str, tuple[int, ...]]


def check_sequence(
    sequence: ArrayLike, shapes: Shapes, argument: str, number: int | None = None
) -> dict[str, Array]:
    """Return one stream as arrays by input name.

    Args:
        sequence: Array of shape `(frames, features)`, or a dict of such arrays by input name if the
            model has several frame inputs.
        shapes: Shape of one frame for each frame input.
        argument: Name of the caller's argument, for the error message.
        number: Index of this sequence among several, for the error message. Defaults to `None`.

    Returns:
        A float32 array of shape `(frames, ...)` for each frame input.

    Raises:
        ValueError: If inputs are missing or unknown, have another shape than `shapes` says, differ
            in length, have no frame, or hold what isn't a finite number.
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
    arrays = {name: _check_array(sequence[name], tuple(shapes[name]), where) for name in shapes}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"{where} must have the same number of frames for every input, as one step takes one "
            f"frame of each. Received: frames={lengths}. Cut them to a common length."
        )
    return arrays


def check_sequences(
    sequences: Iterable[ArrayLike], shapes: Shapes, argument: str
) -> list[dict[str, Array]]:
    """Return several streams, each as `check_sequence` does.

    Args:
        sequences: The sequences; at least one.
        shapes: As for `check_sequence`.
        argument: As for `check_sequence`.

    Returns:
        A list of dicts of float32 arrays by input name.

    Raises:
        ValueError: If there is no sequence, or `check_sequence` refuses one.
    """
    try:
        sequences = list(sequences)
    except TypeError:
        raise ValueError(
            f"`{argument}` must be an iterable of feature sequences (frames, features). "
            f"Received: {argument}={sequences!r}. Put a single sequence into a list."
        ) from None
    require(
        len(sequences) > 0,
        f"`{argument}` must hold at least one feature sequence; there is nothing to run. "
        f"Received: {argument}=[]. Give sequences (frames, features) like those trained on.",
    )
    return [
        check_sequence(sequence, shapes, argument, number)
        for number, sequence in enumerate(sequences)
    ]


def _check_array(values: ArrayLike, shape: tuple[int, ...], where: str) -> Array:
    try:
        array = np.asarray(values, "float32")
    except (TypeError, ValueError):
        raise ValueError(
            f"{where} must be an array of numbers. Received: {type(values).__name__}. "
            f"Give float frames of shape {_shape_text(shape)}."
        ) from None
    if len(shape) > 1 and array.ndim == len(shape) and array.shape[1:] == shape[1:]:
        array = _group_frames(array, shape[0], where)
    if array.ndim != len(shape) + 1 or array.shape[1:] != shape:
        raise ValueError(
            f"{where} must have shape {_shape_text(shape)}, as the model takes such frames. "
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


def _group_frames(array: Array, frames_per_step: int, where: str) -> Array:
    """Group frames into steps, for a model that takes several frames in a step."""
    steps, rest = divmod(len(array), frames_per_step)
    require(
        rest == 0,
        f"{where} must have a multiple of {frames_per_step} frames, as the model takes "
        f"{frames_per_step} a step. Received: frames={len(array)}. Leave out the last {rest}, or "
        "keep them for the next call.",
    )
    return array.reshape(steps, frames_per_step, *array.shape[1:])


def _shape_text(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(["frames", *map(str, shape)]) + ")"
