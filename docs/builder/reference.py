"""API reference: one page for each public package and module, made from their docstrings.

MkDocs calls `on_config` and `on_files`. The names come from the `__all__` of the sources, which are
read and not imported, so that a new public name has its entry without an edit of a page.
"""

from __future__ import annotations

import ast
import functools
import itertools
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "keras_sal"


def source(module: str, root: Path = ROOT) -> Path:
    """Return the source file of a module or package.

    Args:
        module: Full name, for example `"keras_sal.losses"`.
        root: Folder that holds the package. Defaults to the repository.
    """
    path = root.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@functools.cache
def public_names(module: str, root: Path = ROOT) -> list[str]:
    """Return the public names of a module, in alphabetical order.

    They are those of its `__all__`, or, without one, its public classes and functions, and its
    constants with a docstring.

    Args:
        module: Full name of a module or package.
        root: Folder that holds the package. Defaults to the repository.
    """
    tree = ast.parse(source(module, root).read_text(encoding="utf-8"))
    lists: dict[str, list[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List | ast.Tuple):
            lists[ast.unparse(node.targets[0])] = list(_strings(node.value, lists))
    if "__all__" in lists:
        return sorted(lists["__all__"])
    defined = [node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    defined += [
        ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
        for node, following in itertools.pairwise(tree.body)
        if isinstance(node, ast.Assign | ast.AnnAssign) and _is_text(following)
    ]
    return sorted(name for name in defined if not name.startswith("_"))


def _is_text(node: ast.stmt) -> bool:
    """Whether it is a string by itself, such as the docstring of a constant."""
    return isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str)


def _strings(node: ast.expr, lists: dict[str, list[str]]) -> list[str]:
    """The strings of a list whose items may be tuples, starred, or names of lists."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.Name):
        return lists.get(node.id, [])
    if isinstance(node, ast.Starred):
        return _strings(node.value, lists)
    if isinstance(node, ast.List | ast.Tuple):
        return [text for item in node.elts for text in _strings(item, lists)]
    return []


@functools.cache
def public_modules(root: Path = ROOT) -> list[str]:
    """Return the full names of all modules with a page, a package before what is inside it.

    They are the package, the modules that a public `__all__` names, and the packages inside
    these that have an `__all__` of their own.

    Args:
        root: Folder that holds the package. Defaults to the repository.
    """
    found = [PACKAGE]
    for module in found:  # grows while it is read
        folder = source(module, root).parent
        inside = {name for name in public_names(module, root) if _is_module(module, name, root)}
        if source(module, root).name == "__init__.py":
            inside |= {
                path.parent.name
                for path in folder.glob("*/__init__.py")
                if "__all__" in path.read_text(encoding="utf-8")
            }
        found.extend(f"{module}.{name}" for name in sorted(inside))
    return sorted(found)


def _is_module(package: str, name: str, root: Path) -> bool:
    """Whether the name that a package exports is a module, not a function of the same name."""
    init = source(package, root)
    if init.name != "__init__.py" or not source(f"{package}.{name}", root).is_file():
        return False
    tree = ast.parse(init.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return not any(
        name in {alias.asname or alias.name for alias in node.names}
        for node in imports
        if node.module != package
    )


def page_name(module: str) -> str:
    """Return the path of the page of a module, below `docs/`.

    Args:
        module: Full name of a module.
    """
    return f"reference/{module}.md" if module != PACKAGE else "reference/index.md"


def page(module: str, root: Path = ROOT) -> str:
    """Return the page of a module as Markdown for mkdocstrings.

    Args:
        module: Full name of a module.
        root: Folder that holds the package. Defaults to the repository.
    """
    modules = public_modules(root)
    lines = [f"# `{module}` {{ #{module} }}", "", f"::: {module}"]
    lines += [
        "    options: {members: false, show_root_heading: false, show_root_toc_entry: false}",
        "",
    ]
    for name in public_names(module, root):
        if f"{module}.{name}" not in modules:
            lines += [f"::: {module}.{name}", ""]
    inside = [each for each in modules if each.rpartition(".")[0] == module]
    if inside:
        lines += ["## Modules", ""]
        lines += [f"* [`{each}`]({each}.md)" for each in inside]
    return "\n".join(lines) + "\n"


def navigation(root: Path = ROOT) -> list[Any]:
    """Return the section of the navigation: the package, then its modules by name.

    Args:
        root: Folder that holds the package. Defaults to the repository.
    """
    titles = [
        (module.removeprefix(f"{PACKAGE}."), page_name(module)) for module in public_modules(root)
    ]
    return [{title: path} for title, path in titles]


def link_names(html: str, names: set[str]) -> str:
    """Turn full public names in code spans into links to their entries.

    Args:
        html: A page.
        names: The full names that have an entry.

    Returns:
        The page, in which mkdocs-autorefs resolves the links.
    """

    def linked(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in names:
            return match.group(0)
        return f'<autoref optional identifier="{name}">{match.group(0)}</autoref>'

    parts = re.split(
        r"(<pre.*?</pre>|<a .*?</a>|<h\d.*?</h\d>|<autoref.*?</autoref>)", html, flags=re.DOTALL
    )
    parts[::2] = [re.sub(rf"<code>({PACKAGE}[\w.]*)</code>", linked, part) for part in parts[::2]]
    return "".join(parts)


@functools.cache
def all_names(root: Path = ROOT) -> set[str]:
    """Return the full names of all public modules, classes and functions.

    Args:
        root: Folder that holds the package. Defaults to the repository.
    """
    modules = public_modules(root)
    return {f"{module}.{name}" for module in modules for name in public_names(module, root)} | {
        *modules
    }


def on_config(config: Any) -> Any:
    """Add the section to the navigation.

    Args:
        config: Configuration of MkDocs.
    """
    for section in config.nav:
        if isinstance(section, dict) and "API reference" in section:
            section["API reference"] = navigation()
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages.

    Args:
        files: Files of the site.
        config: Configuration of MkDocs.
    """
    from mkdocs.structure.files import File

    for module in public_modules():
        files.append(File.generated(config, page_name(module), content=page(module)))
    return files


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Link the public names on a page.

    Args:
        html: Content of the page.
        page: The page.
        config: Configuration of MkDocs.
        files: Files of the site.
    """
    return link_names(html, all_names())
