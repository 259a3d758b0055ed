"""Convolutional recurrent detector."""

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
    "nano": {"channels": 16, "kernel_frames": 5, "gru_units": 16},
    "micro": {"channels": 32, "kernel_frames": 5, "gru_units": 40},
    "small": {"channels": 64, "kernel_frames": 5, "gru_units": 88},
}


def conv_gru_detector(
    features: int = 40,
    channels: int | None = None,
    kernel_frames: int | None = None,
    gru_units: int | None = None,
    classes: int = 1,
    *,
    multi_label: bool = False,
    size: str = "micro",
    frames_per_output: int = 1,
    feature_max: float | None = None,
    dropout: float = 0.0,
    name: str = "conv_gru_detector",
) -> keras.Model:
    """Build a detector of a causal convolution over several frames, a GRU and a posterior.

        x_t = relu(batch_norm(W x_t / feature_max))
        y_t = relu(batch_norm(V relu(batch_norm(depthwise(x_{t-k+1}, ..., x_t)))))
        h_t = GRU(y_t, h_{t-1})
        posterior_t = sigmoid(U h_t + c)                        (softmax if classes > 1)

    Take it where onsets and transitions matter: the GRU gets the change over `kernel_frames` frames
    and need not build it up itself. With `frames_per_output=n` it reads every frame, but runs
    the GRU and gives an output only for every n-th, which saves most of the work. Labels are then
    needed at that rate, `AnchorTargets(frame_step_s=n * frame_step_s)`, and the latency grows by
    up to n - 1 frames.

    | size | parameters | multiply-adds/s | state | receptive field | int8 flash | arena |
    |---|---|---|---|---|---|---|
    | `"nano"` | 2,817 | 0.25 M | 80 bytes | unlimited | 9 KB | 8.7 KB |
    | `"micro"` | 11,769 | 1.1 M | 168 bytes | unlimited | 19 KB | 8.8 KB |
    | `"small"` | 48,489 | 4.7 M | 344 bytes | unlimited | 57 KB | 9.0 KB |

    Args:
        features: Features of one frame: channels of a sensor, or bands of a front-end. Defaults to
            40, those of the front-end of TensorFlow Lite Micro.
        channels: Width of the convolution. Defaults to 16, 32 or 64, by `size`.
        kernel_frames: Taps of the depthwise convolution, > 1. Defaults to 5.
        gru_units: Units of the GRU. Defaults to 16, 40 or 88, by `size`.
        classes: Outputs a frame: 1 for a sigmoid, more for a softmax. Defaults to 1.
        multi_label: Whether each of several outputs is a sigmoid of its own, without a class for
            the background. Defaults to `False`.
        size: `"nano"`, `"micro"` or `"small"`. Defaults to `"micro"`.
        frames_per_output: Input frames for each output frame, from 1 to `kernel_frames`. Defaults
            to 1.
        feature_max: As for `gru_detector`.
        dropout: Fraction of the inputs of the GRU dropped in training, in [0, 1). Defaults to 0.
        name: Name of the model.

    Returns:
        A `keras.Model` from `(batch, time, features)` to
        `(batch, time / frames_per_output, classes)`; its last layer is named `posterior`.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Convolutions before a recurrent layer for keyword spotting: Arik et al. (2017),
        arXiv:1703.05390; here causal and depthwise-separable.

    Example:

    >>> from keras_sal.models import conv_gru_detector
    >>> model = conv_gru_detector(frames_per_output=2)
    >>> model.count_params(), model.compute_output_shape((None, 100, 40))
    (11769, (None, 50, 1))
    """
    channels, kernel_frames, gru_units = sizes_or_defaults(
        size, SIZES, channels=channels, kernel_frames=kernel_frames, gru_units=gru_units
    )
    check_sizes(
        features=(features, 1),
        channels=(channels, 1),
        kernel_frames=(kernel_frames, 2),
        gru_units=(gru_units, 1),
        classes=(classes, 1),
        frames_per_output=(frames_per_output, 1),
    )
    if frames_per_output > kernel_frames:
        raise ValueError(
            "`frames_per_output` must be at most `kernel_frames`; it would miss frames. "
            f"Received: frames_per_output={frames_per_output}, kernel_frames={kernel_frames}. "
            "Raise kernel_frames."
        )
    clips = keras.Input((None, features), name="features")
    x = layers.Dense(channels, use_bias=False, name="dense")(scale_features(clips, feature_max))
    x = batch_norm_relu(x, "dense")
    x = layers.ZeroPadding1D((kernel_frames - frames_per_output, 0), name="past")(x)
    x = layers.DepthwiseConv1D(
        kernel_frames, strides=frames_per_output, use_bias=False, name="depthwise"
    )(x)
    x = batch_norm_relu(x, "depthwise")
    x = layers.Dense(channels, use_bias=False, name="pointwise")(x)
    x = batch_norm_relu(x, "pointwise")
    posteriors = posterior_layer(gru_layer(x, gru_units, dropout), classes, multi_label)
    return keras.Model(clips, posteriors, name=name)
