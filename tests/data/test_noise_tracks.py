"""What is played under a stream: how much of it, how altered, how many at once."""

from pathlib import Path

import numpy as np
import pytest

from keras_sal.data import NoiseVariety, Recording

pytestmark = pytest.mark.any_backend

NOISE = [Recording(Path(f"noise{n}.wav"), "train", "", 5.0 + n, noise=True) for n in range(3)]
SPEECH = [Recording(Path(f"said{n}.wav"), "train", "so", 2.0 + n) for n in range(9)]


def planned(seed=0, duration_s=60.0, noise=NOISE, speech=SPEECH, **given):
    return NoiseVariety(**given).track(noise, speech, duration_s, np.random.default_rng(seed))


def heard_at(clips, time_s):
    return [clip for clip in clips if clip.start_s <= time_s < clip.end_s]


def test_there_is_noise_all_the_time_and_sometimes_twice():
    clips = planned(babble=0, overlap=0.5, duration_s=600)
    counts = [len(heard_at(clips, time_s)) for time_s in np.arange(0, 600, 0.7)]
    assert set(counts) == {1, 2}
    assert {clip.recording for clip in clips} == set(NOISE)
    assert {len(heard_at(planned(babble=0, overlap=0), t)) for t in np.arange(0, 60, 3)} == {1}


def test_every_recording_gets_its_turn():
    clips = planned(babble=0, overlap=0, speed=(1, 1), duration_s=600)
    played = [clip.recording.path.name for clip in clips]
    for first in range(0, len(played) - 2, 3):
        assert len(set(played[first : first + 3])) == 3


def test_ranges():
    clips = planned(babble=0, speed=(0.8, 1.1), gain_db=(-3, 2), duration_s=3000)
    for name, low, high in (("speed", 0.8, 1.1), ("gain_db", -3, 2)):
        values = [getattr(clip, name) for clip in clips]
        assert low <= min(values) < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < max(values) <= high


@pytest.mark.parametrize("voices", [3, 6])
def test_babble(voices):
    clips = planned(babble=1, voices=(voices, voices))
    assert {len(heard_at(clips, time_s)) for time_s in np.arange(0, 60, 0.7)} == {voices}
    assert {clip.recording for clip in clips} == set(SPEECH)
    assert {clip.speed for clip in clips} == {1.0}


def test_share_of_babble():
    tracks = [planned(seed, babble=0.3, duration_s=10) for seed in range(300)]
    babble = np.mean([not track[0].recording.noise for track in tracks])
    assert babble == pytest.approx(0.3, abs=0.08)  # three sigma


def test_without_recordings():
    assert planned(noise=[], babble=0) == ()
    assert all(clip.recording.noise for clip in planned(speech=[], babble=1))
    assert planned(3) == planned(3) != planned(4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"speed": (0.1, 1)}, r"`speed`, `gain_db` and `voices` must be.*speed=\(0\.1, 1\)"),
        ({"gain_db": (3, -3)}, r"must be \(least, greatest\).*gain_db=\(3, -3\)"),
        ({"voices": (0, 3)}, r"at least one voice.*voices=\(0, 3\)"),
        ({"babble": 1.5}, r"`overlap` and `babble` must lie in \[0, 1\].*babble=1\.5"),
    ],
    ids=str,
)
def test_rejects(given, message):
    with pytest.raises(ValueError, match=message):
        NoiseVariety(**given)
