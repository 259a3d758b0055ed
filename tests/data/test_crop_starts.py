"""The starts of crops: the same as a list of them all."""

import numpy as np
import pytest

from keras_sal.data.crop_starts import CropStarts

pytestmark = pytest.mark.any_backend


@pytest.fixture(params=[0.0, 0.1, 0.5, 0.99, 1.0])
def allowed(request):
    rng = np.random.default_rng(0)
    return [rng.random(length) < request.param for length in (7, 0, 200, 1)]


def listed(allowed):
    rows = [
        (stream, start) for stream, each in enumerate(allowed) for start in np.flatnonzero(each)
    ]
    return np.array(rows, int).reshape(-1, 2)


def test_rows_are_those_of_the_list(allowed):
    starts, rows = CropStarts(allowed), listed(allowed)
    assert len(starts) == len(rows)
    np.testing.assert_array_equal(starts[np.arange(len(rows))], rows)
    assert [tuple(row) for row in starts] == [tuple(row) for row in rows]
    backwards = np.arange(len(rows))[::-1]
    np.testing.assert_array_equal(starts[backwards], rows[::-1])


def test_counts_are_those_of_the_list(allowed):
    starts, rows = CropStarts(allowed), listed(allowed).tolist()
    for stream, each in enumerate(allowed):
        for frame in range(-3, len(each) + 3):
            before = [row for row in rows if row < [stream, frame]]
            assert starts.count_before(stream, frame) == len(before)


@pytest.mark.parametrize("number", [-1, 3, [0, 3]])
def test_rejects_a_number_that_there_is_none_of(number):
    with pytest.raises(IndexError, match="There are 3 crops"):
        CropStarts([np.ones(3, bool)])[number]


def test_no_streams():
    assert len(CropStarts([])) == 0
