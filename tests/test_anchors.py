"""The packed-target convention, and kernels that are 1 at the anchor and fall from there."""

import math

import keras
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_sal.anchors import KERNELS, NO_ANCHOR, anchor_kernel, pack, unpack


def evaluate(distance, *args, **kwargs):
    return np.asarray(anchor_kernel(np.asarray(distance, "float32"), *args, **kwargs))


class TestKernels:
    @pytest.mark.parametrize(
        ("name", "at_half", "at_reach", "at_twice"),
        [
            ("exponential", math.exp(-1 / 2), math.exp(-1), math.exp(-2)),
            ("gaussian", math.exp(-1 / 8), math.exp(-1 / 2), math.exp(-2)),
            ("triangular", 1 / 2, 0, 0),
            ("rectangular", 1, 1, 0),
            ("raised_cosine", 1 / 2, 0, 0),
        ],
    )
    def test_by_hand(self, name, at_half, at_reach, at_twice):
        near = evaluate([0, 2, 4, 8, -2, -4, -8], name, reach=4)
        expected = [1, at_half, at_reach, at_twice, at_half, at_reach, at_twice]
        np.testing.assert_allclose(near, expected, atol=1e-6)

    @settings(deadline=None, max_examples=50)
    @given(
        name=st.sampled_from(sorted(KERNELS)),
        reach=st.tuples(st.floats(0.5, 300), st.floats(0.25, 300)),
        away=st.lists(st.integers(1, 2**20), min_size=5, max_size=5).map(sorted),
    )
    def test_falls_from_1_on_either_side(self, name, reach, away):
        near = evaluate([*np.negative(away[::-1]), 0, *away], name, reach=reach)
        assert near[5] == 1
        assert ((near >= 0) & (near <= 1)).all()
        assert (np.diff(near[:6]) >= 0).all()
        assert (np.diff(near[5:]) <= 0).all()

    @pytest.mark.parametrize("name", KERNELS)
    def test_matches_slow_loops(self, name):
        distance = np.arange(-17, 18)
        expected = [reference.kernel(d, name, (5, 3)) for d in distance]
        np.testing.assert_allclose(evaluate(distance, name, reach=(5, 3)), expected, atol=1e-6)

    @pytest.mark.parametrize("name", KERNELS)
    def test_no_anchor_is_exactly_0(self, name):
        assert evaluate([NO_ANCHOR], name, reach=1e8).tolist() == [0.0]
        assert NO_ANCHOR == np.float32(NO_ANCHOR) == np.int32(NO_ANCHOR)

    def test_reach_before_and_after(self):
        near = evaluate([-4, 4], "triangular", reach=(8, 16))
        assert near.tolist() == [1 - 4 / 8, 1 - 4 / 16]

    def test_own_function(self):
        near = evaluate([0, 1, NO_ANCHOR], lambda u: 1 / (1 + u), reach=2)
        np.testing.assert_allclose(near, [1, 2 / 3, 0])

    def test_whole_distances(self):
        near = anchor_kernel(np.array([0, 2, int(NO_ANCHOR)], "int32"), "triangular", reach=4)
        assert np.asarray(near).tolist() == [1.0, 0.5, 0.0]

    def test_reach_of_any_number_type(self):
        for reach in (4, 4.0, np.int64(4), np.float32(4), (np.int32(4), 4.0)):
            assert evaluate([2], "triangular", reach=reach).tolist() == [0.5]

    @pytest.mark.parametrize("reach", [0, -1, math.inf, math.nan, (1, 0), (1, 2, 3), "15", None])
    def test_rejects_reach(self, reach):
        with pytest.raises(ValueError, match=r"`reach` must be one number of frames greater than"):
            evaluate([0], reach=reach)

    @pytest.mark.any_backend
    @pytest.mark.parametrize("reach", [0.15, (0.15, 0.25), [0.03, 0.49]])
    def test_rejects_reach_in_seconds(self, reach):
        with pytest.raises(ValueError, match=r"`reach` must be at least 0.5 .* Divide seconds by"):
            evaluate([0], reach=reach)

    @pytest.mark.any_backend
    def test_a_kernel_may_end_at_its_anchor_on_one_side(self):
        near = evaluate([-4, 0, 4], "triangular", reach=(8, 0.1))
        np.testing.assert_allclose(near, [0.5, 1, 0])

    def test_rejects_kernel(self):
        with pytest.raises(ValueError, match="`kernel` must be one of 'exponential', 'gaussian'"):
            evaluate([0], "gauss")


class TestPacking:
    def test_round_trip(self):
        rng = np.random.default_rng(0)
        labels = rng.integers(-1, 2, (2, 5, 3)).astype("float32")
        distance = rng.integers(-9, 9, (2, 5)).astype("float32")
        targets = pack(labels, distance)
        assert targets.shape == (2, 5, 4)
        for back, packed in zip(unpack(targets), (labels, distance), strict=True):
            np.testing.assert_array_equal(np.asarray(back), packed)

    @pytest.mark.parametrize("shape", [(2, 5), (2, 5, 1), (5,), (2, 5, 3, 2)])
    def test_rejects_plain_labels(self, shape):
        message = r"`targets` must be packed.*Received.*AnchorTargets\(\)\(labels\)"
        with pytest.raises(ValueError, match=message):
            unpack(np.zeros(shape))

    def test_symbolic(self):
        targets = keras.Input((None, 4))
        labels, distance = unpack(targets)
        assert (labels.shape, distance.shape) == ((None, None, 3), (None, None))
