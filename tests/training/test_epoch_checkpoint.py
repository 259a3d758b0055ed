"""Trainings that are interrupted and go on end in the weights of those that are not."""

import itertools
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_sal import AnchorTargets, FrameCrossEntropy
from keras_sal.data import PlacedRecording, Recording, Stream, StreamBatches
from keras_sal.training import EpochCheckpoint, HardNegatives

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


def test_goes_on_to_the_same_weights(tmp_path):
    """Weights, optimizer, dropout and batches are those of a training without interruption."""
    model, batches, start = training(tmp_path / "start.npz")
    model.optimizer.build(model.trainable_variables)
    start.set_model(model)
    start.on_epoch_end(-1)  # the state before the first epoch
    checkpoint = EpochCheckpoint(tmp_path / "state.npz", batches)
    expected = fit(model, batches, EpochCheckpoint(tmp_path / "whole.npz", batches), 0)
    assert start.restore(model) == 0
    with pytest.raises(InterruptedError):
        fit(model, batches, checkpoint, 0, interrupt_after=5)
    start.restore(model)  # another process begins with other values
    assert checkpoint.restore(model) == 2  # the third epoch was interrupted
    for one, other in zip(fit(model, batches, checkpoint, 2), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.any_backend
def test_batches_cover_the_same_false_alarms(tmp_path):
    model, batches, _ = training(tmp_path / "state.npz")
    model.optimizer.build(model.trainable_variables)
    hard = HardNegatives(batches)
    hard.restore([[0, 3.21, 0.9], [1, 0.73, 0.6]])
    assert [(alarm.stream, alarm.score) for alarm in hard.alarms] == [(0, 0.9), (1, 0.6)]
    checkpoint = EpochCheckpoint(tmp_path / "state.npz", batches, hard)
    checkpoint.set_model(model)
    checkpoint.on_epoch_end(3)
    resumed = HardNegatives(make_batches())
    again = EpochCheckpoint(tmp_path / "state.npz", resumed.batches, resumed)
    assert again.restore(model) == 4
    assert resumed.alarms == hard.alarms
    assert resumed.batches.epoch == 4
    for one, other in zip(batches.at(5, 1), resumed.batches.at(5, 1), strict=True):
        np.testing.assert_array_equal(one, other)
    plain = make_batches().at(5, 1)
    assert not np.array_equal(plain[0], batches.at(5, 1)[0])


def saved(path):
    model, _, checkpoint = training(path)
    model.optimizer.build(model.trainable_variables)
    checkpoint.set_model(model)
    checkpoint.on_epoch_end(1)
    return model, checkpoint


@pytest.mark.any_backend
def test_nothing_is_restored_without_a_file(tmp_path):
    model, _, checkpoint = training(tmp_path / "none.npz")
    assert checkpoint.restore(model) == 0


@pytest.mark.any_backend
@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-99], lambda data: b"PK"])
def test_rejects_damaged_files(tmp_path, damage):
    path = tmp_path / "state.npz"
    model, checkpoint = saved(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"must be a whole file .*state\.npz.* Delete it"):
        checkpoint.restore(model)


@pytest.mark.any_backend
def test_rejects_other_archives(tmp_path):
    path = tmp_path / "state.npz"
    model, checkpoint = saved(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("epochs.npy", b"no array")
    with pytest.raises(ValueError, match="must be a whole file"):
        checkpoint.restore(model)


@pytest.mark.any_backend
def test_rejects_the_state_of_another_model(tmp_path):
    saved(tmp_path / "state.npz")
    model, _, checkpoint = training(tmp_path / "state.npz", units=5)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"must be of this model .*state\.npz, which differs in"):
        checkpoint.restore(model)
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.any_backend
def test_rejects_other_names(tmp_path):
    with pytest.raises(ValueError, match=r"`path` must end in \.npz"):
        training(tmp_path / "state.keras")
