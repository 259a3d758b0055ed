"""The plan of a shard: the recordings that it draws from, and the seed that it draws with."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_sal import __version__
from keras_sal.checks import positive, require
from keras_sal.data.features_file import FORMAT, SUFFIX
from keras_sal.data.recordings import Recording
from keras_sal.data.recordings_table import SPLITS
from keras_sal.data.selection import partition
from keras_sal.data.shards.stream_notes import note_of_recording
from keras_sal.data.stream_augmentation import StreamAugmentation
from keras_sal.data.streams import Stream
from keras_sal.data.training_set import training_streams
from keras_sal.data.wake_words import Words, class_of, compared_words
from keras_sal.files import file_sha256

LEAST_RECORDINGS = 500  # of a kind, that a shard draws from where there are as many


@dataclass(frozen=True)
class StreamSettings:
    """What all shards of a folder have in common: the arguments of `training_streams`.

    Args:
        word: Wake word, or a list of several.
        hours: Length of all streams together, greater than 0.
        split: Split to draw from. Defaults to `"train"`.
        events_per_minute: Mean rate of events, greater than 0. Defaults to 8.
        stream_s: Approximate length of a stream in seconds, greater than 0. Defaults to 60.
        pause_s: Shortest and longest pause between recordings, in seconds. Defaults to
            `(0.1, 1.5)`.
        augmentation: The `StreamAugmentation`. Defaults to its defaults.
        seed: Seed of everything random. Defaults to 0.
        shard_hours: Approximate length of a shard in hours, greater than 0. Defaults to 0.5.

    Raises:
        ValueError: If there is no such split.
    """

    word: Words
    hours: float
    split: str = "train"
    events_per_minute: float = 8.0
    stream_s: float = 60.0
    pause_s: tuple[float, float] = (0.1, 1.5)
    augmentation: StreamAugmentation = field(default_factory=StreamAugmentation)
    seed: int = 0
    shard_hours: float = 0.5

    def __post_init__(self) -> None:
        require(
            self.split in SPLITS,
            f"`split` must be one of {', '.join(SPLITS)}; it says which recordings to use. "
            f"Received: split={self.split!r}. Choose one of them.",
        )

    def stream_counts(self) -> list[int]:
        """Return the number of streams of each shard."""
        per_stream = positive("stream_s", self.stream_s) / 3600
        total = max(1, round(positive("hours", self.hours) / per_stream))
        per_shard = max(1, round(positive("shard_hours", self.shard_hours) / per_stream))
        edges = np.linspace(0, total, math.ceil(total / per_shard) + 1).round().astype(int)
        return np.diff(edges).tolist()


@dataclass(frozen=True)
class ShardPlan:
    """All that a shard follows from.

    Args:
        number: Number of the shard, from 0.
        streams: Number of its streams.
        recordings: The recordings that it draws from.
        settings: What it has in common with the others.
        root: Folder above all recordings.
    """

    number: int
    streams: int
    recordings: tuple[Recording, ...]
    settings: StreamSettings
    root: Path

    def __str__(self) -> str:
        return f"shard {self.name}"

    @property
    def name(self) -> str:
        """Its name, without the hash that its file has."""
        return f"{self.settings.split}-{self.number:05d}"

    def file_name(self) -> str:
        """Return the name of its file, with a hash of all that it follows from.

        That are the settings and, of the recordings, all that is known, their contents and their
        paths below the root; so it is the same on another machine.
        """
        listed = [
            [note_of_recording(each, self.root), file_sha256(each.path)] for each in self.recordings
        ]
        facts = [FORMAT, __version__, self.number, self.streams, asdict(self.settings), listed]
        digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
        return f"{self.name}-{digest}{SUFFIX}"

    def make_streams(self) -> list[Stream]:
        """Draw its streams and compute their features, on one thread.

        Returns:
            The streams of `training_streams` for its recordings and a seed of its own.
        """
        settings = self.settings
        seed = np.random.SeedSequence([settings.seed, self.number]).generate_state(1, np.uint64)
        streams = training_streams(
            self.recordings,
            settings.word,
            split=settings.split,
            hours=self.streams * settings.stream_s / 3600,
            events_per_minute=settings.events_per_minute,
            stream_s=settings.stream_s,
            pause_s=settings.pause_s,
            augmentation=settings.augmentation,
            seed=int(seed[0]),
            workers=1,
        )
        return [
            replace(stream, name=f"{self.name}-{index:04d}") for index, stream in enumerate(streams)
        ]


def plan_shards(
    recordings: Sequence[Recording], settings: StreamSettings, root: Path
) -> Iterator[ShardPlan]:
    """Deal recordings out to shards.

    Of each kind (each word, other speech, noise) a shard draws from its own part of all recordings
    in random order, so that each is in one. Where a part would hold less than `LEAST_RECORDINGS`,
    the parts overlap. Where it would hold more than the shard can play, it is cut.

    Args:
        recordings: The recordings.
        settings: Settings of the streams.
        root: Folder above all recordings.

    Yields:
        The `ShardPlan`s.

    Raises:
        ValueError: If there are no recordings of the word.
    """
    counts = settings.stream_counts()
    words = compared_words(settings.word)
    used = [each for each in recordings if each.split == settings.split]
    positives, negatives = partition(used, settings.word)
    kinds = [[each for each in positives if class_of(each, words) == n] for n in range(len(words))]
    kinds += [[each for each in negatives if each.noise == noise] for noise in (False, True)]
    rng = np.random.default_rng([settings.seed, len(counts)])
    kinds = [[kind[place] for place in rng.permutation(len(kind))] for kind in kinds]
    for number, count in enumerate(counts):
        played_s = count * settings.stream_s
        parts = [_part(kind, number, len(counts), played_s) for kind in kinds]
        dealt = tuple(recording for part in parts for recording in part)
        yield ShardPlan(number, count, dealt, settings, root)


def describe(settings: StreamSettings) -> dict[str, Any]:
    """Return settings as a dict for JSON.

    Args:
        settings: The settings.
    """
    return json.loads(json.dumps(asdict(settings)))


def _part(items: Sequence[Recording], number: int, count: int, played_s: float) -> list[Recording]:
    """The part of a shard, `number` of `count`, of which seconds are played."""
    first, beyond = (each * len(items) // count for each in (number, number + 1))
    total_s = sum(recording.duration_s for recording in items)
    most = math.ceil(len(items) * played_s / total_s) if items else 0
    size = min(len(items), max(LEAST_RECORDINGS, min(beyond - first, most)))
    return [items[(first + place) % len(items)] for place in range(size)]
