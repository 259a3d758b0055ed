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

The features stay on disk: of what a stream has, only what is indexed is read. So memory does not
grow with the hours. ArrayRecord is not available on Windows, and `keras_sal.data.features_file`
describes the files.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_sal.audio.micro_frontend import FEATURES, count_frames
from keras_sal.audio.samples import SAMPLE_RATE
from keras_sal.data.features_file import (
    FORMAT,
    SUFFIX,
    StoredFeatures,
    import_array_record,
    read_features,
    write_features,
)
from keras_sal.files import file_state
from keras_sal.typing import Array, PathLike

if TYPE_CHECKING:
    from keras_sal.data.streams import Stream

ABANDONED_S = 3600.0  # a shard is written in milliseconds


class FeaturesCache:
    """A folder of features.

    Args:
        folder: Folder of the shards; it is created if it doesn't exist.

    Example:
        >>> import tempfile, numpy as np
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
            import_array_record()
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
        except (ImportError, OSError) as error:
            self._give_up(error)

    def get(self, stream: Stream, compute: Callable[[Stream], Array]) -> Array | StoredFeatures:
        """Return the features of a stream, found or computed.

        Args:
            stream: A `keras_sal.data.Stream`.
            compute: A function from the stream to its features, called if they are not found.

        Returns:
            `StoredFeatures`, or an array if they can't be kept.
        """
        if not self._keeping:
            return compute(stream)
        path = self.path(stream)
        found = self._load(path, stream)
        if found is not None:
            return found
        return self._save(path, compute(stream))

    def path(self, stream: Stream) -> Path:
        """Return the path of the shard of a stream, which may not exist yet.

        Args:
            stream: A `keras_sal.data.Stream`.

        Returns:
            A path in the folder.
        """
        return self.folder / f"features-{fingerprint(stream)}{SUFFIX}"

    def _load(self, path: Path, stream: Stream) -> StoredFeatures | None:
        if not path.exists():
            return None
        try:
            found = [features for features, _ in read_features(path)]
            expected = [(count_frames(round(stream.duration_s * SAMPLE_RATE)), FEATURES)]
            if (shapes := [features.shape for features in found]) != expected:
                raise ValueError(f"it has the shapes {shapes}, and the stream {expected}")
            found[0].check()
            return found[0]
        except (OSError, RuntimeError, ValueError, KeyError, RecursionError) as error:
            warnings.warn(
                f"The cached features in {path} are computed again: {error}", stacklevel=2
            )
            return None

    def _save(self, path: Path, features: Array) -> Array | StoredFeatures:
        """Keep the features if the disk allows it, and return what holds them."""
        temporary = path.with_name(f".{os.getpid()}.{threading.get_ident()}.{path.name}")
        try:
            write_features(temporary, [features])
            temporary.replace(path)
            [(stored, _)] = read_features(path)
            return stored
        except (OSError, RuntimeError) as error:
            self._give_up(error)
            return features
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
    alteration = [getattr(item, name, None) for name in names]
    return str(path), *file_state(path), alteration
