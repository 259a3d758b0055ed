"""The protocol by which long jobs report their progress, and a reporter that shows nothing.

The command line shows progress with `keras_sal.cli.console.Console`. Any other class with the
methods of `Reporter` can take its place, for example one that writes to a log.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import keras


class Stage(Protocol):
    """A part of a job that is under way."""

    def progress(self, done: int, total: int) -> None:
        """Report that `done` of `total` steps are done."""

    def named_progress(self, name: str, done: int, total: int) -> None:
        """Report that `done` of `total` steps of the part `name` are done."""

    def callback(self) -> keras.callbacks.Callback:
        """Return a Keras callback that reports each train step."""
        ...


class Reporter(Protocol):
    """What a job reports to."""

    def say(self, text: str) -> None:
        """Report a line of text."""

    def stage(self, name: str) -> AbstractContextManager[Stage]:
        """Report that the part `name` begins, and its end when the context is left."""
        ...


class SilentStage:
    """A `Stage` that shows nothing."""

    def progress(self, done: int, total: int) -> None:
        """Show nothing."""

    def named_progress(self, name: str, done: int, total: int) -> None:
        """Show nothing."""

    def callback(self) -> keras.callbacks.Callback:
        """Return a Keras callback that does nothing."""
        return keras.callbacks.Callback()


class SilentReporter:
    """A `Reporter` that shows nothing: the default of functions that report progress.

    Example:
        >>> reporter = SilentReporter()
        >>> with reporter.stage("Train") as stage:
        ...     stage.progress(1, 10)
    """

    def say(self, text: str) -> None:
        """Show nothing."""

    @contextmanager
    def stage(self, name: str) -> Iterator[SilentStage]:
        """Yield a stage that shows nothing."""
        yield SilentStage()
