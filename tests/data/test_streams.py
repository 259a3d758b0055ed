import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recording_folders import burst

from keras_sal import audio
from keras_sal.augmentation import speech_level_db
from keras_sal.data import PlacedRecording, Recording, Stream, compute_features

soundfile = pytest.importorskip("soundfile")

pytestmark = pytest.mark.any_backend

SAMPLE_RATE = 16_000
CLICK_S = 0.35


def power_db(samples):
    return 10 * np.log10(np.mean(np.square(samples, dtype="float64")))


@pytest.fixture
def record(tmp_path):
    def write(name, samples, **known):
        soundfile.write(tmp_path / name, samples, SAMPLE_RATE, subtype="PCM_16")
        duration_s = len(samples) / SAMPLE_RATE
        return Recording(tmp_path / name, "test", "computer", duration_s, **known)

    return write


@pytest.fixture
def click(record):
    """A recording that is silent but for a click at its event's onset."""
    samples = np.zeros(SAMPLE_RATE)
    samples[round(CLICK_S * SAMPLE_RATE)] = 0.9
    return record("click.wav", samples, onset_s=CLICK_S, offset_s=0.5)


class TestSamples:
    @pytest.mark.parametrize("speed", [1.0, 0.9, 1.07, 1.5])
    @pytest.mark.parametrize("gain_db", [0.0, -12.0])
    def test_events_are_where_the_sound_is(self, click, speed, gain_db):
        starts_s = (0.3, 2.0 + 1 / SAMPLE_RATE, 3.7)
        clips = tuple(PlacedRecording(click, start_s, gain_db, speed, 0) for start_s in starts_s)
        stream = Stream("clicks", clips, 6.0)
        samples = np.abs(stream.samples())
        for onset_s, offset_s, class_index in stream.events:
            around = round(onset_s * SAMPLE_RATE) + np.arange(-400, 401)
            heard = around[samples[around].argmax()] / SAMPLE_RATE
            assert abs(heard - onset_s) <= 1 / SAMPLE_RATE
            assert offset_s - onset_s == pytest.approx(0.15 / speed)
            assert class_index == 0

    def test_clips_are_untouched_but_for_their_edges(self, record):
        speech = burst(1.0, 0.2, 0.7)
        recording = record("a.wav", speech)
        samples = Stream("one", (PlacedRecording(recording, 0.5),), 2.0).samples()
        inner = slice(round(0.52 * SAMPLE_RATE), round(1.48 * SAMPLE_RATE))
        np.testing.assert_array_equal(samples[inner], recording.samples()[320:-320])

    def test_pauses_hold_room_tone(self, record):
        quiet = record("quiet.wav", burst(1.0, 0.2, 0.7, background=1e-3))
        hissing = record("hissing.wav", burst(1.0, 0.2, 0.7, background=1e-2))
        stream = Stream("two", (PlacedRecording(quiet, 1.0), PlacedRecording(hissing, 3.0)), 5.0)
        second = stream.samples().reshape(5, SAMPLE_RATE)
        assert power_db(second[0]) == pytest.approx(-60, abs=2)
        assert -60 < power_db(second[2]) < -40
        assert power_db(second[4]) == pytest.approx(-40, abs=2)

    @pytest.mark.parametrize("snr_db", [20.0, 0.0])
    @pytest.mark.parametrize("with_noise", [True, False], ids=["recorded", "pink"])
    def test_noise_keeps_its_distance_from_each_clip(self, record, snr_db, with_noise):
        loud = record("loud.wav", burst(2.0, 0.0, 2.0, amplitude=0.2))
        soft = record("soft.wav", burst(2.0, 0.0, 2.0, amplitude=0.01))
        hiss = record(
            "hiss.wav", 0.05 * np.random.default_rng(0).standard_normal(20_000).clip(-3, 3)
        )
        clips = (PlacedRecording(loud, 1.0), PlacedRecording(soft, 4.0))
        noise = (hiss,) * 6 if with_noise else ()
        clean = Stream("clean", clips, 7.0, seed=3).samples()
        noisy = Stream("noisy", clips, 7.0, seed=3, noise=noise, snr_db=snr_db).samples()
        for clip in clips:
            inside = slice(round(clip.start_s * SAMPLE_RATE), round(clip.end_s * SAMPLE_RATE))
            level_db = speech_level_db(clip.samples())
            added_db = power_db(noisy[inside] - clean[inside])
            assert level_db - added_db == pytest.approx(snr_db, abs=1.5)

    @pytest.mark.parametrize("part_s", [None, (0.0, 0.01)])
    def test_a_piece_may_be_shorter_than_the_window_of_its_level(self, record, part_s):
        recording = record("short.wav", burst(0.03, 0.0, 0.03))
        clip = PlacedRecording(recording, 0.5, speed=2.0, part_s=part_s)
        samples = Stream("short", (clip,), 1.0, snr_db=10.0).samples()
        sounding = samples[round(0.503 * SAMPLE_RATE) : round(0.504 * SAMPLE_RATE)]
        assert np.abs(sounding).max() > 0.05

    def test_a_piece_may_be_a_sample_longer_than_the_rest(self, record):
        speech = record("a.wav", burst(1.0, 0.2, 0.7))
        stream = Stream("tight", (PlacedRecording(speech, 0.5),), 1.5 - 1 / SAMPLE_RATE)
        samples = stream.samples()
        assert len(samples) == round(1.5 * SAMPLE_RATE) - 1
        np.testing.assert_array_equal(samples[8320:-320], speech.samples()[320:-321])

    def test_rejects_a_stream_of_no_recordings(self):
        with pytest.raises(ValueError, match=r"`placed` must hold a recording.*none in.*'empty'"):
            Stream("empty", (), 1.0).samples()

    def test_stays_in_range(self, record):
        loud = record("loud.wav", burst(1.0, 0.0, 1.0, amplitude=0.9))
        samples = Stream(
            "loud", (PlacedRecording(loud, 0.0, gain_db=20),), 1.0, snr_db=0.0
        ).samples()
        assert samples.dtype == np.float32
        assert np.abs(samples).max() == 1

    def test_same_plan_same_samples(self, click):
        stream, other = (
            Stream("a", (PlacedRecording(click, 0.1),), 2.0, seed=s, snr_db=5.0) for s in (1, 2)
        )
        np.testing.assert_array_equal(stream.samples(), stream.samples())
        assert (stream.samples() != other.samples()).any()


