"""Writing of shards: one task a shard, on worker processes."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from keras_sal.checks import require
from keras_sal.data.cluster import Cluster
from keras_sal.data.features_file import SUFFIX, read_features, write_features
from keras_sal.data.recordings import Recording
from keras_sal.data.shards.job_file import begin_job
from keras_sal.data.shards.shard_plan import ShardPlan, StreamSettings, plan_shards
from keras_sal.data.shards.shard_table import Shard, write_table
from keras_sal.data.shards.stream_notes import note_of_stream, stream_of_note
from keras_sal.data.streams import Stream
from keras_sal.data.wake_words import Words
from keras_sal.files import check_parent, file_sha256, write_atomically
from keras_sal.typing import PathLike, Progress

NAME = rf"\w+-\d{{5,}}-[0-9a-f]{{16}}{re.escape(SUFFIX)}"


def write_shards(
    recordings: Sequence[Recording],
    word: Words,
    folder: PathLike,
    *,
    hours: float,
    workers: int | None = None,
    address: str | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> list[Shard]:
    """Write training streams and their features into shards, on worker processes.

    Call it again after an interruption, with the same arguments: shards that are there and whole
    are kept. A shard whose process is killed is written by another one. None is lost or doubled,
    and the files and the table are the same, to the byte, however often that happens and however
    many workers there are.

    Args:
        recordings: Recordings from `keras_sal.data.load_recordings`.
        word: Wake word, or a list of several.
        folder: Folder to write to. On several machines they must share it.
        hours: Length of all streams together, greater than 0.
        workers: Number of processes on this machine; see `keras_sal.data.cluster.Cluster`.
        address: Address of a Ray cluster. Defaults to `None`: this machine.
        progress: Called as `progress(done, total)` after each shard. Defaults to `None`.
        **settings: The others of `StreamSettings`: `split`, `events_per_minute`, `stream_s`,
            `pause_s`, `augmentation`, `seed`, `shard_hours`.

    Returns:
        The rows of the table, sorted by file.

    Raises:
        ImportError: If `ray` or `array_record` is missing.
        ValueError: If the folder holds shards of another job, or an argument doesn't fit.
        RuntimeError: If a process was killed each time that it made the same shard. The others are
            kept.
    """
    shared = StreamSettings(word, hours, **settings)
    folder = check_parent(Path(folder).absolute())
    recordings = [replace(each, path=each.path.absolute()) for each in recordings]
    root = _root_of(recordings)
    total = len(shared.stream_counts())
    if progress:
        progress(0, total)
    shards: list[Shard] = []
    said: Counter[str] = Counter()
    with Cluster(workers, address) as cluster:
        begin_job(folder, shared, root)
        tasks = (ShardTask(plan, folder) for plan in plan_shards(recordings, shared, root))
        for _, written in cluster.map(write_shard, tasks):
            shards.append(written.shard)
            said.update(written.warnings)
            if progress:
                progress(len(shards), total)
    end_job(folder, shards)
    for text, count in said.items():
        warnings.warn(f"{text} (in {count} of {total} shards)", stacklevel=2)
    return sorted(shards)


@dataclass(frozen=True)
class ShardTask:
    """A shard that is to be in a folder."""

    plan: ShardPlan
    folder: Path

    def __str__(self) -> str:
        return str(self.plan)


@dataclass(frozen=True)
class WrittenShard:
    """A shard that is in its folder.

    Args:
        shard: Its row in the table.
        warnings: Texts of the warnings about its recordings.
    """

    shard: Shard
    warnings: tuple[str, ...] = ()


def write_shard(task: ShardTask) -> WrittenShard:
    """Write a shard, unless it is there and whole.

    Args:
        task: The plan of the shard, and the folder.

    Returns:
        The `WrittenShard`.

    Raises:
        ValueError: If its recordings are unreadable, or there are none of the word.
        OSError: If the disk is full.
    """
    path = task.folder / task.plan.file_name()
    kept = _whole(path, task.plan.root)
    if kept is not None:
        return WrittenShard(_row(path, kept))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        streams = task.plan.make_streams()
    texts = [str(each.message) for each in caught if issubclass(each.category, UserWarning)]
    notes = [note_of_stream(stream, task.plan.root) for stream in streams]
    write = partial(write_features, arrays=[each.features for each in streams], notes=notes)
    write_atomically(path, write)
    return WrittenShard(_row(path, streams), tuple(dict.fromkeys(texts)))


def end_job(folder: Path, shards: Sequence[Shard]) -> None:
    """Write the table, and remove shards of recordings that have changed since.

    Args:
        folder: Folder of the shards.
        shards: The rows of the table.
    """
    write_table(folder, shards)
    current = {shard.file for shard in shards}
    for path in folder.glob(f"*{SUFFIX}"):
        if re.fullmatch(NAME, path.name) and path.name not in current:
            path.unlink()


def _whole(path: Path, root: Path) -> list[Stream] | None:
    """The streams of a shard that is there and undamaged."""
    if not path.exists():
        return None
    try:
        streams = []
        for features, note in read_features(path):
            features.check()
            streams.append(stream_of_note(note, root))
        return streams
    except (OSError, RuntimeError, ValueError, LookupError, TypeError):
        return None


def _row(path: Path, streams: Sequence[Stream]) -> Shard:
    return Shard(
        file=path.name,
        streams=len(streams),
        hours=round(sum(stream.hours for stream in streams), 6),
        events=sum(len(stream.events) for stream in streams),
        bytes=path.stat().st_size,
        sha256=file_sha256(path),
    )


def _root_of(recordings: Sequence[Recording]) -> Path:
    """The folder above all recordings."""
    require(
        recordings,
        "`recordings` must hold some; streams are made of them. Received: none. Load a folder.",
    )
    return Path(os.path.commonpath([recording.path.parent for recording in recordings]))
