"""The losses of the study, each with the design of its trials."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from scipy.stats import qmc

from keras_sal.losses import (
    FrameCrossEntropy,
    FrameFocalLoss,
    MaxPoolingLoss,
    StreamingAnchorLoss,
    TemporalLabelSmoothing,
)

LEARNING_RATE = 4e-3
RATES = (1e-3, 1.2e-2)


@dataclass(frozen=True)
class Candidate:
    """A loss and the range of each of its hyper-parameters.

    Args:
        make: Function of the hyper-parameters that makes the loss.
        ranges: Least and greatest value by hyper-parameter, on a logarithmic scale.
        first: Values of the first trial; the first rate is `LEARNING_RATE`.
    """

    make: Callable[..., keras.losses.Loss]
    ranges: dict[str, tuple[float, float]]
    first: dict[str, float]

    def trials(self, name: str, count: int) -> list[dict[str, float]]:
        """Return the learning rate and hyper-parameters of each trial.

        The first trial has the values of `first`, the others are a Sobol sequence. They are the
        same for all tasks and networks, so that a setting can be judged over all of them.
        """
        ranges = {"learning_rate": RATES, **self.ranges}
        low, high = np.log(np.array(list(ranges.values()))).T
        sobol = qmc.Sobol(len(ranges), seed=zlib.crc32(name.encode()))
        points = np.exp(low + (high - low) * sobol.random(1 << max(0, count - 1).bit_length()))
        rows = [dict(zip(ranges, map(_rounded, point), strict=True)) for point in points]
        return [{"learning_rate": LEARNING_RATE, **self.first}, *rows][:count]


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _weighted_cross_entropy(positive_weight: float) -> FrameCrossEntropy:
    return FrameCrossEntropy(class_weight=(1.0, positive_weight))


def _smoothed_cross_entropy(horizon_frames: float, decay: float) -> TemporalLabelSmoothing:
    return TemporalLabelSmoothing(FrameCrossEntropy(), horizon_frames=horizon_frames, decay=decay)


def _anchor_loss(variant: str) -> Callable[..., StreamingAnchorLoss]:
    def make(**parameters: Any) -> StreamingAnchorLoss:
        return StreamingAnchorLoss(variant, **parameters)

    return make


ANCHOR_RANGES = {"strength": (0.5, 20.0), "reach": (2.0, 60.0)}
ANCHOR_FIRST = {"strength": 5.0, "reach": 15.0}
GAMMA = {"gamma": (0.5, 4.0)}
BASE, FOCAL, DEFAULT = "cross entropy", "focal", "default"
LOSSES = {
    BASE: Candidate(FrameCrossEntropy, {}, {}),
    "class weights": Candidate(
        _weighted_cross_entropy, {"positive_weight": (0.2, 10.0)}, {"positive_weight": 3.0}
    ),
    FOCAL: Candidate(FrameFocalLoss, GAMMA, {"gamma": 2.0}),
    "max pooling": Candidate(MaxPoolingLoss, {}, {}),
    "label smoothing": Candidate(
        _smoothed_cross_entropy,
        {"horizon_frames": (3.0, 60.0), "decay": (0.03, 1.0)},
        {"horizon_frames": 30.0, "decay": 0.2},
    ),
    "sal": Candidate(_anchor_loss("sal"), ANCHOR_RANGES, ANCHOR_FIRST),
    "sa+fl": Candidate(_anchor_loss("sa+fl"), ANCHOR_RANGES | GAMMA, ANCHOR_FIRST | {"gamma": 2.0}),
    "safl": Candidate(_anchor_loss("safl"), ANCHOR_RANGES | GAMMA, ANCHOR_FIRST | {"gamma": 2.0}),
}
ANCHORED = ("sal", "sa+fl", "safl")


def default_parameters() -> dict[str, Any]:
    """Return what `StreamingAnchorLoss()` sets when it is given nothing."""
    config = StreamingAnchorLoss().get_config()
    return {name: config[name] for name in ("variant", "kernel", "strength", "reach", "gamma")}


def make_loss(name: str, parameters: dict[str, Any]) -> keras.losses.Loss:
    """Return a loss by name; `DEFAULT` with `default_parameters` is `StreamingAnchorLoss()`."""
    if name == DEFAULT:
        return StreamingAnchorLoss(**parameters)
    return LOSSES[name].make(**parameters)
