"""Batches of crops: which they are, what is in them, what goes with them."""

from dataclasses import replace

import numpy as np
import pytest
from made_streams import (
    FRAMES,
    numbered,
    three_streams,
    two_inputs,
    whole_targets,
    word_targets,
)

from keras_sal.audio import FRAME_STEP_S
from keras_sal.data import PlacedRecording, Recording, Stream, StreamBatches
from keras_sal.data.crops import REACH_S
from keras_sal.targets import AnchorTargets

pytestmark = pytest.mark.any_backend


@pytest.fixture
def streams():
    return three_streams()


@pytest.fixture
def targets():
    return word_targets()


class TestStreamBatches:
    def test_targets_are_those_of_the_whole_stream(self, streams, targets):
        whole = [whole_targets(stream, targets) for stream in streams]
        features, packed = StreamBatches(streams, targets, batch_size=300)[0]
        assert features.shape == (300, FRAMES, 40)
        assert packed.shape == (300, FRAMES, 2)
        assert features.dtype == packed.dtype == np.float32
        for crop, target in zip(features, packed, strict=True):
            index, start = int(crop[0, 0]), int(crop[0, 1])
            part = slice(start, start + FRAMES)
            np.testing.assert_array_equal(crop, streams[index].features[part])
            np.testing.assert_array_equal(target[:, 0], whole[index][part, 0])
            near = np.abs(whole[index][part, 1]) <= REACH_S / FRAME_STEP_S
            np.testing.assert_array_equal(target[near, 1], whole[index][part][near, 1])

    def test_a_word_is_heard_whole_or_not_at_all(self, streams, targets):
        """Every allowed start is drawn, and none from after an onset to the last positive frame."""
        batches = StreamBatches(streams, targets, batch_size=20_000, batches=1)
        features, packed = batches[0]
        starts = {(int(crop[0, 0]), int(crop[0, 1])) for crop in features}
        expected = set()
        for index, stream in enumerate(streams):
            for start in range(len(stream.features) - FRAMES + 1):
                time_s = start * FRAME_STEP_S
                if not any(on < time_s < off + 0.25 for on, off, _ in stream.events):
                    expected.add((index, start))
        assert starts == expected
        heard = [crop for crop, label in zip(features, packed[..., 0], strict=True) if label[0] > 0]
        assert heard == []

    def test_crops_of_a_seed_stay_those_they_were(self, streams, targets):
        """What was trained can be trained again with a later version."""
        batches = StreamBatches(streams, targets, batch_size=8, batches=4, seed=5)
        assert batches[3][0][:, 0, :2].astype(int).tolist() == [
            [2, 824], [0, 413], [2, 286], [2, 137], [2, 1025], [2, 149], [2, 311], [2, 312],
        ]  # fmt: skip
        assert batches.at(1, 3)[0][:, 0, 1].tolist() == [434, 80, 316, 718, 70, 1013, 392, 18]

    def test_same_seed_epoch_and_index_same_batch(self, streams, targets):
        def batch(seed=0, epoch=0, index=0):
            batches = StreamBatches(streams, targets, seed=seed)
            for _ in range(epoch):
                batches.on_epoch_end()
            return batches[index]

        for one, other in zip(batch(1, 2, 3), batch(1, 2, 3), strict=True):
            np.testing.assert_array_equal(one, other)
        for changed in (batch(2, 2, 3), batch(1, 1, 3), batch(1, 2, 4)):
            assert (changed[0] != batch(1, 2, 3)[0]).any()

    def test_workers_and_order_change_nothing(self, streams, targets):
        one, many = (StreamBatches(streams, targets, batches=9, workers=w) for w in (1, 3))
        for batches in (one, many):
            batches.on_epoch_end()
        for index in (3, 8, 0, 1, 7, 2, 6, 5, 4):
            for a, b in zip(one[index], many[index], strict=True):
                np.testing.assert_array_equal(a, b)

    def test_rejects_no_workers(self, streams, targets):
        with pytest.raises(ValueError, match=r"`workers` and `max_queue_size` must.*workers=0"):
            StreamBatches(streams, targets, workers=0)

    def test_rejects_streams_without_features(self, targets):
        with pytest.raises(ValueError, match=r"`streams` must have features.*compute_features"):
            StreamBatches([Stream("bare", (), 10.0)], targets)

    def test_rejects_streams_shorter_than_a_crop(self, streams, targets):
        short = [Stream("short", (), 1.0, features=streams[1].features[:-1])]
        with pytest.raises(
            ValueError, match=r"longer than a crop.*1 streams of up to 96 frames.*97"
        ):
            StreamBatches(short, targets)

    def test_rejects_no_streams(self, targets):
        with pytest.raises(ValueError, match=r"longer than a crop.*0 streams of up to 0 frames"):
            StreamBatches([], targets)

    @pytest.mark.parametrize(
        "change", [{"frames": None}, {"frame_step_s": 0.02}, {"frame_offset_s": 0.0}]
    )
    def test_rejects_targets_of_other_frames(self, streams, targets, change):
        [(name, value)] = change.items()
        with pytest.raises(ValueError, match=f"`targets` must have `frames`.*{name}={value}"):
            StreamBatches(streams, word_targets(**change))

    @pytest.mark.parametrize("name", ["batch_size", "batches", "augment_epochs"])
    def test_rejects_nothing(self, streams, targets, name):
        with pytest.raises(ValueError, match=f"`{name}` must be greater than 0.*{name}=0"):
            StreamBatches(streams, targets, **{name: 0})


