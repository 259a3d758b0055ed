"""The storage of trials, which is continued: a file, or a database that several machines share.

A file is a journal of Optuna. One call uses it at a time, with all of its workers: `sole_user`. A
database takes several calls.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from keras_sal.checks import require
from keras_sal.extras import import_package
from keras_sal.files import check_path, temporary_sibling
from keras_sal.typing import PathLike

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

STUDY = "keras_sal"
RECIPE = "recipe"  # attribute of the study: what all trials have in common
FIRST = "first"  # attribute of the trial that has the parameters of the recipe
HEARTBEAT_S = 10
GRACE_S = 30
LOCKED_BYTE = 1 << 40  # on Windows, where a lock is of a range that nobody can read


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
        storage: A file, or the URL of a database as SQLAlchemy writes it.
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
    if not is_url(storage) and not Path(storage).exists():
        with temporary_sibling(check_path(storage)) as new:
            _make_study(optuna, new, recipe, first)
            _put_in_place(new, Path(storage))
    with _readable(storage):
        if is_url(storage):
            with contextlib.suppress(optuna.exceptions.DuplicatedStudyError):
                _make_study(optuna, storage, recipe, first)
        study = load_study(storage, pruner)
    # Another process that is making the study at this moment has not said the recipe yet.
    _check_recipe(storage, study.user_attrs.get(RECIPE, recipe), recipe)
    return study


def load_study(storage: PathLike, pruner: Any) -> Study:
    """Open the study of a storage that has one, as workers do.

    Args:
        storage: A file, or the URL of a database.
        pruner: Pruner of Optuna.
    """
    optuna = import_optuna()
    study: Study = optuna.load_study(study_name=STUDY, storage=connect(storage), pruner=pruner)
    return study


def connect(storage: PathLike) -> Any:
    """Return the storage of Optuna for a file or a URL.

    Args:
        storage: A file, or the URL of a database.
    """
    optuna = import_optuna()
    if not is_url(storage):
        path, journal = str(Path(storage).absolute()), optuna.storages.journal
        lock = journal.JournalFileOpenLock(path)
        return optuna.storages.JournalStorage(journal.JournalFileBackend(path, lock))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.storages.RDBStorage(
            str(storage),
            heartbeat_interval=HEARTBEAT_S,
            grace_period=GRACE_S,
            heartbeat_stale_trial_callback=retry,
        )


def retry(study: Study, trial: FrozenTrial) -> None:
    """Have a trial that ended before its result tried again.

    Args:
        study: The study.
        trial: The trial.
    """
    optuna = import_optuna()
    study.add_trial(
        optuna.create_trial(
            state=optuna.trial.TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=trial.user_attrs,
            system_attrs=trial.system_attrs,  # the parameters of one that has drawn none yet
        )
    )


def finished(study: Study) -> list[FrozenTrial]:
    """Return the trials that have a result, those that were pruned among them.

    Args:
        study: The study.
    """
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


@contextlib.contextmanager
def sole_user(path: PathLike) -> Iterator[None]:
    """Use the file of trials alone. A process that ends, however it does, uses it no more.

    Args:
        path: The file.

    Raises:
        ValueError: If another process uses it.
    """
    with Path(path).open("ab") as file:
        try:
            _lock(file)
        except OSError as error:
            raise ValueError(
                "`storage` must be used by one call at a time; it counts the trials that are under "
                f"way. Received: {str(path)!r}, which another one uses. Wait for it, give that one "
                "more workers, or name the URL of a database, which takes several."
            ) from error
        yield


def is_url(storage: PathLike) -> bool:
    """Return whether a storage is a database.

    Args:
        storage: A file, or the URL of a database.
    """
    return "://" in str(storage)


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _make_study(
    optuna: Any, storage: PathLike, recipe: Mapping[str, Any], first: Mapping[str, Any]
) -> None:
    study = optuna.create_study(study_name=STUDY, storage=connect(storage), direction="minimize")
    study.set_user_attr(RECIPE, dict(recipe))
    study.enqueue_trial(dict(first), user_attrs={FIRST: True})


def _put_in_place(new: Path, path: Path) -> None:
    """Name a file, unless another process was quicker."""
    try:
        os.link(new, path)
    except FileExistsError:
        return
    except OSError:  # no hard links on this file system
        new.replace(path)


@contextlib.contextmanager
def _readable(storage: PathLike) -> Iterator[None]:
    """Say what a storage must be, if it can't be opened."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, LookupError, RuntimeError, ValueError, TypeError) as error:
        raise ValueError(
            "`storage` must be a file that a tuning wrote, or none yet, or the URL of a database "
            "that can be reached; that of an SQLite file is sqlite:///FILE. Received: "
            f"{_shown(storage)} ({type(error).__name__}). Give another one."
        ) from error


def _shown(storage: PathLike) -> str:
    """The storage without a password."""
    scheme, separator, rest = str(storage).partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else scheme


def _check_recipe(storage: PathLike, found: Mapping[str, Any], recipe: Mapping[str, Any]) -> None:
    different = [key for key in {**recipe, **found} if found.get(key) != recipe.get(key)]
    require(
        not different,
        "`storage` must hold trials of the same recipe; the criteria of others can't be compared. "
        f"Received: {_shown(storage)}, whose trials have "
        f"{_listed(different, found)}, not {_listed(different, recipe)}. Name another file, or "
        "give the same options.",
    )


def _listed(keys: list[str], values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={values.get(key)!r}" for key in keys)
