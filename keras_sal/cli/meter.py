"""The meter: bars that show the posterior of each class while a detector runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_sal.typing import Array

BAR_WIDTH = 40


class Meter:
    """Shows nothing, and prints lines.

    Args:
        print_line: Function that prints a line. Defaults to `print`.
    """

    def __init__(self, print_line: Callable[[str], object] = print) -> None:
        self.print = print_line

    def show(self, posteriors: Array) -> None:
        """Show the highest posterior of each class in a chunk.

        Args:
            posteriors: Array `(frames, classes)`.
        """


class BarMeter(Meter):
    """Shows a bar for each class, below the lines that are printed.

    Args:
        live: Live display of rich.
        names: Names of the classes.
    """

    def __init__(self, live: Any, names: Sequence[str]) -> None:
        super().__init__(live.console.print)
        self._live = live
        self._names = names

    def show(self, posteriors: Array) -> None:  # noqa: D102
        if len(posteriors):
            self._live.update(bars(posteriors.max(axis=0), self._names), refresh=True)


def bars(posteriors: Sequence[float], names: Sequence[str]) -> str:
    """Return a line of text with a bar for each class.

    Args:
        posteriors: Posterior of each class, in [0, 1].
        names: Names of the classes.
    """
    width = max(map(len, names))
    filled = [round(BAR_WIDTH * float(posterior)) for posterior in posteriors]
    return "\n".join(
        f"{name:{width}} {float(posterior):.2f} {'█' * full}{'·' * (BAR_WIDTH - full)}"
        for name, posterior, full in zip(names, posteriors, filled, strict=True)
    )


@contextlib.contextmanager
def meter(names: Sequence[str], shown: bool) -> Iterator[Meter]:
    """Yield a meter.

    Args:
        names: Names of the classes.
        shown: Whether it shows bars.
    """
    if not shown:
        yield Meter()
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False, markup=False)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield BarMeter(live, names)
