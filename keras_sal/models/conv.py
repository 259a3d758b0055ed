"""Convolutional detector."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from keras_sal.models.blocks import (
    batch_norm_relu,
    check_sizes,
    dense_over_frames,
    posterior_layer,
    scale_features,
    sizes_or_defaults,
)

SIZES = {
    "nano": {"channels": 16, "kernel_frames": 9, "dilations": (1, 6)},
    "micro": {"channels": 40, "kernel_frames": 9, "dilations": (1, 2, 4)},
    "small": {"channels": 80, "kernel_frames": 5, "dilations": (1, 2, 4, 8, 8)},
}


def conv_detector(
    features: int = 40,
    channels: int | None = None,
    kernel_frames: int | None = None,
    dilations: Sequence[int] | None = None,
    classes: int = 1,
    *,
    multi_label: bool = False,
    size: str = "micro",
    frames_per_output: int = 1,
    feature_max: float | None = None,
    dropout: float = 0.0,
    name: str = "conv_detector",
) -> keras.Model:
    """Build a detector of causal depthwise-separable convolutions with residual branches.

        x <- relu(batch_norm(W x / feature_max))
        x <- relu(x + batch_norm(V relu(batch_norm(depthwise(x)))))        for each dilation
        posterior = sigmoid(U x + c)                                       (softmax if classes > 1)

    Take it instead of `gru_detector` where the hardware favours convolutions, or where a memory of
    bounded length is wanted: the posterior depends on the last
    `1 + (kernel_frames - 1) * sum(dilations)` frames and on nothing before. Every batch
    normalisation is folded into the weights before it.

    With `frames_per_output=n` the first layer reads n frames at once and the convolutions run once
    for them: the receptive field is n times as long, the multiply-adds and the time to train about
    1 / n. Labels are then needed at that rate, `AnchorTargets(frame_step_s=n * frame_step_s)`, and
    the latency grows by up to n - 1 frames. A word lasts half a second to a second; a receptive
    field that is shorter than it can't tell it from its end.

    | size | parameters | multiply-adds/s | state | receptive field | int8 flash | arena |
    |---|---|---|---|---|---|---|
    | `"nano"` | 1,777 | 0.15 M | 896 bytes | 57 frames | 7 KB | 6.9 KB |
    | `"micro"` | 8,641 | 0.75 M | 2,240 bytes | 57 frames | 17 KB | 11.2 KB |
    | `"small"` | 40,801 | 3.7 M | 7,360 bytes | 93 frames | 54 KB | 25.6 KB |

    Args:
        features: Features of one frame: channels of a sensor, or bands of a front-end. Defaults to
            40, those of the front-end of TensorFlow Lite Micro.
        channels: Width of every convolution. Defaults to 16, 40 or 80, by `size`.
        kernel_frames: Taps of every depthwise convolution, > 1. Defaults to 9, 9 or 5, by `size`.
        dilations: Frames between the taps, one number for each block. Defaults to (1, 6), (1, 2, 4)
            or (1, 2, 4, 8, 8), by `size`.
        classes: Outputs a frame: 1 for a sigmoid, more for a softmax. Defaults to 1.
        multi_label: Whether each of several outputs is a sigmoid of its own, without a class for
            the background. Defaults to `False`.
        size: `"nano"`, `"micro"` or `"small"`. Defaults to `"micro"`.
        frames_per_output: Input frames for each output frame, at least 1. Defaults to 1.
        feature_max: As for `gru_detector`.
        dropout: Fraction of the channels dropped in training at the end of each block, in [0, 1).
            Defaults to 0.
        name: Name of the model.

    Returns:
        A `keras.Model` from `(batch, time, features)` to
        `(batch, time / frames_per_output, classes)`; its last layer is named `posterior`.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        The block is that of MobileNets (Howard et al., 2017, arXiv:1704.04861), as used for
        keyword spotting by Zhang et al. (2017, arXiv:1711.07128), made causal.

    Example:

    >>> from keras_sal.models import conv_detector
    >>> model = conv_detector()
    >>> model.count_params(), model.output_shape
    (8641, (None, None, 1))
    """
    channels, kernel_frames, dilations = sizes_or_defaults(
        size, SIZES, channels=channels, kernel_frames=kernel_frames, dilations=dilations
    )
    check_sizes(
        features=(features, 1),
        channels=(channels, 1),
        kernel_frames=(kernel_frames, 2),
        classes=(classes, 1),
        frames_per_output=(frames_per_output, 1),
    )
    if not dilations or any(not isinstance(d, int) or d < 1 for d in dilations):
        raise ValueError(
            "`dilations` must be positive integers, one for each block; they are frames between "
            f"the taps of a convolution. Received: dilations={dilations!r}. Try (1, 2, 4, 8)."
        )
    clips = keras.Input((None, features), name="features")
    x = scale_features(clips, feature_max)
    x = dense_over_frames(x, channels, frames_per_output, use_bias=False, name="dense")
    x = batch_norm_relu(x, "dense")
    for i, dilation in enumerate(dilations, start=1):
        past = (kernel_frames - 1) * dilation
        y = layers.ZeroPadding1D((past, 0), name=f"past_{i}")(x)
        y = layers.DepthwiseConv1D(
            kernel_frames, dilation_rate=dilation, use_bias=False, name=f"depthwise_{i}"
        )(y)
        y = batch_norm_relu(y, f"depthwise_{i}")
        y = layers.Dense(channels, use_bias=False, name=f"pointwise_{i}")(y)
        y = layers.BatchNormalization(name=f"pointwise_{i}_norm")(y)
        x = layers.ReLU(name=f"relu_{i}")(layers.Add(name=f"add_{i}")([x, y]))
        if dropout:
            x = layers.SpatialDropout1D(dropout, name=f"dropout_{i}")(x)
    return keras.Model(clips, posterior_layer(x, classes, multi_label), name=name)
