"""Silencing of the messages that C++ libraries print when they are imported."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STDERR = 2


def import_quietly(module: str) -> None:
    """Import a module, if it is installed, without what its native code prints.

    `keras.utils.set_random_seed` imports TensorFlow whatever the backend is, and TensorFlow then
    describes the processor in many lines.

    Args:
        module: Its name, without a dot.
    """
    if module not in sys.modules and importlib.util.find_spec(module):
        with _silent_stderr():
            importlib.import_module(module)


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what this process writes to its standard error, from C++ too."""
    sys.stderr.flush()
    kept, nothing = os.dup(STDERR), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, STDERR)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, STDERR)
        os.close(kept)
        os.close(nothing)
