"""Features kept on disk, so that they are computed once.

Every stream has a shard of its own, a file in the ArrayRecord format, named after all that its
features follow from: the plan of the stream, and size and time of the files it is made of. So

- an interrupted run goes on where it stopped, shard by shard;
- sets of streams that overlap share what they have in common;
- processes that run at the same time do no harm: a shard is written under another name and moved to
  its own in one step, and whoever comes second replaces it by the same;
- a shard that is damaged is noticed by its checksums and computed again;
- and where the disk is full, or the package `array_record` missing, features are computed as ever
  and a warning says that they were not kept.

ArrayRecord because it is compressed and checksummed, read by `grain` as it is, and needs no
TensorFlow, as TFRecord would. It is not to be had on Windows. A shard has two records: a JSON text
`{"format": 2, "dtype", "shape"}`, and the array, the first bytes of all its numbers before the
second ones and so on, which compresses better.
"""

import hashlib
import json
import os
import threading
import time
import warnings
from pathlib import Path

import numpy as np

from keras_sal.extras import import_package

FORMAT = 2
OPTIONS = "group_size:1,zstd:3"
SUFFIX = ".arrayrecord"
ABANDONED_S = 3600.0  # a shard is written in milliseconds


class FeaturesCache:
    """A folder of features.

    Args:
        folder: Where the shards are; made if need be.

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

    def __init__(self, folder):
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

    def get(self, stream, compute):
        """The features of a stream, found or computed.

        Args:
            stream: A `keras_sal.data.Stream`.
            compute: A function from it to its features, called if they are not here.

        Returns:
            An array.
        """
        if not self._keeping:
            return compute(stream)
        path = self.path(stream)
        found = self._load(path)
        if found is None:
            found = compute(stream)
            self._save(path, found)
        return found

    def path(self, stream):
        """Where the features of a stream are, or would be."""
        return self.folder / f"features-{fingerprint(stream)}{SUFFIX}"

    def _load(self, path):
        if not path.exists():
            return None
        try:
            return self._read(path)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            warnings.warn(
                f"The cached features in {path} are computed again: {error}", stacklevel=2
            )
            return None

    def _read(self, path):
        reader = self._records.ArrayRecordReader(str(path))
        try:
            header, data = reader.read([0, 1])
        finally:
            reader.close()
        header = json.loads(header)
        dtype = np.dtype(header["dtype"])
        planes = np.frombuffer(data, "uint8").reshape(dtype.itemsize, -1)
        return np.ascontiguousarray(planes.T).view(dtype).reshape(header["shape"])

    def _save(self, path, features):
        """Keeps the features if the disk allows; they are worth more than the cache."""
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

    def _give_up(self, error):
        if self._keeping:
            self._keeping = False
            warnings.warn(f"The features could not be kept in {self.folder}: {error}", stacklevel=2)

    def _sweep(self):
        """Removes what killed processes left half written."""
        for path in self.folder.glob(f".*{SUFFIX}"):
            try:
                if time.time() - path.stat().st_mtime > ABANDONED_S:
                    path.unlink()
            except OSError:
                continue  # another process was quicker


def fingerprint(stream):
    """A name for what the features of a stream depend on: the plan, and the files it is made of.

    Args:
        stream: A `keras_sal.data.Stream`.

    Returns:
        32 hexadecimal digits.

    Raises:
        FileNotFoundError: If a recording is not there.
    """
    plan = (FORMAT, stream.duration_s, stream.seed, stream.snr_db)
    clips = [_described(clip) for clip in stream.clips]
    under = [_described(item) for item in stream.noise]
    return hashlib.sha256(repr((plan, clips, under)).encode()).hexdigest()[:32]


def _described(item):
    """What is heard of a clip, or a recording, and of which file."""
    path = getattr(item, "recording", item).path
    names = ("start_s", "gain_db", "speed", "tempo", "tilt_db", "room", "part_s")
    status = path.stat()
    heard = [getattr(item, name, None) for name in names]
    return str(path), status.st_size, status.st_mtime_ns, heard
