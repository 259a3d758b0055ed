"""Small reference detectors to start from.

Each is an ordinary functional model: clips `(batch, time, features)` in, one posterior per frame
out, `(batch, time, classes)`, any number of frames. Train it with `fit`, then
`keras_sal.streaming.step_model` runs it frame by frame and `keras_sal.export` ships it.
"""

import keras
from keras import layers


def gru_detector(
    features=40,
    dense_units=32,
    gru_units=48,
    classes=1,
    *,
    feature_max=26.0,
    dropout=0.0,
    name="gru_detector",
):
    """A dense layer, a GRU and a posterior: the smallest detector worth shipping.

        h_t = GRU(relu(W x_t / feature_max + b), h_{t-1})
        posterior_t = sigmoid(V h_t + c)                        (softmax if classes > 1)

    Start here: with the default sizes it has 13,169 parameters, does 12,848 multiply-adds a
    frame and remembers 48 numbers; as int8 on TensorFlow Lite Micro it takes about 18 KB of flash
    and 6 KB of working memory.

    The front-end of TensorFlow Lite Micro gives features from 0 to 26. They are divided by
    `feature_max`, a constant, and not normalised by statistics of the training set: the converter
    folds the division into the weights of the next layer, so that it costs the device neither an
    operator nor precision.

    Args:
        features: Features of one frame. Default 40.
        dense_units: Units of the layer before the GRU; 0 leaves it out. Default 32.
        gru_units: Units of the GRU. Default 48.
        classes: Outputs a frame: 1 for a sigmoid, more for a softmax. Default 1.
        feature_max: Largest value of a feature, > 0; 1 for features that are scaled already.
            Default 26, the front-end of TensorFlow Lite Micro.
        dropout: Fraction of the inputs of the GRU dropped in training, in [0, 1). Default 0.
        name: Name of the model.

    Returns:
        A `keras.Model` from `(batch, time, features)` to `(batch, time, classes)`; its last layer
        is named `posterior`.

    Raises:
        ValueError: If a size or `feature_max` is out of range.

    Example:

    >>> from keras_sal.models import gru_detector
    >>> model = gru_detector()
    >>> model.count_params(), model.output_shape
    (13169, (None, None, 1))
    """
    _check_sizes(
        features=(features, 1),
        dense_units=(dense_units, 0),
        gru_units=(gru_units, 1),
        classes=(classes, 1),
    )
    clips = keras.Input((None, features), name="features")
    x = _scaled(clips, feature_max)
    if dense_units:
        x = layers.Dense(dense_units, activation="relu", name="dense")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    # cuDNN takes right-padded masks only, and on TensorFlow it rules out XLA.
    x = layers.GRU(gru_units, return_sequences=True, use_cudnn=False, name="gru")(x)
    return keras.Model(clips, _posterior(x, classes), name=name)


def conv_detector(
    features=40,
    channels=32,
    kernel_frames=5,
    dilations=(1, 2, 4, 8),
    classes=1,
    *,
    feature_max=26.0,
    dropout=0.0,
    name="conv_detector",
):
    """Causal depthwise-separable convolutions with residual branches, and a posterior.

        x <- relu(batch_norm(W x / feature_max))
        x <- relu(x + batch_norm(V relu(batch_norm(depthwise(x)))))        for each dilation
        posterior = sigmoid(U x + c)                                       (softmax if classes > 1)

    Take it instead of `gru_detector` where the hardware favours convolutions, or where a memory
    of bounded length is wanted: the posterior depends on the last
    `1 + (kernel_frames - 1) * sum(dilations)` frames and on nothing before. With the default sizes
    that is 61 frames (0.61 s at 100 frames a second); it has 7,201 parameters, does 6,048
    multiply-adds a frame and remembers 1,920 numbers; as int8 on TensorFlow Lite Micro it takes
    about 19 KB of flash and 12 KB of working memory. Every batch normalisation is folded into the
    weights before it.

    Args:
        features: Features of one frame. Default 40.
        channels: Width of every convolution. Default 32.
        kernel_frames: Taps of every depthwise convolution, > 1. Default 5.
        dilations: Frames between the taps, one number for each block. Default (1, 2, 4, 8).
        classes: Outputs a frame: 1 for a sigmoid, more for a softmax. Default 1.
        feature_max: As for `gru_detector`.
        dropout: Fraction of the channels dropped in training at the end of each block, in [0, 1).
            Default 0.
        name: Name of the model.

    Returns:
        A `keras.Model` from `(batch, time, features)` to `(batch, time, classes)`; its last layer
        is named `posterior`.

    Raises:
        ValueError: If a size or `feature_max` is out of range.

    Reference:
        The block is that of MobileNets (Howard et al., 2017, arXiv:1704.04861), as used for
        keyword spotting by Zhang et al. (2017, arXiv:1711.07128), made causal.

    Example:
    >>> from keras_sal.models import conv_detector
    >>> model = conv_detector()
    >>> model.count_params(), model.output_shape
    (7201, (None, None, 1))
    """
    _check_sizes(
        features=(features, 1),
        channels=(channels, 1),
        kernel_frames=(kernel_frames, 2),
        classes=(classes, 1),
    )
    if not dilations or any(not isinstance(d, int) or d < 1 for d in dilations):
        raise ValueError(
            "`dilations` must be positive integers, one for each block; they are frames between "
            f"the taps of a convolution. Received: dilations={dilations!r}. Try (1, 2, 4, 8)."
        )
    clips = keras.Input((None, features), name="features")
    x = layers.Dense(channels, use_bias=False, name="dense")(_scaled(clips, feature_max))
    x = layers.BatchNormalization(name="dense_norm")(x)
    x = layers.ReLU(name="dense_relu")(x)
    for i, dilation in enumerate(dilations, start=1):
        past = (kernel_frames - 1) * dilation
        y = layers.ZeroPadding1D((past, 0), name=f"past_{i}")(x)
        y = layers.DepthwiseConv1D(
            kernel_frames, dilation_rate=dilation, use_bias=False, name=f"depthwise_{i}"
        )(y)
        y = layers.BatchNormalization(name=f"depthwise_norm_{i}")(y)
        y = layers.ReLU(name=f"depthwise_relu_{i}")(y)
        y = layers.Dense(channels, use_bias=False, name=f"pointwise_{i}")(y)
        y = layers.BatchNormalization(name=f"pointwise_norm_{i}")(y)
        x = layers.ReLU(name=f"relu_{i}")(layers.Add(name=f"add_{i}")([x, y]))
        if dropout:
            x = layers.SpatialDropout1D(dropout, name=f"dropout_{i}")(x)
    return keras.Model(clips, _posterior(x, classes), name=name)


def _scaled(clips, feature_max):
    if not feature_max > 0:
        raise ValueError(
            "`feature_max` must be positive; features are divided by it. "
            f"Received: feature_max={feature_max!r}. Give the largest value that the front-end "
            "produces, or 1 for features that are scaled already."
        )
    return layers.Rescaling(1.0 / feature_max, name="scale")(clips)


def _posterior(x, classes):
    activation = "sigmoid" if classes == 1 else "softmax"
    return layers.Dense(classes, activation=activation, name="posterior")(x)


def _check_sizes(**sizes):
    for argument, (size, least) in sizes.items():
        if not isinstance(size, int) or size < least:
            raise ValueError(
                f"`{argument}` must be an integer of at least {least}; it is a size of a layer. "
                f"Received: {argument}={size!r}. Leave it out for the default."
            )
