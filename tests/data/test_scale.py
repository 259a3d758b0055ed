"""Worker processes of Ray: shards and alignment, with workers and drivers that are killed.

One session of two workers serves all tests. The test of a driver comes first: Ray ends idle workers
of the session when those of another driver start, and each takes seconds to start again.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from recording_folders import burst, small_corpus, write_folder
from shards_alone import write_alone
from worker_processes import descendants, two_workers, wait_until

from keras_sal import cli
from keras_sal.data import StreamAugmentation, cluster, load_recordings
from keras_sal.data.alignment import pieces
from keras_sal.data.alignment.folder import align_folder
from keras_sal.data.cluster import Cluster
from keras_sal.data.features_file import SUFFIX
from keras_sal.data.shards import StreamSettings, load_shards, write_shards
from keras_sal.data.shards.shard_plan import plan_shards

ray = pytest.importorskip("ray")
pytest.importorskip("array_record", reason="shards are ArrayRecord files")
pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc"),
]

ROOT = Path(__file__).parents[2]
AUGMENTATION = StreamAugmentation(rooms=0.0)
SETTINGS = {"hours": 0.1, "stream_s": 30.0, "shard_hours": 0.026, "augmentation": AUGMENTATION}


@pytest.fixture(scope="module", autouse=True)
def session():
    """Two workers, and the address of their cluster."""
    with two_workers():
        yield ray.get_runtime_context().gcs_address
    assert not ray.is_initialized()
    wait_until(lambda: not descendants())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return small_corpus(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def recordings(corpus):
    return load_recordings(corpus)


@pytest.fixture(scope="module")
def expected(recordings, corpus, tmp_path_factory):
    """The files that one process writes, without Ray."""
    folder = tmp_path_factory.mktemp("alone")
    settings = StreamSettings("computer", **SETTINGS)
    return contents(write_alone(recordings, settings, corpus, folder))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def kill_a_worker(title, killed):
    """Stop a process amid a task, make sure that it still is, and kill it."""
    process = wait_until(lambda: descendants(title))[0]
    os.kill(process, signal.SIGSTOP)
    if process in descendants(title):
        killed.append(process)
    os.kill(process, signal.SIGKILL)


def test_a_driver_that_is_killed_goes_on(recordings, corpus, expected, session, tmp_path):
    """It dies after its first shard, and its workers with it; the same job keeps what is there."""
    folder = tmp_path / "shards"
    program = (
        "import sys\nfrom keras_sal.data import *\n"
        "from keras_sal.data.shards import write_shards\n"
        "recordings = load_recordings(sys.argv[1])\n"
        "settings = {'hours': 0.1, 'stream_s': 30.0, 'shard_hours': 0.026}\n"
        "write_shards(recordings, 'computer', sys.argv[2], address=sys.argv[3],\n"
        "             augmentation=StreamAugmentation(rooms=0.0), **settings)\n"
    )
    driver = subprocess.Popen([sys.executable, "-c", program, corpus, folder, session])
    first = wait_until(lambda: [*folder.glob(f"train-*{SUFFIX}")])[0]
    driver.kill()
    assert driver.wait() == -signal.SIGKILL
    wait_until(lambda: not descendants(b"ray::write_shard"))
    assert not (folder / "shards.csv").exists()
    written = first.stat().st_mtime_ns
    write_shards(recordings, "computer", folder, **SETTINGS)
    assert first.stat().st_mtime_ns == written
    assert contents(folder) == expected


def words(folder):
    rows = [
        {"file": f"{n}.wav", "text": "go", "samples": burst(1.0, 0.2, 0.3 + 0.1 * n, seed=n)}
        for n in range(5)
    ]
    return write_folder(folder, [*rows, {"file": "gone.wav", "text": "go"}])


def test_alignment_is_that_of_one_process(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", 2)
    folders, steps = [words(tmp_path / name) for name in ("one", "two")], []
    for folder in folders:
        (folder / "gone.wav").unlink()
    alone = align_folder(folders[0], "energy")
    both = align_folder(folders[1], "energy", workers=2, progress=lambda *step: steps.append(step))
    assert alone == both
    assert both.found == 5
    assert [*both.failures] == ["there is no such file"]
    assert contents(folders[0]) == contents(folders[1])
    assert steps[-1] == (6, 6)


def test_the_commands_take_the_workers(corpus, tmp_path, capsys):
    folder = tmp_path / "shards"
    arguments = ["--word", "computer", "--hours", "0.02", "--output", str(folder)]
    assert cli.main(["shard", str(corpus), *arguments, "--workers", "2"]) == 0
    shown = capsys.readouterr().out
    assert "Make shards: " in shown
    assert f"1 shard of 1 stream, 0.02 hours, {len(load_shards(folder)[0].events)} ev" in shown
    assert cli.main(["align", str(words(tmp_path / "a")), "--method=energy", "--workers=2"]) == 0
    assert "6 found, 0 kept, 0 failed" in capsys.readouterr().out


def test_an_error_of_one_shard_keeps_the_others(recordings, corpus, tmp_path):
    """A folder is in the place of one file; the driver says so after the others are written."""
    folder = tmp_path / "shards"
    [plan, *_] = plan_shards(recordings, StreamSettings("computer", **SETTINGS), corpus)
    (folder / plan.file_name()).mkdir(parents=True)
    with pytest.raises(OSError, match="Is a directory"):
        write_shards(recordings, "computer", folder, **SETTINGS)
    assert len([path for path in folder.glob("train-*") if path.is_file()]) == 3
    assert not (folder / "shards.csv").exists()


def test_an_error_of_all_is_raised_soon(recordings, tmp_path):
    folder = tmp_path / "shards"
    with pytest.raises(ValueError, match="`events_per_minute` must leave room for negatives"):
        write_shards(recordings, "computer", folder, hours=1e4, events_per_minute=59.0)


def test_a_worker_that_is_killed_loses_and_doubles_nothing(recordings, expected, tmp_path):
    folder, killed, steps = tmp_path / "shards", [], []
    killer = threading.Thread(target=kill_a_worker, args=(b"ray::write_shard", killed))
    killer.start()
    shards = write_shards(
        recordings, "computer", folder, **SETTINGS, progress=lambda *step: steps.append(step)
    )
    killer.join()
    assert len(killed) == 1
    assert steps == [(done, 4) for done in range(5)]
    assert contents(folder) == expected
    streams = load_shards(folder, verify=True)
    assert len({stream.name for stream in streams}) == len(streams) == 12
    assert len(shards) == 4


def test_a_task_that_kills_its_process_each_time_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "RETRIES", 1)
    with (
        Cluster() as workers,
        pytest.raises(RuntimeError, match=r"killed 2 times over the same. Received: 9"),
    ):
        list(workers.map(kill_own_process, [signal.SIGKILL.value]))


def test_an_address_where_nothing_answers_is_refused_soon():
    """Ray itself would wait for minutes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}", "127.0.0.1:none"):
        with pytest.raises(ConnectionError, match=r"`address` must be that of a Ray cluster that"):
            Cluster(address=address)._connect()


def kill_own_process(signal_number):
    os.kill(os.getpid(), signal_number)
