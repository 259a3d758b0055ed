"""Optional packages, and the errors that name the extra to install where one is missing."""

import importlib
import importlib.util
from typing import Any


def require_package(package: str, purpose: str, extra: str = "export") -> None:
    """Raise an error if a package is not installed, without importing it.

    Args:
        package: Name by which the package is imported.
        purpose: What the package is needed for, as a verb phrase: `"read sound files"`.
        extra: Extra of `keras-sal` that installs it. Defaults to `"export"`.

    Raises:
        ImportError: If the package is not installed.

    Example:
        >>> require_package("no_such_package", "fly", extra="live")
        Traceback (most recent call last):
        ...
        ImportError: `no_such_package` is needed to fly and is not installed. Install it with: \
pip install "keras-sal[live]"
    """
    if importlib.util.find_spec(package) is None:
        raise ImportError(
            f"`{package}` is needed to {purpose} and is not installed. "
            f'Install it with: pip install "keras-sal[{extra}]"',
            name=package,
        )


def import_package(module: str, purpose: str, extra: str = "export") -> Any:
    """Import a module of an optional package.

    Args:
        module: Full name of the module.
        purpose: What the package is needed for, as a verb phrase: `"read sound files"`.
        extra: Extra of `keras-sal` that installs it. Defaults to `"export"`.

    Returns:
        The module.

    Raises:
        ImportError: If the package is not installed.

    Example:
        >>> import_package("json", "read JSON").loads("[1]")
        [1]
    """
    require_package(module.partition(".")[0], purpose, extra)
    return importlib.import_module(module)
