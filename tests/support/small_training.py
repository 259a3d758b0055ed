"""A training of seconds, with dropout, that may be killed on the way."""

import itertools
import os
import signal
from pathlib import Path

import keras
import numpy as np

from keras_sal import AnchorTargets, FrameCrossEntropy
from keras_sal.data import PlacedRecording, Recording, Stream, StreamBatches
from keras_sal.training import EpochCheckpoint

EPOCHS = 4


def streams():
    word = Recording(Path("word.wav"), "train", "go", 1.0, 0.2, 0.6)
    noise = np.random.default_rng(0).normal(size=(2, 398, 3)).astype("float32")
    placed = (PlacedRecording(word, 2.0, class_index=0),)
    return [Stream(str(index), placed, 4.0, features=x) for index, x in enumerate(noise)]


def make_batches():
    targets = AnchorTargets(50, "offset", after_frames=9, frame_step_s=0.01, frame_offset_s=0.03)
    return StreamBatches(streams(), targets, batches=2, batch_size=4, seed=1)


def training(path, units=4):
    """A model with dropout, its batches and its checkpoint, as at the start of a process."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((None, 3)),
            layers.Dense(units, "relu"),
            layers.Dropout(0.5, seed=1),
            layers.BatchNormalization(),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.05), loss=FrameCrossEntropy())
    batches = make_batches()
    return model, batches, EpochCheckpoint(path, batches)


def fit(model, batches, checkpoint, initial_epoch, interrupt_after=None):
    """Train up to the last epoch, or until an exception in the middle of an epoch."""
    steps = itertools.count(1)

    def interrupt(batch, logs):
        if next(steps) == interrupt_after:
            raise InterruptedError

    interruption = keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)
    model.fit(
        batches,
        epochs=EPOCHS,
        initial_epoch=initial_epoch,
        callbacks=[checkpoint, interruption],
        shuffle=False,
        verbose=0,
    )
    return [np.copy(weights) for weights in model.get_weights()]  # PyTorch shares their memory


def fit_until_killed(path, epochs):
    """Train for so many epochs; SIGKILL comes while the next checkpoint is being written."""
    whole, writes = np.savez, itertools.count()

    def save(file, **arrays):
        whole(file, **arrays)
        if next(writes) == epochs:
            content = Path(file).read_bytes()
            Path(file).write_bytes(content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

    np.savez = save
    fit(*training(path), initial_epoch=0)
