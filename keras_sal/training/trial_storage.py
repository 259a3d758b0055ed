"""The storage of trials: a file, or a database that several machines share, which is continued.

A trial whose process is killed is found by its heartbeat, which stops, and is tried again.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_sal.checks import require
from keras_sal.extras import import_package
from keras_sal.files import check_path, temporary_sibling
from keras_sal.typing import PathLike

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial

STUDY = "keras_sal"
RECIPE = "recipe"  # attribute of the study: what all trials have in common
FIRST = "first"  # attribute of the trial that has the parameters of the recipe
HEARTBEAT_S = 10
GRACE_S = 30


def import_optuna() -> Any:
    """Import Optuna, without its log.

    Raises:
        ImportError: If it is not installed.
    """
    optuna = import_package("optuna", "tune hyper-parameters", extra="tune")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def open_study(
    storage: PathLike, recipe: Mapping[str, Any], first: Mapping[str, Any], pruner: Any
) -> Study:
    """Open the study of a storage, or make it.

    Args:
        storage: An SQLite file, or the URL of a database as SQLAlchemy writes it.
        recipe: What all trials have in common, ready for JSON.
        first: Parameters of the first trial.
        pruner: Pruner of Optuna.

    Returns:
        The study, which minimises.

    Raises:
        ImportError: If Optuna, or a driver of the database, is missing.
        ValueError: If the storage can't be opened, or its trials have another recipe.
    """
    optuna = import_optuna()
    url = _url(storage)
    if not _is_url(storage) and not Path(storage).exists():
        with temporary_sibling(check_path(storage)) as new:
            _make_study(optuna, _url(new), recipe, first)
            _put_in_place(new, Path(storage))
    with _readable(storage):
        if _is_url(storage):
            with contextlib.suppress(optuna.exceptions.DuplicatedStudyError):
                _make_study(optuna, url, recipe, first)
        study = optuna.load_study(study_name=STUDY, storage=_connect(optuna, url), pruner=pruner)
    # Another process that is making the study at this moment has not said the recipe yet.
    _check_recipe(storage, study.user_attrs.get(RECIPE, recipe), recipe)
    return study


def retry(study: Study, trial: Trial | FrozenTrial) -> None:
    """Have a trial that ended before its result tried again.

    Args:
        study: The study.
        trial: The trial.
    """
    study.enqueue_trial(trial.params, user_attrs=trial.user_attrs)


def finished(study: Study) -> list[FrozenTrial]:
    """Return the trials that have a result, those that were pruned among them.

    Args:
        study: The study.
    """
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _make_study(optuna: Any, url: str, recipe: Mapping[str, Any], first: Mapping[str, Any]) -> None:
    storage = _connect(optuna, url)
    study = optuna.create_study(study_name=STUDY, storage=storage, direction="minimize")
    study.set_user_attr(RECIPE, dict(recipe))
    study.enqueue_trial(dict(first), user_attrs={FIRST: True})
    storage.engine.dispose()


def _put_in_place(new: Path, path: Path) -> None:
    """Name a file, unless another process was quicker."""
    try:
        os.link(new, path)
    except FileExistsError:
        return
    except OSError:  # no hard links on this file system
        new.replace(path)


def _connect(optuna: Any, url: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.storages.RDBStorage(
            url,
            heartbeat_interval=HEARTBEAT_S,
            grace_period=GRACE_S,
            heartbeat_stale_trial_callback=retry,
        )


def _is_url(storage: PathLike) -> bool:
    return "://" in str(storage)


def _url(storage: PathLike) -> str:
    return str(storage) if _is_url(storage) else f"sqlite:///{Path(storage).absolute()}"


@contextlib.contextmanager
def _readable(storage: PathLike) -> Iterator[None]:
    """Say what a storage must be, if it can't be opened."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, KeyError, RuntimeError) as error:
        raise ValueError(
            "`storage` must be a file that a tuning wrote, or none yet, or the URL of a database "
            "that can be reached. Received: "
            f"{_shown(storage)} ({type(error).__name__}). Give another one."
        ) from error


def _shown(storage: PathLike) -> str:
    """The storage without a password."""
    scheme, separator, rest = str(storage).partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else scheme


def _check_recipe(storage: PathLike, found: Mapping[str, Any], recipe: Mapping[str, Any]) -> None:
    different = [key for key in recipe if found.get(key) != recipe[key]]
    require(
        not different,
        "`storage` must hold trials of the same recipe; the criteria of others can't be compared. "
        f"Received: {_shown(storage)}, whose trials have "
        f"{_listed(different, found)}, not {_listed(different, recipe)}. Name another file, or "
        "give the same options.",
    )


def _listed(keys: list[str], values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={values.get(key)!r}" for key in keys)
