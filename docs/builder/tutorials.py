"""Tutorials: Markdown notebooks, which are run while the site is built.

A tutorial is a page of `docs/tutorials/` in Jupytext's Markdown format: text and `python` blocks.
MkDocs calls `on_files`, which runs each of them in a Jupyter kernel, and `on_page_markdown`, which
shows its outputs below the blocks. The notebook with its outputs is on the site as
`tutorials/NAME.ipynb`. A tutorial that was run is kept in `build/tutorials`, and runs again when
its text or the package has changed.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "tutorials"
KEPT = ROOT / "build" / "tutorials"
TIMEOUT_S = 600  # of one block
# Quiet libraries, and the same backend for every build.
ENVIRONMENT = {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}

_notebooks: dict[str, Any] = {}


def tutorial_paths() -> list[Path]:
    """Return the notebooks: the pages of the folder but its index."""
    return sorted(path for path in FOLDER.glob("*.md") if path.name != "index.md")


def run_notebook(path: Path) -> Any:
    """Run a notebook, or read it if it was run before.

    Args:
        path: The Markdown notebook.

    Returns:
        The notebook with outputs.
    """
    import jupytext
    import nbformat
    from nbclient import NotebookClient

    kept = KEPT / f"{path.stem}-{_fingerprint(path)}.ipynb"
    if kept.is_file():
        return nbformat.read(kept, as_version=4)
    notebook = jupytext.read(path, fmt="md")
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    started_s = time.perf_counter()
    os.environ.update(ENVIRONMENT)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook, timeout=TIMEOUT_S, resources={"metadata": {"path": folder}}
        ).execute()
    print(f"{path.name} ran in {time.perf_counter() - started_s:.0f} s", flush=True)
    KEPT.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_suffix(".unfinished")
    nbformat.write(notebook, unfinished)
    unfinished.replace(kept)
    return notebook


def _fingerprint(path: Path) -> str:
    """A hash of the tutorial and of the package."""
    digest = hashlib.sha256(path.read_bytes())
    for each in sorted((ROOT / "keras_sal").rglob("*.py")):
        digest.update(each.read_bytes())
    return digest.hexdigest()[:16]


def to_markdown(notebook: Any, name: str) -> tuple[str, dict[str, bytes]]:
    """Return a notebook as a page, and its pictures.

    Args:
        notebook: A notebook with outputs.
        name: Name of the page, which the names of the pictures begin with.

    Returns:
        The Markdown, and the content of each picture by its file name.
    """
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        printed = ""
        for output in cell.outputs:
            if output.output_type == "stream":
                printed += output.text if output.name == "stdout" else ""
            elif "image/png" in output.data:
                picture = f"{name}-{len(pictures)}.png"
                pictures[picture] = base64.b64decode(output.data["image/png"])
                described = output.metadata.get("alt") or "Figure that the code above draws"
                parts.append(_block(printed) + f"![{described}]({picture})")
                printed = ""
            elif output.output_type == "execute_result":
                printed += output.data["text/plain"] + "\n"
        if printed:
            parts.append(_block(printed).rstrip())
    parts.append(f"[Download this page as a notebook]({name}.ipynb)")
    return "\n\n".join(parts) + "\n", pictures


def _block(printed: str) -> str:
    return f'```{{ .text .output title="Output" }}\n{printed.rstrip()}\n```\n\n' if printed else ""


def on_files(files: Any, config: Any) -> Any:
    """Run the tutorials; add their notebooks and pictures to the site.

    Args:
        files: Files of the site.
        config: Configuration of MkDocs.
    """
    import nbformat
    from mkdocs.structure.files import File

    for path in tutorial_paths() if config.extra["run_tutorials"] else ():
        notebook = run_notebook(path)
        page, pictures = to_markdown(notebook, path.stem)
        _notebooks[f"tutorials/{path.name}"] = page
        extra = {f"{path.stem}.ipynb": nbformat.writes(notebook).encode(), **pictures}
        for name, content in extra.items():
            files.append(File.generated(config, f"tutorials/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Show a tutorial with its outputs.

    Args:
        markdown: Text of the page.
        page: The page.
        config: Configuration of MkDocs.
        files: Files of the site.
    """
    return _notebooks.get(page.file.src_uri, markdown)
