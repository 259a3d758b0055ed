"""The job of `keras-sal train`: from recordings to the firmware of a wake-word detector.

One detector is trained by the recipe on the train split, and on synthetic speech if that is asked
for. Its threshold is chosen on dev with the quantised model, and the figures come from test.

    job = WakeWordJob("computer", recordings="my_recordings", kind="conv")
    results = train_wake_word("computer_conv", job)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from keras_sal.data import SplitRecord, Stream, find_recordings
from keras_sal.progress import Reporter, SilentReporter
from keras_sal.training import recipe, release
from keras_sal.training.job_recordings import (
    JobRecordings,
    SyntheticSpeech,
    collect_recordings,
    count_utterances,
)
from keras_sal.training.kept_model import kept_path, load_or_train
from keras_sal.training.recipe import TrainingOptions
from keras_sal.training.split_streams import make_streams
from keras_sal.typing import PathLike


@dataclass(frozen=True)
class WakeWordJob:
    """What detector to train, and on what.

    Args:
        word: The wake word.
        recordings: Folder of recordings. Defaults to `None`, for that of
            `keras_sal.data.find_recordings`; if there is none, all speech is synthesised.
        resplit: Whether to split by speaker even if the table has splits. A table with one split
            is always split; see `keras_sal.data.splits`. Defaults to `False`.
        speech: Options of synthetic speech.
        kind: `"gru"` (default), `"conv"` or `"conv-gru"`.
        size: `"nano"`, `"micro"` (default) or `"small"`.
        loss: `"sal"`, `"sa+fl"` (default), `"safl"`, `"cross-entropy"` or `"focal"`.
        strength: Strength of the anchor loss, >= 0. Defaults to `None`, for that of the loss.
        reach: Reach of the anchor loss in outputs of 30 ms, > 0. Defaults to `None`, for that of
            the loss.
        hours: Total length of the training streams in hours, > 0. Defaults to 8.
        refine: Whether to move the anchors to where a small model finds them before the training;
            see `keras_sal.training.recipe.refine_anchors`. Defaults to `True`.
        training: Options of the training. Their seed is also that of weights and streams.
        quantization: `"int8"` (default), `"int16x8"` or `"float32"`.
        fa_per_hour: False-alarm budget per hour, > 0. Defaults to `None`, for 1 or the least that
            the hours of negatives can support.
    """

    word: str
    recordings: PathLike | None = None
    resplit: bool = False
    speech: SyntheticSpeech = field(default_factory=SyntheticSpeech)
    kind: str = "gru"
    size: str = "micro"
    loss: str = recipe.LOSS
    strength: float | None = None
    reach: float | None = None
    hours: float = 8.0
    refine: bool = True
    training: TrainingOptions = field(default_factory=TrainingOptions)
    quantization: str = "int8"
    fa_per_hour: float | None = None


def train_wake_word(
    output: PathLike,
    job: WakeWordJob,
    *,
    resume: bool = False,
    command: str = "keras-sal train",
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Train a detector, and write its firmware, its figures and a report to a folder.

    What takes long is kept in `output/cache`: the features of streams, the state of the training
    after each epoch, from which `resume` goes on, and the trained detector, which `resume` converts
    again. The artefacts appear together at the end and replace those of an earlier job.

    Args:
        output: Folder to write to: `model.keras`, the bundle `firmware`, `report.html` with its
            figures, `results.json`, `posteriors.npz`, and `splits.json`, which other commands read
            so that they don't test the detector on what it was trained on.
        job: What to train.
        resume: Whether to use a detector that was trained here by the same job, or to go on with
            its training where it was interrupted. Defaults to `False`.
        command: Command line, for the results.
        reporter: Receiver of the progress. Defaults to `None`, for none.

    Returns:
        The results as written to `results.json`; see `keras_sal.evaluation`.

    Raises:
        ImportError: If a package is missing that the end of the job needs.
        ValueError: If the recordings can't be trained on, or an option doesn't fit.
    """
    output, reporter = Path(output), reporter or SilentReporter()
    seed = job.training.seed
    loss = recipe.make_loss(job.loss, strength=job.strength, reach=job.reach)
    alone = find_recordings(job.recordings) is None
    release.check_packages(synthesis=count_utterances(job.speech, alone=alone) > 0)
    release.prepare_output(output)
    found = collect_recordings(
        job.word,
        job.recordings,
        job.speech,
        output,
        reporter,
        resplit=job.resplit,
        seed=seed,
    )
    output.mkdir(parents=True, exist_ok=True)
    streams = make_streams(
        found.recordings,
        job.word,
        hours=job.hours,
        seed=seed,
        cache=output / "cache",
        reporter=reporter,
    )
    options = _described(job, loss, found)
    model = load_or_train(
        kept_path(output / "cache", job.kind, options, found.recordings),
        lambda checkpoint: _trained(job, loss, streams.train, checkpoint, reporter),
        resume=resume,
        reporter=reporter,
    )
    plan = release.ReleasePlan(
        job.word,
        found.folder,
        streams,
        SplitRecord.of(found.recordings, found.folder),
        job.quantization,
        job.fa_per_hour or streams.supported_fa_per_hour(),
        command=command,
        options=options,
        seed=seed,
    )
    return release.write_release(
        {f"{job.kind} {job.size}, {job.loss}": model}, plan, output, reporter
    )


def _trained(
    job: WakeWordJob,
    loss: keras.losses.Loss,
    streams: Sequence[Stream],
    checkpoint: Path,
    reporter: Reporter,
) -> keras.Model:
    """Train the detector. Its weights follow on from the anchor refinement's random numbers."""
    keras.utils.set_random_seed(job.training.seed)
    if job.refine:
        streams = recipe.refine_anchors(streams, seed=job.training.seed, reporter=reporter)
    model = recipe.detector(job.kind, job.size)
    return recipe.train(
        model, loss, streams, job.training, checkpoint=checkpoint, reporter=reporter
    )


def _described(job: WakeWordJob, loss: keras.losses.Loss, found: JobRecordings) -> dict[str, Any]:
    """Return the options that the detector depends on, for the results."""
    training = job.training
    config = loss.get_config()
    return {
        "word": job.word,
        "model": job.kind,
        "size": job.size,
        "loss": {key: value for key, value in config.items() if key != "name"},
        "hours": job.hours,
        "steps": training.steps,
        "batch_size": training.batch_size,
        "crop_frames": training.crop_frames,
        "learning_rate": training.learning_rate,
        "seed": training.seed,
        "refine": job.refine,
        "synthetic": found.added,
    }
