"""Optional packages: imported where they are used, asked for by name where they are missing."""

import importlib
import importlib.util


def require_package(package, purpose, extra="export"):
    """Refuses early when `package` is not installed, without importing it.

    Args:
        package: The name it is imported by.
        purpose: What it is needed to do, for the message: `"read sound files"`.
        extra: The extra of `keras-sal` that brings it.

    Raises:
        ImportError: If it is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise ImportError(
            f"`{package}` is needed to {purpose} and is not installed. "
            f'Install it with: pip install "keras-sal[{extra}]"'
        )


def import_package(module, purpose, extra="export"):
    """Imports `module`, or says which extra brings its package.

    Args:
        module: The module's full name.
        purpose: What it is needed to do, for the message.
        extra: The extra of `keras-sal` that brings it.

    Returns:
        The module.

    Raises:
        ImportError: If its package is not installed.
    """
    require_package(module.partition(".")[0], purpose, extra)
    return importlib.import_module(module)
