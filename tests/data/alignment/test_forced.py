"""Forced alignment of real recordings."""

import math
import sys

import numpy as np
import pytest
from aligned_recordings import aligned_rows, read_sound, times_of
from recording_folders import burst, needs_recordings

from keras_sal.data.alignment import AlignmentError, align_words

pytestmark = pytest.mark.any_backend

SAMPLE_RATE = 16_000


def phrase_times(words):
    return words[0].onset_s, words[-1].offset_s


@pytest.fixture(scope="module")
def keywords():
    """Rows of recordings of wake words, and the words that the aligner found in each."""
    pytest.importorskip("pocketsphinx")
    rows = aligned_rows("keywords/", 24)
    return rows, [align_words(*read_sound(row), row["text"]) for row in rows]


@needs_recordings
def test_aligns_real_words_as_recorded(keywords):
    rows, found = keywords
    difference_s = np.abs(np.subtract([phrase_times(words) for words in found], times_of(rows)))
    assert len(rows) == 24
    assert np.median(difference_s) <= 0.01
    assert np.percentile(difference_s, 90) <= 0.05


def outcome(row, text):
    """Whether an alignment passed, or why not: by the aligner itself or by its score."""
    try:
        align_words(*read_sound(row), text, min_score=-3.5)
    except AlignmentError as error:
        return "aligner gave up" if "gave up" in str(error) else "low score"
    return "passed"


@needs_recordings
def test_any_score_is_accepted_if_asked_for(keywords):
    row = next(row for row in keywords[0] if outcome(row, "jarvis") == "low score")
    assert len(align_words(*read_sound(row), "jarvis", min_score=-math.inf)) == 1


@needs_recordings
def test_a_wrong_text_is_refused(keywords):
    """On the split that the default of `min_score` was not chosen on."""
    rows, found = keywords
    assert all(found)  # the right texts pass
    outcomes = [outcome(row, "jarvis") for row in rows if row["text"] != "jarvis"]
    assert outcomes.count("aligner gave up") <= 0.3 * len(outcomes)
    assert outcomes.count("passed") <= 0.3 * len(outcomes)


@needs_recordings
def test_alignment_does_not_depend_on_what_came_before():
    pytest.importorskip("pocketsphinx")
    rows = aligned_rows("sentences/", 3)
    forwards = [align_words(*read_sound(row), row["text"]) for row in rows]
    backwards = [align_words(*read_sound(row), row["text"]) for row in reversed(rows)]
    assert forwards == backwards[::-1]
    for row, words in zip(rows, forwards, strict=True):
        assert " ".join(word.text for word in words) == row["text"]
        times = [time for word in words for time in word[:2]]
        assert times == sorted(times)


@needs_recordings
def test_unknown_words_are_read_by_letter_or_as_given():
    pytest.importorskip("pocketsphinx")
    [row] = aligned_rows("keywords/", 1, "smart mirror")
    known = phrase_times(align_words(*read_sound(row), "Smart mirror!"))
    misspelt = align_words(*read_sound(row), "smarrt mirrror")
    assert [word.text for word in misspelt] == ["smarrt", "mirrror"]
    np.testing.assert_allclose(phrase_times(misspelt), known, atol=0.05)
    given = {"xx": ["K AE T", "S M AA R T"], "mirror": "M IH R ER"}
    given = align_words(*read_sound(row), "xx mirror", pronunciations=given)
    np.testing.assert_allclose(phrase_times(given), known, atol=0.05)


@needs_recordings
def test_a_word_may_be_said_twice():
    pytest.importorskip("pocketsphinx")
    [row] = aligned_rows("keywords/", 1, "computer")
    twice = np.concatenate([read_sound(row)[0]] * 2)
    for text in ("computer computer", "kompyuter kompyuter"):
        said = {"kompyuter": "K AH M P Y UW T ER"}
        first, second = align_words(twice, SAMPLE_RATE, text, pronunciations=said)
        apart_s = len(twice) / 2 / SAMPLE_RATE
        assert second.offset_s - first.offset_s == pytest.approx(apart_s, abs=0.05)


@needs_recordings
def test_alignment_resamples():
    pytest.importorskip("pocketsphinx")
    from keras_sal.audio import resample

    [row] = aligned_rows("keywords/", 1, "computer")
    samples, _ = read_sound(row)
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


def test_says_which_extra_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(ImportError, match=r"pip install .*\[align\]"):
        align_words(np.zeros(8000), SAMPLE_RATE, "yes")