class TestFocus:
    MOMENTS = ((0, 4.5), (2, 3.21), (2, 12.9))

    @pytest.mark.parametrize("share", [0.0, 0.25, 0.3, 1.0])
    def test_the_stated_share_covers_moments(self, streams, targets, share):
        """The moment is in the crop, with as much before it as half a crop holds."""
        batches = StreamBatches(streams, targets, batch_size=16, focus_share=share)
        before = batches.draw(0, 0)
        assert batches.focus(self.MOMENTS) == 3
        count = round(share * 16)
        met = set()
        for index in range(30):
            for stream, start in batches.draw(0, index)[:count]:
                [at_s] = [
                    time_s
                    for s, time_s in self.MOMENTS
                    if s == stream and 48 <= round(100 * time_s) - 3 - start <= 96
                ]
                met.add((int(stream), at_s))
        assert met == (set(self.MOMENTS) if share else set())
        after = batches.draw(0, 0)
        np.testing.assert_array_equal(after[count:], before[count:])

    def test_crops_stay_legal(self, streams, targets):
        """A moment beside a word is covered by crops that begin before the word, or after it."""
        batches = StreamBatches(streams, targets, batch_size=200, focus_share=1.0)
        legal = {tuple(row) for row in batches.crops.starts}
        assert batches.focus([(0, 3.0), (2, 7.9)]) == 2  # the words end at 2.7 and 7.6 s
        drawn = {tuple(row) for index in range(10) for row in batches.draw(0, index)}
        assert drawn <= legal
        for stream, start in drawn:
            begin_s = start * FRAME_STEP_S
            assert not any(on < begin_s < off + 0.25 for on, off, _ in streams[stream].events)
            moment_s = 3.0 if stream == 0 else 7.9
            assert begin_s < moment_s < begin_s + 1.0

    def test_moments_without_a_crop_are_left_out(self, targets):
        """A word as long as a crop leaves none for what is said inside it."""
        long = numbered(0, 600, [0.5, 0.9, 1.3, 1.7, 2.1])
        batches = StreamBatches([long], targets, focus_share=0.5)
        assert batches.focus([(0, 2.5)]) == 0
        assert batches.focus([(0, 2.5), (0, 5.0)]) == 1

    def test_short_of_sound_before_a_moment(self, streams, targets):
        batches = StreamBatches(streams, targets, focus_share=1.0)
        assert batches.focus([(1, 0.05)]) == 1
        assert batches.draw(0, 0).tolist() == [[1, 0]] * 32

    def test_streams_that_are_not_trained_on(self, streams, targets):
        pool = [numbered(7, 300), numbered(8, 400)]
        batches = StreamBatches(streams, targets, batch_size=100, focus_share=0.1)
        assert batches.focus([(1, 2.0)], pool) == 1
        features, packed = batches[0]
        assert (features[:10, 0, 0] == 8).all()
        assert set(features[10:, 0, 0]) <= {0, 1, 2}
        assert (packed[:10, :, 0] == 0).all()
        without = StreamBatches(streams, targets, batch_size=100)[0]
        np.testing.assert_array_equal(features[10:], without[0][10:])

    def test_no_moments_switch_it_off(self, streams, targets):
        batches = StreamBatches(streams, targets)
        before = batches.draw(0, 0)
        batches.focus(self.MOMENTS)
        assert (batches.draw(0, 0) != before).any()
        assert batches.focus(()) == 0
        np.testing.assert_array_equal(batches.draw(0, 0), before)

    def test_rejects(self, streams, targets):
        with pytest.raises(ValueError, match=r"`focus_share` must lie in \[0, 1\].*=1\.5"):
            StreamBatches(streams, targets, focus_share=1.5)


