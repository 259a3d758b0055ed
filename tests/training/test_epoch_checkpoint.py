"""Trainings that are interrupted and go on end in the weights of those that are not."""

import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from full_disks import full_disk, read_only
from small_training import EPOCHS, fit, make_batches, training

from keras_sal.training import EpochCheckpoint, HardNegatives

SUPPORT = Path(__file__).parents[1] / "support"
ROOT = SUPPORT.parents[1]


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


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
def test_a_killed_process_loses_one_epoch_at_most(tmp_path):
    """It is killed when half of the third checkpoint is written; another process goes on."""
    path = tmp_path / "state.npz"
    program = f"import small_training; small_training.fit_until_killed({str(path)!r}, 2)"
    paths = os.pathsep.join(map(str, (SUPPORT, ROOT)))
    environment = os.environ | {"PYTHONPATH": paths, "KERAS_BACKEND": keras.backend.backend()}
    killed = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(list(tmp_path.iterdir())) == 2  # the second checkpoint, and half of the third
    model, batches, checkpoint = training(path)
    assert checkpoint.restore(model) == 2
    resumed = fit(model, batches, checkpoint, initial_epoch=2)
    assert list(tmp_path.iterdir()) == [path]
    expected = fit(*training(tmp_path / "whole.npz"), initial_epoch=0)
    for one, other in zip(resumed, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.any_backend
@pytest.mark.skipif(os.name == "nt", reason="limits files by what POSIX has for it")
def test_training_goes_on_when_the_disk_is_full(tmp_path):
    """And the checkpoint before stays."""
    path = tmp_path / "state.npz"
    model, checkpoint = saved(path)
    before = path.read_bytes()
    warned = pytest.warns(UserWarning, match=r"after epoch 4 could not be kept.*state\.npz")
    with full_disk(len(before) // 2), warned:
        checkpoint.on_epoch_end(3)
    with read_only(tmp_path), warned:
        checkpoint.on_epoch_end(3)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [before]
    assert checkpoint.restore(model) == 2
    checkpoint.on_epoch_end(3)
    assert checkpoint.restore(model) == EPOCHS


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
