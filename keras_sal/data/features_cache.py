"""Features kept on disk, so that they are computed once.

Every stream has a shard of its own, a file in the ArrayRecord format, named after everything that
its features follow from: the plan of the stream, and the size and modification time of its files.
This means that

- an interrupted run continues where it stopped, shard by shard;
- sets of streams that overlap share what they have in common;
- processes that run at the same time do no harm: a shard is written under another name and moved to
  its own in one step, and the second process replaces it by the same features;
- a damaged shard is detected by its checksums and computed again;
- where the disk is full, or the package `array_record` is missing, features are computed all the
  same and a warning says that they were not kept.

ArrayRecord is compressed and checksummed, `grain` reads it, and unlike TFRecord it needs no
TensorFlow. It is not available on Windows. A shard has two records: a JSON text
`{"format": 2, "dtype", "shape"}`, and the array, with the first bytes of all numbers before the
second ones and so on, which compresses better.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_sal.audio.micro_frontend import FEATURES, count_frames
from keras_sal.audio.samples import SAMPLE_RATE
from keras_sal.extras import import_package
from keras_sal.typing import Array, PathLike

if TYPE_CHECKING:
    from keras_sal.data.streams import Stream

FORMAT = 2
OPTIONS = "group_size:1,zstd:3"
SUFFIX = ".arrayrecord"
DTYPE = np.dtype("float32")
ABANDONED_S = 3600.0  # a shard is written in milliseconds


class FeaturesCache:
    """A folder of features.

    Args:
        folder: Folder of the shards; it is created if it doesn't exist.

    Example:
        >>> import tempfile
        >>> from keras_sal.data import Stream
        >>> cache = FeaturesCache(tempfile.mkdtemp())
        >>> stream = Stream("silence", (), 1.0)
        >>> cache.get(stream, lambda stream: np.zeros((98, 40), "float32")).shape
        (98, 40)
        >>> cache.get(stream, None).shape  # found
        (98, 40)
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder)
        self._keeping = True
        try:
            self._records = import_package(
                "array_record.python.array_record_module", "keep features on disk", "audio"
            )
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
        except (ImportError, OSError) as error:
            self._give_up(error)

    def get(self, stream: Stream, compute: Callable[[Stream], Array]) -> Array:
        """Return the features of a stream, found or computed.

        Args:
            stream: A `keras_sal.data.Stream`.
            compute: A function from the stream to its features, called if they are not found.

        Returns:
            An array.
        """
        if not self._keeping:
            return compute(stream)
        path = self.path(stream)
        found = self._load(path, stream)
        if found is None:
            found = compute(stream)
            self._save(path, found)
        return found

    def path(self, stream: Stream) -> Path:
        """Return the path of the shard of a stream, which may not exist yet.

        Args:
            stream: A `keras_sal.data.Stream`.

        Returns:
            A path in the folder.
        """
        return self.folder / f"features-{fingerprint(stream)}{SUFFIX}"

    def _load(self, path: Path, stream: Stream) -> Array | None:
        if not path.exists():
            return None
        try:
            found = self._read(path)
            expected = count_frames(round(stream.duration_s * SAMPLE_RATE))
            if len(found) != expected:
                raise ValueError(f"it has {len(found)} frames, and the stream {expected}")
            return found
        except (OSError, RuntimeError, ValueError, KeyError, RecursionError) as error:
            warnings.warn(
                f"The cached features in {path} are computed again: {error}", stacklevel=2
            )
            return None

    def _read(self, path: Path) -> Array:
        reader = self._records.ArrayRecordReader(str(path))
        try:
            header, data = reader.read([0, 1])
        finally:
            reader.close()
        shape = _shape(json.loads(header), len(data))
        planes = np.frombuffer(data, "uint8").reshape(DTYPE.itemsize, -1)
        return np.ascontiguousarray(planes.T).view(DTYPE).reshape(shape)

    def _save(self, path: Path, features: Array) -> None:
        """Keep the features if the disk allows it."""
        header = {"format": FORMAT, "dtype": str(features.dtype), "shape": features.shape}
        planes = features.reshape(-1, 1).view("uint8").T
        temporary = path.with_name(f".{os.getpid()}.{threading.get_ident()}.{path.name}")
        try:
            writer = self._records.ArrayRecordWriter(str(temporary), OPTIONS)
            writer.write(json.dumps(header).encode())
            writer.write(np.ascontiguousarray(planes).tobytes())
            writer.close()
            temporary.replace(path)
        except (OSError, RuntimeError) as error:
            self._give_up(error)
        finally:
            temporary.unlink(missing_ok=True)

    def _give_up(self, error: Exception) -> None:
        if self._keeping:
            self._keeping = False
            warnings.warn(f"The features could not be kept in {self.folder}: {error}", stacklevel=2)

    def _sweep(self) -> None:
        """Remove the incomplete shards of killed processes."""
        for path in self.folder.glob(f".*{SUFFIX}"):
            try:
                if time.time() - path.stat().st_mtime > ABANDONED_S:
                    path.unlink()
            except OSError:
                continue  # another process was quicker


def _shape(header: Any, size: int) -> tuple[int, int]:
    """The shape that a header declares.

    Raises:
        ValueError: If it is not that of the features in so many bytes.
    """
    expected = {"format": FORMAT, "dtype": str(DTYPE), "shape": None}
    known = isinstance(header, dict) and header | {"shape": None} == expected
    frames = size // (DTYPE.itemsize * FEATURES)
    shape = header["shape"] if known else None
    whole = isinstance(shape, list) and all(type(length) is int for length in shape)
    if not whole or shape != [frames, FEATURES] or size != frames * FEATURES * DTYPE.itemsize:
        raise ValueError(f"its header is {str(header)[:200]}, and it holds {size:,} bytes")
    return frames, FEATURES


def fingerprint(stream: Stream) -> str:
    """Hash what the features of a stream depend on: its plan and its files.

    Args:
        stream: A `keras_sal.data.Stream`.

    Returns:
        32 hexadecimal digits.

    Raises:
        FileNotFoundError: If a recording is not there.
    """
    plan = (FORMAT, stream.duration_s, stream.seed, stream.snr_db)
    placed = [_described(item) for item in stream.placed]
    noise = [_described(item) for item in stream.noise]
    return hashlib.sha256(repr((plan, placed, noise)).encode()).hexdigest()[:32]


def _described(item: Any) -> tuple[str, int, int, list[Any]]:
    """The file of a recording, placed or not, with its state and the alteration."""
    path = getattr(item, "recording", item).path
    names = ("start_s", "gain_db", "speed", "tempo", "tilt_db", "room", "part_s")
    status = path.stat()
    alteration = [getattr(item, name, None) for name in names]
    return str(path), status.st_size, status.st_mtime_ns, alteration
