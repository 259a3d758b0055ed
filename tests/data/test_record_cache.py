"""The cache of records: what is kept, what is read again, and in how many bytes."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from keras_sal.data.record_cache import RecordCache

pytestmark = pytest.mark.any_backend


class File:
    """A file whose record `n` has `n` bytes, and what was read of it."""

    def __init__(self, name="file"):
        self.name, self.reads = name, []

    def read(self, cache, *numbers):
        def read(missing):
            self.reads.append(missing)
            return [bytes([number]) * number for number in missing]

        assert cache.read(self.name, numbers, read) == [bytes([n]) * n for n in numbers]


def test_only_what_is_missing_is_read():
    cache, file = RecordCache(100), File()
    file.read(cache, 3, 4)
    file.read(cache, 4, 3)
    file.read(cache, 2, 3, 5, 4)
    assert file.reads == [[3, 4], [2, 5]]
    assert cache.bytes == 2 + 3 + 4 + 5


def test_the_least_recently_used_go_first():
    cache, file = RecordCache(9), File()
    file.read(cache, 2)
    file.read(cache, 3)
    file.read(cache, 4)  # 9 bytes, all stay
    file.read(cache, 2)
    file.read(cache, 1)  # 10 bytes: 3 goes
    assert cache.bytes == 2 + 4 + 1
    file.reads.clear()
    file.read(cache, 1, 2, 4)
    assert file.reads == []
    file.read(cache, 3)
    assert file.reads == [[3]]


def test_a_record_larger_than_the_cache_is_read_each_time():
    cache, file = RecordCache(4), File()
    file.read(cache, 5)
    file.read(cache, 5)
    assert file.reads == [[5], [5]]
    assert cache.bytes == 0


def test_files_have_their_own_records():
    cache, files = RecordCache(100), [File("one"), File("other")]
    for file in files * 2:
        file.read(cache, 7)
    assert [file.reads for file in files] == [[[7]], [[7]]]


def test_threads_share_it():
    cache, places = RecordCache(200), np.random.default_rng(0).integers(1, 40, (500, 3)).tolist()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda numbers: File().read(cache, *dict.fromkeys(numbers)), places))
    assert cache.bytes == sum(map(len, cache._records.values())) <= 200
