"""Griffe extension: the docstrings of this package as Markdown.

Docstrings show examples as `>>>` lines without a fence, which Markdown takes for quotations, and
they indent the text of a list by the width of its mark, where Markdown wants four spaces. This
extension puts a fence around examples and indents lists.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

PROMPT = re.compile(r"^( *)>>> ")
ITEM = re.compile(r"[-*] |\d\. ")


def fence_examples(text: str) -> str:
    """Put a fence around each example of a docstring.

    An example reaches from a line with `>>>` to the next blank line. Examples that follow each
    other are in one fence.

    Args:
        text: The docstring, without the indentation of the code.

    Returns:
        The docstring as Markdown.
    """
    lines, out, number = text.splitlines(), [], 0
    fenced = False
    while number < len(lines):
        line = lines[number]
        fenced ^= line.lstrip().startswith("```")
        prompt = None if fenced else PROMPT.match(line)
        if not prompt:
            out.append(line)
            number += 1
            continue
        indent = prompt.group(1)
        block = []
        while number < len(lines) and lines[number].strip():
            block.append(lines[number])
            number += 1
        if out and out[-1].strip():
            out.append("")
        out += [f"{indent}```pycon", *block, f"{indent}```"]
    return "\n".join(out)


def indent_lists(text: str) -> str:
    """Indent what belongs to an item of a list by four spaces, and begin items after a blank line.

    Args:
        text: The docstring, without the indentation of the code.

    Returns:
        The docstring as Markdown.
    """
    out, width = [], 0
    for line in text.splitlines():
        item = ITEM.match(line)
        if item:
            width = len(item.group())
            if out and out[-1].strip() and not ITEM.match(out[-1]):
                out.append("")
        elif width and line.startswith(" " * width):
            line = " " * (4 - width) + line
        elif line.strip():
            width = 0
        out.append(line)
    return "\n".join(out)


class MarkdownDocstrings(griffe.Extension):
    """Makes Markdown of every docstring that is loaded."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Make Markdown of the docstring of an object.

        Args:
            obj: A module, class, function or attribute.
            **kwargs: What else Griffe tells.
        """
        if obj.docstring:
            obj.docstring.value = fence_examples(indent_lists(obj.docstring.value))
