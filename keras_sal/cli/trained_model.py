"""Trained models: the `.keras` files that `export` and `verify` read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from keras_sal.typing import PathLike


def check_trained_model(path: PathLike) -> None:
    """Refuse what is no `.keras` file, before anything is loaded.

    Args:
        path: Path of the file.

    Raises:
        ValueError: If it is something else, or not there.
    """
    path = Path(path)
    if path.suffix != ".keras" or not path.is_file():
        missing = "" if path.exists() else ", which is not there"
        raise ValueError(
            "`MODEL` must be a .keras file, saved with model.save(). "
            f"Received: {str(path)!r}{missing}. Save the trained model, any backend will do."
        )


def load_trained_model(path: PathLike) -> keras.Model:
    """Read a `.keras` file.

    Args:
        path: Path of the file.

    Raises:
        ValueError: If it is something else, or damaged.
    """
    from keras_sal.runtime.keras_file import load_keras_file

    check_trained_model(path)
    return load_keras_file(Path(path))