class TestPlacedNoise:
    @pytest.fixture
    def hum(self, record):
        tone = 0.3 * np.sin(np.arange(SAMPLE_RATE) * 0.1)
        return record("hum.wav", tone)

    def noise_of(self, record, placed):
        """What is heard between two clips that are far apart, at 0 dB below them."""
        speech = record("speech.wav", burst(1.0, 0.0, 1.0, amplitude=0.2, background=0))
        clips = (PlacedRecording(speech, 0.0), PlacedRecording(speech, 9.0))
        clean, noisy = (
            Stream("a", clips, 10.0, seed=1, noise=placed, snr_db=snr).samples()
            for snr in (None, 0)
        )
        return noisy - clean, speech_level_db(speech.samples())

    def test_each_is_heard_from_its_start_at_its_gain(self, record, hum):
        placed = (
            PlacedRecording(hum, 2.0, gain_db=-6.0),
            PlacedRecording(hum, 5.0, gain_db=0.0, speed=0.5),
        )
        track, _ = self.noise_of(record, placed)
        second = track.reshape(10, SAMPLE_RATE)
        heard = [number for number in range(10) if np.abs(second[number]).max() > 1e-4]
        assert heard == [2, 5, 6]  # the slow one lasts two seconds
        for number in (5, 6):
            assert power_db(second[number]) - power_db(second[2]) == pytest.approx(6, abs=0.2)

    @pytest.mark.parametrize("voices", [1, 2, 5])
    def test_together_they_keep_the_ratio(self, record, voices):
        """However many are played at once, the noise is 0 dB below the speech on average."""
        rng = np.random.default_rng(0)
        placed = tuple(
            PlacedRecording(
                record(f"{n}.wav", 0.1 * rng.standard_normal(10 * SAMPLE_RATE).clip(-3, 3)), 0.0
            )
            for n in range(voices)
        )
        track, level_db = self.noise_of(record, placed)
        assert power_db(track) == pytest.approx(level_db, abs=0.5)

    def test_what_lies_beyond_the_end_or_is_silent_is_not_heard(self, record, hum):
        silence = record("silence.wav", np.zeros(SAMPLE_RATE))
        track, _ = self.noise_of(
            record, (PlacedRecording(hum, 12.0), PlacedRecording(silence, 1.0))
        )
        assert np.abs(track).max() == 0
        track, _ = self.noise_of(record, (PlacedRecording(hum, 9.5),))
        assert np.abs(track[: 9 * SAMPLE_RATE]).max() == 0
        assert np.abs(track[round(9.6 * SAMPLE_RATE) :]).max() > 0.01


