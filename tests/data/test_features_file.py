"""Files of features: what is indexed, on records of 256 frames, is what an array gives."""

import gc
import os
import pickle
import tracemalloc

import numpy as np
import pytest

from keras_sal import AnchorTargets
from keras_sal.data import Stream, StreamBatches, features_file
from keras_sal.data.features_file import (
    FLOAT,
    MICRO,
    StoredFeatures,
    read_features,
    write_features,
)
from keras_sal.data.record_cache import RecordCache

pytest.importorskip("array_record")

pytestmark = pytest.mark.any_backend


def made(frames, width=40, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, width)).astype("float32")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("features") / "some.arrayrecord"


ARRAYS = [made(709, seed=1), made(256, seed=2), made(0), made(257, seed=3), made(11, 3, seed=4)]


@pytest.fixture(scope="module")
def stored(path):
    write_features(path, ARRAYS, [{"name": str(number)} for number in range(5)])
    return read_features(path)


def test_arrays_come_back(stored):
    assert [note for _, note in stored] == [{"name": str(number)} for number in range(5)]
    for (features, _), array in zip(stored, ARRAYS, strict=True):
        assert (features.shape, features.ndim, features.dtype) == (array.shape, 2, array.dtype)
        assert len(features) == len(array)
        np.testing.assert_array_equal(features, array)
        assert np.asarray(features, "float64").dtype == "float64"


@pytest.mark.parametrize(
    "key",
    [
        slice(0, 10),
        slice(250, 260),
        slice(256, 512),
        slice(255, 513),
        slice(700, 900),
        slice(-5, None),
        slice(None, -700),
        slice(20, 10),
        slice(900, 1000),
        slice(None, None, 7),
        slice(None, None, -1),
        300,
        -1,
        (slice(3, 5), 1),
        np.array([5, 1, 708]),
    ],
    ids=str,
)
def test_indices_are_those_of_an_array(stored, key):
    features, _ = stored[0]
    np.testing.assert_array_equal(features[key], ARRAYS[0][key])


def test_only_the_records_of_a_slice_are_read(stored, monkeypatch):
    heard, once = [], features_file._open

    class Counting:
        def __init__(self, path):
            self.reader = once(path)

        def read(self, numbers):
            heard.append(numbers)
            return self.reader.read(numbers)

        def close(self):
            self.reader.close()

    monkeypatch.setattr(features_file, "_open", Counting)
    monkeypatch.setattr(features_file, "_CACHE", RecordCache(2**20))
    stored[0][0][300:400], stored[3][0][200:257], stored[0][0][200:400]
    # Record 0 is the header, 1 to 3 are 709 frames, 4 is 256, and 5 and 6 are 257.
    assert heard == [[2], [5, 6], [1]]


def test_multiples_of_the_front_ends_step_take_16_bits(tmp_path):
    """639 is the greatest number that it gives; 32767 is the greatest that fits."""
    micro = np.random.default_rng(0).integers(0, 640, (500, 40))
    for numbers, encoding in (
        (micro, MICRO),
        (np.array([[32767.0, -32767.0]]), MICRO),
        (np.array([[32768.0, 0.0]]), FLOAT),
        (np.array([[0.5, 0.0]]), FLOAT),
        (np.array([[np.nan, np.inf]]), FLOAT),
    ):
        array = (numbers * 0.0390625).astype("float32")
        write_features(tmp_path / "a.arrayrecord", [array])
        [(features, _)] = read_features(tmp_path / "a.arrayrecord")
        assert features.encoding is encoding
        np.testing.assert_array_equal(features, array)


def test_a_file_that_is_written_anew_is_read_anew(tmp_path):
    path = tmp_path / "a.arrayrecord"
    for seed in (1, 2):
        write_features(path, [made(300, seed=seed)])
        [(features, _)] = read_features(path)
        np.testing.assert_array_equal(features[100:200], made(300, seed=seed)[100:200])


def test_another_process_can_have_them(stored):
    features, _ = stored[0]
    again = pickle.loads(pickle.dumps(features))
    np.testing.assert_array_equal(again, ARRAYS[0])
    assert repr(again) == f"StoredFeatures({str(features.path)!r}, shape=(709, 40))"


def damage(path):
    """Change the byte in the middle of a file, but not its times."""
    times, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_damage_is_an_error_where_it_is_read(tmp_path):
    path = tmp_path / "a.arrayrecord"
    write_features(path, [made(3000)])
    damage(path)
    [(features, _)] = read_features(path)
    with pytest.raises(RuntimeError, match="`features` must stay in their file, undamaged"):
        features.check()


def test_what_was_read_before_is_checked_in_its_file(tmp_path):
    path = tmp_path / "a.arrayrecord"
    write_features(path, [made(3000)])
    [(features, _)] = read_features(path)
    np.testing.assert_array_equal(features, made(3000))
    damage(path)
    with pytest.raises(RuntimeError, match="`features` must stay in their file, undamaged"):
        features.check()


def test_a_file_that_is_gone_is_named(tmp_path):
    path = tmp_path / "a.arrayrecord"
    write_features(path, [made(300)])
    [(features, _)] = read_features(path)
    path.unlink()
    message = r"`features` must stay in their file.*a\.arrayrecord.*Compute or write them again"
    with pytest.raises(RuntimeError, match=message):
        features[:10]


def test_rejects_records_that_the_header_does_not_count(tmp_path, monkeypatch):
    path = tmp_path / "a.arrayrecord"
    write_features(path, [made(257)])
    described = (FLOAT, [((257, 40), None)] * 2)
    monkeypatch.setattr(features_file, "_described", lambda header: described)
    with pytest.raises(ValueError, match="and it has 3 records"):
        read_features(path)


def test_batches_are_those_of_arrays_and_memory_stays(tmp_path):
    array = made(300_000, seed=5)  # 48 MB
    write_features(tmp_path / "a.arrayrecord", [array])
    [(features, _)] = read_features(tmp_path / "a.arrayrecord")
    targets = AnchorTargets(400, frame_step_s=0.01, frame_offset_s=0.03)

    def batches(found):
        stream = Stream("long", (), 3000.02, features=found)
        return StreamBatches([stream], targets, batch_size=8, batches=4, seed=3)

    expected = [batches(array).at(1, index) for index in range(4)]
    del array
    gc.collect()
    own = batches(features)
    tracemalloc.start()
    for index, (inputs, packed) in enumerate(expected):
        found = own.at(1, index)
        np.testing.assert_array_equal(found[0], inputs)
        np.testing.assert_array_equal(found[1], packed)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 2**20  # crops of 2 MB, and the targets
    assert isinstance(own.streams[0].features, StoredFeatures)
