"""Files that appear complete or not at all."""

import os
from pathlib import Path


def check_path(path):
    """Returns `path` as a `Path`, refused where no file can be written."""
    path = Path(path)
    if not path.parent.is_dir() or path.is_dir():
        raise ValueError(
            "`path` must name a file in a folder that exists. "
            f"Received: path={str(path)!r}. Make the folder first, and give a file name."
        )
    return path


def write_whole(path, content):
    """Writes bytes beside `path` and moves them there in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
