"""The job of `keras-sal demo`: two losses compared, from recordings to a verified firmware.

The same small GRU is trained with frame-wise cross entropy and with `StreamingAnchorLoss`, from the
same weights on the same crops, for a few minutes. Both are scored on streams of speakers that they
were not trained on. The one with fewer misses on dev becomes firmware for a microcontroller, and
its quantised model is scored on the same streams in the interpreter of TensorFlow Lite Micro. The
report shows and plays what all three detect.

    results = run_demo("out", DemoJob("computer", recordings="my_recordings"))
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from keras_sal.data import SplitRecord, Stream, find_recordings, load_word_recordings
from keras_sal.progress import Reporter, SilentReporter
from keras_sal.training import recipe, release
from keras_sal.training.kept_model import describe_material, kept_path, load_or_train
from keras_sal.training.recipe import TrainingOptions
from keras_sal.training.split_streams import make_streams
from keras_sal.typing import PathLike, Progress

QUANTIZATION = "int8"
DEMO_TRAINING = TrainingOptions(steps=3000, crop_frames=200)


@dataclass(frozen=True)
class DemoJob:
    """What to compare, and on what.

    Args:
        word: The wake word. Defaults to `"computer"`.
        recordings: Folder of recordings. Defaults to `None`, for that of
            `keras_sal.data.find_recordings`; if there is none, all speech is synthesised.
        loss: Variant of `StreamingAnchorLoss`: `"sal"`, `"sa+fl"` (default) or `"safl"`.
        hours: Total length of the training streams in hours, > 0. Defaults to 2.
        training: Options of both trainings. Their seed is also that of weights and streams.
            Defaults to 3,000 steps on crops of 2 s.
        fa_per_hour: False-alarm budget per hour, > 0. Defaults to `None`, for 1 or the least that
            the hours of negatives can support.
    """

    word: str = "computer"
    recordings: PathLike | None = None
    loss: str = recipe.LOSS
    hours: float = 2.0
    training: TrainingOptions = DEMO_TRAINING
    fa_per_hour: float | None = None

    def describe(self) -> dict[str, Any]:
        """Return the options that both detectors depend on, for the results."""
        return {**self.training.describe(), "hours": self.hours}


def run_demo(
    output: PathLike,
    job: DemoJob,
    *,
    resume: bool = False,
    command: str = "keras-sal demo",
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Train with both losses, and write firmware, figures and a report to a folder.

    Args:
        output: Folder to write to: `model.keras`, the bundle `firmware`, `report.html` with its
            figures, `results.json`, `posteriors.npz` and `splits.json`.
        job: What to compare.
        resume: Whether to use detectors that were trained here by the same job, or to go on with a
            training where it was interrupted. Defaults to `False`.
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
    folder = find_recordings(job.recordings)
    release.check_packages(synthesis=folder is None)
    release.prepare_output(output)
    synthetic = folder is None
    if folder is None:
        with reporter.stage("Synthesise speech") as stage:
            folder = _synthetic_recordings(job.word, output / "speech", stage.progress)
    reporter.say(f"Recordings: {folder}")
    recordings = load_word_recordings(folder, job.word, say=reporter.say)
    output.mkdir(parents=True, exist_ok=True)
    streams = make_streams(
        recordings, job.word, hours=job.hours, seed=seed, cache=output / "cache", reporter=reporter
    )
    fa_per_hour = streams.choose_budget(job.fa_per_hour, reporter)

    @functools.cache
    def train_streams() -> list[Stream]:
        if synthetic:  # its times are exact
            return streams.train
        return recipe.refine_anchors(streams.train, seed=seed, reporter=reporter)

    def trained(name: str, loss: str, checkpoint: Path) -> keras.Model:
        random.seed(seed)
        return recipe.train(
            recipe.detector(),
            recipe.make_loss(loss),
            train_streams(),
            job.training,
            checkpoint=checkpoint,
            title=f"Train with {name}",
            reporter=reporter,
        )

    options = {**job.describe(), "fa_per_hour": fa_per_hour}
    material = describe_material(recordings)
    models = {
        name: load_or_train(
            kept_path(output / "cache", loss, options | {"word": job.word}, material),
            functools.partial(trained, name, loss),
            resume=resume,
            reporter=reporter,
        )
        for name, loss in (("cross entropy", "cross-entropy"), (job.loss.upper(), job.loss))
    }
    plan = release.ReleasePlan(
        job.word,
        folder,
        streams,
        SplitRecord.of(recordings, folder, job.word),
        QUANTIZATION,
        fa_per_hour,
        command=command,
        options=options,
        seed=seed,
    )
    return release.write_release(models, plan, output, reporter)


def _synthetic_recordings(word: str, folder: Path, progress: Progress) -> Path:
    """Return a folder of synthesised speech, made on the first call."""
    from keras_sal.data import synthesis

    folder.mkdir(parents=True, exist_ok=True)
    name = f"{word.replace(' ', '_')}-{synthesis.RECIPE_VERSION}"
    return synthesis.synthesize(word, folder / name, progress=progress)
