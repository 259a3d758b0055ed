"""Detector of two streams."""

from __future__ import annotations

import keras
from keras import layers

from keras_sal.models.blocks import (
    batch_norm_relu,
    check_sizes,
    gru_layer,
    posterior_layer,
    scale_features,
    sizes_or_defaults,
)

SIZES = {
    "nano": {"fast_units": 12, "slow_units": 8, "gru_units": 16},
    "micro": {"fast_units": 24, "slow_units": 16, "gru_units": 40},
    "small": {"fast_units": 48, "slow_units": 32, "gru_units": 88},
}


def multimodal_detector(
    fast_features: int = 40,
    slow_features: int = 6,
    rate_ratio: int = 4,
    classes: int = 1,
    *,
    multi_label: bool = False,
    size: str = "micro",
    fast_units: int | None = None,
    slow_units: int | None = None,
    gru_units: int | None = None,
    fast_max: float | None = None,
    slow_max: float = 1.0,
    dropout: float = 0.0,
    name: str = "multimodal_detector",
) -> keras.Model:
    """Two streams of different rates, fused frame by frame, a GRU and a posterior.

        x_t = relu(batch_norm(conv(relu(batch_norm(W fast / fast_max)))))   over rate_ratio frames
        y_t = relu(V slow_t / slow_max + b)
        h_t = GRU([x_t, y_t], h_{t-1})
        posterior_t = sigmoid(U h_t + c)                        (softmax if classes > 1)

    Take it where one sensor alone is ambiguous: sound at 100 frames a second and motion at 25, say,
    with `rate_ratio=4`. It gives an output at the rate of the slow stream, once the frames of both
    have arrived; a step takes `rate_ratio` fast frames and one slow frame. For two streams of the
    same rate use `rate_ratio=1`.

    | size | parameters | multiply-adds/s | state | receptive field | int8 flash | arena |
    |---|---|---|---|---|---|---|
    | `"nano"` | 3,049 | 0.11 M | 16 bytes | unlimited | 9 KB | 8.2 KB |
    | `"micro"` | 13,449 | 0.40 M | 40 bytes | unlimited | 20 KB | 8.3 KB |
    | `"small"` | 56,713 | 1.5 M | 88 bytes | unlimited | 65 KB | 8.5 KB |

    The multiply-adds are those of 25 outputs a second.

    Args:
        fast_features: Features of one frame of the fast stream. Defaults to 40.
        slow_features: Features of one frame of the slow stream. Defaults to 6.
        rate_ratio: Fast frames for each slow frame, an integer >= 1. Defaults to 4.
        classes: Outputs a frame: 1 for a sigmoid, more for a softmax. Defaults to 1.
        multi_label: Whether each of several outputs is a sigmoid of its own, without a class for
            the background. Defaults to `False`.
        size: `"nano"`, `"micro"` or `"small"`. Defaults to `"micro"`.
        fast_units: Units for the fast stream. Defaults to 12, 24 or 48, by `size`.
        slow_units: Units for the slow stream. Defaults to 8, 16 or 32, by `size`.
        gru_units: Units of the GRU. Defaults to 16, 40 or 88, by `size`.
        fast_max: Largest absolute value of a fast feature that matters, > 0. Defaults to `None`, as
            `feature_max` of `gru_detector`.
        slow_max: Largest absolute value of a slow feature that matters, > 0. Defaults to 1, for
            features that are scaled already.
        dropout: Fraction of the inputs of the GRU dropped in training, in [0, 1). Defaults to 0.
        name: Name of the model.

    Returns:
        A `keras.Model` from a dict of `fast` `(batch, rate_ratio * time, fast_features)` and `slow`
        `(batch, time, slow_features)` to `(batch, time, classes)`; its last layer is named
        `posterior`. Its step model takes `frame_fast` and `frame_slow`.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> from keras_sal.models import multimodal_detector
    >>> from keras_sal.streaming import step_model
    >>> model = multimodal_detector()
    >>> {name: x.shape for name, x in step_model(model).input.items()}
    {'frame_fast': (None, 4, 40), 'frame_slow': (None, 6), 'state_0': (None, 40)}
    """
    fast_units, slow_units, gru_units = sizes_or_defaults(
        size, SIZES, fast_units=fast_units, slow_units=slow_units, gru_units=gru_units
    )
    check_sizes(
        fast_features=(fast_features, 1),
        slow_features=(slow_features, 1),
        rate_ratio=(rate_ratio, 1),
        fast_units=(fast_units, 1),
        slow_units=(slow_units, 1),
        gru_units=(gru_units, 1),
        classes=(classes, 1),
    )
    fast = keras.Input((None, fast_features), name="fast")
    slow = keras.Input((None, slow_features), name="slow")
    x = layers.Dense(fast_units, use_bias=False, name="fast_dense")(
        scale_features(fast, fast_max, argument="fast_max", name="fast_scale")
    )
    x = batch_norm_relu(x, "fast_dense")
    x = layers.Conv1D(
        fast_units, rate_ratio, strides=rate_ratio, use_bias=False, name="fast_to_slow"
    )(x)
    x = batch_norm_relu(x, "fast_to_slow")
    y = layers.Dense(slow_units, activation="relu", name="slow_dense")(
        scale_features(slow, slow_max, argument="slow_max", name="slow_scale")
    )
    both = layers.Concatenate(name="both")([x, y])
    posteriors = posterior_layer(gru_layer(both, gru_units, dropout), classes, multi_label)
    return keras.Model({"fast": fast, "slow": slow}, posteriors, name=name)
