"""Files of arrays with a JSON index: an `.npz` of NumPy whose format number is checked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from keras_sal.checks import require
from keras_sal.files import DAMAGED_ARRAYS, check_path, write_atomically
from keras_sal.typing import Array, PathLike


def write_arrays(
    path: PathLike, index: Mapping[str, Any], arrays: Mapping[str, Array], *, compress: bool = False
) -> None:
    """Write arrays and an index as one file, atomically.

    Args:
        path: Path of the file, ending in `.npz`.
        index: What the file says of its arrays, for JSON, with its number under `"format"`.
        arrays: The arrays by their names; none is called "index".
        compress: Whether to compress the file.

    Raises:
        ValueError: If the path doesn't end so, or its folder doesn't exist.
    """
    path = check_path(path)
    require(
        path.suffix == ".npz",
        f"`path` must end in .npz, as the file is one of NumPy. Received: path={str(path)!r}.",
    )
    content = {"index": np.array(json.dumps(index, ensure_ascii=False)), **arrays}
    save = np.savez_compressed if compress else np.savez
    write_atomically(path, lambda path: save(path, **content))  # type: ignore[arg-type]


@contextmanager
def opened_arrays(
    path: Path, version: int, *, expected: str, remedy: str
) -> Iterator[tuple[dict[str, Any], Mapping[str, Array]]]:
    """Open a file of `write_arrays`. What is found damaged while it is open raises one error.

    Args:
        path: Path of the file.
        version: The format number that can be read.
        expected: What the file must be, for the error.
        remedy: What to do where it is not, for the error.

    Yields:
        The index, and the arrays by their names, which are read when they are asked for.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged or something else, or has another format.
    """
    must = f"`path` must be {expected}. Received: path={str(path)!r}"
    if not path.is_file():
        raise FileNotFoundError(f"{must}, which is not there.")
    try:
        with np.load(path) as arrays:
            index = json.loads(str(arrays["index"]))
            if index["format"] != version:
                raise ValueError(f"its format is {index['format']}, not {version}")
            yield index, arrays
    except DAMAGED_ARRAYS as error:
        raise ValueError(f"{must}: {error}. {remedy}.") from error
