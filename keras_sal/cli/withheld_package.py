"""Packages that a command can do without, so that nothing in its process imports them.

Keras imports TensorFlow on any backend: to seed its generator, and to compare types when a model is
saved. That takes 5 s and 270 MB, and TensorFlow describes the processor in many lines.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType


def withhold(package: str) -> None:
    """Have imports of a package fail in this process from now on, unless it was imported by now.

    It still counts as installed, and other processes import it.

    Args:
        package: Its name, without a dot.
    """
    if package not in sys.modules and find_spec(package):
        sys.meta_path.insert(0, _Withheld(package))


class _Withheld(MetaPathFinder, Loader):
    """Finds one package and doesn't load it."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name == self.package else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        raise ImportError(
            f"`{spec.name}` must not be needed by this command, whose process leaves it out to "
            f"save memory. Received: an import of it. Choose KERAS_BACKEND={spec.name} to have it.",
            name=spec.name,
        )

    def exec_module(self, module: ModuleType) -> None:
        raise AssertionError("it is never made")
