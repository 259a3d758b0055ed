"""The parser of a command, and the form of its help."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Sequence
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What `add_subparsers` of a parser returns."""

WIDTH = 88


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Formats the help of a command: shows defaults, and keeps the lines of its description."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        unset = any(action.default is none for none in (None, False, argparse.SUPPRESS))
        required = not action.option_strings and action.nargs != argparse.OPTIONAL
        if unset or required or action.default == [] or "(default:" in text:
            return text
        return f"{text} (default: %(default)s)".lstrip()


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    summary: str,
    description: str,
    examples: Sequence[str],
    notes: str = "",
) -> argparse.ArgumentParser:
    """Add the parser of a command.

    Args:
        commands: Parsers of the commands.
        name: Name of the command.
        run: Function that runs it with the parsed arguments and returns the exit status.
        summary: One line for the help of `keras-sal`.
        description: One paragraph for the help of the command.
        examples: Command lines, without `keras-sal`.
        notes: A paragraph below the examples. Defaults to `""`.

    Returns:
        The parser, without arguments.
    """
    lines = ["examples:", *(f"  keras-sal {example}" for example in examples)]
    if notes:
        lines += ["", textwrap.fill(notes, WIDTH)]
    parser = commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(description, WIDTH),
        epilog="\n".join(lines),
        formatter_class=HelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser
