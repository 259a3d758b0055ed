import keras
import numpy as np
import pytest
from recording_folders import REAL, burst, needs_recordings, small_corpus, write_folder

from keras_sal import datasets
from keras_sal.audio import FRAME_OFFSET_S, FRAME_STEP_S, SAMPLE_RATE
from keras_sal.datasets import (
    REACH_S,
    Stream,
    StreamBatches,
    evaluation_streams,
    load_recordings,
    training_streams,
)
from keras_sal.events import pad_events
from keras_sal.streams import Clip
from keras_sal.targets import AnchorTargets


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    return load_recordings(small_corpus(tmp_path_factory.mktemp("corpus")))


def files(streams):
    played = [clip.recording for stream in streams for clip in stream.clips]
    return [r.path for r in played + [r for stream in streams for r in stream.noise]]


def same(one, other):
    """Whether two lists of streams are the same to the last bit."""
    return one == other and all(
        np.array_equal(a.features, b.features) for a, b in zip(one, other, strict=True)
    )


def assert_words_are_at_their_events(streams):
    """The middle of each event is far louder than its surroundings."""
    for stream in streams:
        samples = stream.samples()
        for onset_s, offset_s, _ in stream.events:

            def level_db(start_s, end_s, samples=samples):
                part = samples[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)]
                return 10 * np.log10(np.mean(part.astype("float64") ** 2))

            word_db = level_db(onset_s + 0.02, offset_s - 0.02)
            assert word_db > level_db(onset_s - 0.1, onset_s - 0.02) + 20
            assert word_db > level_db(offset_s + 0.02, offset_s + 0.1) + 20


class TestEvaluationStreams:
    def test_each_recording_of_the_split_once(self, recordings):
        streams = evaluation_streams(recordings, "computer", "dev", stream_s=8)
        assert len(streams) > 1
        expected = [r.path for r in recordings if r.split == "dev" and r.text != "my computer hums"]
        assert sorted(files(streams)) == sorted(expected)
        assert sum(len(stream.events) for stream in streams) == 5
        assert [stream.name for stream in streams][:2] == ["dev-clean-00", "dev-clean-01"]

    def test_clips_follow_one_another_with_pauses(self, recordings):
        [stream] = evaluation_streams(recordings, "computer", "test", pause_s=(0.3, 0.4))
        ends_s = [0, *(clip.end_s for clip in stream.clips)]
        starts_s = [*(clip.start_s for clip in stream.clips), stream.duration_s]
        pauses_s = np.subtract(starts_s, ends_s)
        assert pauses_s.min() > 0.3 - 1e-4
        assert pauses_s.max() < 0.4 + 1e-4
        assert stream.hours * 3600 == stream.duration_s
        assert len(stream.features) == (round(stream.duration_s * SAMPLE_RATE) - 480) // 160 + 1

    def test_positives_are_mixed_in(self, recordings):
        [stream] = evaluation_streams(recordings, "computer", "test")
        positive = [clip.class_index is not None for clip in stream.clips]
        assert 0 < sum(positive) < len(positive)
        assert positive != sorted(positive)
        assert positive != sorted(positive, reverse=True)

    def test_words_are_at_their_events(self, tmp_path):
        rows = []
        for number in range(6):
            onset_s = 0.2 + 0.05 * number
            word = {"text": "go", "onset_s": onset_s, "offset_s": onset_s + 0.3}
            samples = burst(1.0, onset_s, onset_s + 0.3, seed=number)
            rows.append({"file": f"{number}.flac", "samples": samples} | word)
            rows.append({"file": f"other{number}.flac", "samples": burst(1.0, 0.1, 0.9)})
        recordings = load_recordings(write_folder(tmp_path, rows))
        assert_words_are_at_their_events(evaluation_streams(recordings, "go", "train"))
        augmented = training_streams(
            recordings,
            "go",
            hours=1 / 60,
            stream_s=30,
            snr_db=(25, 30),
            events_per_minute=20,
            rooms=0,  # whose reverberation outlasts the word
        )
        assert sum(len(stream.events) for stream in augmented) > 5
        assert_words_are_at_their_events(augmented)

    def test_noise_leaves_the_plan_alone(self, recordings):
        clean, noisy = (
            evaluation_streams(recordings, "computer", "dev", snr_db=snr_db, stream_s=8)
            for snr_db in (None, 10.0)
        )
        for one, other in zip(clean, noisy, strict=True):
            assert one.clips == other.clips
            np.testing.assert_array_equal(one.events, other.events)
            assert (one.features != other.features).any()
            assert {r.split for r in other.noise} == {"dev"}
            assert sum(r.duration_s for r in other.noise) >= other.duration_s
        assert noisy[0].name == "dev-10dB-00"

    def test_same_seed_same_streams(self, recordings):
        def build(seed, **given):
            return evaluation_streams(recordings, "computer", "dev", seed=seed, **given)

        assert same(build(0), build(0, workers=1))
        assert not same(build(0), build(1))

    def test_leaves_the_global_random_state_alone(self, recordings):
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        evaluation_streams(recordings, "computer", "dev", snr_db=3.0)
        np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"word": "jarvis"}, r"`word` must be.*word='jarvis'.*'computer' \(15\), 'alexa' \(15"),
            ({"split": "all"}, "`split` must be one of train, dev, test.*split='all'"),
            ({"pause_s": (1, 0.5)}, r"`pause_s` must be \(least, greatest\).*pause_s=\(1, 0\.5\)"),
            ({"pause_s": (-1, 0)}, r"`pause_s` must be \(least, greatest\) within \[0, inf\]"),
            ({"stream_s": 0}, "`stream_s` must be greater than 0.*stream_s=0"),
        ],
        ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
    )
    def test_rejects(self, recordings, given, message):
        given = {"word": "computer", "split": "dev"} | given
        with pytest.raises(ValueError, match=message):
            evaluation_streams(recordings, **given)


@pytest.fixture
def plan_only(monkeypatch):
    """Leaves the features out where only the plan is looked at."""
    monkeypatch.setattr(datasets, "compute_features", lambda streams, **_: streams)


class TestTrainingStreams:
    @pytest.mark.usefixtures("plan_only")
    def test_only_the_split_is_heard(self, recordings):
        streams = training_streams(recordings, "computer", hours=0.1, stream_s=30)
        assert len(streams) == 12
        heard = set(files(streams))
        expected = {
            r.path for r in recordings if r.split == "train" and r.text != "my computer hums"
        }
        assert heard == expected
        assert {stream.snr_db is None for stream in streams} == {True, False}

    @pytest.mark.usefixtures("plan_only")
    def test_event_rate_and_length(self, tmp_path):
        word = {"file": "a.flac", "text": "go", "onset_s": 0.2, "offset_s": 0.7}
        rows = [word, {"file": "b.flac", "duration_s": 3.0}]
        recordings = load_recordings(write_folder(tmp_path, rows))
        streams = training_streams(recordings, "go", hours=10, events_per_minute=10)
        hours = sum(stream.hours for stream in streams)
        events = sum(len(stream.events) for stream in streams)
        assert hours == pytest.approx(10, rel=0.05)  # streams end with a whole clip
        assert events / (60 * hours) == pytest.approx(10, rel=0.05)  # 6000 events: sigma is 1.3 %

    @pytest.mark.usefixtures("plan_only")
    def test_every_recording_gets_its_turn(self, recordings):
        streams = training_streams(recordings, "computer", hours=1)
        clips = [clip for stream in streams for clip in stream.clips]
        for positive in (True, False):
            played = [c.recording.path for c in clips if (c.class_index is not None) == positive]
            counts = np.unique(played, return_counts=True)[1]
            assert counts.max() - counts.min() <= 1

    @pytest.mark.usefixtures("plan_only")
    def test_augmentation_stays_in_its_ranges(self, recordings):
        streams = training_streams(
            recordings, "computer", hours=0.1, gain_db=(-6, 3), speed=(0.95, 1.05), snr_db=(5, 15)
        )
        clips = [clip for stream in streams for clip in stream.clips]
        drawn = {
            (-6, 3): [clip.gain_db for clip in clips],
            (0.95, 1.05): [clip.speed for clip in clips],
            (5, 15): [stream.snr_db for stream in streams if stream.snr_db is not None],
        }
        for (low, high), values in drawn.items():
            assert low <= min(values) < max(values) <= high
            assert len(set(values)) == len(values)

    def test_same_seed_same_streams(self, recordings):
        def build(seed, **given):
            return training_streams(recordings, "computer", hours=0.02, seed=seed, **given)

        assert same(build(0), build(0, workers=1))
        assert not same(build(0), build(1))

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"events_per_minute": 60}, "leave room for negatives.*=60. Stay below 3"),
            ({"events_per_minute": 0}, "`events_per_minute` must be greater than 0"),
            ({"hours": -1}, "`hours` must be greater than 0.*hours=-1"),
            ({"speed": (0.1, 1)}, r"`speed` must be \(least, greatest\) within \[0\.5, 2\]"),
            ({"snr_db": (10, 0)}, r"`snr_db` must be \(least, greatest\).*snr_db=\(10, 0\)"),
            ({"clean": 1.5}, r"`clean` must be .*within \[0, 1\].*clean=\(0, 1\.5\)"),
            ({"gain_db": (0, 1000)}, r"`gain_db` must be .*within \[-100, 100\]"),
        ],
        ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
    )
    def test_rejects(self, recordings, given, message):
        with pytest.raises(ValueError, match=message):
            training_streams(recordings, "computer", **given)


