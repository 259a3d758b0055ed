"""Edits of clips: whatever is done to a clip, its anchors stay on their frames."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_sal import AnchorTargets
from keras_sal.anchors import NO_ANCHOR
from keras_sal.targets import clips

TIME = 13


def make(events, frames=TIME):
    """A clip with an event per pair of frames; features are t + 1, and 1 at anchors, else 0."""
    rows = np.array(events or [(0, -1)])
    targets = AnchorTargets(frames, anchor="offset")(rows[None])[0]
    features = np.stack([np.arange(1.0, frames + 1), targets[:, 1] == 0], axis=-1)
    return features.astype("float32"), targets


def anchors(targets):
    return np.flatnonzero((targets[:, 1] == 0) & (targets[:, 0] != -1))


def clicks(features):
    return np.flatnonzero(features[:, 1] > 0.5)


inside = st.lists(
    st.tuples(st.integers(0, TIME - 1), st.integers(0, TIME - 1)).map(sorted), max_size=4
)
examples = settings(deadline=None, max_examples=60)


class TestCrop:
    @examples
    @given(inside, st.integers(0, TIME - 1), st.data())
    def test_equals_the_targets_of_the_crop(self, events, start, data):
        """Cut-off anchors count: the targets are those of all events, seen from the crop."""
        frames = data.draw(st.integers(1, TIME - start))
        features, targets = clips.crop(*make(events), start, frames)
        rows = np.array(events or [(0, -1)])[None] - start
        np.testing.assert_array_equal(targets, AnchorTargets(frames, "offset")(rows)[0])
        assert features[:, 0].tolist() == list(range(start + 1, start + frames + 1))

    @pytest.mark.parametrize(("start", "frames"), [(-1, 3), (0, 0), (5, 9), (0, 14), (1.0, 2)])
    def test_rejects(self, start, frames):
        with pytest.raises(
            ValueError, match=r"`start` and `frames` must lie inside the clip; .*13"
        ):
            clips.crop(*make([(2, 4)]), start, frames)


class TestPadAndShift:
    @examples
    @given(inside, st.integers(0, 5), st.integers(0, 5))
    def test_pad_equals_the_targets_of_the_longer_clip(self, events, before, after):
        features, targets = clips.pad(*make(events), before, after, fill=-7)
        rows = np.array(events or [(0, -1)])[None]
        rows = np.where(rows[..., :1] <= rows[..., 1:], rows + before, rows)
        longer = AnchorTargets(before + TIME + after, "offset")(rows)[0]
        np.testing.assert_array_equal(targets[:, 1], longer[:, 1])
        added = np.r_[np.ones(before), np.zeros(TIME), np.ones(after)].astype(bool)
        np.testing.assert_array_equal(targets[:, 0], np.where(added, -1, longer[:, 0]))
        assert (features[added] == -7).all()
        np.testing.assert_array_equal(features[~added], make(events)[0])

    @examples
    @given(inside, st.integers(-2 * TIME, 2 * TIME))
    def test_shift_moves_anchors_with_their_frames(self, events, frames):
        features, targets = clips.shift(*make(events), frames)
        moved = anchors(make(events)[1]) + frames
        kept = moved[(moved >= 0) & (moved < TIME)]
        assert anchors(targets).tolist() == clicks(features).tolist() == kept.tolist()
        free = features[:, 0] == 0
        assert (targets[free, 0] == -1).all()
        assert free.sum() == min(abs(frames), TIME)
        if len(moved) and frames >= 0:
            nearest = abs(np.arange(TIME)[:, None] - moved).min(axis=1)
            np.testing.assert_array_equal(abs(targets[:, 1]), nearest)

    def test_no_anchor_stays_exact_however_long_the_padding(self):
        """float32 numbers near NO_ANCHOR, 2**30, are 64 and 128 apart."""
        _, targets = clips.pad(*make([]), before=1000, after=1000)
        assert set(targets[:, 1].tolist()) == {NO_ANCHOR}

    def test_fill_of_each_feature(self):
        features, _ = clips.pad(*make([]), before=2, fill=[3, 4])
        assert features[:2].tolist() == [[3, 4], [3, 4]]

    def test_a_padding_frame_is_no_anchor(self):
        """The anchor was cut off; where it was, there is padding now."""
        features, targets = clips.crop(*make([(0, 2)]), start=3, frames=5)
        _, padded = clips.pad(features, targets, before=3)
        assert padded[:, 1].tolist() == [-2, -1, 0, 1, 2, 3, 4, 5]
        assert anchors(padded).tolist() == []

    def test_rejects(self):
        with pytest.raises(ValueError, match=r"`before` and `after` must be whole numbers.*=-1"):
            clips.pad(*make([]), before=-1)
        with pytest.raises(ValueError, match=r"`frames` must be a whole number; .*=0\.5"):
            clips.shift(*make([]), 0.5)


class TestStretch:
    @examples
    @given(inside, st.floats(0.4, 3))
    def test_anchors_move_to_their_frames(self, events, factor):
        features, targets = clips.stretch(*make(events), factor)
        moved = np.rint(anchors(make(events)[1]) * factor)
        assert anchors(targets).tolist() == sorted(set(moved.tolist()))
        assert len(features) == len(targets) == np.rint((TIME - 1) * factor) + 1

    @examples
    @example([(1, 1), (8, 8)], 2.9)
    @given(inside, st.floats(0.4, 3))
    def test_distances_are_to_the_nearest_moved_anchor(self, events, factor):
        """Or, as anchors move by whole frames, to one that is at most a frame farther."""
        _, targets = clips.stretch(*make(events), factor)
        moved = np.rint(anchors(make(events)[1]) * factor)
        if not len(moved):
            assert (targets[:, 1] == NO_ANCHOR).all()
            return
        time = np.arange(len(targets))
        assert np.isin(time - targets[:, 1], moved).all()
        nearest = abs(time[:, None] - moved).min(axis=1)
        assert (abs(targets[:, 1]) <= nearest + 1).all()

    @pytest.mark.parametrize("factor", [0.5, 0.8, 1.3, 2, 2.7])
    def test_a_click_stays_at_the_anchor(self, factor):
        features, targets = clips.stretch(*make([(1, 4), (8, 10)]), factor)
        for at in anchors(targets):
            near = features[max(at - 2, 0) : at + 3, 1]
            assert features[at, 1] == near.max() > 0
            assert targets[at, 0] == 1

    def test_an_anchor_that_falls_between_frames_keeps_its_label(self):
        """Frame 3 moves to round(1.5) = 2, which interpolates frame 4, whose label is 0."""
        _, targets = clips.stretch(*make([(3, 3)], frames=8), 0.5)
        assert targets.tolist() == [[0, -2], [0, -1], [1, 0], [0, 1], [0, 2]]

    def test_by_hand(self):
        features, targets = clips.stretch(*make([(1, 2)], frames=4), 2)
        assert features[:, 0].tolist() == [1, 1.5, 2, 2.5, 3, 3.5, 4]
        assert targets[:, 1].tolist() == [-4, -3, -2, -1, 0, 1, 2]
        assert targets[[2, 4], 0].tolist() == [1, 1]

    def test_factor_1_changes_nothing(self):
        features, targets = make([(1, 2), (5, 9)])
        same_features, same_targets = clips.stretch(features, targets, 1)
        np.testing.assert_array_equal(same_features, features)
        np.testing.assert_array_equal(same_targets, targets)

    def test_cut_off_anchors_move_too(self):
        features, targets = clips.crop(*make([(0, 2)]), start=4, frames=5)
        _, stretched = clips.stretch(features, targets, 2)
        assert stretched[:, 1].tolist() == list(range(4, 13))

    @pytest.mark.parametrize("factor", [0, -1, np.inf, np.nan, "2"])
    def test_rejects(self, factor):
        with pytest.raises(ValueError, match="`factor` must be a number > 0; "):
            clips.stretch(*make([]), factor)


class TestConcatenate:
    @examples
    @given(st.lists(inside, min_size=1, max_size=4))
    def test_equals_the_targets_of_all_events(self, lists):
        features, targets = clips.concatenate([make(events) for events in lists])
        rows = [(a + i * TIME, b + i * TIME) for i, e in enumerate(lists) for a, b in e]
        rows = np.array(rows or [(0, -1)])[None]
        whole = AnchorTargets(TIME * len(lists), "offset")(rows)[0]
        np.testing.assert_array_equal(targets, whole)
        assert clicks(features).tolist() == anchors(targets).tolist()

    def test_cut_off_anchors_stay_with_their_clip(self):
        """One clip ends before its anchor, the other begins after its own."""
        first = clips.crop(*make([(0, 6)]), start=0, frames=4)
        second = clips.crop(*make([(0, 6)]), start=8, frames=4)
        _, targets = clips.concatenate([first, second])
        assert targets[:, 1].tolist() == [-6, -5, -4, -3, 2, 3, 4, 5]

    @examples
    @given(inside, inside, st.integers(0, 2 * TIME - 3))
    def test_crops_of_what_was_joined(self, first, second, start):
        """Cropping a stream equals making the stream's targets and looking at the crop."""
        _, targets = clips.crop(*clips.concatenate([make(first), make(second)]), start, 3)
        rows = np.array([*first, *((a + TIME, b + TIME) for a, b in second)] or [(0, -1)])[None]
        rows = np.where(rows[..., :1] <= rows[..., 1:], rows - start, rows)
        np.testing.assert_array_equal(targets, AnchorTargets(3, "offset")(rows)[0])

    def test_rejects(self):
        with pytest.raises(ValueError, match="`clips` must have at least one"):
            clips.concatenate([])
        features, targets = make([])
        with pytest.raises(ValueError, match="`clips` must all be single clips or all be batches"):
            clips.concatenate([(features, targets), (features[None], targets[None])])


