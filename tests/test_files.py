"""Files and folders that appear complete or not at all."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from full_disks import full_disk, read_only

from keras_sal import files

pytestmark = pytest.mark.any_backend


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "model.tflite"
    files.write_atomically(path, b"first")
    with pytest.raises(TypeError):
        files.write_atomically(path, None)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("path", [".", "nowhere/model.tflite"])
def test_rejects_paths_that_no_file_can_have(tmp_path, path):
    with pytest.raises(ValueError, match="`path` must name a file in a folder that exists"):
        files.check_path(tmp_path / path)


def test_rejects_folders_without_a_parent(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"in a folder that exists.*nowhere.x'"):
        files.check_parent(tmp_path / "nowhere" / "x")
    assert files.check_parent(str(tmp_path / "new")) == tmp_path / "new"
    monkeypatch.chdir(tmp_path)
    assert files.check_parent("new").name == "new"


@pytest.mark.parametrize("folder", [".", "", "..", "bundle/..", "/"])
def test_rejects_folders_without_a_name(folder):
    with pytest.raises(ValueError, match=r"`folder` must end in a name.*Received: folder=.*Go up"):
        files.check_parent(folder)


@pytest.mark.parametrize("name", ['a"b', "it's", "a;b", "a$b", "a\\b", "a\nb", "a|b", "\udc80"])
def test_rejects_names_that_build_tools_take_apart(name):
    with pytest.raises(ValueError, match="`folder` must have a name without") as refusal:
        files.check_plain_name(name)
    str(refusal.value).encode()


@pytest.mark.parametrize("name", ["detector", "hey-you_2", "señor", "a b", "C++", "x.y", "да"])
def test_takes_names_that_build_tools_handle(name, tmp_path):
    files.check_plain_name(tmp_path / name)


def test_write_leaves_nothing_half_written(tmp_path):
    def fail(path):
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(tmp_path / "results.json", fail)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="limits files by what POSIX has for it")
@pytest.mark.parametrize(
    "write",
    [
        lambda path: files.write_atomically(path, 4000 * "new"),
        lambda path: files.write_json(path, 4000 * ["new"]),
        lambda path: files.write_atomically(path, lambda file: np.savez(file, np.zeros(4000))),
    ],
)
def test_full_disk_and_read_only_folder(tmp_path, write):
    """What stood there stays, nothing is left beside it, and the error names the file."""
    path = tmp_path / "results.npz"
    path.write_text("old")
    for unwritable, reason in (
        (full_disk(1000), "too large|No space"),
        (read_only(tmp_path), "Read-only|Permission"),
    ):
        with unwritable, pytest.raises(OSError, match=rf"{reason}.*path='.*/results\.npz'"):
            write(path)
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="limits files by what POSIX has for it")
def test_folder_on_a_full_disk(tmp_path):
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "old").touch()
    with (
        pytest.raises(OSError, match=r"path='.*/bundle'"),
        full_disk(1000),
        files.atomic_folder(path) as folder,
    ):
        (folder / "new").write_bytes(bytes(5000))
    assert [each.name for each in path.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_other_errors_stay_as_they_are(tmp_path):
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        files.write_atomically(tmp_path / "x", lambda path: Path("elsewhere").read_bytes())


def test_not_a_number_is_null_in_json(tmp_path):
    files.write_json(
        tmp_path / "x.json", {"frr": float("nan"), "threshold": [np.float64("inf"), 1]}
    )
    assert json.loads((tmp_path / "x.json").read_text()) == {"frr": None, "threshold": [None, 1]}


class TestAtomicFolder:
    def test_replaces_what_stood_there(self, tmp_path):
        path = tmp_path / "bundle"
        for name in ("old.txt", "new.txt"):
            with files.atomic_folder(path) as folder:
                (folder / name).write_text(name)
        assert [file.name for file in path.iterdir()] == ["new.txt"]
        assert list(tmp_path.iterdir()) == [path]

    def test_a_file_in_its_place_stays(self, tmp_path):
        path = tmp_path / "bundle"
        path.write_text("mine")
        with pytest.raises(ValueError, match=r"a file is in its place.*bundle"):  # noqa: SIM117
            with files.atomic_folder(path):
                pass
        assert path.read_text() == "mine"
        assert list(tmp_path.iterdir()) == [path]

    def test_keeps_what_stood_there_if_interrupted(self, tmp_path):
        path = tmp_path / "bundle"
        with files.atomic_folder(path) as folder:
            (folder / "old.txt").write_text("old")

        def interrupted():
            with files.atomic_folder(path) as folder:
                (folder / "new.txt").write_text("half")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert [file.name for file in path.iterdir()] == ["old.txt"]
        assert list(tmp_path.iterdir()) == [path]

    def test_replaces_it_in_one_step(self, tmp_path, monkeypatch):
        """There is no time at which the folder is missing or holds old and new files."""
        path = tmp_path / "bundle"
        for folder in (path, tmp_path / "one", tmp_path / "two"):
            folder.mkdir()
        if not files._exchange(tmp_path / "one", tmp_path / "two"):
            pytest.skip("this system has no exchange of names")
        monkeypatch.setattr(Path, "replace", lambda *_: pytest.fail("a rename of its own"))
        with files.atomic_folder(path) as folder:
            (folder / "new.txt").write_text("new")
        assert [file.name for file in path.iterdir()] == ["new.txt"]

    def test_replaces_it_where_names_can_not_be_exchanged(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
        self.test_replaces_what_stood_there(tmp_path)

    def test_what_stood_there_comes_back(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
        path, once = tmp_path / "bundle", Path.replace
        path.mkdir()
        (path / "old.txt").touch()

        def fail_second(one, other):
            if other == path and not (one / "old.txt").exists():
                raise OSError("full")
            return once(one, other)

        monkeypatch.setattr(Path, "replace", fail_second)
        with pytest.raises(OSError, match="full"), files.atomic_folder(path):
            pass
        assert [file.name for file in path.iterdir()] == ["old.txt"]


def test_threads_that_write_one_file(tmp_path):
    path = tmp_path / "results.json"

    def slowly(temporary):
        temporary.write_text("whole")
        time.sleep(0.005)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: files.write_atomically(path, slowly), range(16)))
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_killed_processes_leave_nothing_for_good(tmp_path):
    """The next write to the same path sweeps; that of a running process stays."""
    path = tmp_path / "bundle"
    killed = subprocess.Popen([sys.executable, "-c", "pass"])
    killed.wait()
    machine, other_machine = files._machine(), f"{int(files._machine(), 16) ^ 1:04x}"

    def left_by(pid, machine=machine, name="bundle"):
        return tmp_path / f".{pid}-{machine}-00000000.{name}"

    gone = left_by(killed.pid)
    mine_of_before = left_by(os.getpid())  # a container's number 1
    running = left_by(os.getppid())
    elsewhere = left_by(killed.pid, other_machine)
    others = [left_by(killed.pid, name=name) for name in ("other", "a.bundle")]
    for left in (gone, mine_of_before, running, elsewhere, *others):
        (left / "deep").mkdir(parents=True)
    with files.atomic_folder(path):
        pass
    assert set(tmp_path.iterdir()) == {path, running, elsewhere, *others}
    long_ago = time.time() - 2 * files.ABANDONED_S
    os.utime(elsewhere, (long_ago, long_ago))
    files.sweep(path)
    assert not elsewhere.exists()


def test_names_what_it_sweeps(tmp_path):
    """What `temporary_sibling` makes is found again."""
    path = tmp_path / "recordings.csv"
    with files.temporary_sibling(path) as temporary:
        assert files.TEMPORARY.fullmatch(temporary.name.removesuffix(path.name))


@pytest.mark.parametrize("name", ["2024-11-30", "2024-11-30-noon", "1-2-3", "7-beef-backup"])
def test_hidden_backups_stay(tmp_path, name):
    backups = [tmp_path / f".{name}.recordings.csv", tmp_path / f".{name}.bundle"]
    backups[0].write_text("times")
    backups[1].mkdir()
    long_ago = time.time() - 2 * files.ABANDONED_S
    for backup in backups:
        os.utime(backup, (long_ago, long_ago))
    files.write_atomically(tmp_path / "recordings.csv", "new")
    with files.atomic_folder(tmp_path / "bundle"):
        pass
    assert all(backup.exists() for backup in backups)
