"""Reading of `.keras` files that may be damaged, or that anybody may have written."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import keras

from keras_sal.checks import require
from keras_sal.typing import PathLike

MOST_CONFIG_BYTES = 64 << 20
MOST_INFLATION = 100  # ratio of a large file to its compressed bytes
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, RecursionError),
    *(ValueError, TypeError, LookupError, AttributeError, ImportError, ArithmeticError),
    MemoryError,
)


def load_keras_file(path: PathLike) -> keras.Model:
    """Read the model of a `.keras` file.

    Args:
        path: Path of the file.

    Returns:
        The model, not compiled.

    Raises:
        ValueError: If the file is damaged, does not hold a model, or holds layers that are not
            registered.
    """
    path = Path(path)
    try:
        _check_sizes(path)
        model = keras.models.load_model(path, compile=False)
    except _DAMAGED as error:
        raise ValueError(
            "`model` must be a .keras file that Keras can read. "
            f"Received: model={str(path)!r} ({type(error).__name__}: {_first_line(error)}). Save "
            "it again with model.save(); import the module of its layers before it is read."
        ) from error
    require(
        isinstance(model, keras.Model),
        "`model` must be a .keras file that holds a model. "
        f"Received: model={str(path)!r}, which holds {type(model).__name__}. Save the model.",
    )
    return model


def _check_sizes(path: Path) -> None:
    """Refuse a file whose texts would fill the memory: a few KB of ZIP hold a GB of zeros."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            large = entry.file_size > MOST_CONFIG_BYTES
            inflated = entry.file_size > MOST_INFLATION * entry.compress_size
            if large and (inflated or entry.filename.endswith(".json")):
                raise ValueError(
                    f"{entry.filename} would take {entry.file_size:,} bytes of memory, which no "
                    "model needs"
                )


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "")
