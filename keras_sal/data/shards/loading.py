"""Reading of shards: streams whose features stay on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from keras_sal.checks import require
from keras_sal.data.features_file import read_features
from keras_sal.data.shards.job_file import read_job
from keras_sal.data.shards.shard_table import TABLE, Shard, read_table, totals
from keras_sal.data.shards.stream_notes import stream_of_note
from keras_sal.data.streams import Stream
from keras_sal.data.wake_words import list_words
from keras_sal.files import file_sha256
from keras_sal.typing import PathLike


def load_shards(
    folder: PathLike,
    *,
    part: tuple[int, int] = (0, 1),
    root: PathLike | None = None,
    verify: bool = False,
) -> list[Stream]:
    """Load the streams of a folder of shards, for `StreamBatches`, `StreamChunks` and `sources`.

    The features stay in the files: what is indexed is read. So memory grows with the plans of the
    streams, and not with their features.

    Args:
        folder: Folder that `write_shards` wrote.
        part: `(number, count)`: every `count`-th shard from `number` on, for one of several
            processes that train together. Defaults to `(0, 1)`: all.
        root: Folder above all recordings, if they have moved since; only the sound of a stream is
            read from there. Defaults to `None`: where they were.
        verify: Whether the hashes of the files are compared with the table, which reads all of
            them. Defaults to `False`: their sizes are.

    Returns:
        A list of `keras_sal.data.Stream`.

    Raises:
        FileNotFoundError: If there is no table, or a shard is missing.
        ValueError: If a shard is damaged.
        ImportError: If `array_record` is missing.
    """
    folder, (number, count) = Path(folder), part
    require(
        0 <= number < count,
        "`part` must be (number, count) with the number from 0 to count - 1. Received: "
        f"part={part}. Give (0, 1) for all shards.",
    )
    shards = read_table(folder)
    above = read_job(folder)["root"] if root is None else Path(root)
    return [
        stream
        for shard in shards[number::count]
        for stream in _streams_of(folder, shard, above, verify)
    ]


def describe_shards(folder: PathLike) -> dict[str, Any]:
    """Return what tells shards from others, for the options of what is trained on them.

    Args:
        folder: Folder that `write_shards` wrote.

    Returns:
        A dict of the `hours` of all streams, and of `shards`, the SHA-256 of the table.

    Raises:
        FileNotFoundError: If there is no table.
    """
    folder = Path(folder)
    _, hours, _, _ = totals(read_table(folder))
    return {"hours": hours, "shards": file_sha256(folder / TABLE)}


def words_of_shards(folder: PathLike) -> tuple[str, ...]:
    """Return the words that shards were made for, in the order of their classes.

    Args:
        folder: Folder that `write_shards` wrote.

    Raises:
        ValueError: If its job can't be read.
    """
    return list_words(read_job(Path(folder))["settings"]["word"])


def _streams_of(folder: Path, shard: Shard, root: Path, verify: bool) -> Sequence[Stream]:
    path = folder / shard.file
    if not path.is_file():
        raise FileNotFoundError(
            "`folder` must hold every shard of its table; one is missing. Received: "
            f"{str(path)!r}. Write the shards again: what is there is kept."
        )
    if (size := path.stat().st_size) != shard.bytes:
        _refuse(path, f"{size:,} bytes and not {shard.bytes:,}")
    if verify and file_sha256(path) != shard.sha256:
        _refuse(path, "another SHA-256")
    try:
        streams = [stream_of_note(note, root, features) for features, note in read_features(path)]
    except (OSError, RuntimeError, ValueError, LookupError, TypeError) as error:
        _refuse(path, f"{type(error).__name__}: {error}")
    if len(streams) != shard.streams:
        _refuse(path, f"{len(streams)} streams and not {shard.streams}")
    return streams


def _refuse(path: Path, found: str) -> NoReturn:
    raise ValueError(
        "`folder` must hold the shards as they were written; one is damaged. Received: "
        f"{str(path)!r} with {found}. Write the shards again: what is whole is kept."
    )
