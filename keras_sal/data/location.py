"""Search for the folder of recordings: as given, by environment variable, beside the checkout."""

import os
from pathlib import Path

from keras_sal.typing import PathLike

RECORDINGS = "KERAS_SAL_RECORDINGS"


def find_recordings(folder: PathLike | None = None) -> Path | None:
    """Find a folder of recordings: given, named by the environment, or beside the checkout.

    All commands find their recordings in this way.

    Args:
        folder: A folder, or `None` (default) to look at `KERAS_SAL_RECORDINGS` and then for
            `../shared/recordings` beside the checkout.

    Returns:
        The folder, or `None` if none was named and none lies beside the checkout.

    Example:
        >>> find_recordings("my_recordings").name
        'my_recordings'
    """
    named = folder or os.environ.get(RECORDINGS)
    if named:
        return Path(named)
    beside = Path(__file__).resolve().parents[3] / "shared" / "recordings"
    return beside if (beside / "recordings.csv").is_file() else None


def require_recordings(folder: PathLike | None = None) -> Path:
    """Find a folder of recordings as `find_recordings` does, or raise an error.

    Args:
        folder: A folder, or `None` (default).

    Returns:
        The folder.

    Raises:
        FileNotFoundError: If none was named and none lies beside the checkout.
    """
    folder = find_recordings(folder)
    if folder is None:
        raise FileNotFoundError(
            "`--recordings` must name a folder of recordings; none lies beside the checkout. "
            f"Give one, or set {RECORDINGS}."
        )
    return folder
