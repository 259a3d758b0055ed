"""The console: stages with progress, tables and lines of text.

It uses `rich`, which comes with Keras, and is a `keras_sal.progress.Reporter`.
"""

from __future__ import annotations

import functools
import itertools
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import argparse

    import keras
    from rich.progress import Progress, TaskID

WIDTH = 100  # where output is no terminal

Item = TypeVar("Item")


class Console:
    """Shows stages and tables: on a terminal with moving bars, elsewhere line by line.

    Example:

    >>> console = Console()
    >>> console.say("Recordings: speech")
    Recordings: speech
    """

    def __init__(self) -> None:
        from rich.console import Console as RichConsole

        width = None if sys.stdout.isatty() else WIDTH
        self._rich = RichConsole(highlight=False, markup=False, width=width)

    @property
    def is_terminal(self) -> bool:
        """Whether somebody sees what is shown."""
        return self._rich.is_terminal

    def say(self, text: str) -> None:
        """Print a line.

        Args:
            text: The line.
        """
        self._rich.print(text, soft_wrap=True)

    @contextmanager
    def saying_warnings(self) -> Iterator[None]:
        """Print each warning for users once, as a line, and leave out all other warnings."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("once", UserWarning)
            warnings.showwarning = lambda message, *_, **__: self.say(f"Warning: {message}")
            yield

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Show that a stage is under way and for how long, and at its end how long it took.

        Args:
            name: Name of the stage.

        Yields:
            The `Stage`, which takes reports of its progress.
        """
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        started = time.monotonic()
        if not self.is_terminal:
            self.say(f"{name} ...")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(
            *columns,
            TimeElapsedColumn(),
            console=self._rich,
            transient=True,
            disable=not self.is_terminal,
        ) as bars:
            yield Stage(bars, bars.add_task(name, total=None))
        self.say(f"{name}: {time.monotonic() - started:.0f} s")

    def table(
        self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1
    ) -> None:
        """Print a table.

        Args:
            title: Title of the table.
            columns: Names of the columns.
            rows: Texts of the cells, row by row.
            texts: Number of columns that hold text, the first ones; the others hold numbers.
                Defaults to 1.
        """
        from rich import box
        from rich.table import Table

        table = Table(title=title, title_justify="left", box=box.SIMPLE)
        for place, column in enumerate(columns):
            table.add_column(column, justify="left" if place < texts else "right")
        for row in rows:
            table.add_row(*row)
        self._rich.print(table)


class Stage:
    """A stage under way.

    Args:
        bars: Progress bars of rich.
        task: The bar of this stage.
    """

    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def progress(self, done: int, total: int) -> None:
        """Show that `done` of `total` steps are done.

        Args:
            done: Number of steps that are done.
            total: Number of all steps.
        """
        self._bars.update(self._task, completed=done, total=total)

    def named_progress(self, name: str, done: int, total: int | None) -> None:
        """Show that `done` of `total` steps of a part of the stage are done.

        Args:
            name: Name of the part.
            done: Number of steps that are done.
            total: Number of all steps of the part, or `None` if unknown.
        """
        self._bars.update(self._task, description=name, completed=done, total=total)

    def track(self, items: Sequence[Item]) -> Iterator[Item]:
        """Iterate over a list and show the progress.

        Args:
            items: The list.
        """
        for index, item in enumerate(items):
            self.progress(index, len(items))
            yield item
        self.progress(len(items), len(items))

    def callback(self) -> keras.callbacks.Callback:
        """Return a Keras callback that shows the number of train steps."""
        import keras

        steps = itertools.count(1)

        def show_step(batch: int, logs: dict | None) -> None:
            self.progress(next(steps), callback.params["epochs"] * callback.params["steps"])

        callback = keras.callbacks.LambdaCallback(on_train_batch_end=show_step)
        return callback


def says_warnings(
    run: Callable[[argparse.Namespace, Console], int],
) -> Callable[[argparse.Namespace], int]:
    """Give a command a console, which prints the warnings of the run as lines.

    Args:
        run: Function of the parsed arguments and the console that returns the exit status.

    Returns:
        Function of the parsed arguments alone.
    """

    @functools.wraps(run)
    def with_console(options: argparse.Namespace) -> int:
        console = Console()
        with console.saying_warnings():
            return run(options, console)

    return with_console
