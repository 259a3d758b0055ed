"""The parser of a command, and the form of its help."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from keras_sal.cli.paths import FILES

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What `add_subparsers` of a parser returns."""

WIDTH = 88
GIVEN = "given"  # attribute of the parsed arguments: what each option was given first


class CommandParser(argparse.ArgumentParser):
    """Parses the arguments of a command; positional ones may stand after options."""

    _intermixed = False

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse options first, then what is left as positional arguments."""
        asks_help = bool({"-h", "--help"} & set(args or ()))  # the help names both kinds
        if self._intermixed or asks_help:
            return super().parse_known_args(args, namespace)
        self._intermixed = True  # parsing intermixed calls this method for each kind
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._intermixed = False


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Formats the help of a command: shows defaults, and keeps the lines of its description."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        unset = any(action.default is none for none in (None, False, argparse.SUPPRESS))
        required = not action.option_strings and action.nargs != argparse.OPTIONAL
        if unset or required or action.default == [] or "(default:" in text:
            return text
        return f"{text} (default: %(default)s)".lstrip()


class _StoreOnce(argparse._StoreAction):
    """Stores a text; refuses another one for the same option, which would replace the first."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Store the text."""
        given = namespace.__dict__.setdefault(GIVEN, {})
        first = given.setdefault(self.dest, values)
        if option_string and self.type is None and first != values:
            parser.error(
                f"argument {option_string}: must be given once; a command takes one. Received: "
                f"{first!r} and {values!r}. Leave one out, or run the command for each."
            )
        super().__call__(parser, namespace, values, option_string)


class RepeatedText(argparse.Action):
    """Stores a text, or the list of texts where it is given several times."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Store the text."""
        given = namespace.__dict__.setdefault(GIVEN, {}).setdefault(self.dest, [])
        if values not in given:
            given.append(values)
        setattr(namespace, self.dest, given[0] if len(given) == 1 else given)


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    summary: str,
    description: str,
    examples: Sequence[str],
    notes: str = "",
    check: Callable[[argparse.Namespace], None] | None = None,
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
        check: Function that refuses parsed arguments which can't be right. It runs before Keras is
            loaded, and must not import it. Defaults to `None`.

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
    parser.register("action", None, _StoreOnce)
    parser.register("action", "store", _StoreOnce)
    parser.set_defaults(run=run, check=check, default_of=parser.get_default)
    return parser


def refuse_given(
    options: argparse.Namespace, names: Iterable[str], where: str, *, remedy: str
) -> None:
    """Refuse arguments that were given and would have no effect, even if they are the defaults.

    Args:
        options: Parsed arguments.
        names: Names of some of them, before any is filled in.
        where: Where they have no effect, such as `"with --tune"`.
        remedy: A sentence that says what to do.

    Raises:
        ValueError: If one of them was given.
    """
    for name in names:
        value = getattr(options, name)
        if name in getattr(options, GIVEN, {}) or value != options.default_of(name):
            option = FILES.get(name, f"--{name.replace('_', '-')}")
            texts = value if isinstance(value, list | tuple) else [value] * (value is not True)
            raise ValueError(
                f"`{option}` must be left out {where}; it would have no effect. Received: "
                f"{' '.join([option, *map(str, texts)])}. {remedy}"
            )
