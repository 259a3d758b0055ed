"""Training streams: their plan, their augmentation, their features."""

import numpy as np
import pytest
from recording_folders import small_corpus, words_and_others, write_folder
from stream_checks import assert_words_are_at_their_events, files, same

from keras_sal.data import (
    NoiseVariety,
    StreamAugmentation,
    load_recordings,
    training_set,
    training_streams,
)

pytestmark = pytest.mark.any_backend


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    return load_recordings(small_corpus(tmp_path_factory.mktemp("corpus")))


@pytest.fixture
def plan_only(monkeypatch):
    """Leaves the features out where only the plan is looked at."""
    monkeypatch.setattr(training_set, "compute_features", lambda streams, **_: streams)


@pytest.mark.usefixtures("plan_only")
def test_only_the_split_is_heard(recordings):
    streams = training_streams(recordings, "computer", hours=0.1, stream_s=30)
    assert len(streams) == 12
    heard = set(files(streams))
    expected = {r.path for r in recordings if r.split == "train" and r.text != "my computer hums"}
    assert heard == expected
    assert {stream.snr_db is None for stream in streams} == {True, False}


@pytest.mark.usefixtures("plan_only")
def test_event_rate_and_length(tmp_path):
    word = {"file": "a.flac", "text": "go", "onset_s": 0.2, "offset_s": 0.7}
    rows = [word, {"file": "b.flac", "duration_s": 3.0}]
    recordings = load_recordings(write_folder(tmp_path, rows))
    streams = training_streams(recordings, "go", hours=10, events_per_minute=10)
    hours = sum(stream.hours for stream in streams)
    events = sum(len(stream.events) for stream in streams)
    assert hours == pytest.approx(10, rel=0.05)  # streams end with a whole recording
    assert events / (60 * hours) == pytest.approx(10, rel=0.05)  # 6000 events: sigma is 1.3 %


@pytest.mark.usefixtures("plan_only")
def test_several_words_are_classes_that_come_up_equally_often(tmp_path):
    """One is recorded three times, the other once, and lasts longer."""
    rows = [{"file": f"on{n}.flac", "text": "on", "onset_s": 0.2, "offset_s": 0.7} for n in "123"]
    rows.append({"file": "off.flac", "text": "off", "onset_s": 0.2, "offset_s": 0.7})
    rows[-1]["duration_s"] = 2.0
    recordings = load_recordings(write_folder(tmp_path, [*rows, {"file": "b.flac"}]))
    streams = training_streams(recordings, ["on", "off"], hours=5, events_per_minute=10)
    placed = [p for stream in streams for p in stream.placed if p.class_index is not None]
    assert {(p.recording.text, p.class_index) for p in placed} == {("on", 0), ("off", 1)}
    classes = [p.class_index for p in placed]
    assert abs(classes.count(0) - classes.count(1)) <= 1
    assert classes[:40:2] != classes[1:41:2]  # not in turn
    hours = sum(stream.hours for stream in streams)
    assert len(placed) / (60 * hours) == pytest.approx(10, rel=0.06)


@pytest.mark.usefixtures("plan_only")
def test_every_recording_gets_its_turn(recordings):
    streams = training_streams(recordings, "computer", hours=1)
    placed = [p for stream in streams for p in stream.placed]
    for positive in (True, False):
        played = [p.recording.path for p in placed if (p.class_index is not None) == positive]
        counts = np.unique(played, return_counts=True)[1]
        assert counts.max() - counts.min() <= 1


@pytest.mark.usefixtures("plan_only")
def test_augmentation_stays_in_its_ranges(recordings):
    augmentation = StreamAugmentation(gain_db=(-6, 3), speed=(0.95, 1.05), snr_db=(5, 15))
    streams = training_streams(recordings, "computer", hours=0.1, augmentation=augmentation)
    placed = [p for stream in streams for p in stream.placed]
    drawn = {
        (-6, 3): [p.gain_db for p in placed],
        (0.95, 1.05): [p.speed for p in placed],
        (5, 15): [stream.snr_db for stream in streams if stream.snr_db is not None],
    }
    for (low, high), values in drawn.items():
        assert low <= min(values) < max(values) <= high
        assert len(set(values)) == len(values)