class TestSeveralInputs:
    @pytest.mark.parametrize("ratio", [1, 4])
    def test_inputs_are_cut_at_the_same_time(self, ratio):
        step_s = ratio * FRAME_STEP_S
        targets = AnchorTargets(20, "offset", after_frames=5, frame_step_s=step_s)
        streams = [two_inputs(ratio=ratio), two_inputs(24.0, ratio)]
        batches = StreamBatches(streams, targets, batch_size=50)
        features, packed = batches[0]
        assert features["sound"].shape == (50, 20 * ratio, 2)
        assert features["motion"].shape == (50, 20, 1)
        assert packed.shape == (50, 20, 2)
        start = features["motion"][:, 0, 0]
        np.testing.assert_array_equal(features["sound"][:, 0, 0], ratio * start)
        for crop, begin in zip(packed, start, strict=True):
            near = crop[:, 1][np.abs(crop[:, 1]) < 20]
            np.testing.assert_array_equal(
                near, (begin + np.arange(20) - round(5.6 / step_s))[np.abs(crop[:, 1]) < 20]
            )

    def test_rejects_inputs_of_no_common_time(self):
        uneven = {"sound": np.zeros((1000, 2)), "motion": np.zeros((400, 1))}
        targets = AnchorTargets(20, frame_step_s=0.025)
        with pytest.raises(ValueError, match=r"same number of frames.*\[400, 1000\]"):
            StreamBatches([Stream("uneven", (), 10.0, features=uneven)], targets)

    def test_rejects_one_input_of_another_time(self):
        """50 frames a second, which only a dict of inputs may have."""
        events = (PlacedRecording(Recording("a", "train", "a", 1.0, 0.0, 0.5), 5.0, class_index=0),)
        sensor = Stream("sensor", events, 10.0, features=np.zeros((500, 3)))
        for times in ({"frame_step_s": 0.02}, {"frame_step_s": 0.01, "frame_offset_s": 0.03}):
            with pytest.raises(ValueError, match=r"Give others as a dict of inputs"):
                StreamBatches([sensor], AnchorTargets(100, **times))
        named = replace(sensor, features={"sensor": sensor.features})
        StreamBatches([named], AnchorTargets(100, frame_step_s=0.02))

    def test_rejects_targets_of_other_frames(self):
        with pytest.raises(ValueError, match=r"`targets` must have `frames`.*frame_step_s=0\.01"):
            StreamBatches([two_inputs()], AnchorTargets(20, frame_step_s=0.01))


class TestFramesPerOutput:
    """A detector with one output for three frames, when the last of the three is complete."""

    @pytest.fixture
    def thirds(self):
        return AnchorTargets(
            30, anchor="offset", after_frames=8, frame_step_s=0.03, frame_offset_s=0.05
        )

    def test_crops_are_whole_output_frames(self, streams, thirds):
        features, packed = StreamBatches(streams, thirds, batch_size=200)[0]
        assert features.shape == (200, 3 * thirds.frames, 40)
        assert packed.shape == (200, thirds.frames, 2)
        whole = [whole_targets(stream, thirds) for stream in streams]
        for crop, target in zip(features, packed, strict=True):
            index, start = int(crop[0, 0]), int(crop[0, 1])
            assert start % 3 == 0
            part = slice(start // 3, start // 3 + thirds.frames)
            np.testing.assert_array_equal(target[:, 0], whole[index][part, 0])

    def test_rejects_outputs_at_the_first_of_three_frames(self, streams, thirds):
        wrong = AnchorTargets(thirds.frames, frame_step_s=0.03, frame_offset_s=0.03)
        with pytest.raises(ValueError, match=r"frame_step_s=0\.03, frame_offset_s=0\.03"):
            StreamBatches(streams, wrong)


class TestAugment:
    def test_is_drawn_anew_for_every_batch_from_the_seed(self, streams, targets):
        def louder(features, packed, rng):
            return features + rng.integers(1, 1000), packed

        plain = StreamBatches(streams, targets, batches=3)
        augmented = StreamBatches(streams, targets, batches=3, augment=louder)
        added = [np.unique(augmented[i][0] - plain[i][0]) for i in range(3)]
        assert [len(values) for values in added] == [1, 1, 1]
        assert len({float(values[0]) for values in added}) == 3
        again = StreamBatches(streams, targets, batches=3, augment=louder, workers=2)
        np.testing.assert_array_equal(again[1][0], augmented[1][0])

    def test_is_drawn_anew_in_every_epoch(self, streams, targets):
        def louder(features, packed, rng):
            return features + rng.integers(1, 1_000_000), packed

        plain = StreamBatches(streams, targets)
        augmented = StreamBatches(streams, targets, augment=louder)
        added = [
            int((augmented.at(epoch, 0)[0] - plain.at(epoch, 0)[0])[0, 0, 0]) for epoch in range(4)
        ]
        assert len(set(added)) == 4

    def test_ends_with_the_epochs_it_is_told(self, streams, targets):
        options = {"batches": 3, "augment": lambda features, packed, rng: (features + 1, packed)}
        always = StreamBatches(streams, targets, **options)
        once = StreamBatches(streams, targets, augment_epochs=1, **options)
        for epoch, more in ((0, 0), (1, 0), (2, 1), (3, 1)):
            difference = always.at(epoch, 2)[0] - once.at(epoch, 2)[0]
            np.testing.assert_allclose(difference, more, atol=1e-5)
