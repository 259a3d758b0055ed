"""A small GRU, its data and ten training steps, the same on every backend and in every float."""

import keras
import numpy as np
from keras import layers

from keras_sal import AnchorTargets

BATCH, TIME, FEATURES = 5, 11, 3
STEPS = 10


def data():
    """Clips `(batch, time, features)` with one event each, and their targets."""
    rng = np.random.default_rng(5)
    clips = rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    onset = rng.integers(0, TIME - 3, BATCH)
    targets = AnchorTargets(frames=TIME, anchor="offset", before_frames=1, after_frames=2)
    return clips, targets(np.stack([onset, onset + 3], axis=-1)[:, None])


def model():
    gru = keras.Sequential(
        [
            keras.Input((None, FEATURES)),
            layers.GRU(7, return_sequences=True),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    rng = np.random.default_rng(7)
    gru.set_weights([rng.normal(scale=0.5, size=w.shape) for w in gru.get_weights()])
    return gru


def loss_curve(loss):
    """The loss at each of ten steps of `fit`."""
    clips, targets = data()
    gru = model()
    gru.compile(keras.optimizers.Adam(0.01), loss=loss)
    history = gru.fit(clips, targets, batch_size=BATCH, epochs=STEPS, verbose=0)
    return history.history["loss"]