FRAMES = 97


@pytest.fixture
def targets():
    return AnchorTargets(
        frames=FRAMES,
        anchor="offset",
        before_frames=3,
        after_frames=25,
        frame_step_s=FRAME_STEP_S,
        frame_offset_s=FRAME_OFFSET_S,
    )


class Said:
    """A recording that need not exist: one second, its word from 0.2 to 0.6 s."""

    duration_s, onset_s, offset_s = 1.0, 0.2, 0.6


@pytest.fixture
def streams():
    """Features that tell where they are from: column 0 is the stream, column 1 the frame."""

    def numbered(index, frames, starts_s):
        features = np.zeros((frames, 40), "float32")
        features[:, 0], features[:, 1] = index, np.arange(frames)
        clips = tuple(Clip(Said, start_s, class_index=0) for start_s in starts_s)
        return Stream(str(index), clips, frames * FRAME_STEP_S, features=features)

    return [numbered(0, 701, [1.003, 2.1, 5.5]), numbered(1, FRAMES, []), numbered(2, 1303, [7.0])]


class TestStreamBatches:
    def test_targets_are_those_of_the_whole_stream(self, streams, targets):
        whole = [
            AnchorTargets(**targets.get_config() | {"frames": len(stream.features)})(
                pad_events([stream.events])
            )[0]
            for stream in streams
        ]
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

    @pytest.mark.parametrize("workers", [1, 3])
    def test_fit_sees_every_batch_of_every_epoch(self, streams, targets, workers):
        seen = []

        class Watched(StreamBatches):
            def __getitem__(self, index):
                seen.append((self.epoch, index))
                return super().__getitem__(index)

        model = keras.Sequential([keras.layers.Input((None, 40)), keras.layers.Dense(2)])
        model.compile("sgd", "mse")
        batches = Watched(streams, targets, batch_size=2, batches=4, workers=workers)
        model.fit(batches, epochs=3, verbose=0)
        trained = {(epoch, index) for epoch in (1, 2, 3) for index in range(4)}
        assert trained == {(epoch, index) for epoch, index in seen if epoch > 0}  # 0: Keras peeks

    def test_rejects_streams_without_features(self, targets):
        with pytest.raises(ValueError, match=r"`streams` must have features.*compute_features"):
            StreamBatches([Stream("bare", (), 10.0)], targets)

    def test_rejects_streams_shorter_than_a_crop(self, streams, targets):
        short = [Stream("short", (), 0.5, features=streams[1].features[:-1])]
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
        other = AnchorTargets(**targets.get_config() | change)
        [(name, value)] = change.items()
        with pytest.raises(ValueError, match=f"`targets` must have `frames`.*{name}={value}"):
            StreamBatches(streams, other)

    @pytest.mark.parametrize("name", ["batch_size", "batches"])
    def test_rejects_nothing(self, streams, targets, name):
        with pytest.raises(ValueError, match=f"`{name}` must be greater than 0.*{name}=0"):
            StreamBatches(streams, targets, **{name: 0})


@needs_recordings
def test_real_streams(targets):
    """A slice of the real recordings; three of the positives came without times."""
    train = [recording for recording in load_recordings(REAL) if recording.split == "train"]
    untimed = [r for r in train if r.text == "computer" and np.isnan(r.onset_s)]
    assert len(untimed) == 3
    recordings = list(dict.fromkeys(train[::50] + untimed))
    clean, noisy = (
        evaluation_streams(recordings, "computer", "train", snr_db=snr) for snr in (None, 10)
    )
    for stream, other in zip(clean, noisy, strict=True):
        assert stream.clips == other.clips
        assert len(stream.features) == len(other.features)
        assert np.isfinite(stream.events).all()
        for onset_s, offset_s, _ in stream.events:
            assert stream.clip_at(offset_s).recording.text == "computer"
            assert stream.clip_at(onset_s) == stream.clip_at(offset_s)
            assert 0.1 < offset_s - onset_s < 2
    features, packed = StreamBatches(clean, targets, batch_size=256)[0]
    assert np.isfinite(features).all()
    assert set(np.unique(packed[..., 0])) == {0, 1}
