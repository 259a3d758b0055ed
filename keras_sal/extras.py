"""Optional packages: imported where they are used, asked for by name where they are missing."""

import importlib
import importlib.util


def check(package, purpose, extra="export"):
    """Refuses early when `package` is not installed, without importing it."""
    if importlib.util.find_spec(package) is None:
        raise ImportError(
            f"`{package}` is needed to {purpose} and is not installed. "
            f'Install it with: pip install "keras-sal[{extra}]"'
        )


def need(module, purpose, extra="export"):
    """Imports `module`, or says which extra brings its package."""
    check(module.partition(".")[0], purpose, extra)
    return importlib.import_module(module)
