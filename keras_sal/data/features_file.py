"""Files of features, which are read piece by piece; what was read last stays in memory.

A file is an ArrayRecord: compressed, checksummed, and read at any place without what comes before.
The first record is a JSON header, `{"format": 3, "dtype", "scale", "shapes": [[frames, features],
...], "notes": [...]}`, with a shape and a note for each array. The others are the arrays, one after
another, in records of 256 frames. Features are the numbers times `scale`: those of the micro
front-end are multiples of 0.0390625 and lie in 16 bits, others in `"float32"` with a scale of 1.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_sal.audio.micro_features import FEATURE_STEP
from keras_sal.data.record_cache import RecordCache
from keras_sal.extras import import_package
from keras_sal.typing import Array, PathLike

FORMAT = 3
SUFFIX = ".arrayrecord"
RECORD_FRAMES = 256  # a crop of four seconds lies in two or three records
WRITER_OPTIONS = "group_size:1,zstd:3"
READER_OPTIONS = "readahead_buffer_size:0,max_parallelism:0"
BUFFER_BYTES = 2**16
CACHE_BYTES = 192 * 2**20  # seven hours of the features of the micro front-end


class Encoding(NamedTuple):
    """How numbers are written: as `dtype`, to be multiplied by `scale`."""

    dtype: str
    scale: float

    def encode(self, features: Array) -> Array:
        """Return the numbers that are written for features."""
        return np.rint(features / self.scale) if self.dtype == "int16" else features

    def decode(self, numbers: Array) -> Array:
        """Return the features that numbers are written for, as float32."""
        return numbers * np.float32(self.scale)

    def is_exact(self, features: Array) -> bool:
        """Return whether the features come back as they were."""
        fits = bool(np.all(np.abs(features) <= 32767 * self.scale))
        return fits and np.array_equal(self.decode(self.encode(features)), features)


_CACHE = RecordCache(CACHE_BYTES)
MICRO, FLOAT = Encoding("int16", FEATURE_STEP), Encoding("float32", 1.0)


class StoredFeatures:
    """Features in a file, of which only what is indexed is read.

    The process keeps 192 MB of the records that it read last, of all files together.

    Use them like an array: they have `len`, `shape`, `ndim` and `dtype`, and NumPy takes them.
    Indices other than a slice of frames read all of the features.

    Args:
        path: Path of the file.
        first: Number of the record that they begin with.
        shape: `(frames, features)`.
        encoding: How they are written. Defaults to `FLOAT`.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.arrayrecord"
        >>> write_features(path, [np.arange(20_000, dtype="float32").reshape(500, 40)])
        >>> [(features, note)] = read_features(path)
        >>> features.shape, features[300:400].shape, float(features[499, 39])
        ((500, 40), (100, 40), 19999.0)
    """

    dtype, ndim = np.dtype("float32"), 2

    def __init__(
        self, path: PathLike, first: int, shape: tuple[int, int], encoding: Encoding = FLOAT
    ) -> None:
        self.path, self.first, self.shape, self.encoding = Path(path), first, shape, encoding

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Array:
        if not isinstance(key, slice) or key.step not in (None, 1):
            return np.asarray(self)[key]
        start, stop, _ = key.indices(len(self))
        if start >= stop:
            return np.empty((0, self.shape[1]), self.dtype)
        skipped = start % RECORD_FRAMES
        first, beyond = start // RECORD_FRAMES, _record_count(stop)
        records = self._read(range(self.first + first, self.first + beyond))
        numbers = np.frombuffer(b"".join(records), self.encoding.dtype).reshape(-1, self.shape[1])
        return self.encoding.decode(numbers[skipped : skipped + stop - start])

    def _read(self, records: range) -> list[bytes]:
        with self._named():
            status = self.path.stat()
            version = self.path, status.st_ino, status.st_mtime_ns, status.st_size
            return _CACHE.read(version, records, partial(_read_records, self.path))

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Name the file in errors of reading it."""
        try:
            yield
        except (OSError, RuntimeError, ValueError, IndexError) as error:
            raise RuntimeError(
                "`features` must stay in their file, undamaged, while they are used: what is "
                f"indexed is read. Received: {str(self.path)!r} ({error}). Compute or write them "
                "again."
            ) from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self[:].astype(dtype or self.dtype, copy=False)

    def __repr__(self) -> str:
        return f"StoredFeatures({str(self.path)!r}, shape={self.shape})"

    def check(self) -> None:
        """Read all of the features once from their file, record by record.

        Raises:
            RuntimeError: If a part of them is damaged, or the file is gone.
        """
        with self._named():
            for number in range(_record_count(len(self))):
                _read_records(self.path, [self.first + number])


