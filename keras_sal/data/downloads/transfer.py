"""Download of one file, checked, and resumed where an earlier attempt was interrupted."""

from __future__ import annotations

import http.client
import json
import logging
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from keras_sal.checks import require
from keras_sal.extras import import_package
from keras_sal.files import write_atomically
from keras_sal.typing import PathLike

BLOCK_BYTES = 1 << 20
TIMEOUT_S = 60
SCHEMES = ("http", "https")
VALIDATORS = ("ETag", "Last-Modified")
LEAST_BYTES = 1 << 16  # of the file, that must arrive in each TIMEOUT_S
PERMANENT_ERRORS = (400, 401, 403, 404, 405, 410)


def fetch(
    url: str,
    path: PathLike,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    size_bytes: int | None = None,
    max_bytes: int | None = None,
    attempts: int = 5,
    pause_s: float = 1.0,
    progress: Callable[[int, int | None], object] | None = None,
) -> Path:
    """Download a file, and check it.

    The file appears at `path` only when all of it has arrived and its checksum is right. Until then
    it is kept beside `path` with the suffix `.part`. A later attempt resumes it if the server says
    that its file is still the same, and else starts again.

    Args:
        url: Address of the file, `http` or `https`.
        path: Path to write; its folder must exist. A file with the right checksum that exists
            there is not downloaded again.
        sha256: SHA-256 of the file, in hexadecimal digits, or `None`.
        md5: MD5 of the file, where no SHA-256 is known: it detects damage, but no forgery.
        size_bytes: Exact size of the file, or `None` if unknown.
        max_bytes: Size at which a download is stopped. `None` (default) is `size_bytes`, if known.
        attempts: Number of attempts, at least 1. Default 5.
        pause_s: Seconds before the second attempt, doubled after each. Default 1.
        progress: Called as `progress(done_bytes, total_bytes)`; the total is `None` if unknown.

    Returns:
        The path.

    Raises:
        ValueError: If an argument doesn't fit, or another or a damaged file arrived.
        OSError: If the file can't be downloaded: no network, no such file, no space.
        ImportError: If `pooch` is missing.
    """
    path = Path(path)
    require(
        urlsplit(url).scheme in SCHEMES,
        "`url` must begin with http:// or https://; other files need no download. Received: "
        f"url={url!r}. Correct it.",
    )
    require(
        attempts >= 1,
        f"`attempts` must be at least 1; else nothing is tried. Received: attempts={attempts}. "
        "Leave it at its default.",
    )
    pooch = import_package("pooch", "download data sets", "download")
    pooch.get_logger().setLevel(logging.WARNING)
    if size_bytes is not None and path.is_file() and path.stat().st_size != size_bytes:
        path.unlink()
    known_hash = f"sha256:{sha256}" if sha256 else md5 and f"md5:{md5}"
    downloader = _ResumingDownloader(
        path.with_name(f"{path.name}.part"),
        size_bytes,
        max_bytes if max_bytes is not None else size_bytes,
        attempts,
        pause_s,
        progress,
    )
    pooch.retrieve(url, known_hash, path.name, path.parent, downloader=downloader)
    return path


