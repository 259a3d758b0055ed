"""The job of training a wake-word detector: what to train, and on what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from keras_sal.data import Recording
from keras_sal.data.shards import describe_shards
from keras_sal.data.wake_words import Words, list_words
from keras_sal.progress import Reporter
from keras_sal.training import recipe
from keras_sal.training.job_recordings import JobRecordings, SyntheticSpeech, collect_recordings
from keras_sal.training.recipe import TrainingOptions
from keras_sal.training.split_streams import SplitStreams, make_streams
from keras_sal.typing import PathLike


@dataclass(frozen=True)
class WakeWordJob:
    """What detector to train, and on what.

    Args:
        word: The wake word, or a list of several that the detector tells apart.
        recordings: Folder of recordings. Defaults to `None`, for that of
            `keras_sal.data.find_recordings`; if there is none, all speech is synthesised.
        negatives: Folders of further negatives, each with a table, whose splits hold: the
            threshold is chosen, and figures are taken, on more hours. Defaults to none.
        resplit: Whether to split by speaker even if the table has splits. A table with one split
            is always split; see `keras_sal.data.splits`. Defaults to `False`.
        speech: Options of synthetic speech.
        network: `"gru"` (default), `"conv"` or `"conv-gru"`.
        size: `"nano"`, `"micro"` (default) or `"small"`.
        loss: `"sal"`, `"sa+fl"` (default), `"safl"`, `"cross-entropy"` or `"focal"`.
        strength: Strength of the anchor loss, >= 0. Defaults to `None`, for that of the loss.
        reach: Reach of the anchor loss in outputs of 30 ms, > 0, or a pair of them: before and
            after the anchor. Defaults to `None`, for that of the loss.
        gamma: Exponent of the focal losses, >= 0. Defaults to `None`, for that of the loss.
        label_span: Outputs of 30 ms before and after the end of the word whose label is 1.
            Defaults to `None`, for 2 and 8; see `keras_sal.training.recipe.word_targets`.
        hours: Total length of the training streams in hours, > 0. Defaults to 8.
        shards: Folder of shards of training streams, from `keras-sal shard` with the same
            recordings, which are trained on whatever `hours` says. Defaults to `None`: streams are
            made.
        refine: Whether to move the anchors to where a small model finds them before the training;
            see `keras_sal.training.recipe.refine_anchors`. Defaults to `True`.
        training: Options of the training. Their seed is also that of weights and streams.
        quantization: `"int8"` (default), `"int16x8"` or `"float32"`.
        fa_per_hour: False-alarm budget per hour, > 0. Defaults to `None`, for 1 or the least that
            the hours of negatives can support.
    """

    word: Words
    recordings: PathLike | None = None
    negatives: Sequence[PathLike] = ()
    resplit: bool = False
    speech: SyntheticSpeech = field(default_factory=SyntheticSpeech)
    network: str = "gru"
    size: str = "micro"
    loss: str = recipe.LOSS
    strength: float | None = None
    reach: float | tuple[float, float] | None = None
    gamma: float | None = None
    label_span: tuple[int, int] | None = None
    hours: float = 8.0
    shards: PathLike | None = None
    refine: bool = True
    training: TrainingOptions = field(default_factory=TrainingOptions)
    quantization: str = "int8"
    fa_per_hour: float | None = None

    @property
    def classes(self) -> int:
        """The number of words."""
        return len(list_words(self.word))

    def make_loss(self) -> keras.losses.Loss:
        """Return the loss.

        Raises:
            ValueError: If there is no such loss, or an option doesn't fit.
        """
        return recipe.make_loss(
            self.loss,
            strength=self.strength,
            reach=self.reach,
            gamma=self.gamma,
            classes=self.classes,
        )

    def describe(self) -> dict[str, Any]:
        """Return the options that the detector depends on, for results; speech is not among them.

        Example:

        >>> WakeWordJob("computer").describe()["label_span"]
        [2, 8]
        """
        config = self.make_loss().get_config()
        return {
            "word": self.word if isinstance(self.word, str) else list(self.word),
            "network": self.network,
            "size": self.size,
            "loss": {key: value for key, value in config.items() if key != "name"},
            "label_span": list(self.label_span or recipe.default_label_span()),
            "hours": self.hours,
            **self.training.describe(),
            "refine": self.refine,
        } | ({} if self.shards is None else describe_shards(self.shards))

    def collect_recordings(self, output: PathLike, reporter: Reporter) -> JobRecordings:
        """Load the recordings, and synthesise speech if there are none or it is asked for.

        Args:
            output: Folder below which synthetic speech is written.
            reporter: Receiver of the progress.

        Raises:
            ImportError: If a package for speech synthesis is missing.
            ValueError: If the recordings can't be trained on.
        """
        return collect_recordings(
            self.word,
            self.recordings,
            self.speech,
            Path(output),
            reporter,
            negatives=self.negatives,
            resplit=self.resplit,
            seed=self.training.seed,
        )

    def make_streams(
        self, recordings: Sequence[Recording], cache: PathLike, reporter: Reporter
    ) -> SplitStreams:
        """Make the streams of the three splits.

        Args:
            recordings: The recordings.
            cache: Folder to keep features in.
            reporter: Receiver of the progress.
        """
        return make_streams(
            recordings,
            self.word,
            hours=self.hours,
            seed=self.training.seed,
            shards=self.shards,
            cache=cache,
            reporter=reporter,
        )
