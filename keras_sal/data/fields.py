"""Parsing of the lines and numbers in tables and event files."""

from __future__ import annotations

import re

LINE_END = re.compile(r"\r\n|\r|\n")


def split_lines(text: str) -> list[str]:
    r"""Split a text at LF, CRLF and CR, and at nothing else.

    `str.splitlines` also splits at U+0085, U+2028, vertical tabs and form feeds, which may stand in
    a label.

    Args:
        text: Any text.

    Returns:
        The lines, without their ends. A last line end begins no further line.

    Example:
        >>> split_lines("a\u2028b\r\nc\rd\n")
        ['a\u2028b', 'c', 'd']
    """
    lines = LINE_END.split(text)
    return lines if lines[-1] else lines[:-1]


def number(text: str | float) -> float:
    """Return a number that is written in decimal digits.

    Args:
        text: The number as written. Underscores between digits, which `float` passes over, are
            refused.

    Returns:
        The number; may be infinite or `nan`.

    Raises:
        ValueError: If it is no number.

    Example:
        >>> number(" 9.5e-05")
        9.5e-05
    """
    if isinstance(text, str) and "_" in text:
        raise ValueError(f"could not convert string to float: {text!r}")
    return float(text)


def is_number(text: str) -> bool:
    """Tell whether a text is a number, see `number`.

    Args:
        text: Any text.

    Returns:
        `True` if it is.

    Example:
        >>> is_number("0.5"), is_number("1_0")
        (True, False)
    """
    try:
        number(text)
    except ValueError:
        return False
    return True
