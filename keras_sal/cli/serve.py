"""`keras-sal serve`: the folder of `export --to web`, opened in the browser of this computer."""

from __future__ import annotations

import argparse
import functools
import http.server
import sys
import webbrowser
from http import HTTPStatus
from pathlib import Path
from typing import Any

from keras_sal.checks import require
from keras_sal.cli.command_parser import Commands, add_command

HOST = "127.0.0.1"
PORT = 8000
LARGEST_PORT = 65_535
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    "": "application/octet-stream",
}


def add_parser(commands: Commands) -> None:
    """Add the parser of the command."""
    parser = add_command(
        commands,
        "serve",
        run,
        summary="the page of a detector, in the browser of this computer",
        description="Serves the folder that `export --to web` wrote to the browser of this "
        "computer, until Ctrl-C. Browsers allow a page the microphone by https or from the "
        "computer itself only, so other computers and phones do not reach it.",
        examples=["serve page", "serve page --port 8080 --no-browser"],
    )
    parser.add_argument("folder", metavar="OUT", help="folder that `export --to web` wrote")
    parser.add_argument(
        "--port", type=_port, default=PORT, metavar="N", help="port; 0 takes a free one"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open the page")
    parser.set_defaults(needs_keras=False)


def run(options: argparse.Namespace) -> int:
    """Run the command.

    Args:
        options: Parsed arguments.

    Returns:
        The exit status, 0.
    """
    with open_server(options.folder, options.port) as server:
        url = f"http://{HOST}:{server.server_port}/"
        print(f"Serving {options.folder} at {url} until Ctrl-C")
        sys.stdout.flush()
        if not options.no_browser:
            webbrowser.open(url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


def open_server(folder: str | Path, port: int) -> http.server.ThreadingHTTPServer:
    """Open a server of a folder, which only this computer reaches.

    Args:
        folder: A folder with an `index.html`.
        port: Its port; 0 for a free one, which is its `server_port` then.

    Returns:
        The server, which `serve_forever` runs.

    Raises:
        ValueError: If the folder is no page, or the port can't be had.
    """
    root = Path(folder).resolve()
    require(
        (root / "index.html").is_file(),
        "`OUT` must be a folder with a page. Received: "
        f"{str(folder)!r}, without an index.html. Write it with: "
        "keras-sal export MODEL OUT --to web",
    )
    try:
        return _Server((HOST, port), functools.partial(_Handler, directory=str(root)))
    except OSError as error:
        raise ValueError(
            f"`--port` must be free on {HOST}; {error.strerror}. Received: --port {port}. Give "
            "another one, or 0 for any."
        ) from error


class _Server(http.server.ThreadingHTTPServer):
    """A server that can be started again at once."""

    allow_reuse_address = sys.platform != "win32"  # there, a port would be shared
    daemon_threads = True


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Answers with the files of one folder."""

    extensions_map = TYPES

    def send_head(self) -> Any:
        """Send a file, if it lies in the folder, links followed; a folder has no listing."""
        root, path = Path(self.directory), Path(self.translate_path(self.path))
        if not path.resolve().is_relative_to(root):
            self.send_error(HTTPStatus.NOT_FOUND, "File not found")
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> Any:
        """Refuse to list a folder."""
        self.send_error(HTTPStatus.NOT_FOUND, "File not found")

    def end_headers(self) -> None:
        """Add headers by which a page that was written again is seen at once."""
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each file."""


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"must be from 0 to {LARGEST_PORT}. Received: {text}")
    return value


_port.__name__ = "port"
