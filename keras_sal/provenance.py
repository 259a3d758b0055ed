"""What figures were measured with and on, to be stored beside them."""

import inspect
import os
import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("keras-sal", "keras", "tensorflow", "jax", "torch", "numpy", "tflite-micro")


def versions():
    """Returns the versions of Python and of the packages that figures depend on.

    Example:

    >>> "keras" in versions()
    True
    """
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            try:
                found[package] = version(f"{package}-cpu")
            except PackageNotFoundError:
                continue
    return found


def machine():
    """Returns the processor, its cores and the system, as one line."""
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()}"


def defaults(function, *names):
    """Returns the default values of parameters of a function, by name.

    Example:

    >>> defaults(sorted, "reverse")
    {'reverse': False}
    """
    parameters = inspect.signature(function).parameters
    return {name: parameters[name].default for name in names}


def _processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123, a device file
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
