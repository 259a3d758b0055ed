"""Streams of a wake word, or of several, for the train, dev and test splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from keras_sal.checks import require
from keras_sal.data import Recording, Stream, evaluation_streams, training_streams
from keras_sal.data.shards import load_shards, words_of_shards
from keras_sal.data.wake_words import Words, compared_words, quote
from keras_sal.detection import choose_budget, negative_hours
from keras_sal.detection.false_alarm_budget import describe_budget
from keras_sal.progress import Reporter, SilentReporter
from keras_sal.typing import PathLike, Progress

SNR_DB = 10.0


@dataclass(frozen=True)
class SplitStreams:
    """The streams of one wake word.

    Attributes:
        train: Augmented streams of the train split.
        dev: Streams of the dev split by condition: `"clean"` and `"10 dB"`.
        test: Streams of the test split by condition.
    """

    train: list[Stream]
    dev: dict[str, list[Stream]]
    test: dict[str, list[Stream]]

    @property
    def held_out(self) -> dict[tuple[str, str], list[Stream]]:
        """The streams of dev and test by `(split, condition)`."""
        splits = {"dev": self.dev, "test": self.test}
        return {
            (split, condition): streams
            for split, conditions in splits.items()
            for condition, streams in conditions.items()
        }

    def least_negatives(self) -> tuple[float, str]:
        """Return the hours of negatives of dev, or of a test condition if it has fewer.

        Returns:
            Hours outside the hit windows, and the name of the split.
        """
        dev = _negative_hours(stream for streams in self.dev.values() for stream in streams)
        test = min(_negative_hours(streams) for streams in self.test.values())
        return min((dev, "dev"), (test, "test"))

    def choose_budget(self, fa_per_hour: float | None, reporter: Reporter) -> float:
        """Choose the false-alarm budget by the rule of `keras_sal.detection.choose_budget`.

        Args:
            fa_per_hour: The budget that is given, or `None`.
            reporter: Is told the budget, and how many hours more a lower one takes.

        Returns:
            False alarms per hour.
        """
        hours, split = self.least_negatives()
        reporter.say(describe_budget(hours, split, fa_per_hour))
        return choose_budget(hours, fa_per_hour)


def make_streams(
    recordings: Sequence[Recording],
    word: Words,
    *,
    hours: float = 8.0,
    seed: int = 0,
    shards: PathLike | None = None,
    cache: PathLike | None = None,
    reporter: Reporter | None = None,
) -> SplitStreams:
    """Make the streams of the three splits.

    Args:
        recordings: Recordings from `keras_sal.data.load_recordings`.
        word: The wake word, or a list of several, whose events are classes in this order.
        hours: Total length of the training streams in hours, > 0. Defaults to 8.
        seed: Seed of the training streams. Dev and test are the same for each seed.
        shards: Folder of shards of training streams, from `keras_sal.data.shards`, which are taken
            whatever `hours` and `seed` are. Defaults to `None`: they are made.
        cache: Folder to keep features in. Defaults to `None`, for none.
        reporter: Receiver of the progress. Defaults to `None`, for none.

    Returns:
        The `SplitStreams`.

    Raises:
        ValueError: If the shards are of another word, or of recordings that are not in train.
    """
    sharded = None if shards is None else _sharded_streams(shards, recordings, word)
    with (reporter or SilentReporter()).stage("Make streams") as stage:

        def part(name: str) -> Progress:
            return lambda done, total: stage.named_progress(name, done, total)

        train = sharded or training_streams(
            recordings, word, hours=hours, seed=seed, cache=cache, progress=part("train streams")
        )
        dev, test = (
            _evaluation_streams(recordings, word, split, cache, part) for split in ("dev", "test")
        )
    return SplitStreams(train, dev, test)


def _sharded_streams(
    shards: PathLike, recordings: Sequence[Recording], word: Words
) -> list[Stream]:
    """The streams of shards of the word and of train alone."""
    words, known = compared_words(word), words_of_shards(shards)
    require(
        compared_words(known) == words,
        f"`shards` must be made for the word; its events are learned. Received: {str(shards)!r} "
        f"for {quote(known)}, and the word is {quote(word)}. Make shards for it.",
    )
    streams = load_shards(shards)
    heard = {
        each.path if isinstance(each, Recording) else each.recording.path
        for stream in streams
        for each in (*stream.placed, *stream.noise)
    }
    train = {each.path.resolve() for each in recordings if each.split == "train"}
    others = sorted(path for path in heard if path.resolve() not in train)
    require(
        not others,
        "`shards` must be made of recordings that are in train here; else what is tested on was "
        f"trained on. Received: {str(shards)!r} with {len(others)} others of {len(heard)}, the "
        f"first {others[:1]!s}. Make the shards with the same DIR and --negatives.",
    )
    return streams


def _evaluation_streams(
    recordings: Sequence[Recording],
    word: Words,
    split: str,
    cache: PathLike | None,
    part: Callable[[str], Progress],
) -> dict[str, list[Stream]]:
    return {
        condition: evaluation_streams(
            recordings,
            word,
            split,
            snr_db=snr_db,
            cache=cache,
            progress=part(f"{split} streams, {condition}"),
        )
        for condition, snr_db in (("clean", None), (f"{SNR_DB:g} dB", SNR_DB))
    }


def _negative_hours(streams: Iterable[Stream]) -> float:
    return sum(negative_hours(stream.hours, len(stream.events)) for stream in streams)
