import numpy as np
import pytest
from made_streams import word_targets
from recording_folders import REAL, burst, needs_recordings, small_corpus, write_folder

from keras_sal.audio import SAMPLE_RATE
from keras_sal.data import (
    NoiseVariety,
    StreamBatches,
    datasets,
    evaluation_streams,
    load_recordings,
    training_streams,
)


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

    @pytest.mark.usefixtures("plan_only")
    @pytest.mark.parametrize("share", [0.1, 0.3])
    def test_partial_words(self, recordings, share):
        """So many of the clips are the first or last part of a word, as negatives."""
        streams = training_streams(recordings, "computer", hours=2, partial_words=share)
        clips = [clip for stream in streams for clip in stream.clips]
        parts = [clip for clip in clips if clip.part_s is not None]
        assert len(parts) / len(clips) == pytest.approx(share, rel=0.15)
        assert len({clip.recording.path for clip in parts}) == 5
        heard = []
        for clip in parts:
            assert clip.class_index is None
            recording, (from_s, to_s) = clip.recording, clip.part_s
            said = min(to_s, recording.offset_s) - max(from_s, recording.onset_s)
            heard.append(said / (recording.offset_s - recording.onset_s))
            assert from_s == 0 or to_s == recording.duration_s
        assert 0.2 <= min(heard) < 0.25
        assert 0.55 < max(heard) <= 0.6 + 1e-9
        first = np.mean([clip.part_s[0] == 0 for clip in parts])
        assert first == pytest.approx(0.5, abs=0.1)
        events = sum(len(stream.events) for stream in streams)
        minutes = sum(stream.hours for stream in streams) * 60
        assert events / minutes == pytest.approx(8, rel=0.1)  # 960 events: sigma is 3 %

    @pytest.mark.usefixtures("plan_only")
    @pytest.mark.parametrize("share", [0.3, 0.8])
    def test_excerpts(self, recordings, share):
        """So many of the negatives are heard in part; words and noise are heard whole."""
        streams = training_streams(recordings, "computer", hours=2, excerpts=share)
        clips = [clip for stream in streams for clip in stream.clips]
        speech = [c for c in clips if c.class_index is None and not c.recording.noise]
        parts = [clip for clip in clips if clip.part_s is not None]
        assert {id(clip) for clip in parts} <= {id(clip) for clip in speech}
        assert len(parts) / len(speech) == pytest.approx(share, rel=0.1)
        assert len({(clip.recording.path, clip.part_s) for clip in parts}) > 50
        events = sum(len(stream.events) for stream in streams)
        minutes = sum(stream.hours for stream in streams) * 60
        assert events / minutes == pytest.approx(8, rel=0.1)

    @pytest.mark.usefixtures("plan_only")
    def test_noise_variety_changes_the_noise_alone(self, recordings):
        def build(**given):
            return training_streams(recordings, "computer", hours=0.5, stream_s=30, **given)

        plain, varied = build(), build(noise_variety=NoiseVariety())
        babbled = 0
        for one, other in zip(plain, varied, strict=True):
            assert (one.clips, one.seed, one.snr_db) == (other.clips, other.seed, other.snr_db)
            assert bool(other.noise) == (one.snr_db is not None)
            babbled += any(not clip.recording.noise for clip in other.noise)
            assert {clip.recording.split for clip in other.noise} <= {"train"}
            assert "computer" not in {clip.recording.text for clip in other.noise}
        assert 0 < babbled < len(plain) / 2
        assert build(noise_variety=NoiseVariety()) == varied

    def test_noise_variety_is_heard(self, recordings):
        variety = NoiseVariety(babble=1.0, voices=(2, 2))
        [stream] = training_streams(
            recordings, "computer", hours=10 / 3600, stream_s=10, clean=0, noise_variety=variety
        )
        assert np.isfinite(stream.features).all()

    def test_same_seed_same_streams(self, recordings):
        def build(seed, **given):
            return training_streams(recordings, "computer", hours=0.02, seed=seed, **given)

        assert same(build(0), build(0, workers=1))
        assert not same(build(0), build(1))

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (
                {"events_per_minute": 60},
                r"leave room for negatives.*=60, partial_words=0\.0\. Stay below 3",
            ),
            ({"events_per_minute": 0}, "`events_per_minute` must be greater than 0"),
            ({"hours": -1}, "`hours` must be greater than 0.*hours=-1"),
            ({"speed": (0.1, 1)}, r"`speed` must be \(least, greatest\) within \[0\.5, 2\]"),
            ({"snr_db": (10, 0)}, r"`snr_db` must be \(least, greatest\).*snr_db=\(10, 0\)"),
            ({"partial_words": 2}, r"`partial_words` must be .*within \[0, 1\].*=\(0, 2\)"),
            ({"excerpts": -0.1}, r"`excerpts` must be .*within \[0, 1\].*=\(0, -0\.1\)"),
            ({"partial_words": 0.99}, "leave room for negatives.*partial_words=0.99"),
            ({"clean": 1.5}, r"`clean` must be .*within \[0, 1\].*clean=\(0, 1\.5\)"),
            ({"gain_db": (0, 1000)}, r"`gain_db` must be .*within \[-100, 100\]"),
        ],
        ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
    )
    def test_rejects(self, recordings, given, message):
        with pytest.raises(ValueError, match=message):
            training_streams(recordings, "computer", **given)


@needs_recordings
def test_real_streams():
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
    features, packed = StreamBatches(clean, word_targets(), batch_size=256)[0]
    assert np.isfinite(features).all()
    assert set(np.unique(packed[..., 0])) == {0, 1}
