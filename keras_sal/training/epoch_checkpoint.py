"""The state of a training after each epoch, so that it can go on after an interruption.

`keras.callbacks.BackupAndRestore` keeps the weights that a model saves. It keeps neither the states
of random generators, such as those of dropout, nor the epoch of the batches or the false alarms
that they cover. A training that goes on without these ends in other weights. This callback keeps
all of them in one file, which is replaced in one step.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_sal.checks import require
from keras_sal.data import StreamBatches
from keras_sal.files import DAMAGED_ARRAYS, write_atomically
from keras_sal.training.hard_negatives import HardNegatives
from keras_sal.typing import Array, PathLike


class EpochCheckpoint(keras.callbacks.Callback):
    """Callback that keeps the state of a training in a file, after each epoch.

    A training that goes on from it ends in the weights of an uninterrupted one. On PyTorch layers
    such as `keras.layers.Dropout` must have a `seed` for that; without one they draw from a
    generator of PyTorch that Keras doesn't keep. Give it to `fit` after the callbacks whose work it
    keeps:

        checkpoint = EpochCheckpoint("training.npz", batches)
        model.compile("adam", loss=keras_sal.StreamingAnchorLoss())
        done = checkpoint.restore(model)  # 0 without a file
        model.fit(batches, epochs=20, initial_epoch=done, shuffle=False, callbacks=[checkpoint])

    Args:
        path: The file; its name ends in `.npz`.
        batches: The `keras_sal.data.StreamBatches` that the model is fitted to.
        hard_negatives: The `HardNegatives` of the training. Defaults to `None`, for none.

    Raises:
        ValueError: If the name doesn't end in `.npz`.
    """

    def __init__(
        self,
        path: PathLike,
        batches: StreamBatches,
        hard_negatives: HardNegatives | None = None,
    ):
        super().__init__()
        self.path = Path(path)
        require(
            self.path.suffix == ".npz",
            "`path` must end in .npz; the state is kept as NumPy arrays. Received: "
            f"path={str(path)!r}. Rename it.",
        )
        self.batches, self.hard_negatives = batches, hard_negatives

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the state after this epoch, which Keras counts from 0.

        If it can't be written, as on a full disk, a warning says so, and the training goes on.
        """
        variables = _variables(self.model)
        state: dict[str, Any] = {name: _to_array(each) for name, each in variables.items()}
        alarms = self.hard_negatives.alarms if self.hard_negatives else []
        state["alarms"] = np.array([alarm[:3] for alarm in alarms], "float64").reshape(-1, 3)
        state["epochs"] = np.array(epoch + 1)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, lambda path: np.savez(path, **state))
        except OSError as error:
            warnings.warn(
                f"The state of the training after epoch {epoch + 1} could not be kept; the "
                f"training goes on, and {self.path} stays as it was. {error}",
                stacklevel=2,
            )

    def restore(self, model: keras.Model) -> int:
        """Bring the model, the batches and the hard negatives to the state in the file.

        Args:
            model: A built and compiled model, of the layers of the one that was trained.

        Returns:
            The number of epochs done, the `initial_epoch` of `fit`; 0 if there is no file.

        Raises:
            ValueError: If the file is damaged, or of another model.
        """
        if not self.path.is_file():
            return 0
        model.optimizer.build(model.trainable_variables)
        state, variables = self._read(), _variables(model)
        unlike = [
            name
            for name, variable in variables.items()
            if name not in state or state[name].shape != tuple(variable.shape)
        ]
        require(
            not unlike and len(state) == len(variables) + 2,
            f"The checkpoint must be of this model and optimizer; their variables are restored. "
            f"Received: {self.path}, which differs in {unlike or 'the number of variables'}. "
            "Delete it to train from the beginning.",
        )
        for name, variable in variables.items():
            variable.assign(state[name])
        self.batches.epoch = epochs = int(state["epochs"])
        if self.hard_negatives:
            self.hard_negatives.restore(state["alarms"])
        return epochs

    def _read(self) -> dict[str, Array]:
        try:
            with np.load(self.path, allow_pickle=False) as file:
                state = dict(file)
            (int(state["epochs"]), state["alarms"][:, 2])
        except DAMAGED_ARRAYS as error:
            raise ValueError(
                "The checkpoint must be a whole file of `EpochCheckpoint`. Received: "
                f"{self.path}, which can't be read. Delete it to train from the beginning."
            ) from error
        return state


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Return all variables of the training, by names that are the same in the next process."""
    groups = {"model": model.variables, "optimizer": model.optimizer.variables}
    return {
        f"{group}_{index}": variable
        for group, variables in groups.items()
        for index, variable in enumerate(variables)
    }


def _to_array(variable: keras.Variable) -> Array:
    """Copy a variable; NumPy files hold no bfloat16, so that becomes float32."""
    array = keras.ops.convert_to_numpy(variable)
    return array if array.dtype.kind in "biuf" else array.astype("float32")