def write_features(path: PathLike, arrays: Sequence[Array], notes: Sequence[Any] = ()) -> None:
    """Write features.

    Args:
        path: Path of the file, which is written in place.
        arrays: Features, `float32 (frames, features)`.
        notes: For each array what else the header holds of it, for JSON. Defaults to nothing.

    Raises:
        ImportError: If `array_record` is missing.
        OSError, RuntimeError: If the file can't be written.
    """
    encoding = MICRO if all(MICRO.is_exact(array) for array in arrays) else FLOAT
    header = {
        "format": FORMAT,
        **encoding._asdict(),
        "shapes": [array.shape for array in arrays],
        "notes": list(notes) or [None] * len(arrays),
    }
    writer = import_array_record().ArrayRecordWriter(str(path), WRITER_OPTIONS)
    writer.write(json.dumps(header).encode())
    for array in arrays:
        numbers = encoding.encode(array).astype(encoding.dtype)
        for start in range(0, len(numbers), RECORD_FRAMES):
            writer.write(numbers[start : start + RECORD_FRAMES].tobytes())
    writer.close()


def read_features(path: PathLike) -> list[tuple[StoredFeatures, Any]]:
    """Return the arrays of a file, and the notes on them.

    Args:
        path: Path of the file.

    Returns:
        Pairs `(StoredFeatures, note)`.

    Raises:
        ImportError: If `array_record` is missing.
        OSError, RuntimeError: If the file can't be read or is damaged.
        ValueError: If it is a file of something else.
    """
    reader = _open(path)
    count = reader.num_records()
    header = json.loads(reader.read([0])[0]) if count else None
    reader.close()
    encoding, described = _described(header)
    found, first = [], 1
    for shape, note in described:
        found.append((StoredFeatures(path, first, shape, encoding), note))
        first += _record_count(shape[0])
    if first != count:
        raise ValueError(f"its header is {str(header)[:200]}, and it has {count:,} records")
    return found


def _described(header: Any) -> tuple[Encoding, list[tuple[tuple[int, int], Any]]]:
    """The encoding, the shapes and the notes of a header.

    Raises:
        ValueError: If it is not one of this format.
    """
    for encoding in (MICRO, FLOAT):
        known = {"format": FORMAT, **encoding._asdict(), "shapes": [], "notes": []}
        if isinstance(header, dict) and header | {"shapes": [], "notes": []} == known:
            shapes, notes = header["shapes"], header["notes"]
            lists = isinstance(shapes, list) and isinstance(notes, list)
            if lists and len(shapes) == len(notes) and all(map(_is_shape, shapes)):
                return encoding, [(tuple(x), note) for x, note in zip(shapes, notes, strict=True)]
    raise ValueError(f"its header is {str(header)[:200]}")


def _is_shape(shape: Any) -> bool:
    lengths = shape if isinstance(shape, list) and len(shape) == 2 else [None]
    return all(type(length) is int and length >= 0 for length in lengths)


def _record_count(frames: int) -> int:
    return -(-frames // RECORD_FRAMES)


def _read_records(path: PathLike, numbers: list[int]) -> list[bytes]:
    reader = _open(path)
    try:
        return reader.read(numbers)
    finally:
        reader.close()


def _open(path: PathLike) -> Any:
    return import_array_record().ArrayRecordReader(
        str(path), READER_OPTIONS, file_reader_buffer_size=BUFFER_BYTES
    )


def import_array_record() -> Any:
    """Return the module that reads and writes ArrayRecord.

    Raises:
        ImportError: If `array_record` is missing.
    """
    return import_package(
        "array_record.python.array_record_module", "keep features in files", "audio"
    )
