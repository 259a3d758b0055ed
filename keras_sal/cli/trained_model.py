"""Trained models: the `.keras` files that `export` and `verify` read."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from keras_sal.typing import PathLike

CONFIG = "config.json"
MOST_TEXT_BYTES = 1 << 26


def load_trained_model(path: PathLike) -> keras.Model:
    """Read a `.keras` file.

    Args:
        path: Path of the file.

    Raises:
        ValueError: If it is something else.
    """
    import keras

    path = Path(path)
    if path.suffix != ".keras" or not path.is_file():
        raise ValueError(
            "`MODEL` must be a .keras file, saved with model.save(). "
            f"Received: {str(path)!r}. Save the trained model, any backend will do."
        )
    check_keras_file(path)
    return keras.models.load_model(path, compile=False)


def check_keras_file(path: PathLike) -> None:
    """Refuse a `.keras` file that is damaged, or whose texts would fill the memory.

    Args:
        path: Path of the file.

    Raises:
        ValueError: If it is no archive with a config of at most 64 MiB.
    """
    from keras_sal.checks import require

    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
        require(CONFIG in sizes, f"it lacks {CONFIG}")
        for name, size in sizes.items():
            require(
                not name.endswith(".json") or size <= MOST_TEXT_BYTES,
                f"its {name} has {size:,} bytes, more than {MOST_TEXT_BYTES:,}",
            )
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise ValueError(
            "`MODEL` must be a complete .keras file; it is an archive of a config and weights. "
            f"Received: {str(path)!r} ({error}). Save or copy it again."
        ) from error
