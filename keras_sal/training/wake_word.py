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

from pathlib import Path
from typing import Any

from keras_sal.data import SplitRecord, find_recordings
from keras_sal.progress import Reporter, SilentReporter
from keras_sal.training import release
from keras_sal.training.job_recordings import count_utterances
from keras_sal.training.job_training import JobTraining
from keras_sal.training.wake_word_job import WakeWordJob
from keras_sal.typing import PathLike


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
    job.make_loss()  # refuses options that don't fit
    alone = find_recordings(job.recordings) is None
    synthesis = isinstance(job.word, str) and count_utterances(job.speech, alone=alone) > 0
    release.check_packages(synthesis=synthesis)
    release.prepare_output(output)
    found = job.collect_recordings(output, reporter)
    output.mkdir(parents=True, exist_ok=True)
    streams = job.make_streams(found.recordings, output / "cache", reporter)
    fa_per_hour = streams.choose_budget(job.fa_per_hour, reporter)
    training = JobTraining(output / "cache", found, streams.train, reporter)
    model = training.load_or_train(job, resume=resume)
    plan = release.ReleasePlan(
        job.word,
        found.folder,
        streams,
        SplitRecord.of(found.recordings, found.folder, job.word),
        job.quantization,
        fa_per_hour,
        command=command,
        options=training.describe(job),
        seed=job.training.seed,
    )
    return release.write_release(
        {f"{job.network} {job.size}, {job.loss}": model}, plan, output, reporter
    )
