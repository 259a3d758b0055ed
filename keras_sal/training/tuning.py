"""The job of `keras-sal tune`: hyper-parameters of the recipe, chosen on dev.

Each trial is the training of `train_wake_word` with other hyper-parameters. Its criterion is the
mean FRR on dev over false-alarm budgets, which no choice of threshold can flatter. The first trial
is the recipe. Optuna draws the others, and ends a training in its second half where its criterion
is worse than the median of the others at the same epoch.

    result = tune_wake_word("computer", WakeWordJob("computer", "my_recordings"), trials=20)
    train_wake_word("computer", result.best.job, resume=True)

Trials are kept in a file, with which another call goes on. With `workers` or `address` they run at
the same time, on worker processes of Ray. This process draws them and takes their results; a worker
trains, and reads the file to know whether to end early. A trial whose worker is killed goes on, on
another one, from the epoch that was kept. Detectors are kept where `train_wake_word` looks for
them, so that it trains none again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from keras_sal import __version__
from keras_sal.checks import require
from keras_sal.data import Recording
from keras_sal.data.cluster import Cluster
from keras_sal.files import file_sha256, write_json
from keras_sal.progress import Reporter, SilentReporter
from keras_sal.training.dev_criterion import DevCriterion
from keras_sal.training.job_recordings import JobRecordings
from keras_sal.training.job_training import JobTraining
from keras_sal.training.search_space import SEARCHED, SearchSpace, settings
from keras_sal.training.trial_queue import TrialQueue
from keras_sal.training.trial_storage import FIRST, finished, import_optuna, is_url, open_study
from keras_sal.training.trial_training import (
    FA_PER_HOUR,
    TRIGGERS,
    TrialResult,
    TrialSetup,
    TrialTraining,
    run_trial,
)
from keras_sal.training.wake_word_job import WakeWordJob
from keras_sal.typing import PathLike

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

STORAGE = "trials.journal"
RESULTS = "tuning.json"
UNPRUNED = 4  # trials that must be complete before others are pruned

_Run: TypeAlias = Callable[[Iterable[TrialTraining]], Iterable[tuple[TrialTraining, TrialResult]]]


@dataclass(frozen=True)
class TunedTrial:
    """One trial of a tuning.

    Attributes:
        number: Its number, from 0.
        job: The job with its hyper-parameters.
        criterion: The mean FRR on dev, in [0, 1]; `nan` for a trial that was pruned.
        is_recipe: Whether its hyper-parameters are those of the recipe.
        triggers: The best trigger of each word on dev: dicts with `smooth_frames`, `on_frames`,
            `frr` at the budget, and `default_frr` with the trigger of `train_wake_word`.
        fa_per_hour: The budget of the triggers, false alarms per hour.
    """

    number: int
    job: WakeWordJob
    criterion: float
    is_recipe: bool
    triggers: Sequence[Mapping[str, Any]]
    fa_per_hour: float

    def describe(self) -> dict[str, Any]:
        """Return the trial as a dict, ready for JSON."""
        return {
            "number": self.number,
            "criterion": self.criterion,
            "is_recipe": self.is_recipe,
            "options": self.job.describe(),
            "triggers": list(self.triggers),
            "fa_per_hour": self.fa_per_hour,
        }


@dataclass(frozen=True)
class TuningResult:
    """What a tuning found.

    Attributes:
        trials: All `TunedTrial`s, lowest criterion first, those that were pruned last.
    """

    trials: Sequence[TunedTrial]

    @property
    def best(self) -> TunedTrial:
        """The trial with the lowest criterion."""
        return self.trials[0]

    @property
    def recipe(self) -> TunedTrial | None:
        """The trial of the recipe; `None` while another process trains it."""
        return next((trial for trial in self.trials if trial.is_recipe), None)

    @property
    def pruned(self) -> int:
        """The number of trials that were pruned."""
        return sum(math.isnan(trial.criterion) for trial in self.trials)


def tune_wake_word(
    output: PathLike,
    job: WakeWordJob,
    *,
    trials: int = 20,
    space: SearchSpace | None = None,
    storage: PathLike | None = None,
    workers: int | None = None,
    address: str | None = None,
    reporter: Reporter | None = None,
) -> TuningResult:
    """Search hyper-parameters of the training of a detector, by their criterion on dev.

    The seed of the job is that of all trials, and of the drawing. Two trainings that differ in the
    seed alone differ, too: train the best ones from other seeds before you trust small differences.

    Args:
        output: Folder to write to: `tuning.json`, the storage, and detectors in `cache`, as
            `train_wake_word` keeps them.
        job: What to train. Its loss, network, size and label span are those of the trials.
        trials: Number of trials with a result, those of earlier calls and other processes among
            them, >= 1. Defaults to 20.
        space: The `SearchSpace`. Defaults to `None`, for its defaults.
        storage: File of the trials, which one call uses at a time, or URL of a database that
            several calls share. Defaults to `None`, for `trials.journal` in `output`.
        workers: Number of processes on this machine, each of which runs a trial; see
            `keras_sal.data.cluster.Cluster`. Defaults to `None`: this process runs one at a time.
        address: Address of a Ray cluster, each core of which runs a trial; its machines must have
            `output` and the file of the trials under the same path. Defaults to `None`, for none.
        reporter: Receiver of the progress. Defaults to `None`, for none.

    Returns:
        The `TuningResult`.

    Raises:
        ImportError: If Optuna is missing, or Ray for workers.
        ConnectionError: If there is no cluster at the address.
        ValueError: If the recordings can't be trained on, or the storage has trials of another
            recipe or is used by another call.
        RuntimeError: If no trial came to its end, or a worker was killed each time over the same.
    """
    require(
        trials >= 1,
        "`trials` must be at least 1; the first is the recipe. Received: "
        f"trials={trials}. 20 is a start.",
    )
    optuna = import_optuna()
    output, space, reporter = Path(output), space or SearchSpace(), reporter or SilentReporter()
    cluster = None if workers is None and address is None else Cluster(workers, address)
    found = job.collect_recordings(output, reporter)
    output.mkdir(parents=True, exist_ok=True)
    recipe = _describe(job, space, found.recordings)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED)
    storage = output / STORAGE if storage is None else storage
    storage = storage if is_url(storage) else Path(storage).absolute()
    study = open_study(storage, recipe, space.start(job), pruner)
    if (done := len(finished(study))) < trials:
        reporter.say(f"{done} of {trials} trials have a result")
        queue = TrialQueue(study, storage, trials, job.training.seed)
        with queue, _processes(cluster) as run:
            training = _make_training(output.absolute() / "cache", job, found, reporter)
            setup = TrialSetup(*training, storage, pruner)
            if cluster is not None:
                setup.prepare_to_send(job)
            for task, ended in run(_draw(queue, space, job, setup, reporter)):
                queue.tell(task.number, ended.criterion)
                reporter.say(f"Trial {task.number}: {ended}")
    result = TuningResult(sorted((_tuned(t, job, space) for t in finished(study)), key=_rank))
    if math.isnan(result.best.criterion):
        raise RuntimeError(
            "`trials` must leave some that come to their end; none did. Received: "
            f"trials={trials}, all of which were ended early. Ask for more."
        )
    write_json(
        output / RESULTS,
        {"recipe": recipe, "trials": [trial.describe() for trial in result.trials]},
    )
    return result


@contextmanager
def _processes(cluster: Cluster | None) -> Iterator[_Run]:
    """Give a function that runs trials: those of a cluster do, or this one."""
    if cluster is None:
        yield lambda tasks: ((task, run_trial(task)) for task in tasks)
        return
    with cluster:
        yield lambda tasks: cluster.map(run_trial, tasks, waiting=0)


def _make_training(
    cache: Path, job: WakeWordJob, found: JobRecordings, reporter: Reporter
) -> tuple[JobTraining, DevCriterion]:
    """Return what trains the jobs of trials, and what scores their detectors."""
    streams = job.make_streams(found.recordings, cache, reporter)
    fa_per_hour = streams.choose_budget(job.fa_per_hour, reporter)
    training = JobTraining(cache, found, streams.train, reporter)
    return training, DevCriterion(streams.dev, job.classes, fa_per_hour)


def _draw(
    queue: TrialQueue, space: SearchSpace, job: WakeWordJob, setup: TrialSetup, reporter: Reporter
) -> Iterator[TrialTraining]:
    """Draw trials while results are missing."""
    for trial in queue.draw():
        drawn = space.draw(trial, job)
        named = ", ".join(f"{name}={value}" for name, value in settings(drawn).items())
        reporter.say(f"Trial {trial.number}: {named}")
        yield TrialTraining(trial.number, drawn, setup)


def _rank(trial: TunedTrial) -> tuple[bool, float, int]:
    """Lowest criterion first, pruned trials last."""
    return math.isnan(trial.criterion), trial.criterion, trial.number


def _tuned(trial: FrozenTrial, job: WakeWordJob, space: SearchSpace) -> TunedTrial:
    fixed = import_optuna().trial.FixedTrial(trial.params)
    return TunedTrial(
        trial.number,
        space.draw(fixed, job),
        trial.values[0] if trial.state.name == "COMPLETE" else math.nan,
        bool(trial.user_attrs.get(FIRST)),
        trial.user_attrs.get(TRIGGERS, ()),
        trial.user_attrs.get(FA_PER_HOUR, math.nan),
    )


def _describe(
    job: WakeWordJob, space: SearchSpace, recordings: Sequence[Recording]
) -> dict[str, Any]:
    """Return what all trials have in common, wherever the recordings are."""
    rows = sorted(
        (r.path.name, r.split, r.text, file_sha256(r.path), r.noise, r.onset_s, r.offset_s)
        for r in recordings
    )
    return {
        **{name: value for name, value in job.describe().items() if name not in SEARCHED},
        "fa_per_hour": job.fa_per_hour,
        "space": space.describe(),
        "recordings": hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16],
        "version": __version__,
    }