class _SameSchemes(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only; those to ftp would lose all checks."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        """Refuse another scheme."""
        if urlsplit(newurl).scheme not in SCHEMES:
            raise ValueError(
                f"`url` must lead to http:// or https://; nothing else is followed. Received: "
                f"{req.full_url}, which leads to {newurl}. Look at what is there now."
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(request: urllib.request.Request) -> Any:
    """The response to a request, whose headers must arrive in `TIMEOUT_S`.

    The timeout of a socket is one of each byte, so a thread waits for the headers.
    """
    found: list[Any] = []

    def wait() -> None:
        opener = urllib.request.build_opener(_SameSchemes)
        try:
            found.append(opener.open(request, timeout=TIMEOUT_S))
        except (OSError, ValueError, http.client.HTTPException) as error:
            found.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(TIMEOUT_S)
    if not found:
        raise OSError(f"the server did not answer in {TIMEOUT_S} s")
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


class _NoSpaceError(OSError):
    """The disk is full, so that another attempt is of no use."""


@dataclass
class _ResumingDownloader:
    """A downloader for `pooch` that keeps what has arrived when it is interrupted."""

    part: Path
    size_bytes: int | None
    max_bytes: int | None
    attempts: int
    pause_s: float
    progress: Callable[[int, int | None], object] | None

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        for attempt in range(self.attempts):
            try:
                self._resume(url)
                break
            except (OSError, http.client.HTTPException) as error:
                permanent = getattr(error, "code", None) in PERMANENT_ERRORS
                if permanent or isinstance(error, _NoSpaceError) or attempt + 1 == self.attempts:
                    kept = self.part.stat().st_size if self.part.exists() else 0
                    raise OSError(
                        f"{url} could not be downloaded ({error}); {kept:,} bytes are kept in "
                        f"{self.part}. Check the network, and run it again to resume."
                    ) from error
                time.sleep(self.pause_s * 2**attempt)
        size = self.part.stat().st_size
        if self.size_bytes not in (None, size):
            self._discard()
            raise ValueError(
                f"{url} must be the file that is meant; another or a damaged one arrived, and was "
                f"removed. Received: {size:,} bytes instead of {self.size_bytes:,}. Try again, or "
                "look at what is there now."
            )
        self.part.replace(output_file)
        self._discard()

    def _resume(self, url):
        """Append the missing bytes to the part, or download all of them."""
        done, validator = self._state(url)
        if done and done == self.size_bytes:
            return
        request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})
        if done:
            request.add_header("Range", f"bytes={done}-")
            request.add_header("If-Range", validator)
        try:
            response = _open(request)
        except urllib.error.HTTPError as error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                self._discard()
                raise OSError("the kept part doesn't fit; it starts again") from error
            raise
        with response:
            if response.status != http.client.PARTIAL_CONTENT:
                done = 0
            elif not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
                self._discard()
                raise OSError("the server sent another range than requested; it starts again")
            elif validator not in map(response.headers.get, VALIDATORS):
                self._discard()
                raise OSError("the server's file has changed meanwhile; it starts again")
            length = response.headers.get("Content-Length")
            total = done + int(length) if length and length.isdigit() else self.size_bytes
            self._check_size(url, total or 0)
            self._check_disk((total or 0) - done)
            self._remember(url, response)
            self._append(url, response, done, total)

    def _append(self, url, response, done, total):
        begun_s, arrived = time.monotonic(), 0
        with self.part.open("ab" if done else "wb") as file:
            while block := response.read1(BLOCK_BYTES):  # what is there, without waiting for more
                done += len(block)
                arrived += len(block)
                if time.monotonic() - begun_s > TIMEOUT_S:
                    if arrived < LEAST_BYTES:
                        raise OSError(f"only {arrived:,} bytes arrived in {TIMEOUT_S} s")
                    begun_s, arrived = time.monotonic(), 0
                self._check_size(url, done)
                file.write(block)
                if self.progress:
                    self.progress(done, total)
        if total is not None and done < total:
            raise OSError(f"the connection ended after {done:,} of {total:,} bytes")

    def _check_size(self, url, size):
        if self.max_bytes is not None and size > self.max_bytes:
            self._discard()
            raise ValueError(
                f"{url} must have at most {self.max_bytes:,} bytes; this is another file. "
                f"Received: {size:,} bytes or more. Look at what is there now."
            )

    def _check_disk(self, needed):
        free = shutil.disk_usage(self.part.parent).free
        if needed > free:
            raise _NoSpaceError(f"it needs {needed:,} bytes, and {free:,} are free")

    def _state(self, url):
        """Return how many bytes are kept, and the validator of the server's file."""
        try:
            state = json.loads(self._state_path.read_text(encoding="utf-8"))
            validator = state["validator"] if state["url"] == url else None
            done = self.part.stat().st_size
        except (OSError, ValueError, KeyError, TypeError):
            return 0, None
        return (done, validator) if validator else (0, None)

    def _remember(self, url, response):
        """Keep what identifies the server's file; weak tags don't hold for a part of it."""
        values = (response.headers.get(name) for name in VALIDATORS)
        validator = next((tag for tag in values if tag and not tag.startswith("W/")), None)
        write_atomically(self._state_path, json.dumps({"url": url, "validator": validator}))

    @property
    def _state_path(self):
        return self.part.with_name(f"{self.part.name}.json")

    def _discard(self):
        self.part.unlink(missing_ok=True)
        self._state_path.unlink(missing_ok=True)
