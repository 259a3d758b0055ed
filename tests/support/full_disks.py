"""Disks that are full, and folders that are read-only, whoever runs the tests."""

import contextlib
import os
import resource
import signal
import subprocess
import sys

import pytest


@contextlib.contextmanager
def full_disk(most_bytes):
    """No file of this process can grow beyond so many bytes, as on a disk without space."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
        signal.signal(signal.SIGXFSZ, handler)


@contextlib.contextmanager
def read_only(folder):
    """A folder that can't be written to; root, who may write anywhere, mounts it so."""
    if os.geteuid():
        folder.chmod(0o555)
        try:
            yield
        finally:
            folder.chmod(0o755)
        return
    if sys.platform != "linux":
        pytest.skip("root may write anywhere")
    for options in (["--bind"], ["-o", "remount,bind,ro"]):
        command = ["mount", *options, str(folder), str(folder)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("can't make a folder read-only here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)
