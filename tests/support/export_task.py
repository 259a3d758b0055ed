"""A small detection task that a small GRU learns in seconds."""

import importlib.util

import keras
import numpy as np
import pytest
from keras import layers

FEATURES = 40
BACKGROUND_MAX, EVENT_GAIN, FEATURE_MAX = 8.0, 14.0, 26.0


def need(*packages):
    """Skips where a package is not installed; imports none, since TensorFlow takes long."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")


def streams_with_events(streams, frames, seed):
    """Noise with two events a stream: six frames of energy, to be detected from the third on."""
    rng = np.random.default_rng(seed)
    features = rng.uniform(0, BACKGROUND_MAX, (streams, frames, FEATURES))
    labels = np.zeros((streams, frames, 1))
    for stream in range(streams):
        for onset in rng.integers(0, frames - 12, 2):
            features[stream, onset : onset + 6, 10:20] += EVENT_GAIN
            labels[stream, onset + 3 : onset + 10] = 1
    return np.clip(features, 0, FEATURE_MAX).astype("float32"), labels.astype("float32")


def trained(hidden):
    """A detector `Dense 16, hidden, Dense 1` that has learned the task above."""
    keras.utils.set_random_seed(7)
    clips = keras.Input((None, FEATURES), name="features")
    x = layers.Rescaling(1 / FEATURE_MAX)(clips)
    x = layers.Dense(16, activation="relu")(x)
    for layer in hidden:
        x = layer(x)
    model = keras.Model(clips, layers.Dense(1, activation="sigmoid", name="posterior")(x))
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    model.fit(*streams_with_events(64, 60, seed=0), batch_size=16, epochs=10, verbose=0)
    return model


def untrained(hidden):
    """A detector of random weights whose posteriors vary all the time."""
    keras.utils.set_random_seed(3)
    x = clips = keras.Input((None, FEATURES))
    for layer in [layers.Rescaling(1 / FEATURE_MAX), *hidden]:
        x = layer(x)
    posterior = layers.Dense(
        1, activation="sigmoid", kernel_initializer="he_normal", name="posterior"
    )
    return keras.Model(clips, posterior(x))