@pytest.mark.usefixtures("plan_only")
@pytest.mark.parametrize("share", [0.1, 0.3])
def test_partial_words(recordings, share):
    """So many of the recordings are the first or last part of a word, as negatives."""
    augmentation = StreamAugmentation(partial_words=share)
    streams = training_streams(recordings, "computer", hours=2, augmentation=augmentation)
    placed = [p for stream in streams for p in stream.placed]
    parts = [p for p in placed if p.part_s is not None]
    assert len(parts) / len(placed) == pytest.approx(share, rel=0.15)
    assert len({p.recording.path for p in parts}) == 5
    heard = []
    for part in parts:
        assert part.class_index is None
        recording, (from_s, to_s) = part.recording, part.part_s
        said = min(to_s, recording.offset_s) - max(from_s, recording.onset_s)
        heard.append(said / (recording.offset_s - recording.onset_s))
        assert from_s == 0 or to_s == recording.duration_s
    assert 0.2 <= min(heard) < 0.25
    assert 0.55 < max(heard) <= 0.6 + 1e-9
    first = np.mean([p.part_s[0] == 0 for p in parts])
    assert first == pytest.approx(0.5, abs=0.1)
    events = sum(len(stream.events) for stream in streams)
    minutes = sum(stream.hours for stream in streams) * 60
    assert events / minutes == pytest.approx(8, rel=0.1)  # 960 events: sigma is 3 %


@pytest.mark.usefixtures("plan_only")
def test_noise_variety_changes_the_noise_alone(recordings):
    def build(**given):
        augmentation = StreamAugmentation(**given)
        return training_streams(
            recordings, "computer", hours=0.5, stream_s=30, augmentation=augmentation
        )

    plain, varied = build(), build(noise_variety=NoiseVariety())
    babbled = 0
    for one, other in zip(plain, varied, strict=True):
        assert (one.placed, one.seed, one.snr_db) == (other.placed, other.seed, other.snr_db)
        assert bool(other.noise) == (one.snr_db is not None)
        babbled += any(not p.recording.noise for p in other.noise)
        assert {p.recording.split for p in other.noise} <= {"train"}
        assert "computer" not in {p.recording.text for p in other.noise}
    assert 0 < babbled < len(plain) / 2
    assert build(noise_variety=NoiseVariety()) == varied


def test_noise_variety_is_heard(recordings):
    variety = NoiseVariety(babble=1.0, voices=(2, 2))
    augmentation = StreamAugmentation(clean=0, noise_variety=variety)
    [stream] = training_streams(
        recordings, "computer", hours=10 / 3600, stream_s=10, augmentation=augmentation
    )
    assert np.isfinite(stream.features).all()


def test_same_seed_same_streams(recordings):
    def build(seed, **given):
        return training_streams(recordings, "computer", hours=0.02, seed=seed, **given)

    assert same(build(0), build(0, workers=1))
    assert not same(build(0), build(1))


def test_words_are_at_their_events(tmp_path):
    augmented = training_streams(
        load_recordings(words_and_others(tmp_path)),
        "go",
        hours=1 / 60,
        stream_s=30,
        events_per_minute=20,
        augmentation=StreamAugmentation(
            snr_db=(25, 30),
            rooms=0,  # whose reverberation outlasts the word
        ),
    )
    assert sum(len(stream.events) for stream in augmented) > 5
    assert_words_are_at_their_events(augmented)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"events_per_minute": 60},
            r"leave room for negatives.*=60, partial_words=0\.0\. Stay below 3",
        ),
        ({"events_per_minute": 0}, "`events_per_minute` must be greater than 0"),
        ({"hours": -1}, "`hours` must be greater than 0.*hours=-1"),
        (
            {"augmentation": StreamAugmentation(partial_words=0.99)},
            "leave room for negatives.*partial_words=0.99",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_rejects(recordings, given, message):
    with pytest.raises(ValueError, match=message):
        training_streams(recordings, "computer", **given)
