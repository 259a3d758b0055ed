"""Packages that only some sources of event times need."""

import importlib


def needed(module, *, package, extra):
    """The module, or an error that says which extra brings its package."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"This source of event times needs the package {package}: pip install "
            f'"keras-sal[{extra}]".'
        ) from error
