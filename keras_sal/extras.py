"""Optional packages, and the errors that name all that is missing and the line that installs it.

Each extra of `pyproject.toml` installs what one part of the package needs. The line that installs
an extra names the place that `keras_sal` was installed from: a clone, a git URL, a file or an
index. `keras-sal doctor` lists what each extra lacks.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import itertools
import json
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "keras-sal"
DEVELOPMENT = ("docs", "test", "dev")  # extras for work on the package itself
_CLONE = Path(__file__).resolve().parents[1]


def require_package(package: str, purpose: str, extra: str = "export") -> None:
    """Raise an error if a package is not installed, without importing it.

    Args:
        package: Name by which the package is imported.
        purpose: What the package is needed for, as a verb phrase: `"read sound files"`.
        extra: Extra of `keras-sal` that installs it. Defaults to `"export"`.

    Raises:
        ImportError: If the package is not installed.

    Example:
        >>> require_package("no_such_package", "fly", extra="live")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ImportError: `no_such_package` is needed to fly and is not installed. Install it with: \
pip install ...[live]...
    """
    require_packages([package], purpose, extra)


def require_packages(packages: Iterable[str], purpose: str, extra: str = "export") -> None:
    """Raise one error that names all of these packages that are not installed.

    Args:
        packages: Names by which the packages are imported.
        purpose: What they are needed for, as a verb phrase: `"train a detector"`.
        extra: Extra of `keras-sal` that installs all of them. Defaults to `"export"`.

    Raises:
        ImportError: If one is not installed.

    Example:
        >>> some = ["json", "wings", "tail", "wings"]
        >>> require_packages(some, "fly", extra="live")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ImportError: `wings` and `tail` are needed to fly and are not installed. Install them \
with: pip install ...[live]...
    """
    missing = [
        package for package in dict.fromkeys(packages) if importlib.util.find_spec(package) is None
    ]
    if missing:
        *others, last = (f"`{package}`" for package in missing)
        named = f"{', '.join(others)} and {last}" if others else last
        is_needed, is_not, it = ("are", "are", "them") if others else ("is", "is", "it")
        raise ImportError(
            f"{named} {is_needed} needed to {purpose} and {is_not} not installed. "
            f"Install {it} with: {install_command(extra)}",
            name=missing[0],
        )


def import_package(module: str, purpose: str, extra: str = "export") -> Any:
    """Import a module of an optional package.

    Args:
        module: Full name of the module.
        purpose: What the package is needed for, as a verb phrase: `"read sound files"`.
        extra: Extra of `keras-sal` that installs it. Defaults to `"export"`.

    Returns:
        The module.

    Raises:
        ImportError: If the package is not installed.

    Example:
        >>> import_package("json", "read JSON").loads("[1]")
        [1]
    """
    require_package(module.partition(".")[0], purpose, extra)
    return importlib.import_module(module)


def extra_names() -> list[str]:
    """Return the names of the extras for users of the package, in the order of `pyproject.toml`.

    Example:
        >>> "train" in extra_names(), "dev" in extra_names()
        (True, False)
    """
    return [name for name in _all_extra_names() if name not in DEVELOPMENT]


def missing_requirements(extra: str) -> list[str]:
    """Return what an extra installs and is not installed, or in a version that is too old.

    Args:
        extra: Name of the extra.

    Returns:
        Requirements such as `"soxr>=0.5"`, sorted.

    Raises:
        ValueError: If there is no such extra.
    """
    return sorted({str(each) for each in _requirements(extra) if not _is_met(each)})


def install_command(*extras: str) -> str:
    """Return the command line that installs extras into the environment of this process.

    Args:
        *extras: Names of extras.

    Returns:
        A line for a shell.

    Example:
        >>> install_command("audio", "report")  # doctest: +ELLIPSIS
        'pip install ...[audio,report]...'
    """
    named = f"[{','.join(extras)}]"
    if _is_clone(_CLONE):
        return f'pip install --editable "{_CLONE}{named}"'
    return f'pip install "{DISTRIBUTION}{named}{_source()}"'


def _is_clone(folder: Path) -> bool:
    return (folder / "pyproject.toml").is_file() and (folder / "keras_sal").is_dir()


def _source() -> str:
    """Where the package was installed from, as a requirement names it; nothing for an index."""
    try:
        found = importlib.metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return ""
    if not found:
        return ""
    origin = json.loads(found)
    if "vcs_info" not in origin:
        return f" @ {origin['url']}"
    vcs = origin["vcs_info"]
    return f" @ {vcs['vcs']}+{origin['url']}@{vcs['commit_id']}"


def _requirements(extra: str) -> Iterator[Requirement]:
    """Yield the requirements of an extra, and of those that it includes."""
    from packaging.requirements import Requirement

    optional = _optional_requirements()
    if extra not in optional:
        raise ValueError(
            f"`extra` must be one of {', '.join(extra_names())}; {DISTRIBUTION} has no other. "
            f"Received: {extra!r}. Choose one of them."
        )
    for text in optional[extra]:
        requirement = Requirement(text)
        if requirement.name == DISTRIBUTION:
            for included in sorted(requirement.extras):
                yield from _requirements(included)
        elif requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            requirement.marker = None
            yield requirement


def _all_extra_names() -> list[str]:
    if _is_clone(_CLONE):
        return list(_clone_requirements())
    try:
        metadata = importlib.metadata.metadata(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return []
    return metadata.get_all("Provides-Extra", [])


def _clone_requirements() -> dict[str, Sequence[str]]:
    text = (_CLONE / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]["optional-dependencies"]


def _optional_requirements() -> dict[str, Sequence[str]]:
    """The requirements of each extra: those of the clone, or those that were installed."""
    if _is_clone(_CLONE):
        return _clone_requirements()
    from packaging.requirements import Requirement

    distribution = importlib.metadata.distribution(DISTRIBUTION)
    listed = [(text, Requirement(text).marker) for text in distribution.requires or ()]
    return {
        extra: [
            text
            for text, marker in listed
            if marker and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})
        ]
        for extra in _all_extra_names()
    }


def _is_met(requirement: Requirement) -> bool:
    version = _version(requirement.name)
    return (
        version is not None
        and requirement.specifier.contains(version, prereleases=True)
        and all(_has_extra(requirement.name, extra) for extra in requirement.extras)
    )


def _version(name: str) -> str | None:
    """The version of a distribution, or of one like tensorflow-cpu that has the same modules."""
    for distribution in itertools.chain([name], _alike(name)):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _alike(name: str) -> Iterator[str]:
    """Yield the distributions that have the module of a distribution; that takes a while."""
    yield from importlib.metadata.packages_distributions().get(name.replace("-", "_"), [])


def _has_extra(distribution: str, extra: str) -> bool:
    """Whether all that an extra of another distribution requires is installed."""
    from packaging.requirements import Requirement

    listed = map(Requirement, importlib.metadata.requires(distribution) or ())
    return all(
        _is_met(each)
        for each in listed
        if each.marker
        and each.marker.evaluate({"extra": extra})
        and not each.marker.evaluate({"extra": ""})
    )
