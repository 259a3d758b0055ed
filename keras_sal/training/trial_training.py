"""The training of one trial of a tuning, in this process or on a worker."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import keras

from keras_sal.files import json_ready
from keras_sal.progress import SilentReporter
from keras_sal.runtime import open_runner
from keras_sal.training.dev_criterion import DevCriterion
from keras_sal.training.job_training import JobTraining
from keras_sal.training.recipe import EPOCHS
from keras_sal.training.trial_storage import STUDY, connect, import_optuna, load_study
from keras_sal.training.wake_word_job import WakeWordJob
from keras_sal.typing import PathLike

if TYPE_CHECKING:
    from optuna.trial import Trial

EVALUATED = range(EPOCHS // 2, EPOCHS, 2)  # epochs after which a trial may be pruned
TRIGGERS, FA_PER_HOUR = "triggers", "fa_per_hour"  # attributes of trials


class TrialResult(NamedTuple):
    """The result of a trial.

    Args:
        criterion: The mean FRR on dev; `None` for a trial that was ended early.
        reason: Why it was ended early.
    """

    criterion: float | None
    reason: str = ""

    def __str__(self) -> str:
        if self.criterion is None:
            return f"ended early: {self.reason}"
        return f"criterion {self.criterion:.4f}"


@dataclass(frozen=True)
class TrialSetup:
    """What the trials of a tuning share.

    Args:
        training: What trains their jobs.
        criterion: What scores their detectors.
        storage: File or URL of the trials.
        pruner: Pruner of Optuna.
    """

    training: JobTraining
    criterion: DevCriterion
    storage: PathLike
    pruner: Any

    def prepare_to_send(self, job: WakeWordJob) -> None:
        """Do once what each process would do, and leave out what can't be sent to one.

        Args:
            job: The job of which all trials are variants.
        """
        self.training.refine(job)
        self.training.reporter = SilentReporter()


@dataclass(frozen=True)
class TrialTraining:
    """A trial that is to be run, by any process that has the same folders.

    Args:
        number: Number of the trial.
        job: The job with its hyper-parameters.
        setup: What it shares with the others.
    """

    number: int
    job: WakeWordJob
    setup: TrialSetup

    def __str__(self) -> str:
        return f"trial {self.number}"


def run_trial(task: TrialTraining) -> TrialResult:
    """Train the detector of a trial and score it; it goes on where a killed process was.

    Args:
        task: The trial.

    Returns:
        The `TrialResult`.
    """
    optuna, training = import_optuna(), task.setup.training
    try:
        return TrialResult(_score(task, _open_trial(task)))
    except optuna.TrialPruned as pruned:
        training.path(task.job).with_suffix(".npz").unlink(missing_ok=True)
        return TrialResult(None, str(pruned))


def _open_trial(task: TrialTraining) -> Trial:
    """The trial, in a connection of this process to the storage."""
    study = load_study(task.setup.storage, task.setup.pruner)
    storage = connect(task.setup.storage)
    study_id = storage.get_study_id_from_name(STUDY)
    trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, task.number)
    trial: Trial = import_optuna().trial.Trial(study, trial_id)
    return trial


def _score(task: TrialTraining, trial: Trial) -> float:
    training, criterion = task.setup.training, task.setup.criterion
    keras.utils.clear_session()  # of the trial before
    callbacks = [_Pruning(trial, criterion)]
    runner = open_runner(training.load_or_train(task.job, resume=True, callbacks=callbacks))
    posteriors = criterion.predict(runner)
    found = criterion.score(posteriors, runner)
    _require_finite(found)
    trial.set_user_attr(TRIGGERS, json_ready(criterion.tune_triggers(posteriors, runner)))
    trial.set_user_attr(FA_PER_HOUR, criterion.fa_per_hour)
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
