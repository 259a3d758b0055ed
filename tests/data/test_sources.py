"""The same batches and crops from every pipeline."""

import itertools

import numpy as np
import pytest
from made_streams import three_streams, word_targets

from keras_sal.data import StreamBatches, StreamChunks
from keras_sal.data.sources import BatchSource, CropSource, grain_dataset, tf_dataset

pytestmark = pytest.mark.any_backend


@pytest.fixture
def batches():
    made = StreamBatches(three_streams(), word_targets(), batch_size=3, batches=4, seed=7)
    made.focus([(0, 4.5)])
    return made


@pytest.fixture
def expected(batches):
    """Two and a half epochs of batches."""
    return [batches.at(*divmod(number, 4)) for number in range(10)]


def assert_same(found, expected):
    found = list(found)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(np.asarray(a), b)
            assert np.asarray(a).dtype == np.float32


def single_crops(expected):
    return [(x, y) for features, packed in expected for x, y in zip(features, packed, strict=True)]


class TestSources:
    def test_batches_and_crops(self, batches, expected):
        assert_same([BatchSource(batches)[number] for number in range(10)], expected)
        assert_same([CropSource(batches)[n] for n in range(30)], single_crops(expected))
        assert len(BatchSource(batches, epochs=2)) == 8
        assert len(CropSource(batches, epochs=2)) == 24
        with pytest.raises(IndexError, match="no element 8 among 8"):
            BatchSource(batches, epochs=2)[8]

    def test_what_happens_to_the_batches_later_changes_nothing(self, batches, expected):
        source = BatchSource(batches)
        batches.on_epoch_end()
        batches.focus(())
        assert_same([source[number] for number in range(10)], expected)

    def test_rejects(self, batches):
        with pytest.raises(ValueError, match=r"`epochs` must be at least 1.*epochs=0"):
            BatchSource(batches, epochs=0)

    def test_rejects_single_crops_of_batches_that_are_one(self, batches):
        chunks = StreamChunks(three_streams(), word_targets(), batch_size=2)
        with pytest.raises(ValueError, match=r"`batches` must be StreamBatches.*StreamChunks"):
            CropSource(chunks)
        batches.augment = lambda features, targets, rng: (features, targets)
        with pytest.raises(ValueError, match=r"without `augment`.*StreamBatches"):
            CropSource(batches)

    @pytest.mark.parametrize("make", [grain_dataset, tf_dataset])
    def test_says_what_is_missing(self, batches, monkeypatch, make):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(ImportError, match=r"needed to make a .*dataset and is not installed"):
            make(batches)


class TestTfDataset:
    @pytest.fixture(autouse=True)
    def _tensorflow(self):
        pytest.importorskip("tensorflow")

    @pytest.mark.parametrize("num_parallel_calls", [None, 3])
    def test_equals_the_batches(self, batches, expected, num_parallel_calls):
        dataset = tf_dataset(batches, num_parallel_calls=num_parallel_calls)
        assert dataset.element_spec[0].shape == (3, 97, 40)
        assert_same(dataset.take(10), expected)
        crops = tf_dataset(batches, crops=True, num_parallel_calls=num_parallel_calls)
        assert_same(crops.take(30), single_crops(expected))
        assert_same(crops.batch(3).take(10), expected)

    def test_ends(self, batches, expected):
        assert_same(tf_dataset(batches, epochs=2), expected[:8])

    def test_chunks_that_carry_on(self):
        chunks = StreamChunks(three_streams(), word_targets(), batch_size=2)
        wanted = [chunks.at(0, index) for index in range(len(chunks))]
        assert_same(tf_dataset(chunks, epochs=1, num_parallel_calls=2), wanted)


class TestGrainDataset:
    @pytest.mark.parametrize("num_threads", [0, 3])
    def test_equals_the_batches(self, batches, expected, num_threads):
        grain = pytest.importorskip("grain")
        options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=4)
        dataset = grain_dataset(batches).to_iter_dataset(options)
        assert_same(itertools.islice(dataset, 10), expected)
        crops = grain_dataset(batches, crops=True)
        assert_same([crops[number] for number in range(30)], single_crops(expected))
        assert_same(itertools.islice(crops.batch(3).to_iter_dataset(options), 10), expected)
        assert len(grain_dataset(batches, epochs=2)) == 8

    @pytest.mark.slow
    def test_processes_change_nothing(self, batches, expected):
        grain = pytest.importorskip("grain")
        from absl import flags

        flags.FLAGS.mark_as_parsed()
        options = grain.MultiprocessingOptions(num_workers=2)
        dataset = grain_dataset(batches, epochs=2).to_iter_dataset().mp_prefetch(options)
        assert_same(dataset, expected[:8])
