"""The search for a phrase among events."""

import math

import pytest

from keras_sal.data.alignment import Event, Events, find_events

pytestmark = pytest.mark.any_backend


def words(text, length_s=0.25, pause_s=0.25, recording=""):
    step_s = length_s + pause_s
    return [
        Event(i * step_s, i * step_s + length_s, word, recording)
        for i, word in enumerate(text.split("|"))
    ]


def test_finds_words_and_phrases():
    events = words("Turn|on|smart|MIRROR!|smart|phone|smart mirror|mirror")
    assert [event[:2] for event in find_events(events, "Smart Mirror")] == [
        (1.0, 1.75),
        (3.0, 3.25),
    ]
    assert [event[:2] for event in find_events(events, "on")] == [(0.5, 0.75)]
    assert find_events(events, "arm") == []


def test_passes_over_silence_but_not_over_words():
    events = words("hey|<sil>|robot|hey|you|robot")
    assert [event[:2] for event in find_events(events, "hey robot")] == [(0.0, 1.25)]


def test_words_of_different_recordings_are_no_phrase():
    events = words("hey", recording="a") + words("x|robot", recording="b")
    assert find_events(events, "hey robot") == []


def test_a_long_pause_is_no_phrase():
    events = words("hey|robot", pause_s=1.0)
    assert len(find_events(events, "hey robot")) == 1
    assert find_events(events, "hey robot", max_pause_s=0.9) == []


def test_a_phrase_among_other_words_has_no_time():
    events = words("turn on the computer|computer")
    with pytest.warns(
        UserWarning, match="1 events were left out.*at 0 s: other words.*turn on the"
    ):
        found = find_events(events, "computer")
    assert [event.onset_s for event in found] == [0.5]
    assert len(found.skipped) == 1


def test_find_rejects():
    with pytest.raises(ValueError, match=r"`phrase` must have at least one word.*phrase='!'"):
        find_events([], "!")
    with pytest.raises(ValueError, match=r"`max_pause_s` must be at least 0.*max_pause_s=nan"):
        find_events([], "a", max_pause_s=math.nan)


def test_events_compare_as_lists_and_keep_what_was_skipped():
    events = Events([Event(0, 1)], [("line 1", "why")])
    assert events == [(0, 1, "", "")]
    assert events.skipped == [("line 1", "why")]
