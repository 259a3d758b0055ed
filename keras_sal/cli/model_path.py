"""The argument MODEL: a file or folder, or the name of a pretrained detector."""

from __future__ import annotations

from pathlib import Path


def model_path(model: str | Path) -> Path:
    """Return the path that a MODEL stands for; what is there comes before a pretrained detector.

    Args:
        model: Path of a file or folder, or one of `keras_sal.pretrained.names()`.

    Returns:
        The path. A file name or a path that is not there is returned as it is.

    Raises:
        ValueError: If it is a name, and neither a folder nor a pretrained detector has it.
    """
    from keras_sal import pretrained

    path = Path(model)
    if path.exists() or path.suffix or path.name != str(model):
        return path
    try:
        return pretrained.path(str(model))
    except ValueError as error:
        names = ", ".join(map(repr, pretrained.names()))
        raise ValueError(
            "`MODEL` must be a file or folder that is there, or the name of a pretrained detector, "
            f"one of {names}. Received: {str(model)!r}. Check the path; `keras-sal train` trains "
            "a detector of another word."
        ) from error


def is_pretrained(model: str | Path) -> bool:
    """Return whether a MODEL stands for a pretrained detector.

    Args:
        model: As for `model_path`.
    """
    return model_path(model) != Path(model)
