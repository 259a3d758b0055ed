"""Anchors: the convention of packed targets, and the anchor kernels.

An *event* has an onset, an offset and a class. Its *anchor* is the frame by which the task is
judged: the end of a wake word, the first frame of speech, the moment a gesture completes.

*Packed targets* carry both what a frame is and how far it is from an anchor, as one `float32`
tensor of shape `(batch, time, channels + 1)`:

* the first `channels` hold the **label**: one channel with 0/1 (binary) or with class ids (sparse),
  or one channel per class (one-hot or multi-hot). A label of -1 means *ignore this frame*.
* the last channel holds the **signed distance in frames to the nearest anchor**, `t - anchor`:
  negative before the anchor, 0 at it, positive after. A clip without an anchor has `NO_ANCHOR`
  there, which every kernel maps to exactly 0.

So targets say *where the anchors are*, and every hyper-parameter of the loss stays in the loss: a
kernel can be tuned, scheduled or annealed without touching the data.

`keras_sal.AnchorTargets` makes packed targets; losses and metrics of this package read them.

An *anchor kernel* `k(d)` falls from `k(0) = 1` with the distance `d`, and has its own reach on
either side. With `u = |d| / reach` (the reach before the anchor where `d < 0`, else after it):

| kernel            | k(u)                                   |
|-------------------|----------------------------------------|
| `"exponential"`   | `exp(-u)`                              |
| `"gaussian"`      | `exp(-u**2 / 2)`                       |
| `"triangular"`    | `max(0, 1 - u)`                        |
| `"rectangular"`   | `1 if u <= 1 else 0`                   |
| `"raised_cosine"` | `(1 + cos(pi * u)) / 2 if u <= 1 else 0` |
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import keras
from keras import ops

from keras_sal.checks import require
from keras_sal.typing import Tensor

NO_ANCHOR = float(2**30)
"""Distance written where a clip has no anchor: exact in `int32`, `float32` and `bfloat16`."""

LEAST_REACH = 0.5
"""Frames: a kernel that reaches less far on both sides weights the anchor frame alone."""

IGNORE = -1.0
"""Label of a frame that is not trained on and not scored: padding, or unknown."""

KERNELS: dict[str, Callable[[Tensor], Tensor]] = {
    "exponential": lambda u: ops.exp(-u),
    "gaussian": lambda u: ops.exp(-0.5 * u * u),
    "triangular": lambda u: ops.relu(1.0 - u),
    "rectangular": lambda u: ops.cast(u <= 1.0, u.dtype),
    "raised_cosine": lambda u: 0.5 + 0.5 * ops.cos(math.pi * ops.clip(u, 0.0, 1.0)),
}


def floats(x: Tensor) -> Tensor:
    """Convert `x` to a float tensor: `float64` stays, all else becomes `float32`.

    Args:
        x: Array or tensor of numbers.
    """
    x = ops.convert_to_tensor(x)
    return x if keras.backend.standardize_dtype(x.dtype) == "float64" else ops.cast(x, "float32")


def pack(labels: Tensor, distance: Tensor) -> Tensor:
    """Join frame labels and distances to the nearest anchor into packed targets.

    Args:
        labels: Float tensor `(batch, time, channels)`.
        distance: Float tensor `(batch, time)`, frames, `t - anchor`.

    Returns:
        Packed targets `(batch, time, channels + 1)`.
    """
    return ops.concatenate([labels, ops.expand_dims(distance, -1)], axis=-1)


def unpack(targets: Tensor) -> tuple[Tensor, Tensor]:
    """Split packed targets into labels and distances to the nearest anchor.

    Args:
        targets: Packed targets `(batch, time, channels + 1)`.

    Returns:
        `(labels, distance)` of shapes `(batch, time, channels)` and `(batch, time)`.

    Raises:
        ValueError: If `targets` are not packed targets, such as plain labels.

    Example:

    >>> import numpy as np
    >>> labels, distance = unpack(np.array([[[0.0, -1.0], [1.0, 0.0], [1.0, 1.0]]]))
    >>> labels.shape, distance.tolist()
    ((1, 3, 1), [[-1.0, 0.0, 1.0]])
    """
    shape = tuple(targets.shape)
    require(
        len(shape) == 3 and (shape[-1] is None or shape[-1] >= 2),
        "`targets` must be packed targets of shape (batch, time, channels + 1), the last "
        "channel being the distance to the nearest anchor; plain labels don't say where the "
        f"anchors are. Received: targets of shape {shape}. Make them with "
        "`keras_sal.AnchorTargets()(labels)` or from event times with "
        "`keras_sal.AnchorTargets(frames=...)(events)`.",
    )
    return targets[..., :-1], targets[..., -1]


def reach_pair(reach: Any) -> tuple[float, float]:
    """Return `reach` as `(before, after)`, after a check.

    Args:
        reach: One number for both sides of the anchor, or a pair `(before, after)`; frames, > 0.

    Returns:
        `(before, after)`, frames.

    Raises:
        ValueError: If a reach isn't a positive number of frames, or none reaches half a frame.
    """
    pair = tuple(reach) if isinstance(reach, (tuple, list)) else (reach, reach)
    require(
        len(pair) == 2
        and all(isinstance(side, Real) and 0 < float(side) < math.inf for side in pair),
        "`reach` must be one number of frames greater than 0, or a pair (before, after) of "
        f"them; a kernel divides the distance by it. Received: reach={reach}. To weight the "
        'anchor frame alone, use kernel="rectangular" and reach=0.5.',
    )
    require(
        max(pair) >= LEAST_REACH,
        f"`reach` must be at least {LEAST_REACH} frames on one side; no frame beside the anchor "
        f"has a weight otherwise. Received: reach={reach}. Divide seconds by the frame "
        "step.",
    )
    return float(pair[0]), float(pair[1])


def kernel_function(kernel: str | Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the function of `u = |d| / reach` that `kernel` names.

    Args:
        kernel: A name from the table in the module docstring, or a function of `u`.

    Returns:
        The function.

    Raises:
        ValueError: If no kernel has that name.
    """
    if callable(kernel):
        return kernel
    if kernel not in KERNELS:
        raise ValueError(
            f"`kernel` must be one of {', '.join(map(repr, KERNELS))} or a function of "
            f"u = |distance| / reach. Received: kernel={kernel!r}. Choose one of the names."
        )
    return KERNELS[kernel]


