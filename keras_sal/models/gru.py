"""GRU detector."""

from __future__ import annotations

import keras

from keras_sal.models.blocks import (
    check_sizes,
    dense_over_frames,
    gru_layer,
    posterior_layer,
    scale_features,
    sizes_or_defaults,
)

SIZES = {
    "nano": {"dense_units": 16, "gru_units": 20},
    "micro": {"dense_units": 32, "gru_units": 48},
    "small": {"dense_units": 64, "gru_units": 96},
}


def gru_detector(
    features: int = 40,
    dense_units: int | None = None,
    gru_units: int | None = None,
    classes: int = 1,
    *,
    multi_label: bool = False,
    size: str = "micro",
    frames_per_output: int = 1,
    feature_max: float | None = None,
    dropout: float = 0.0,
    name: str = "gru_detector",
) -> keras.Model:
    """Build a detector of a dense layer, a GRU and a posterior.

        h_t = GRU(relu(W x_t / feature_max + b), h_{t-1})
        posterior_t = sigmoid(V h_t + c)                        (softmax if classes > 1)

    Start here. With `frames_per_output=n` the dense layer reads n frames at once, and the GRU runs
    once for them: it trains n times as fast, costs about 1 / n of the multiply-adds, remembers
    further back, and suffers less from an 8-bit state, which can't move by less than 1/128 a step.
    Labels are then needed at that rate, `AnchorTargets(frame_step_s=n * frame_step_s)`, and the
    latency grows by up to n - 1 frames.

    | size | parameters | multiply-adds/s | state | receptive field | int8 flash | arena |
    |---|---|---|---|---|---|---|
    | `"nano"` | 2,957 | 0.28 M | 20 bytes | unlimited | 8 KB | 6.5 KB |
    | `"micro"` | 13,169 | 1.3 M | 48 bytes | unlimited | 18 KB | 6.5 KB |
    | `"small"` | 49,377 | 4.9 M | 96 bytes | unlimited | 56 KB | 6.5 KB |

    Features are divided by `feature_max`, one constant, and not normalised by statistics of the
    training set: the converter folds the division into the weights of the next layer, so that it
    costs the device neither an operator nor precision. The front-end of TensorFlow Lite Micro gives
    40 features from 0 to 26. For any other sensor take the largest absolute value that matters: an
    accelerometer that reads up to 4 g has `feature_max=4`. Bring channels of different units to
    one range before, as the device will have to.

    Args:
        features: Features of one frame: channels of a sensor, or bands of a front-end. Defaults to
            40, those of the front-end of TensorFlow Lite Micro.
        dense_units: Units of the layer before the GRU; 0 leaves it out. Defaults to 16, 32 or
            64, by `size`.
        gru_units: Units of the GRU. Defaults to 20, 48 or 96, by `size`.
        classes: Outputs a frame: 1 for a sigmoid, more for a softmax. Defaults to 1.
        multi_label: Whether each of several outputs is a sigmoid of its own, without a class for
            the background. Defaults to `False`.
        size: `"nano"`, `"micro"` or `"small"`. Defaults to `"micro"`.
        frames_per_output: Input frames for each output frame, at least 1. Defaults to 1.
        feature_max: Largest absolute value of a feature that matters, > 0; 1 for features that are
            scaled already. Defaults to `None`, which is 26 for 40 features, those of the front-end
            of TensorFlow Lite Micro; for other numbers of features it must be given.
        dropout: Fraction of the inputs of the GRU dropped in training, in [0, 1). Defaults to 0.
        name: Name of the model.

    Returns:
        A `keras.Model` from `(batch, time, features)` to
        `(batch, time / frames_per_output, classes)`; its last layer is named `posterior`.

    Raises:
        ValueError: If an argument is out of range, or `feature_max` is missing.

    Example:

    >>> from keras_sal.models import gru_detector
    >>> model = gru_detector()
    >>> model.count_params(), model.output_shape
    (13169, (None, None, 1))

    For an accelerometer with three axes:

    >>> gru_detector(features=3, feature_max=4, size="nano").input_shape
    (None, None, 3)
    """
    dense_units, gru_units = sizes_or_defaults(
        size, SIZES, dense_units=dense_units, gru_units=gru_units
    )
    check_sizes(
        features=(features, 1),
        dense_units=(dense_units, 0),
        gru_units=(gru_units, 1),
        classes=(classes, 1),
        frames_per_output=(frames_per_output, 1),
    )
    if frames_per_output > 1 and not dense_units:
        raise ValueError(
            "`dense_units` must be at least 1 with several frames an output; that layer joins "
            f"them. Received: dense_units=0, frames_per_output={frames_per_output}. Leave it out "
            "for the default."
        )
    clips = keras.Input((None, features), name="features")
    x = scale_features(clips, feature_max)
    if dense_units:
        x = dense_over_frames(x, dense_units, frames_per_output, activation="relu", name="dense")
    x = gru_layer(x, gru_units, dropout)
    return keras.Model(clips, posterior_layer(x, classes, multi_label), name=name)