EDITS = {
    "crop": lambda x, y: clips.crop(x, y, 2, 5),
    "pad": lambda x, y: clips.pad(x, y, 1, 2),
    "shift": lambda x, y: clips.shift(x, y, -3),
    "stretch": lambda x, y: clips.stretch(x, y, 1.4),
    "concatenate": lambda x, y: clips.concatenate([(x, y), (x, y)]),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
class TestEveryEdit:
    def test_batch_equals_its_clips(self, edit):
        batch = [make([(1, 2), (5, 9)]), make([]), make([(0, 12)])]
        features, targets = edit(*(np.stack(x) for x in zip(*batch, strict=True)))
        for i, clip in enumerate(batch):
            for of_batch, alone in zip((features, targets), edit(*clip), strict=True):
                np.testing.assert_array_equal(of_batch[i], alone)

    def test_several_features(self, edit):
        features, targets = make([(1, 2)])
        several = {"audio": features, "motion": [features[:, :1]]}
        made, edited = edit(several, targets)
        expected, same = edit(features, targets)
        np.testing.assert_array_equal(edited, same)
        np.testing.assert_array_equal(made["audio"], expected)
        np.testing.assert_array_equal(made["motion"][0], expected[:, :1])

    def test_targets_alone(self, edit):
        features, targets = make([(1, 2)])
        nothing, edited = edit(None, targets)
        assert nothing is None
        np.testing.assert_array_equal(edited, edit(features, targets)[1])

    def test_leaves_its_inputs_alone(self, edit):
        features, targets = make([(1, 2), (5, 9)])
        copies = features.copy(), targets.copy()
        made, edited = edit(features, targets)
        assert (made.dtype, edited.dtype) == ("float32", "float32")
        np.testing.assert_array_equal(features, copies[0])
        np.testing.assert_array_equal(targets, copies[1])

    def test_no_anchor_stays_none(self, edit):
        assert (edit(*make([]))[1][:, 1] == NO_ANCHOR).all()

    def test_several_label_channels(self, edit):
        rows = np.array([[[1, 2, 1], [5, 9, 2]]])
        targets = AnchorTargets(TIME, "offset", classes=3, encoding="one_hot")(rows)[0]
        _, edited = edit(None, targets)
        known = edited[edited[:, 0] != -1]
        assert (known[:, :-1].sum(axis=1) == 1).all()
        assert edited.shape[-1] == 4

    def test_rejects_shapes(self, edit):
        features, targets = make([])
        with pytest.raises(ValueError, match="`features` must have the frames of `targets`; "):
            edit(features[:-1], targets)
        with pytest.raises(ValueError, match="`targets` must be packed targets of shape"):
            edit(features, targets[:, 0])
