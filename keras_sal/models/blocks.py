"""Blocks of the reference detectors: sizes, scaled features, recurrent layer, posterior."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

from keras import layers

from keras_sal.typing import Tensor

SIZES = ("nano", "micro", "small")
MICRO_FEATURES, MICRO_MAX = 40, 26.0  # of the front-end of TensorFlow Lite Micro


def sizes_or_defaults(size: str, sizes: Mapping[str, Mapping[str, Any]], **given: Any) -> list[Any]:
    """Return the arguments `given`, with those of `size` in place of `None`."""
    if size not in SIZES:
        raise ValueError(
            f"`size` must be one of {SIZES}; they take about 8, 20 and 60 KB of int8 flash. "
            f"Received: size={size!r}. Take the nearest, and change single arguments."
        )
    return [sizes[size][name] if value is None else value for name, value in given.items()]


def check_sizes(**sizes: tuple[Any, int]) -> None:
    """Refuse `argument=(size, least)` unless it is an integer of at least `least`."""
    for argument, (size, least) in sizes.items():
        if not isinstance(size, Integral) or isinstance(size, bool) or size < least:
            raise ValueError(
                f"`{argument}` must be an integer of at least {least}; it is a size of a layer. "
                f"Received: {argument}={size!r}. Leave it out for the default."
            )


def scale_features(
    clips: Tensor,
    feature_max: float | None,
    *,
    argument: str = "feature_max",
    name: str = "scale",
) -> Tensor:
    """Divide features by the largest value that the sensor or the front-end gives."""
    features = clips.shape[-1]
    if feature_max is None and features != MICRO_FEATURES:
        raise ValueError(
            f"`{argument}` must be given for {features} features; they are divided by it, and only "
            f"the {MICRO_FEATURES} of the front-end of TensorFlow Lite Micro are known to reach "
            f"{MICRO_MAX:g}. Received: none. Give the largest absolute value that matters, such as "
            "float(numpy.percentile(abs(x), 99.9)) of your training set, or 1 for features that "
            "are scaled already."
        )
    largest = MICRO_MAX if feature_max is None else feature_max
    if not largest > 0:
        raise ValueError(
            f"`{argument}` must be positive; features are divided by it. "
            f"Received: {argument}={feature_max!r}. Give the largest absolute value that matters, "
            "or 1 for features that are scaled already."
        )
    return layers.Rescaling(1.0 / largest, name=name)(clips)


def dense_over_frames(x: Tensor, units: int, frames: int, **options: Any) -> Tensor:
    """Apply a dense layer to `frames` frames at a time; the output has one frame for them."""
    if frames == 1:
        return layers.Dense(units, **options)(x)
    return layers.Conv1D(units, frames, strides=frames, **options)(x)


def gru_layer(x: Tensor, units: int, dropout: float) -> Tensor:
    """Apply a GRU with an output for every frame."""
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    # cuDNN takes right-padded masks only, and on TensorFlow it rules out XLA.
    return layers.GRU(units, return_sequences=True, use_cudnn=False, name="gru")(x)


def posterior_layer(x: Tensor, classes: int, multi_label: bool = False) -> Tensor:
    """Apply the last layer: a sigmoid for one class or for each, or a softmax over several."""
    activation = "sigmoid" if classes == 1 or multi_label else "softmax"
    return layers.Dense(classes, activation=activation, name="posterior")(x)


def batch_norm_relu(x: Tensor, name: str) -> Tensor:
    """Apply batch normalisation, which folds into the weights before it, and a rectifier."""
    return layers.ReLU(name=f"{name}_relu")(layers.BatchNormalization(name=f"{name}_norm")(x))
