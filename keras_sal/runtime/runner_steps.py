"""Steps of runners: how many frames each takes, and the remainder of a stream that fills none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_sal.checks import require
from keras_sal.export import frontend
from keras_sal.runtime.runner import Runner
from keras_sal.typing import ArrayLike


def frames_per_output(runner: Runner) -> int:
    """Return how many frames a runner takes for one output frame, the stride of the model.

    Args:
        runner: What `open_runner` returns.

    Returns:
        Number of frames, >= 1; of the fastest if there are inputs of different rates.

    Example:

    >>> from keras_sal.models import gru_detector
    >>> from keras_sal.runtime import open_runner
    >>> frames_per_output(open_runner(gru_detector(frames_per_output=3)))
    3
    """
    known: int | None = getattr(runner, "frames_per_output", None)
    return known or max(frames_in_step(shape) for shape in _step_shapes(runner).values())


def samples_per_step(runner: Runner) -> int | None:
    """Return how many samples of sound a step of a runner takes.

    Args:
        runner: What `open_runner` returns.

    Returns:
        The number of samples; `None` if they can't be those of the micro front-end, so that it
        takes features.
    """
    shapes = list(_step_shapes(runner).values())
    return frontend.samples_per_step((1, *shapes[0])) if len(shapes) == 1 else None


def drop_remainder(runner: Runner, streams: Sequence[ArrayLike]) -> list[ArrayLike]:
    """Drop the frames at the end of each stream that fill no step of a runner.

    Args:
        runner: What `open_runner` returns.
        streams: Features, `(frames, features)` for each stream, or dicts of such arrays by input
            name.

    Returns:
        The shortened streams.

    Example:

    >>> import numpy as np
    >>> from keras_sal.models import gru_detector
    >>> from keras_sal.runtime import open_runner
    >>> runner = open_runner(gru_detector(frames_per_output=3))
    >>> [len(x) for x in drop_remainder(runner, [np.zeros((6, 40)), np.zeros((11, 40))])]
    [6, 9]
    """
    return [split_remainder(runner, features)[0] for features in streams]


def split_remainder(runner: Runner, features: ArrayLike) -> tuple[ArrayLike, ArrayLike]:
    """Split features into whole steps of a runner and the remainder, which must wait for more.

    Args:
        runner: What `open_runner` returns.
        features: Array `(frames, features)`, or a dict of such arrays by input name.

    Returns:
        The whole steps; the remainder, which is less than one step.

    Example:

    >>> import numpy as np
    >>> from keras_sal.models import gru_detector
    >>> from keras_sal.runtime import open_runner
    >>> runner = open_runner(gru_detector(frames_per_output=3))
    >>> whole, remainder = split_remainder(runner, np.zeros((11, 40)))
    >>> len(whole), len(remainder)
    (9, 2)
    """
    shapes = _step_shapes(runner)
    if not isinstance(features, Mapping):
        count = frames_in_step(next(iter(shapes.values())), np.ndim(features))
        end = len(features) // count * count
        return features[:end], features[end:]
    counts = {
        name: frames_in_step(shapes.get(name, ()), np.ndim(x)) for name, x in features.items()
    }
    steps = min(len(x) // counts[name] for name, x in features.items())
    ends = {name: steps * count for name, count in counts.items()}
    whole = {name: x[: ends[name]] for name, x in features.items()}
    return whole, {name: x[ends[name] :] for name, x in features.items()}


def check_frames(runner: Runner, features: ArrayLike) -> None:
    """Refuse frames that a runner does not take, though they may be too few for a step.

    Args:
        runner: What `open_runner` returns.
        features: Array `(frames, features)`, or a dict of such arrays by input name.

    Raises:
        ValueError: If they have another shape.
    """
    shapes = _step_shapes(runner)
    given: dict[str, Any] = dict.fromkeys(shapes, features)
    if isinstance(features, Mapping):
        given = dict(features)
    for name, frames in given.items():
        shape, received = shapes.get(name, ()), np.shape(frames)
        if not shape or not received[:1] or not received[0]:
            continue  # nothing is known of it, or there is none; the runner checks steps
        frame = shape[1:] if 1 < len(shape) == len(received) else shape
        require(
            received[1:] == frame,
            f"`chunk` must hold frames of shape {frame}, which the model takes. Received: shape "
            f"{received}. Compute the features as for training.",
        )


def frames_in_step(shape: Sequence[int], axes: int = 2) -> int:
    """Return how many frames a step of a given shape holds.

    Args:
        shape: Shape of the input of one step, without the batch.
        axes: Number of axes of a sequence of frames. Defaults to 2, as of `(frames, features)`.

    Returns:
        The first number of the shape if the step has as many axes as a sequence, else 1.
    """
    return shape[0] if len(shape) > 1 and axes == len(shape) else 1


def _step_shapes(runner: Runner) -> dict[str, tuple[int, ...]]:
    """Return the shape of each input of a step; nothing is known of a runner without signature."""
    signature = getattr(runner, "signature", None)
    if signature is None:
        return {"": ()}
    inputs = runner.inputs  # type: ignore[attr-defined]
    return {info.name: info.shape[1:] for info in inputs if info.name in signature.frames}
