"""Chunks that continue from batch to batch."""

import numpy as np
import pytest
from made_streams import noisy_streams, whole_targets, word_targets

from keras_sal.data import StreamChunks

pytestmark = pytest.mark.any_backend

FRAMES = 20

LENGTHS = [57, 59, 110, 40, 41, 93, 120]  # 3, 3, 6, 2, 3, 5, 6 chunks


@pytest.fixture
def targets():
    return word_targets(frames=FRAMES)


class TestStreamChunks:
    def test_rows_carry_on_and_join_to_the_whole_streams(self, targets):
        """In every epoch each stream once, from its begin to its end, with its own targets."""
        streams = noisy_streams(LENGTHS)
        chunks = StreamChunks(streams, targets, batch_size=3)
        # in order of length: [2, 3, 3], [3, 5, 6], [6]
        assert len(chunks) == 3 + 6 + 6
        whole = [whole_targets(stream, targets) for stream in streams]
        orders = []
        for epoch in range(2):
            joined, begun = {}, []
            for index in range(len(chunks)):
                features, packed = chunks[index]
                if chunks.begins(index):
                    begun.append(index)
                    row_of = [[] for _ in range(3)]
                    joined[len(begun)] = row_of
                for row, x, y in zip(row_of, features, packed, strict=True):
                    row.append((x, y))
            chunks.on_epoch_end()
            rows = [row for group in joined.values() for row in group]
            heard = {}
            for row in rows:
                x, y = (np.concatenate(part) for part in zip(*row, strict=True))
                unknown = y[:, 0] == -1
                if unknown.all():
                    assert (x == 0).all()
                    continue
                index = int(x[0, 0])
                length = LENGTHS[index]
                np.testing.assert_array_equal(x[:length], streams[index].features)
                np.testing.assert_array_equal(unknown, np.arange(len(x)) >= length)
                np.testing.assert_array_equal(y[:length], whole[index])
                assert index not in heard
                heard[index] = epoch
            assert set(heard) == set(range(7))
            assert len(rows) == 9
            orders.append(tuple(heard))
        assert len(set(orders)) > 1

    def test_follows_from_seed_and_epoch(self, targets):
        streams = noisy_streams(LENGTHS)
        one, same, other = (
            StreamChunks(streams, targets, batch_size=2, seed=s, workers=w)
            for s, w in ((1, 1), (1, 3), (2, 1))
        )
        for _ in range(2):
            for index in range(len(one)):
                for a, b in zip(one[index], same[index], strict=True):
                    np.testing.assert_array_equal(a, b)
            for batches in (one, same):
                batches.on_epoch_end()
        assert any((one.at(0, i)[0] != other.at(0, i)[0]).any() for i in range(len(one)))

    def test_without_shuffling_the_order_is_that_given(self, targets):
        chunks = StreamChunks(noisy_streams([40] * 6), targets, batch_size=2, shuffle=False)
        heard = [
            chunks.at(epoch, index)[0][:, 0, 0].tolist() for epoch in (0, 1) for index in range(6)
        ]
        assert heard == [[0, 1], [0, 1], [2, 3], [2, 3], [4, 5], [4, 5]] * 2

    def test_read_out_of_order(self, targets):
        chunks = StreamChunks(noisy_streams([120] * 2), targets, batch_size=2)
        assert len(chunks) == 6
        chunks[0], chunks[1], chunks[0], chunks[1], chunks[2]
        with pytest.raises(ValueError, match=r"read in order.*chunk 4 after 2.*shuffle=False"):
            chunks[4]

    def test_rejects(self, targets):
        with pytest.raises(ValueError, match=r"`streams` must be at least as many.*2 streams.*=3"):
            StreamChunks(noisy_streams([100] * 2), targets, batch_size=3)
        with pytest.raises(ValueError, match=r"`batch_size` must be greater than 0"):
            StreamChunks(noisy_streams([100] * 2), targets, batch_size=0)
