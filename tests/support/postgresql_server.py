"""A server of PostgreSQL on a socket, with databases that are made for one test each."""

import contextlib
import functools
import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)  # as Debian installs it


class Server:
    """A server that listens on a socket in a folder.

    Args:
        folder: The folder.
        run: Function that runs a program of PostgreSQL.
    """

    def __init__(self, folder, run):
        self._folder, self._run, self._numbers = folder, run, itertools.count()

    def new_database(self):
        """Make a database and return its URL, as SQLAlchemy writes it."""
        name = f"trials{next(self._numbers)}"
        self._run("createdb", "-U", "postgres", "-h", self._folder, name)
        return f"postgresql+psycopg://postgres@/{name}?host={self._folder}"


@contextlib.contextmanager
def postgresql():
    """Start a server and stop it; skip where PostgreSQL or its driver is missing."""
    pytest.importorskip("psycopg", reason="the driver of PostgreSQL is not installed")
    if PROGRAMS is None:
        pytest.skip("PostgreSQL is not installed")
    user = "postgres" if os.getuid() == 0 else None  # it refuses to be run by root
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if user:
            shutil.chown(folder, user)
        run = functools.partial(_run, user=user, cwd=folder)
        run("initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "--no-sync")
        settings = f"-k {folder} -c listen_addresses='' -c fsync=off"
        run("pg_ctl", "-D", folder / "data", "-l", folder / "log", "-o", settings, "-w", "start")
        try:
            yield Server(folder, run)
        finally:
            run("pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")


def _run(program, *arguments, **options):
    subprocess.run(
        [PROGRAMS / program, *arguments], check=True, stdout=subprocess.DEVNULL, **options
    )
