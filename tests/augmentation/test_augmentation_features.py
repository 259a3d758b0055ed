"""What is done to features: hand arithmetic, and anchors that stay on their frames."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_sal import AnchorTargets
from keras_sal.anchors import IGNORE, NO_ANCHOR
from keras_sal.audio import SAMPLE_RATE, features
from keras_sal.audio.mel_scale import to_hertz, to_mel
from keras_sal.augmentation import Chain, FrequencyWarp, Scramble, SpecAugment, TimeStretch

pytestmark = pytest.mark.any_backend

BATCH, TIME, CHANNELS = 5, 211, 37
AUGMENTATIONS = (
    SpecAugment(),
    FrequencyWarp(),
    TimeStretch(),
    Scramble(0.5),
    Chain(Scramble(), TimeStretch(), FrequencyWarp(), SpecAugment()),
)


def clicks(frames, time=TIME, channels=CHANNELS):
    """Clips that are silent but for the frame of their one anchor, and their targets."""
    events = np.array([[[frame, frame]] for frame in frames])
    heard = np.zeros((len(frames), time, channels), "float32")
    heard[np.arange(len(frames)), frames] = 1
    return heard, AnchorTargets(frames=time, anchor="offset", after_frames=2)(events)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    frames=st.lists(st.integers(0, TIME - 1), min_size=BATCH, max_size=BATCH),
    augment=st.sampled_from(
        [
            SpecAugment(time_masks=0),
            FrequencyWarp((0.8, 1.25)),
            TimeStretch((0.7, 1.4)),
            Chain(TimeStretch(), FrequencyWarp(), SpecAugment(0, 0, 1, 5)),
        ]
    ),
)
def test_a_click_at_the_anchor_is_found_at_the_anchor(seed, frames, augment):
    heard, targets = augment(*clicks(frames), np.random.default_rng(seed))
    assert heard.shape == (BATCH, TIME, CHANNELS)
    for clip, target in zip(heard, targets, strict=True):
        anchor = np.flatnonzero((target[:, -1] == 0) & (target[:, 0] == 1))
        loudness = clip.max(axis=1)
        if len(anchor):
            assert loudness[anchor[0]] == pytest.approx(loudness.max())
            assert loudness[anchor[0]] > 0.3
        else:  # it was stretched beyond the end of the clip
            assert (target[:, -1] < 0).all()


@pytest.mark.parametrize("augment", AUGMENTATIONS, ids=repr)
class TestAll:
    def test_same_rng_same_result(self, augment):
        heard = np.random.default_rng(0).normal(size=(BATCH, TIME, CHANNELS)).astype("float32")
        _, targets = clicks([7] * BATCH)
        one, other, third = (augment(heard, targets, np.random.default_rng(s)) for s in (1, 1, 2))
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
        assert not np.array_equal(one[0], third[0])

    def test_shapes_types_and_arguments_stay(self, augment):
        heard, targets = clicks([7, 100])
        kept = heard.copy(), targets.copy()
        augmented, moved = augment(heard, targets, np.random.default_rng(0))
        assert augmented.shape == heard.shape
        assert moved.shape == targets.shape
        assert augmented.dtype == moved.dtype == np.float32
        np.testing.assert_array_equal(heard, kept[0])
        np.testing.assert_array_equal(targets, kept[1])

    def test_survives_the_way_to_another_process(self, augment):
        heard, targets = clicks([7, 100])
        again = pickle.loads(pickle.dumps(augment))
        for one, other in zip(
            augment(heard, targets, np.random.default_rng(0)),
            again(heard, targets, np.random.default_rng(0)),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


class TestSpecAugment:
    def test_masks_are_as_wide_and_as_many_as_said(self):
        """211 and 37 are prime; a mask of up to 10 frames hides 5 on average."""
        heard, targets = np.ones((400, TIME, CHANNELS), "float32"), np.zeros((400, TIME, 2))
        rng = np.random.default_rng(0)
        hidden = SpecAugment(1, 10, 0, 0, fill=0)(heard, targets, rng)[0] == 0
        assert (hidden == hidden[:, :, :1]).all()
        widths = hidden[:, :, 0].sum(axis=1)
        assert set(widths) == set(range(11))
        assert widths.mean() == pytest.approx(5, abs=0.5)
        assert np.abs(np.diff(hidden[:, :, 0].astype(int), axis=1)).sum(axis=1).max() == 2
        assert hidden[:, :, 0].any(axis=0).all()

        hidden = SpecAugment(0, 0, 2, 4, fill=0)(heard, targets, rng)[0] == 0
        assert (hidden == hidden[:, :1]).all()
        widths = hidden[:, 0].sum(axis=1)
        assert widths.max() == 8
        assert hidden[:, 0].any(axis=0).all()

    def test_fills_with_the_mean_of_each_clip(self):
        heard = np.random.default_rng(0).normal(size=(3, 50, 11))
        masked, _ = SpecAugment()(heard, np.zeros((3, 50, 2)), np.random.default_rng(0))
        for clip, original in zip(masked, heard, strict=True):
            changed = clip != original
            assert changed.any()
            assert not changed.all()
            np.testing.assert_allclose(clip[changed], original.mean())

    def test_a_mask_wider_than_the_clip_fits(self):
        heard = np.ones((50, 3, 2))
        masked, _ = SpecAugment(2, 100, 2, 100, fill=0)(heard, heard, np.random.default_rng(0))
        assert masked.shape == (50, 3, 2)

    def test_nothing_to_hide(self):
        heard = np.ones((2, 3, 2))
        masked, _ = SpecAugment(0, 5, 2, 0)(heard, heard, np.random.default_rng(0))
        np.testing.assert_array_equal(masked, heard)

    @pytest.mark.parametrize("name", ["time_masks", "time_frames", "frequency_channels"])
    @pytest.mark.parametrize("value", [-1, 1.5])
    def test_rejects(self, name, value):
        with pytest.raises(ValueError, match=f"`{name}` must be a whole number of at least 0"):
            SpecAugment(**{name: value})


class TestFrequencyWarp:
    def test_factor_1_changes_nothing(self):
        heard = np.random.default_rng(0).normal(size=(2, 7, 40)).astype("float32")
        warped, _ = FrequencyWarp((1.0, 1.0))(heard, None, np.random.default_rng(0))
        np.testing.assert_allclose(warped, heard, atol=1e-4)

    def test_integers_become_float32(self):
        heard, rng = np.full((2, 7, 40), 20, "int16"), np.random.default_rng(0)
        warped, _ = FrequencyWarp((0.95, 0.95))(heard, None, rng)
        assert warped.dtype == np.float32
        np.testing.assert_allclose(warped, 20.0, rtol=1e-5)

    @pytest.mark.parametrize("factor", [0.8, 0.9, 1.0, 1.1, 1.2])
    def test_warp_by_hand(self, factor):
        """Straight through the origin up to the knee, then straight to half the rate."""
        warp = FrequencyWarp((factor, factor))
        knee = 4800 * min(factor, 1) / factor
        hertz = np.array([0, 1000, knee, 8000])
        expected = [0, 1000 * factor, knee * factor, 8000]
        np.testing.assert_allclose(warp._warped(hertz, factor), expected)
        curve = warp._warped(np.linspace(0, 8000, 999), factor)
        assert (np.diff(curve) > 0).all()

    @pytest.mark.parametrize(
        ("factor", "hertz", "expected"),
        [
            # factor < 1: the knee is at 4800 Hz, from where 3200 Hz map to 4160 Hz
            (0.8, [4800, 6400, 8000], [3840, 5920, 8000]),
            # factor > 1: the knee is at 3840 Hz, from where 4160 Hz map to 3200 Hz
            (1.25, [3840, 5920, 8000], [4800, 6400, 8000]),
        ],
    )
    def test_knee(self, factor, hertz, expected):
        warp = FrequencyWarp((factor, factor))
        np.testing.assert_allclose(warp._warped(np.array(hertz), factor), expected)

    @pytest.mark.parametrize("factor", [0.85, 1.15])
    def test_equals_slow_interpolation(self, factor):
        heard = np.random.default_rng(0).normal(size=(1, 1, 23))
        warp = FrequencyWarp((factor, factor), lowest_hz=50, highest_hz=7900)
        warped, _ = warp(heard, None, np.random.default_rng(0))
        mels = np.linspace(*to_mel([50, 7900]), 25)[1:-1]
        expected = [
            np.interp(to_mel(warp._warped(to_hertz(mel), factor)), mels, heard[0, 0])
            for mel in mels
        ]
        np.testing.assert_allclose(warped[0, 0], expected, atol=1e-9)

    def test_every_clip_has_its_own_factor(self):
        heard = np.tile(np.random.default_rng(0).normal(size=(1, 3, 40)), (6, 1, 1))
        warped, _ = FrequencyWarp()(heard, None, np.random.default_rng(0))
        assert len({clip.tobytes() for clip in warped}) == 6

    @pytest.mark.parametrize("hertz", [300, 700, 1500, 3000])
    @pytest.mark.parametrize("factor", [0.85, 1.15])
    def test_a_tone_moves_as_if_another_had_been_heard(self, hertz, factor):
        """The micro front-end's channels lie where the warp takes them to lie."""
        pytest.importorskip("pymicro_features")
        second = np.arange(SAMPLE_RATE) / SAMPLE_RATE
        noise = 1e-3 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)

        def tone(hertz):
            return features(noise + 0.05 * (second > 0.5) * np.sin(2 * np.pi * hertz * second))

        def middle(heard):
            above = np.maximum(0, heard[50:60].mean(axis=0) - 10)
            return np.average(np.arange(40), weights=above)

        warp = FrequencyWarp((factor, factor))
        warped, _ = warp(tone(hertz)[None], None, np.random.default_rng(0))
        assert middle(warped[0]) == pytest.approx(middle(tone(hertz / factor)), abs=0.7)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"factor": (1.1, 0.9)}, r"`factor` must be \(least, greatest\).*\(1\.1, 0\.9\)"),
            ({"factor": (0, 1)}, r"`factor` must be.*greater than 0"),
            ({"highest_hz": 9000}, "must lie in order below half the sample.*highest_hz=9000"),
            ({"factor": (1, 2)}, r"must lie in order below half the sample.*factor=\(1, 2\)"),
        ],
    )
    def test_rejects(self, given, message):
        with pytest.raises(ValueError, match=message):
            FrequencyWarp(**given)


