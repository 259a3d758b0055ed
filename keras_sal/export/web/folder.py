"""The folder of the page: scripts, model, description and runtime."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import shutil
import string
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from urllib.parse import urlsplit

from keras_sal.audio import SAMPLE_RATE
from keras_sal.checks import require
from keras_sal.export import detector_file
from keras_sal.export.kept_files import check_places, copy_files, kept_files
from keras_sal.export.web import runtime as npm
from keras_sal.files import atomic_folder, check_parent, is_new_or_empty
from keras_sal.typing import PathLike

INDEX, DESCRIPTION = "index.html", "detector.json"


def write(
    detector: PathLike,
    folder: PathLike,
    *,
    runtime: Mapping[str, PathLike] | str,
) -> Path:
    """Write the folder of a page that runs a detector.

    Args:
        detector: A `.tflite` file that takes samples, with its description beside it; see
            `keras_sal.export.detector_file`.
        folder: Where to write; its parent exists. It appears complete or not at all. The files of a
            page at this path are replaced then, and other files stay; any other folder is refused.
        runtime: The archives of the runtime, by the names of `keras_sal.export.web.PACKAGES`, from
            which its files are copied into the folder. Or the address of a mirror of the files of
            npm, such as `"https://cdn.jsdelivr.net/npm"`, from which the page loads them.

    Returns:
        The folder.

    Raises:
        ValueError: If the detector is no such file, `folder` is in use, a file that is not of the
            page has the place of one of its own, or the runtime is another.

    Example:

    >>> from keras_sal.export import web
    >>> web.write("detector.tflite", "page", runtime=archives)  # doctest: +SKIP
    """
    folder = check_folder(folder)
    described = detector_file.read(detector)
    manifest = described.manifest
    require(
        manifest["input"] == "samples"
        and manifest["frontend"]["sample_rate"] == SAMPLE_RATE
        and described.model_path.suffix == ".tflite",
        f"`detector` must be a .tflite file that takes samples at {SAMPLE_RATE} Hz; the page hears "
        f"sound, and runs LiteRT. Received: {described.model_path.name!r}, which takes "
        f'{manifest["input"]}. Convert it with `litert.convert(model, path, frontend="micro")`.',
    )
    base = check_address(runtime) if isinstance(runtime, str) else f"./{npm.FOLDER}"
    kept = _kept(folder)
    packages = [] if isinstance(runtime, str) else [package.folder for package in npm.PACKAGES]
    written = [manifest["model"], *(f"{npm.FOLDER}/{package}" for package in packages)]
    check_places(folder, kept, written)
    with atomic_folder(folder) as unfinished:
        for part in _parts():
            (unfinished / part.name).write_bytes(part.read_bytes())
        (unfinished / INDEX).write_text(_index(base), encoding="utf-8")
        shutil.copyfile(described.model_path, unfinished / manifest["model"])
        shutil.copyfile(described.model_path.with_suffix(".json"), unfinished / DESCRIPTION)
        if not isinstance(runtime, str):
            npm.unpack(runtime, unfinished / npm.FOLDER)
        copy_files(kept, folder, unfinished)
    return folder


def _parts() -> list[Traversable]:
    return list(files(__package__).joinpath("page").iterdir())


def _kept(folder: Path) -> list[str]:
    """Return the files in the folder of a page that are not its own."""
    own = [INDEX, DESCRIPTION, str(_page_model(folder)), *(part.name for part in _parts())]
    packages = tuple(f"{npm.FOLDER}/{package.name}@" for package in npm.PACKAGES)
    return [name for name in kept_files(folder, {}, own) if not name.startswith(packages)]


def _page_model(folder: Path) -> object:
    """Return the name of the model of the page in a folder; nothing if it holds no page."""
    if not (folder / INDEX).is_file():
        return None
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        return described["model"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _index(base: str) -> str:
    """Return the page, which may load its own files and the runtime, and nothing else."""
    template = (files(__package__) / "page" / INDEX).read_text(encoding="utf-8")
    imports = json.dumps(npm.import_map(base))
    digest = base64.b64encode(hashlib.sha256(imports.encode()).digest()).decode()
    address = urlsplit(base)
    sources = "'self'"
    if address.scheme:
        sources += f" {address.scheme}://{address.netloc}"
    policy = {
        "default-src": "'none'",
        "script-src": f"{sources} 'wasm-unsafe-eval' 'sha256-{digest}'",
        "connect-src": sources,
        "style-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    text = "; ".join(f"{name} {value}" for name, value in policy.items())
    return string.Template(template).substitute(
        policy=html.escape(text, quote=False), imports=imports
    )


def check_folder(folder: PathLike) -> Path:
    """Check that a page can be written to a folder, so that nothing else is replaced.

    Args:
        folder: Where to write.

    Returns:
        The path, as a `pathlib.Path`.

    Raises:
        ValueError: If the folder holds something else than a page, or its parent doesn't exist.
    """
    folder = check_parent(folder)
    require(
        isinstance(_page_model(folder), str) or is_new_or_empty(folder),
        "`folder` must be new, empty or hold a page, which is replaced. "
        f"Received: folder={str(folder)!r}. Name another one.",
    )
    return folder


def check_address(address: str) -> str:
    """Check the address of a mirror of npm, from which a page is to load its runtime.

    Args:
        address: The address.

    Returns:
        The address, without a slash at its end.

    Raises:
        ValueError: If it begins with neither `https://` nor `http://`, or has a character that ends
            an address in a page.
    """
    parts = urlsplit(address)
    plain = not set(address) & set("'\"<>;, \\\n")
    require(
        parts.scheme in ("http", "https") and bool(parts.netloc) and plain,
        "`runtime` must be an address that begins with https:// or http://, or the archives of the "
        f"runtime. Received: runtime={address!r}. A mirror is https://cdn.jsdelivr.net/npm",
    )
    return address.rstrip("/")
