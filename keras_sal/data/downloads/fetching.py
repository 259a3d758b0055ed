"""One file from the network, whole and the right one, whatever happens on the way."""

import hashlib
import http.client
import json
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from keras_sal.files import write_atomically

BLOCK = 1 << 20
TIMEOUT_S = 60
SCHEMES = ("http", "https")
VALIDATORS = ("ETag", "Last-Modified")
GONE = (400, 401, 403, 404, 405, 410)


def fetch(
    url,
    path,
    *,
    sha256=None,
    md5=None,
    size_bytes=None,
    most_bytes=None,
    attempts=5,
    pause_s=1.0,
    progress=None,
):
    """Download a file, going on where an earlier attempt was cut off.

    What has arrived is kept beside `path` as `.part`, and `path` appears only once the whole file
    is there and its checksum is right. An earlier part is gone on with if the server says that its
    file is still the same one; else it starts again.

    Args:
        url: `http` or `https`.
        path: Where to put the file; its folder must exist. If it exists and its checksum is right,
            nothing is downloaded.
        sha256: Its checksum in hexadecimal digits, or `None`.
        md5: The same, where no better one is known: it finds damage, but not forgery.
        size_bytes: Its exact size, or `None`.
        most_bytes: A download that turns out larger is stopped. `None` is `size_bytes`, if known.
        attempts: How often to try, at least 1. Default 5.
        pause_s: Seconds to wait before the second attempt, doubled each time. Default 1.
        progress: Called as `progress(done_bytes, total_bytes)`, the latter `None` if unknown.

    Returns:
        The path.

    Raises:
        ValueError: If an argument doesn't fit, or what arrived isn't the file that was meant.
        OSError: If the file can't be had: no network, no such file, no space.
    """
    path = Path(path)
    if urlsplit(url).scheme not in SCHEMES:
        raise ValueError(
            f"`url` must begin with http:// or https://; other files need no download. Received: "
            f"url={url!r}. Correct it."
        )
    if not attempts >= 1:
        raise ValueError(
            f"`attempts` must be at least 1; else nothing is tried. Received: attempts={attempts}. "
            "Leave it at its default."
        )
    checks = {"sha256": sha256, "md5": md5}
    if path.is_file() and not _wrong(path, checks, size_bytes):
        return path
    most_bytes = most_bytes if most_bytes is not None else size_bytes
    part = path.with_name(f"{path.name}.part")
    for attempt in range(attempts):
        try:
            _go_on(url, part, size_bytes, most_bytes, progress)
            break
        except (OSError, http.client.HTTPException) as error:
            code = getattr(error, "code", None)
            if attempt + 1 == attempts or code in GONE or isinstance(error, _NoSpaceError):
                kept = part.stat().st_size if part.exists() else 0
                raise OSError(
                    f"{url} could not be downloaded ({error}); {kept:,} bytes are kept in {part}. "
                    "Check the network, and run it again to go on."
                ) from error
            time.sleep(pause_s * 2**attempt)
    wrong = _wrong(part, checks, size_bytes)
    if wrong:
        _forget(part)
        raise ValueError(
            f"{url} must be the file that is meant; what arrived is another one or damaged, and "
            f"was removed. Received: {wrong}. Try again; if it stays so, the file was replaced or "
            "somebody is in between."
        )
    part.replace(path)
    _forget(part)
    return path


class _NoSpaceError(OSError):
    """There is no use in trying again."""


def _go_on(url, part, size_bytes, most_bytes, progress):
    """Append to the part what is missing, or start it again."""
    have, validator = _state(url, part)
    if size_bytes is not None and have == size_bytes:
        return
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", validator)
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            _forget(part)
            raise OSError("the part that was kept doesn't fit; it is begun again") from error
        raise
    with response:
        goes_on = response.status == http.client.PARTIAL_CONTENT
        if goes_on and not _starts_at(response, have):
            _forget(part)
            raise OSError("the server sent another part than asked for; it is begun again")
        have = have if goes_on else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else size_bytes
        if total is not None:
            _check_room(part, total, have, most_bytes, url)
        _remember(url, part, response)
        _copy(response, part, have, total, most_bytes, url, progress)


def _copy(response, part, have, total, most_bytes, url, progress):
    with part.open("ab" if have else "wb") as file:
        while block := response.read(BLOCK):
            have += len(block)
            if most_bytes is not None and have > most_bytes:
                _forget(part)
                raise ValueError(_too_large(url, have, most_bytes))
            file.write(block)
            if progress:
                progress(have, total)
    if total is not None and have < total:
        raise OSError(f"the connection ended after {have:,} of {total:,} bytes")


def _check_room(part, total, have, most_bytes, url):
    if most_bytes is not None and total > most_bytes:
        raise ValueError(_too_large(url, total, most_bytes))
    free = shutil.disk_usage(part.parent).free
    if total - have > free:
        raise _NoSpaceError(f"it needs {total - have:,} bytes, and {free:,} are free")


def _too_large(url, size, most_bytes):
    return (
        f"{url} must have at most {most_bytes:,} bytes; this is another file. Received: "
        f"{size:,} bytes or more. Look at what is there now."
    )


def _state(url, part):
    """How much there is already, and by what the server can tell that its file is the same."""
    try:
        state = json.loads(_note(part).read_text(encoding="utf-8"))
        validator = state["validator"] if state["url"] == url else None
        have = part.stat().st_size
    except (OSError, ValueError, KeyError, TypeError):
        return 0, None
    return (have, validator) if validator else (0, None)


def _remember(url, part, response):
    """Keep by what the file can be known again; weak tags don't hold for parts of it."""
    found = (response.headers.get(name) for name in VALIDATORS)
    validator = next((value for value in found if value and not value.startswith("W/")), None)
    write_atomically(_note(part), json.dumps({"url": url, "validator": validator}))


def _note(part):
    return part.with_name(f"{part.name}.json")


def _forget(part):
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _starts_at(response, have):
    return response.headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _wrong(path, checks, size_bytes):
    """What is wrong with a file, or nothing."""
    size = path.stat().st_size
    if size_bytes is not None and size != size_bytes:
        return f"{size:,} bytes instead of {size_bytes:,}"
    for name, wanted in checks.items():
        if wanted:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, name).hexdigest()
            if found != wanted.lower():
                return f"{name} {found} instead of {wanted}"
    return ""
