"""What a command shows while it works: stages with progress, and tables.

Uses `rich`, which comes with Keras.
"""

import sys
import time
import warnings
from contextlib import contextmanager

import keras
from rich import box
from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

WIDTH = 100  # where output isn't a terminal


class Console:
    """Shows stages and tables; on a terminal with moving bars, elsewhere line by line."""

    def __init__(self):
        width = None if sys.stdout.isatty() else WIDTH
        self._rich = RichConsole(highlight=False, markup=False, width=width)

    def say(self, text):
        """Prints a line."""
        self._rich.print(text, soft_wrap=True)

    @contextmanager
    def saying_warnings(self):
        """Prints the warnings that are for users, each once and as a line; others not at all."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("once", UserWarning)
            warnings.showwarning = lambda message, *_, **__: self.say(f"Warning: {message}")
            yield

    @contextmanager
    def stage(self, name):
        """Shows that `name` is under way and for how long, then how long it took.

        Args:
            name: What is being done.

        Yields:
            A `Stage`, to tell how far it is.
        """
        started = time.monotonic()
        if not self._rich.is_terminal:
            self.say(f"{name} ...")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), console=self._rich, transient=True) as bars:
            yield Stage(bars, bars.add_task(name, total=None))
        self.say(f"{name}: {time.monotonic() - started:.0f} s")

    def table(self, title, columns, rows):
        """Prints a table.

        Args:
            title: Its title.
            columns: Names of the columns.
            rows: Rows of strings.
        """
        table = Table(title=title, title_justify="left", box=box.SIMPLE)
        for column in columns:
            table.add_column(column, justify="left" if column == columns[0] else "right")
        for row in rows:
            table.add_row(*row)
        self._rich.print(table)


class Stage:
    """A stage under way."""

    def __init__(self, bars, task):
        self._bars = bars
        self._task = task

    def progress(self, done, total):
        """Says that `done` of `total` are done."""
        self._bars.update(self._task, completed=done, total=total)

    def named_progress(self, name, done, total):
        """Says that `done` of `total` of the part `name` are done."""
        self._bars.update(self._task, description=name, completed=done, total=total)

    def track(self, items):
        """Iterates over a list and shows how far it is."""
        for index, item in enumerate(items):
            self.progress(index, len(items))
            yield item
        self.progress(len(items), len(items))

    def callback(self):
        """Returns a Keras callback that shows the train step and the loss."""
        return StageCallback(self)


class StageCallback(keras.callbacks.Callback):
    """Shows the train step and the loss in a `Stage`."""

    def __init__(self, stage):
        super().__init__()
        self._stage = stage
        self._done = 0

    def on_train_batch_end(self, batch, logs=None):  # noqa: D102
        self._done += 1
        self._stage.progress(self._done, self.params["epochs"] * self.params["steps"])
