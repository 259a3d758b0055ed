"""The job of a folder of shards: the settings they share, and the folder of their recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from keras_sal.checks import require
from keras_sal.data.shards.shard_plan import StreamSettings, describe
from keras_sal.files import write_json

JOB = "job.json"


def begin_job(folder: Path, settings: StreamSettings, root: Path) -> None:
    """Make the folder and write its job; if it has one, it must be the same.

    Args:
        folder: Folder of the shards.
        settings: The settings of all shards.
        root: Folder above all recordings, which may be another one than before.

    Raises:
        ValueError: If the folder is a file, or of another job.
    """
    require(
        folder.is_dir() or not folder.exists(),
        "`folder` must be a folder, or nothing yet; shards are written into it. Received: "
        f"folder={str(folder)!r}, a file. Name another one.",
    )
    folder.mkdir(exist_ok=True)
    described = describe(settings)
    if (folder / JOB).exists():
        found = read_job(folder)["settings"]
        others = [
            f"{name}={found.get(name)!r}"
            for name, value in described.items()
            if found.get(name) != value
        ]
        require(
            not others,
            "`folder` must be new or hold shards of the same job; those of two are no set. "
            f"Received: folder={str(folder)!r}, whose shards have {', '.join(others)}. Name "
            "another folder, or remove it.",
        )
    write_json(folder / JOB, {"root": str(root), "settings": described})


def read_job(folder: Path) -> dict[str, Any]:
    """Return the job of a folder.

    Args:
        folder: Folder of the shards.

    Returns:
        A dict with `root`, a path, and `settings`, a dict.

    Raises:
        ValueError: If it can't be read.
    """
    path = folder / JOB
    try:
        job = json.loads(path.read_text(encoding="utf-8"))
        settings = dict(job["settings"])
        if not settings["word"]:
            raise ValueError("its word is empty")
        return {"root": Path(job["root"]), "settings": settings}
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(
            f"`folder` must hold the file {JOB} as it was written; it says where the recordings "
            f"are. Received: {str(path)!r} ({type(error).__name__}: {error}). Remove it, and write "
            "the shards again: what is whole is kept."
        ) from error
