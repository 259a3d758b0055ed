"""The job of `keras-sal tune`: hyper-parameters of the recipe, chosen on dev.

Each trial is the training of `train_wake_word` with other hyper-parameters. Its criterion is the
mean FRR on dev over false-alarm budgets, which no choice of threshold can flatter. The first trial
is the recipe. Optuna draws the others, and ends a training in its second half where its criterion
is worse than the median of the others at the same epoch.

    result = tune_wake_word("computer", WakeWordJob("computer", "my_recordings"), trials=20)
    train_wake_word("computer", result.best.job, resume=True)

Trials are kept in a file, with which another call goes on, and which several processes may share.
On several machines it is a database: `storage="postgresql+psycopg://user@host/name"`. Detectors are
kept where `train_wake_word` looks for them, so that it trains none again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from keras_sal import __version__
from keras_sal.checks import require
from keras_sal.data import Recording
from keras_sal.files import json_ready, write_json
from keras_sal.progress import Reporter, SilentReporter
from keras_sal.runtime import open_runner
from keras_sal.training.dev_criterion import DevCriterion
from keras_sal.training.job_recordings import JobRecordings
from keras_sal.training.job_training import JobTraining
from keras_sal.training.recipe import EPOCHS
from keras_sal.training.search_space import SEARCHED, SearchSpace, settings
from keras_sal.training.trial_storage import FIRST, finished, import_optuna, open_study, retry
from keras_sal.training.wake_word_job import WakeWordJob
from keras_sal.typing import PathLike

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

STORAGE = "trials.sqlite3"
RESULTS = "tuning.json"
EVALUATED = range(EPOCHS // 2, EPOCHS, 2)  # epochs after which a trial may be pruned
UNPRUNED = 4  # trials that must be complete before others are pruned
TRIGGERS, FA_PER_HOUR = "triggers", "fa_per_hour"  # attributes of trials


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
        storage: File of the trials, or URL of a database that several machines share. Defaults to
            `None`, for `trials.sqlite3` in `output`.
        reporter: Receiver of the progress. Defaults to `None`, for none.

    Returns:
        The `TuningResult`.

    Raises:
        ImportError: If Optuna is missing.
        ValueError: If the recordings can't be trained on, or the storage has trials of another
            recipe.
        RuntimeError: If no trial came to its end.
    """
    require(
        trials >= 1,
        "`trials` must be at least 1; the first is the recipe. Received: "
        f"trials={trials}. 20 is a start.",
    )
    optuna = import_optuna()
    output, space, reporter = Path(output), space or SearchSpace(), reporter or SilentReporter()
    found = job.collect_recordings(output, reporter)
    output.mkdir(parents=True, exist_ok=True)
    recipe = _describe(job, space, found.recordings)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED)
    study = open_study(storage or output / STORAGE, recipe, space.start(job), pruner)
    if len(finished(study)) < trials:
        objective = _Objective(output / "cache", job, space, found, reporter)
        while (done := len(finished(study))) < trials:
            reporter.say(f"{done} of {trials} trials have a result")
            study.optimize(objective, n_trials=1)
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


class _Objective:
    """Trains the detector of a trial, and returns its criterion."""

    def __init__(
        self,
        cache: Path,
        job: WakeWordJob,
        space: SearchSpace,
        found: JobRecordings,
        reporter: Reporter,
    ):
        self.job, self.space, self.reporter = job, space, reporter
        streams = job.make_streams(found.recordings, cache, reporter)
        self.fa_per_hour = streams.choose_budget(job.fa_per_hour, reporter)
        self.criterion = DevCriterion(streams.dev, job.classes, self.fa_per_hour)
        self.training = JobTraining(cache, found, streams.train, reporter)

    def __call__(self, trial: Trial) -> float:
        optuna = import_optuna()
        # Another call, or process, that began with the same seed would draw the same.
        trial.study.sampler = optuna.samplers.TPESampler(seed=self.job.training.seed + trial.number)
        job = self.space.draw(trial, self.job)
        named = ", ".join(f"{name}={value}" for name, value in settings(job).items())
        self.reporter.say(f"Trial {trial.number}: {named}")
        try:
            return self._score(trial, job)
        except optuna.TrialPruned as pruned:
            self.reporter.say(f"Trial {trial.number} is ended early: {pruned}")
            self.training.path(job).with_suffix(".npz").unlink(missing_ok=True)
            raise
        except KeyboardInterrupt:
            retry(trial.study, trial)
            raise

    def _score(self, trial: Trial, job: WakeWordJob) -> float:
        keras.utils.clear_session()  # of the trial before
        callback = _Pruning(trial, self.criterion)
        runner = open_runner(self.training.load_or_train(job, resume=True, callbacks=[callback]))
        posteriors = self.criterion.predict(runner)
        found = self.criterion.score(posteriors, runner)
        _require_finite(found)
        triggers = self.criterion.tune_triggers(posteriors, runner)
        trial.set_user_attr(TRIGGERS, json_ready(triggers))
        trial.set_user_attr(FA_PER_HOUR, self.fa_per_hour)
        self.reporter.say(f"Trial {trial.number}: criterion {found:.4f}")
        return found


class _Pruning(keras.callbacks.Callback):
    """Callback that ends a trial which is worse than the median of the others."""

    def __init__(self, trial: Trial, criterion: DevCriterion):
        super().__init__()
        self.trial, self.criterion = trial, criterion
        self._runner: Any = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Score the detector on dev after some epochs, which Keras counts from 0."""
        _require_finite(float((logs or {}).get("loss", 0.0)))
        if epoch + 1 not in EVALUATED:
            return
        self._runner = self._runner or open_runner(self.model)
        criterion = self.criterion.score(self.criterion.predict(self._runner), self._runner)
        _require_finite(criterion)
        self.trial.report(criterion, epoch + 1)
        if self.trial.should_prune():
            raise import_optuna().TrialPruned(
                f"criterion {criterion:.4f} after epoch {epoch + 1} of {EPOCHS}"
            )


def _require_finite(figure: float) -> None:
    """End a trial whose training diverged."""
    if not math.isfinite(figure):
        raise import_optuna().TrialPruned("the training diverged")


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
    rows = sorted((r.path.name, r.split, r.text, r.onset_s, r.offset_s) for r in recordings)
    return {
        **{name: value for name, value in job.describe().items() if name not in SEARCHED},
        "fa_per_hour": job.fa_per_hour,
        "space": space.describe(),
        "recordings": hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16],
        "version": __version__,
    }
