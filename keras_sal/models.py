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
    frame, remembers 48 numbers and takes about 20 KB of flash as int8.

    The front-end of TensorFlow Lite Micro gives features from 0 to 26. They are divided by
    `feature_max`, a constant, rather than normalised by statistics of the training set: an int8
    tensor has one scale for all features, so the division only renames that scale and loses
    nothing, and the device needs no table of means.

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
    for argument, size, least in [
        ("features", features, 1),
        ("dense_units", dense_units, 0),
        ("gru_units", gru_units, 1),
        ("classes", classes, 1),
    ]:
        if not isinstance(size, int) or size < least:
            raise ValueError(
                f"`{argument}` must be an integer of at least {least}; it is the width of a layer. "
                f"Received: {argument}={size!r}."
            )
    if not feature_max > 0:
        raise ValueError(
            "`feature_max` must be positive; features are divided by it. "
            f"Received: feature_max={feature_max!r}. Give the largest value that the front-end "
            "produces, or 1 for features that are scaled already."
        )
    clips = keras.Input((None, features), name="features")
    x = layers.Rescaling(1.0 / feature_max, name="scale")(clips)
    if dense_units:
        x = layers.Dense(dense_units, activation="relu", name="dense")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    # cuDNN takes right-padded masks only, and on TensorFlow it rules out XLA.
    x = layers.GRU(gru_units, return_sequences=True, use_cudnn=False, name="gru")(x)
    activation = "sigmoid" if classes == 1 else "softmax"
    posteriors = layers.Dense(classes, activation=activation, name="posterior")(x)
    return keras.Model(clips, posteriors, name=name)
