"""The worker processes that a test has started: found by their titles, and waited for."""

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from keras_sal.data.cluster import Cluster

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


@contextmanager
def two_workers():
    """Two workers of Ray that find this checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_worker_niceness", "0")  # by 15 less, beside other tests, they starve
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))
        with Cluster(workers=2):
            yield


def descendants(title=b"ray::"):
    """The processes below this one whose title begins so, by number."""
    titles, parents = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                titles[int(entry.name)] = (entry / "cmdline").read_bytes()
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                parents[int(entry.name)] = int(parent) if state != "Z" else 0
            except OSError:
                continue

    def is_below(process):
        while process in parents and process != os.getpid():
            process = parents[process]
        return process == os.getpid()

    return [
        process
        for process, text in titles.items()
        if text[: len(title)] == title and is_below(process)
    ]


def wait_until(condition, patience_s=PATIENCE_S):
    begin = time.monotonic()
    while not (found := condition()):
        assert time.monotonic() - begin < patience_s
        time.sleep(0.005)
    return found
