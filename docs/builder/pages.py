"""Check of the built site: every public name has its entry, every local link its target.

python docs/builder/pages.py build/docs
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

sys.path.insert(0, str(Path(__file__).parent))

import reference


class Page(HTMLParser):
    """The ids and the links of a page.

    Args:
        text: The page.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the id and the link of an element.

        Args:
            tag: Name of the element.
            attrs: Its attributes.
        """
        found = {name: value for name, value in attrs if value}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        self.links |= {found[name] for name in ("href", "src") if name in found}


def find_faults(folder: Path) -> list[str]:
    """Return what is missing on a site, one line each.

    Args:
        folder: The folder that MkDocs built.
    """
    pages = {
        path.resolve(): Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")
    }
    entries = {entry for page in pages.values() for entry in page.ids}
    faults = [f"no entry for {name}" for name in sorted(reference.all_names() - entries)]
    for path, page in pages.items():
        for link in sorted(page.links):
            url = urlsplit(link)
            if url.scheme or url.netloc or path.name == "404.html":
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            target = target / "index.html" if target.is_dir() else target
            fragment = unquote(url.fragment)
            if not target.is_file():
                faults.append(f"{path.name}: no file for {link}")
            elif fragment and target in pages and fragment not in pages[target].ids:
                faults.append(f"{path.name}: no entry for {link}")
    return faults


def main(folder: str) -> int:
    """Print the faults of a site.

    Args:
        folder: The folder that MkDocs built.

    Returns:
        The exit status: 1 if there are faults.
    """
    faults = find_faults(Path(folder))
    print("\n".join(faults), file=sys.stderr)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
