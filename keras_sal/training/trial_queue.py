"""The trials that one call of a tuning runs, until enough of them have a result."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from keras_sal.training import trial_storage
from keras_sal.training.trial_storage import (
    STUDY,
    connect,
    finished,
    import_optuna,
    is_url,
    retry,
    sole_user,
)
from keras_sal.typing import PathLike

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial


class TrialQueue:
    """Draws the trials of a study and takes their results, as a context.

    The caller alone draws and counts, so that it runs as many trials as are missing, on however
    many processes. What has no result when the context is left, or was left by a process that was
    killed, is drawn again. Calls that share a database know by heartbeats whose trials are under
    way.

    Args:
        study: The study of Optuna.
        storage: Its file or URL.
        count: Number of trials that are to have a result.
        seed: Seed of the drawing.
    """

    def __init__(self, study: Study, storage: PathLike, count: int, seed: int) -> None:
        self.study, self.storage, self.count, self.seed = study, storage, count, seed
        self._own: set[int] = set()  # numbers of the trials that this call runs
        self._use = contextlib.ExitStack()

    def __enter__(self) -> TrialQueue:
        shared = is_url(self.storage)
        self._use.enter_context(self._heartbeats() if shared else sole_user(self.storage))
        return self

    def __exit__(self, *error: object) -> None:
        with self._use:
            self._give_back(trial for trial in self._running() if trial.number in self._own)

    def draw(self) -> Iterator[Trial]:
        """Draw trials until enough have a result or are under way.

        Yields:
            Trials of Optuna, of which the parameters are to be suggested at once.
        """
        while len(finished(self.study)) + len(self._own) < self.count:
            self._take_over()
            yield self._ask()

    def tell(self, number: int, criterion: float | None) -> None:
        """Keep the result of a trial.

        Args:
            number: Number of the trial.
            criterion: Its criterion; `None` if it was pruned.
        """
        state = import_optuna().trial.TrialState.PRUNED if criterion is None else None
        self.study.tell(number, criterion, state=state, skip_if_finished=True)
        self._own.discard(number)

    def _ask(self) -> Trial:
        optuna = import_optuna()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Heartbeat of storage")  # those are `_heartbeats`
            trial = self.study.ask()
        self._own.add(trial.number)
        if is_url(self.storage):
            self._beat(connect(self.storage))
        # Another call that began with the same seed would draw the same.
        self.study.sampler = optuna.samplers.TPESampler(seed=self.seed + trial.number)
        return trial

    def _running(self) -> list[FrozenTrial]:
        states = (import_optuna().trial.TrialState.RUNNING,)
        return self.study.get_trials(deepcopy=False, states=states)

    def _take_over(self) -> None:
        """Have the trials of processes that were killed tried again."""
        optuna = import_optuna()
        if not is_url(self.storage):
            self._give_back(each for each in self._running() if each.number not in self._own)
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.fail_stale_trials(self.study)

    def _give_back(self, trials: Iterable[FrozenTrial]) -> None:
        for trial in trials:
            self.study.tell(trial.number, state=import_optuna().trial.TrialState.FAIL)
            retry(self.study, trial)

    @contextlib.contextmanager
    def _heartbeats(self) -> Iterator[None]:
        """Show the other calls, again and again, that the trials of this one are under way."""
        storage, ended = connect(self.storage), threading.Event()

        def beat() -> None:
            while not ended.wait(trial_storage.HEARTBEAT_S):
                self._beat(storage)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _beat(self, storage: Any) -> None:
        study = storage.get_study_id_from_name(STUDY)
        for number in sorted(self._own):
            trial = storage.get_trial_id_from_study_id_trial_number(study, number)
            storage.record_heartbeat(trial)
