"""Versions, machine and settings behind measured figures, to be stored beside them."""

import inspect
import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("keras-sal", "keras", "tensorflow", "jax", "torch", "numpy", "tflite-micro")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that figures depend on.

    Returns:
        A dict from names to versions. Packages that are not installed are left out.

    Example:
        >>> "keras" in versions()
        True
    """
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        for distribution in (package, f"{package}-cpu"):
            try:
                found[package] = version(distribution)
                break
            except PackageNotFoundError:
                continue
    return found


def machine() -> str:
    """Return the processor, its number of cores and the operating system, as one line."""
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()}"


def defaults(function: Callable[..., Any], *names: str) -> dict[str, Any]:
    """Return the default values of parameters of a function.

    Args:
        function: The function.
        *names: Names of the parameters.

    Returns:
        A dict from the names to their default values.

    Example:
        >>> defaults(sorted, "reverse")
        {'reverse': False}
    """
    parameters = inspect.signature(function).parameters
    return {name: parameters[name].default for name in names}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()
