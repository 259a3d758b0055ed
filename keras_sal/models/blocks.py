"""What the reference detectors share: sizes, scaled features, the posterior."""

from keras import layers

SIZES = ("nano", "micro", "small")


def of_size(size, sizes, **given):
    """The arguments `given`, with those of `size` for those that are `None`."""
    if size not in SIZES:
        raise ValueError(
            f"`size` must be one of {SIZES}; they take about 8, 20 and 60 KB of int8 flash. "
            f"Received: size={size!r}. Take the nearest, and change single arguments."
        )
    return [sizes[size][name] if value is None else value for name, value in given.items()]


def check_sizes(**sizes):
    """Refuses `argument=(size, least)` if it is no integer of at least `least`."""
    for argument, (size, least) in sizes.items():
        if not isinstance(size, int) or size < least:
            raise ValueError(
                f"`{argument}` must be an integer of at least {least}; it is a size of a layer. "
                f"Received: {argument}={size!r}. Leave it out for the default."
            )


def scaled(clips, feature_max, name="scale"):
    """Features divided by the largest value that the front-end gives."""
    if not feature_max > 0:
        raise ValueError(
            "`feature_max` must be positive; features are divided by it. "
            f"Received: feature_max={feature_max!r}. Give the largest value that the front-end "
            "produces, or 1 for features that are scaled already."
        )
    return layers.Rescaling(1.0 / feature_max, name=name)(clips)


def stacked(x, units, frames, **options):
    """A dense layer over `frames` frames at a time, which gives one frame for them."""
    if frames == 1:
        return layers.Dense(units, **options)(x)
    return layers.Conv1D(units, frames, strides=frames, **options)(x)


def gru(x, units, dropout):
    """A GRU with an answer for every frame."""
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    # cuDNN takes right-padded masks only, and on TensorFlow it rules out XLA.
    return layers.GRU(units, return_sequences=True, use_cudnn=False, name="gru")(x)


def posterior(x, classes):
    """The last layer: a sigmoid for one class, a softmax over several."""
    activation = "sigmoid" if classes == 1 else "softmax"
    return layers.Dense(classes, activation=activation, name="posterior")(x)


def normalised_relu(x, name):
    """Batch normalisation, which folds into the weights before it, and a rectifier."""
    return layers.ReLU(name=f"{name}_relu")(layers.BatchNormalization(name=f"{name}_norm")(x))
