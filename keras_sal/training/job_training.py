"""The training of the detector of a job, which is kept, so that it can resume or be used again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras

from keras_sal.data import Stream
from keras_sal.progress import Reporter
from keras_sal.training import recipe
from keras_sal.training.job_recordings import JobRecordings
from keras_sal.training.kept_model import describe_material, kept_path, load_or_train
from keras_sal.training.wake_word_job import WakeWordJob
from keras_sal.typing import PathLike


class _Refinement(NamedTuple):
    """Streams whose anchors were refined, and Python's random state after it."""

    streams: list[Stream]
    random_state: Any


class JobTraining:
    """Trains the detectors of jobs that share their recordings, streams and seed.

    Anchors are refined once for all of them. Keras draws weights from Python's random generator, so
    its state after the refinement is restored: each detector has the weights that it has alone.

    Args:
        folder: Folder that keeps the detectors.
        found: The recordings.
        streams: The training streams.
        reporter: Receiver of the progress.
    """

    def __init__(
        self, folder: PathLike, found: JobRecordings, streams: list[Stream], reporter: Reporter
    ):
        self.folder, self.found, self.streams = Path(folder), found, streams
        self.reporter = reporter
        self._material = describe_material(found.recordings)  # which workers may not have
        self._refinement: _Refinement | None = None

    def describe(self, job: WakeWordJob) -> dict[str, Any]:
        """Return the options that the detector depends on.

        Args:
            job: The job.
        """
        return {**job.describe(), "synthetic": self.found.added}

    def path(self, job: WakeWordJob) -> Path:
        """Return the file that keeps the detector.

        Args:
            job: The job.
        """
        return kept_path(self.folder, job.network, self.describe(job), self._material)

    def load_or_train(
        self,
        job: WakeWordJob,
        *,
        resume: bool,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> keras.Model:
        """Load the detector of a job if it is kept, or train it and keep it.

        Args:
            job: The job.
            resume: Whether to load what is kept, or to go on with a training that was interrupted.
            callbacks: Keras callbacks of the training. Defaults to none.

        Returns:
            The detector.
        """
        return load_or_train(
            self.path(job),
            lambda checkpoint: self._train(job, checkpoint, callbacks),
            resume=resume,
            reporter=self.reporter,
        )

    def refine(self, job: WakeWordJob) -> None:
        """Refine the anchors, unless that is done; the first training would do it.

        Args:
            job: A job, with whose seed they are refined if it asks for that.
        """
        if self._refinement is None:
            random.seed(job.training.seed)
            streams = self.streams
            if job.refine:
                streams = recipe.refine_anchors(
                    streams, seed=job.training.seed, classes=job.classes, reporter=self.reporter
                )
            self._refinement = _Refinement(streams, random.getstate())

    def _train(
        self, job: WakeWordJob, checkpoint: Path, callbacks: Sequence[keras.callbacks.Callback]
    ) -> keras.Model:
        self.refine(job)
        assert self._refinement is not None
        streams, random_state = self._refinement
        random.setstate(random_state)
        return recipe.train(
            recipe.detector(job.network, job.size, classes=job.classes),
            job.make_loss(),
            streams,
            job.training,
            targets=partial(recipe.word_targets, classes=job.classes, label_span=job.label_span),
            callbacks=callbacks,
            checkpoint=checkpoint,
            reporter=self.reporter,
        )
