"""The job of `keras-sal train`: from recordings to the firmware of a wake-word detector.

One detector is trained by the recipe on the train split, and on synthetic speech if that is asked
for. Its threshold is chosen on dev with the quantised model, and the figures come from test.

    job = WakeWordJob("computer", recordings="my_recordings", network="conv")
    results = train_wake_word("computer_conv", job)

One detector can tell several words apart: `WakeWordJob(["lights on", "lights off"], ...)`. Each
word then has a posterior of its own, a sigmoid, and all of them share the layers before it. Each is
trained, given a threshold and scored as the word of a detector of its own, to which the others are
negatives like any other speech. A softmax would need a class for the background, on which the
trigger of a device could fire, and would divide the posterior among the words, so that the
threshold of one would depend on the others. Anchors are refined, and false alarms searched for, in
all words at once. Speech is synthesised for one word only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras

from keras_sal.data import SplitRecord, Stream, find_recordings
from keras_sal.data.wake_words import Words, list_words
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

    word: Words
    recordings: PathLike | None = None
    negatives: Sequence[PathLike] = ()
    resplit: bool = False
    speech: SyntheticSpeech = field(default_factory=SyntheticSpeech)
    network: str = "gru"
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
            so that they don't test the detector on what it was trained on. Of several words each
            has a report and results in a folder of its own, `reports/` and the word.
        job: What to train.
        resume: Whether to use a detector that was trained here by the same job, or to go on with
            its training where it was interrupted. Defaults to `False`.
        command: Command line, for the results.
        reporter: Receiver of the progress. Defaults to `None`, for none.

    Returns:
        The results as written to `results.json`; see `keras_sal.evaluation`. For a list of words a
        dict of them by word.

    Raises:
        ImportError: If a package is missing that the end of the job needs.
        ValueError: If the recordings can't be trained on, or an option doesn't fit.
    """
    output, reporter = Path(output), reporter or SilentReporter()
    seed = job.training.seed
    loss = recipe.make_loss(
        job.loss, strength=job.strength, reach=job.reach, classes=len(list_words(job.word))
    )
    alone = find_recordings(job.recordings) is None
    synthesis = isinstance(job.word, str) and count_utterances(job.speech, alone=alone) > 0
    release.check_packages(synthesis=synthesis)
    release.prepare_output(output)
    found = collect_recordings(
        job.word,
        job.recordings,
        job.speech,
        output,
        reporter,
        negatives=job.negatives,
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
    fa_per_hour = streams.choose_budget(job.fa_per_hour, reporter)
    options = _described(job, loss, found)
    model = load_or_train(
        kept_path(output / "cache", job.network, options, found.recordings),
        lambda checkpoint: _trained(job, loss, streams.train, checkpoint, reporter),
        resume=resume,
        reporter=reporter,
    )
    plan = release.ReleasePlan(
        job.word,
        found.folder,
        streams,
        SplitRecord.of(found.recordings, found.folder, job.word),
        job.quantization,
        fa_per_hour,
        command=command,
        options=options,
        seed=seed,
    )
    return release.write_release(
        {f"{job.network} {job.size}, {job.loss}": model}, plan, output, reporter
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
    classes = len(list_words(job.word))
    if job.refine:
        streams = recipe.refine_anchors(
            streams, seed=job.training.seed, classes=classes, reporter=reporter
        )
    return recipe.train(
        recipe.detector(job.network, job.size, classes=classes),
        loss,
        streams,
        job.training,
        targets=partial(recipe.word_targets, classes=classes),
        checkpoint=checkpoint,
        reporter=reporter,
    )


def _described(job: WakeWordJob, loss: keras.losses.Loss, found: JobRecordings) -> dict[str, Any]:
    """Return the options that the detector depends on, for the results."""
    training = job.training
    config = loss.get_config()
    return {
        "word": job.word if isinstance(job.word, str) else list(job.word),
        "network": job.network,
        "size": job.size,
        "loss": {key: value for key, value in config.items() if key != "name"},
        "hours": job.hours,
        "steps": training.trained_steps,
        "batch_size": training.batch_size,
        "crop_frames": training.crop_frames,
        "learning_rate": training.learning_rate,
        "seed": training.seed,
        "refine": job.refine,
        "synthetic": found.added,
    }