def anchor_kernel(
    distance: Tensor,
    kernel: str | Callable[[Tensor], Tensor] = "exponential",
    reach: float | tuple[float, float] = 15.0,
) -> Tensor:
    """Compute the anchor kernel of each frame: 1 at its anchor, falling to 0 with the distance.

    Args:
        distance: Float tensor of any shape, frames, `t - anchor`; `NO_ANCHOR` gives 0.
        kernel: A name from the table in the module docstring, or a function of `u`, which must
            be 1 at `u = 0`. Defaults to `"exponential"`.
        reach: Frames, > 0: one number or a pair `(before, after)`. The exponential is down to
            `1/e` at its reach, the gaussian has it as its standard deviation, the others end there.
            Defaults to 15.

    Returns:
        A float tensor in [0, 1] of the shape of `distance`.

    Raises:
        ValueError: If `kernel` is unknown or `reach` isn't positive.

    Example:

    >>> import numpy as np
    >>> d = np.array([-4.0, -2.0, 0.0, 2.0, NO_ANCHOR], "float32")
    >>> [float(k) for k in anchor_kernel(d, "triangular", reach=(8, 4))]
    [0.5, 0.75, 1.0, 0.5, 0.0]
    """
    before, after = reach_pair(reach)
    return kernel_weight(distance, kernel_function(kernel), before, after)


def kernel_weight(
    distance: Tensor, kernel: Callable[[Tensor], Tensor], before: Any, after: Any
) -> Tensor:
    """Evaluate `kernel` without checks of the arguments.

    Args:
        distance: Float tensor of any shape, frames; `NO_ANCHOR` gives 0.
        kernel: Function of `u = |distance| / reach`.
        before: Frames, > 0: the reach before the anchor, a number or a scalar tensor.
        after: Frames, > 0: the reach after the anchor, likewise.

    Returns:
        A float tensor of the shape of `distance`.
    """
    distance = floats(distance)
    frames = ops.abs(distance)
    reach = before
    if not (isinstance(before, Real) and isinstance(after, Real) and before == after):
        before, after = (ops.convert_to_tensor(side, distance.dtype) for side in (before, after))
        reach = ops.where(distance < 0, before, after)
    return ops.where(frames < NO_ANCHOR, kernel(frames / reach), 0.0)