class TestTimeStretch:
    def test_slower_by_hand(self):
        """Twice as slow: frame 10 goes to 20, and frames 50 to 99 are lost."""
        heard, targets = clicks([10], time=100)
        heard, targets = TimeStretch((2.0, 2.0))(heard, targets, np.random.default_rng(0))
        assert heard[0, :, 0].argmax() == 20
        assert targets[0, 20].tolist() == [1, 0]
        assert targets[0, 99].tolist() == [0, 79]

    def test_faster_by_hand(self):
        """Twice as fast: frame 10 goes to 5, and what follows frame 99 is unknown."""
        heard, targets = clicks([10], time=100)
        heard[0, -1] = 7
        heard, targets = TimeStretch((0.5, 0.5))(heard, targets, np.random.default_rng(0))
        assert heard[0, :49, 0].argmax() == 5
        assert targets[0, 5].tolist() == [1, 0]
        assert (targets[0, 51:, 0] == IGNORE).all()
        assert (targets[0, 51:, 1] == np.arange(51, 100) - 5).all()
        assert (heard[0, 51:] == 7).all()

    def test_rejects(self):
        with pytest.raises(ValueError, match=r"`factor` must be \(least, greatest\)"):
            TimeStretch((1.2, 0.8))


class TestScramble:
    def test_a_scrambled_clip_has_the_same_frames_in_another_order_and_no_anchor(self):
        heard, targets = clicks([7, 100, 30])
        heard[..., 1] = np.arange(TIME)
        scrambled, packed = Scramble(1.0)(heard, targets, np.random.default_rng(0))
        for clip, target in zip(scrambled, packed, strict=True):
            assert sorted(clip[:, 1]) == list(range(TIME))
            assert (target == [0, NO_ANCHOR]).all()

    @pytest.mark.parametrize("seed", range(5))
    def test_pieces_are_as_long_as_said(self, seed):
        heard, targets = clicks([7])
        heard[0, :, 1] = np.arange(TIME)
        scrambled, _ = Scramble(1.0, (20, 30))(heard, targets, np.random.default_rng(seed))
        joins = np.flatnonzero(np.diff(scrambled[0, :, 1]) != 1) + 1
        lengths = np.diff([0, *joins, TIME])
        assert len(lengths) > 5
        assert (lengths >= 20).sum() >= len(lengths) - 1  # the last piece is what is left
        # pieces that happen to keep their order look like one
        assert np.median(lengths) <= 30

    def test_a_share_of_the_clips(self):
        heard, targets = clicks([50] * 1000)
        _, packed = Scramble(0.25)(heard, targets, np.random.default_rng(0))
        scrambled = (packed[:, :, 1] == NO_ANCHOR).all(axis=1)
        assert scrambled.mean() == pytest.approx(0.25, abs=0.05)  # 3.6 standard deviations
        np.testing.assert_array_equal(packed[~scrambled], targets[~scrambled])

    def test_leaves_clips_with_frames_to_ignore_alone(self):
        heard, targets = clicks([7, 7])
        targets[1, -3:, 0] = IGNORE
        _, packed = Scramble(1.0)(heard, targets, np.random.default_rng(0))
        assert (packed[0, :, 0] == 0).all()
        np.testing.assert_array_equal(packed[1], targets[1])

    def test_the_background_of_one_hot_labels_is_on(self):
        """Labels of three classes; multi-hot ones are 0 where nothing happens."""
        heard = np.ones((2, 30, 4))
        labels = np.eye(3)[np.repeat([0, 2, 0], 10)]
        targets = np.concatenate([labels, np.zeros((30, 1))], axis=-1)[None].repeat(2, axis=0)
        for scramble, background, labels in (
            (Scramble(1.0), 1, targets),
            (Scramble(1.0, background=False), 0, targets),
            (Scramble(1.0), 0, targets * [0, 1, 1, 1]),
            (Scramble(1.0, background=True), 1, targets * [0, 1, 1, 1]),
        ):
            _, packed = scramble(heard, labels, np.random.default_rng(0))
            assert (packed == [background, 0, 0, NO_ANCHOR]).all()

    def test_targets_may_be_fewer_than_frames(self):
        """For a detector that answers every third frame."""
        heard, targets = np.ones((2, 30, 4)), np.ones((2, 10, 2))
        _, packed = Scramble(1.0, (3, 6))(heard, targets, np.random.default_rng(0))
        assert packed.shape == (2, 10, 2)
        assert (packed[..., 0] == 0).all()

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"share": 1.5}, r"`share` must lie in \[0, 1\].*share=1.5"),
            ({"piece_frames": (0, 5)}, r"`piece_frames` must be.*\(0, 5\)"),
            ({"piece_frames": (9, 5)}, r"`piece_frames` must be.*\(9, 5\)"),
            ({"background": 1}, r"`background` must be True or False"),
        ],
    )
    def test_rejects(self, given, message):
        with pytest.raises(ValueError, match=message):
            Scramble(**given)
