"""Examples of the guides: runs them and compares what they print.

    python docs/builder/examples.py docs/guides/*.md

A page is one program: its `python` blocks run in order and share their names. A `text` block that
follows a `python` block holds what it prints, to the letter.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """A block of code.

    Args:
        line: Number of its first line.
        code: The code.
        printed: What it prints, or `None` if the page doesn't say.
    """

    line: int
    code: str
    printed: str | None


def find_examples(text: str) -> list[Example]:
    """Return the `python` blocks of a page in their order.

    Args:
        text: The page, in Markdown.
    """
    blocks = list(BLOCK.finditer(text))
    found = []
    for block, following in itertools.zip_longest(blocks, blocks[1:]):
        if block.group(1) != "python":
            continue
        printed = None
        if following and following.group(1) == "text":
            between = text[block.end() : following.start()]
            printed = following.group(2) if not between.strip() else None
        found.append(Example(text.count("\n", 0, block.start()) + 2, block.group(2), printed))
    return found


def run_page(path: Path) -> list[str]:
    """Run the examples of a page in an empty folder.

    Args:
        path: The page.

    Returns:
        A message for each example that prints something else than the page says.
    """
    names = {"__name__": "__main__"}
    wrong = []
    here = Path.cwd()
    text = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for example in find_examples(text):
                printed = io.StringIO()
                code = compile("\n" * (example.line - 1) + example.code, str(path), "exec")
                with contextlib.redirect_stdout(printed):
                    exec(code, names)
                if example.printed is not None and printed.getvalue() != example.printed:
                    wrong.append(
                        f"{path}:{example.line} printed\n{printed.getvalue()}"
                        f"and the page says\n{example.printed}"
                    )
        finally:
            os.chdir(here)
    return wrong


def main(paths: list[str]) -> int:
    """Run the examples of pages.

    Args:
        paths: The pages.

    Returns:
        The exit status: 1 if a page is wrong.
    """
    wrong = []
    for path in map(Path, paths):
        print(f"Running the examples of {path}", flush=True)
        wrong += run_page(path.absolute())
    print("\n".join(wrong), file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
