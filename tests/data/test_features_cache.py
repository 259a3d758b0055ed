"""Features on disk: found again, gone on with, shared, and never half."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from recording_folders import burst

from keras_sal import audio
from keras_sal.data import PlacedRecording, Recording, Stream, compute_features, features_cache
from keras_sal.data.features_file import StoredFeatures, import_array_record

soundfile = pytest.importorskip("soundfile")

pytestmark = pytest.mark.any_backend

SAMPLE_RATE = 16_000

WORKER = """
import sys, time
from pathlib import Path
from keras_sal import audio
from keras_sal.data import streams
from test_features_cache import made_streams

once = audio.features
def slowly(samples):
    print("computing", flush=True)
    time.sleep(seconds)
    return once(samples)
audio.features = slowly
for line in sys.stdin:
    folder, cache, seconds = line.rstrip().split(chr(9))
    seconds = float(seconds)
    streams.compute_features(made_streams(Path(folder)), workers=1, cache=cache)
    print("done", flush=True)
"""


def made_streams(folder, count=5):
    """Streams of 3 s of the two files in a folder."""
    one, two = (Recording(folder / name, "test", "", 1.0) for name in ("one.wav", "two.wav"))
    return [
        Stream(
            str(seed),
            (PlacedRecording(one, 0.5), PlacedRecording(two, 1.6, speed=1.1)),
            3.0,
            seed,
            (one,),
            10.0,
        )
        for seed in range(count)
    ]


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(("one.wav", "two.wav")):
        samples = burst(1.0, 0.2, 0.7, seed=number)
        soundfile.write(tmp_path / name, samples, SAMPLE_RATE, subtype="PCM_16")
    return tmp_path


@pytest.fixture
def streams(folder):
    return made_streams(folder)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "deep" / "cache"


@pytest.fixture
def computed(monkeypatch):
    """Counts how often features are computed."""
    calls, once = [], audio.features
    monkeypatch.setattr(audio, "features", lambda samples: (calls.append(1), once(samples))[1])
    return calls


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        assert a == b
        assert a.features.dtype == b.features.dtype == np.float32
        np.testing.assert_array_equal(a.features, b.features)


def shards(cache):
    return sorted(cache.iterdir())


def test_saves_the_work(streams, cache, computed):
    fresh = compute_features(streams, cache=cache)
    assert len(computed) == 5
    heard = []
    cached = compute_features(streams, cache=cache, progress=lambda *done: heard.append(done))
    assert len(computed) == 5
    assert heard == [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    assert_same(fresh, cached)
    assert_same(fresh, compute_features(streams))
    assert len(shards(cache)) == 5


def test_sets_that_overlap_share(streams, cache, computed):
    compute_features(streams[:3], cache=cache)
    again = compute_features(streams[::-1], cache=cache)
    assert len(computed) == 5
    assert_same(again[::-1], compute_features(streams))


def test_the_same_stream_twice_in_a_set(streams, cache):
    twice = compute_features([streams[0]] * 4, workers=4, cache=cache)
    assert_same(twice, [compute_features(streams[:1])[0]] * 4)
    assert len(shards(cache)) == 1


@pytest.mark.parametrize(
    "change", ["seed", "snr_db", "speed", "gain", "start", "part", "file", "noise", "placed"]
)
def test_notices_every_change(folder, cache, change):
    recording = Recording(folder / "one.wav", "test", "", 1.0)

    def stream(**given):
        clip = {"start_s": 0.5, "gain_db": 0.0, "speed": 1.0} | given.pop("clip", {})
        given = {"seed": 0, "noise": (recording,), "snr_db": 10.0} | given
        return [Stream("one", (PlacedRecording(recording, **clip),), 2.0, **given)]

    compute_features(stream(), cache=cache)
    other = {
        "seed": {"seed": 1},
        "snr_db": {"snr_db": 11.0},
        "noise": {"noise": ()},
        "placed": {"noise": (PlacedRecording(recording, 0.0, speed=1.3),)},
        "speed": {"clip": {"speed": 1.1}},
        "gain": {"clip": {"gain_db": -3.0}},
        "start": {"clip": {"start_s": 0.6}},
        "part": {"clip": {"part_s": (0.1, 0.8)}},
        "file": {},
    }[change]
    if change == "file":
        soundfile.write(folder / "one.wav", burst(1.0, 0.1, 0.9), SAMPLE_RATE, subtype="PCM_16")
    assert_same(compute_features(stream(**other), cache=cache), compute_features(stream(**other)))
    assert len(shards(cache)) == 2


def test_names_do_not_matter(streams, cache, computed):
    compute_features(streams[:1], cache=cache)
    first = streams[0]
    renamed = Stream("other", first.placed, 3.0, first.seed, first.noise, first.snr_db)
    [found] = compute_features([renamed], cache=cache)
    assert found.name == "other"
    assert len(computed) == 1


@pytest.mark.parametrize("damage", ["empty", "text", "half", "flipped", "another's"])
def test_damaged_shard_is_computed_again(streams, cache, computed, damage):
    fresh = compute_features(streams, cache=cache)
    file, whole = shards(cache)[0], shards(cache)[0].read_bytes()
    flipped = bytearray(whole)
    flipped[5000] ^= 0xFF
    file.write_bytes(
        {
            "empty": b"",
            "text": b"not an ArrayRecord",
            "half": whole[: len(whole) // 2],
            "flipped": bytes(flipped),
            "another's": written(cache, [b"{}", b"some other file"]),
        }[damage]
    )
    with pytest.warns(UserWarning, match=r"cached features in .* are computed again"):
        again = compute_features(streams, cache=cache)
    assert len(computed) == 6
    assert_same(again, fresh)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compute_features(streams, cache=cache)
    assert len(computed) == 6


def written(cache, records):
    from array_record.python.array_record_module import ArrayRecordWriter

    path = cache.parent / "other.arrayrecord"
    writer = ArrayRecordWriter(str(path), "group_size:1")
    for record in records:
        writer.write(record)
    writer.close()
    return path.read_bytes()


HEADER = {
    **{"format": 3, "dtype": "int16", "scale": 0.0390625},
    **{"shapes": [[298, 40]], "notes": [None]},
}
RECORDS = [bytes(256 * 40 * 2), bytes(42 * 40 * 2)]


@pytest.mark.parametrize(
    "header",
    [
        HEADER | {"format": 2},
        HEADER | {"format": True},
        HEADER | {"dtype": "int32"},
        HEADER | {"dtype": "float32"},
        HEADER | {"scale": 1.0},
        HEADER | {"scale": "0.0390625"},
        HEADER | {"dtype": "<f4,<f4"},
        HEADER | {"dtype": None},
        HEADER | {"dtype": ["f4"]},
        HEADER | {"shapes": [[40, 298]]},
        HEADER | {"shapes": [[298, -1]]},
        HEADER | {"shapes": [[298.0, 40.0]]},
        HEADER | {"shapes": [[11920]]},
        HEADER | {"shapes": [[298, 40, 1]]},
        HEADER | {"shapes": [298, 40]},
        HEADER | {"shapes": "298"},
        HEADER | {"shapes": None},
        HEADER | {"shapes": []},
        HEADER | {"shapes": [[256, 40], [42, 40]], "notes": [None, None]},
        HEADER | {"notes": []},
        HEADER | {"notes": None},
        HEADER | {"order": "F"},
        {"format": 3, "dtype": "int16", "scale": 0.0390625},
        [3, "int16", [298, 40]],
        None,
        "[" * 100_000,
    ],
    ids=lambda header: str(header)[:60],
)
def test_crafted_header_is_computed_again(streams, cache, computed, header):
    [fresh] = compute_features(streams[:1], cache=cache)
    [shard] = shards(cache)
    text = header if isinstance(header, str) else json.dumps(header)
    shard.write_bytes(written(cache, [text.encode(), *RECORDS]))
    with pytest.warns(UserWarning, match=r"cached features in .* are computed again"):
        again = compute_features(streams[:1], cache=cache)
    assert len(computed) == 2
    assert_same(again, [fresh])


def test_crafted_headers_differ_from_one_that_is_read(streams, cache, computed):
    compute_features(streams[:1], cache=cache)
    [shard] = shards(cache)
    shard.write_bytes(written(cache, [json.dumps(HEADER).encode(), *RECORDS]))
    [again] = compute_features(streams[:1], cache=cache)
    assert len(computed) == 1
    assert not np.any(again.features)


def test_shard_of_another_length_is_computed_again(streams, cache, computed):
    """A header that fits its data, but not the stream."""
    [fresh] = compute_features(streams[:1], cache=cache)
    [shard] = shards(cache)
    header = json.dumps(HEADER | {"shapes": [[297, 40]]}).encode()
    shard.write_bytes(written(cache, [header, RECORDS[0], bytes(41 * 40 * 2)]))
    with pytest.warns(UserWarning, match=r"has the shapes \[\(297, 40\)\], and the stream"):
        again = compute_features(streams[:1], cache=cache)
    assert_same(again, [fresh])


def test_features_are_read_when_they_are_needed(streams, cache):
    [stream] = compute_features(streams[:1], cache=cache)
    [expected] = compute_features(streams[:1])
    assert isinstance(stream.features, StoredFeatures)
    np.testing.assert_array_equal(stream.features[250:260], expected.features[250:260])


def test_full_disk_costs_the_cache_only(streams, cache, monkeypatch):
    """The first shard that does not fit is the last that is tried; nothing half is left."""

    class Full:
        def __init__(self, path, options):
            tried.append(path)
            with open(path, "wb") as half:  # noqa: PTH123
                half.write(b"half")

        def write(self, record):
            raise RuntimeError("write() failed: No space left on device")

    tried = []
    monkeypatch.setattr(import_array_record(), "ArrayRecordWriter", Full)
    with pytest.warns(UserWarning, match=r"could not be kept in .*No space left") as caught:
        found = compute_features(streams, workers=1, cache=cache)
    assert len(caught) == len(tried) == 1
    assert_same(found, compute_features(streams))
    assert shards(cache) == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="mounts a small disk")
def test_disk_that_is_really_full(streams, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("can't mount a small disk here")
    try:
        with pytest.warns(UserWarning, match=r"could not be kept in .*No space left"):
            found = compute_features(streams, workers=1, cache=small)
        assert 1 <= len(shards(small)) < 5
        assert_same(found, compute_features(streams))
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_folder_that_can_not_be_made(streams, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="could not be kept"):
        found = compute_features(streams, cache=tmp_path / "file" / "cache")
    assert_same(found, compute_features(streams))


def test_without_the_package(streams, cache, monkeypatch):
    once = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "array_record" else once(name)
    )
    with pytest.warns(UserWarning, match=r"not be kept.*array_record.*\[audio\]"):
        found = compute_features(streams, cache=cache)
    assert_same(found, compute_features(streams))


def test_sweeps_up_after_killed_processes(streams, cache):
    cache.mkdir(parents=True)
    old, new = cache / ".1.2.features-a.arrayrecord", cache / ".3.4.features-b.arrayrecord"
    for path in (old, new, cache / "mine.txt"):
        path.write_bytes(b"half")
        long_ago = time.time() - 2 * features_cache.ABANDONED_S
        os.utime(path, (long_ago, long_ago))
    new.touch()
    compute_features(streams, cache=cache)
    assert not old.exists()
    assert new.exists()
    assert (cache / "mine.txt").exists()


class Worker:
    """Another process that computes the same features. It starts slowly, so tests share it."""

    def __init__(self):
        here = Path(__file__).parent
        paths = os.pathsep.join([str(here), str(here.parent / "support")])
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": paths, "KERAS_BACKEND": "numpy"},
        )

    def start(self, folder, cache, seconds):
        """Begins to compute all features, so many seconds each."""
        self.process.stdin.write(f"{folder}\t{cache}\t{seconds}\n")
        self.process.stdin.flush()

    def hear(self):
        """The next word it says."""
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.process.kill()
    worker.process.communicate()


def test_two_processes_at_once(folder, streams, cache, computed, worker, monkeypatch):
    counted = audio.features
    monkeypatch.setattr(audio, "features", lambda x: (time.sleep(0.02), counted(x))[1])
    worker.start(folder, cache, 0.02)
    assert worker.hear() == "computing"
    compute_features(streams, workers=1, cache=cache)
    while (word := worker.hear()) == "computing":
        pass
    assert word == "done"
    assert len(shards(cache)) == 5
    computed.clear()
    assert_same(compute_features(streams, cache=cache), compute_features(streams))
    assert len(computed) == 5  # those without a cache


def test_killed_run_goes_on_where_it_stopped(folder, streams, cache, computed, worker):
    """The last test, as it ends the worker."""
    worker.start(folder, cache, 0.5)
    for _ in range(4):  # the fourth is begun, so that three are done
        assert worker.hear() == "computing"
    worker.process.send_signal(signal.SIGKILL)
    worker.process.wait()
    done = len([path for path in shards(cache) if not path.name.startswith(".")])
    assert done == 3
    found = compute_features(streams, cache=cache)
    assert len(computed) == 5 - done
    assert_same(found, compute_features(streams))