class TestPartOfARecording:
    @given(
        from_s=st.floats(0, 0.35),
        to_s=st.floats(0.5, 1.0),
        speed=st.sampled_from([0.5, 0.9, 1.0, 1.7]),
        start_s=st.floats(0, 1),
    )
    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_events_are_where_the_sound_is(self, click, from_s, to_s, speed, start_s):
        """The click of the part sounds at its event, and the clip ends with the part."""
        clip = PlacedRecording(click, start_s, speed=speed, class_index=0, part_s=(from_s, to_s))
        samples = np.abs(Stream("part", (clip,), 4.0).samples())
        onset_s, _, _ = clip.event
        assert clip.end_s == pytest.approx(start_s + (to_s - from_s) / speed)
        if from_s < CLICK_S - 0.02:  # else it is in the fade
            assert samples.argmax() / SAMPLE_RATE == pytest.approx(onset_s, abs=2 / SAMPLE_RATE)
        assert onset_s == pytest.approx(start_s + (CLICK_S - from_s) / speed)

    def test_edges_fade_into_the_room_tone_of_the_whole_recording(self, record):
        word = record("word.wav", burst(1.0, 0.2, 0.8, background=1e-3))
        clip = PlacedRecording(word, 1.0, part_s=(0.3, 0.7))
        samples = Stream("part", (clip,), 3.0).samples()
        assert np.abs(clip.samples()[:20]).max() > 0.3
        sounding = slice(round(1.05 * SAMPLE_RATE), round(1.35 * SAMPLE_RATE))
        assert np.abs(samples[sounding]).max() > 0.45
        for edge in (SAMPLE_RATE + np.arange(3), round(1.4 * SAMPLE_RATE) - np.arange(1, 4)):
            assert np.abs(samples[edge]).max() < 0.02
        for pause in (samples[:SAMPLE_RATE], samples[round(1.4 * SAMPLE_RATE) :]):
            assert power_db(pause) == pytest.approx(-60, abs=2)


class TestStream:
    def test_no_events(self):
        assert Stream("none", (), 10.0).events.shape == (0, 3)

    @pytest.mark.parametrize(
        ("time_s", "start_s"),
        [(0.0, None), (0.99, None), (1.0, 1.0), (2.5, 1.0), (3.0, 3.0), (9, 3)],
    )
    def test_placed_at(self, click, time_s, start_s):
        stream = Stream("two", (PlacedRecording(click, 1.0), PlacedRecording(click, 3.0)), 5.0)
        found = stream.placed_at(time_s)
        assert (found and found.start_s) == start_s


class TestComputeFeatures:
    @pytest.fixture
    def streams(self, click, record):
        speech = record("speech.wav", burst(1.0, 0.2, 0.7))
        return [
            Stream(
                str(seed),
                (PlacedRecording(click, 0.5), PlacedRecording(speech, 1.6, speed=1.1)),
                3.0,
                seed,
                (),
                10.0,
            )
            for seed in range(5)
        ]

    def test_equals_the_front_end_over_the_samples(self, streams):
        for stream in compute_features(streams):
            np.testing.assert_array_equal(stream.features, audio.features(stream.samples()))

    def test_events_are_in_the_frames_of_their_time(self, record):
        speech = record("speech.wav", burst(1.0, 0.3, 0.6, background=0), onset_s=0.3, offset_s=0.6)
        [stream] = compute_features(
            [Stream("one", (PlacedRecording(speech, 2.0, class_index=0),), 4.0)]
        )
        [[onset_s, offset_s, _]] = stream.events
        first, last = np.flatnonzero(stream.features.max(axis=1) > 10)[[0, -1]]
        times_s = np.array([first, last]) * audio.FRAME_STEP_S + audio.FRAME_OFFSET_S
        np.testing.assert_allclose(times_s, [onset_s, offset_s], atol=0.04)

    def test_workers_change_nothing(self, streams):
        one, three = (compute_features(streams, workers=workers) for workers in (1, 3))
        for stream, other in zip(one, three, strict=True):
            assert stream.name == other.name
            np.testing.assert_array_equal(stream.features, other.features)

    def test_reports_progress(self, streams):
        heard = []
        compute_features(streams, progress=lambda done, total: heard.append((done, total)))
        assert heard == [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]

    def test_file_that_vanished(self, click, streams):
        click.path.unlink()
        with pytest.raises(FileNotFoundError, match=r"click\.wav"):
            compute_features(streams)
