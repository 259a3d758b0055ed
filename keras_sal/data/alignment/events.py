"""Events with their times, and the search for a phrase among them."""

from __future__ import annotations

import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from keras_sal.checks import require

SILENCE = frozenset({"", "<eps>", "<s>", "</s>", "<sil>", "sil", "sp", "<p:>", "#"})
TOLERANCE_S = 0.05
MAX_LISTED = 5


class Event(NamedTuple):
    """Something that is heard, and when.

    Args:
        onset_s: When it begins, in seconds from the start of the recording.
        offset_s: When it ends; equal to `onset_s` where a point in time was marked.
        text: What is heard, as written.
        recording: The recording it is heard in, as written; `""` where the file it was read from is
            about one recording and doesn't name it.

    Example:
        >>> Event(0.5, 1.1, "computer").offset_s
        1.1
    """

    onset_s: float
    offset_s: float
    text: str = ""
    recording: str = ""


class Events(list[Event]):
    """A list of `Event`, with the entries that were left out of it and the reasons.

    Args:
        events: The events.
        skipped: Pairs `(place, reason)` of strings, one for each entry that was left out.

    Example:
        >>> events = Events([Event(0.5, 1.1, "computer")], [("row 3", "the onset is no number")])
        >>> len(events), events.skipped[0][0]
        (1, 'row 3')
    """

    def __init__(
        self, events: Iterable[Event] = (), skipped: Iterable[tuple[str, str]] = ()
    ) -> None:
        super().__init__(events)
        self.skipped = list(skipped)

    def by_recording(self) -> dict[str, list[Event]]:
        """Return a dict from the name of each recording to the list of its events."""
        recordings = defaultdict(list)
        for event in self:
            recordings[event.recording].append(event)
        return dict(recordings)


def find_events(events: Iterable[Event], phrase: str, *, max_pause_s: float = 1.0) -> Events:
    """Find where a word or phrase is said, as one event or word by word.

    Words are compared without case and punctuation. Silences (empty, `<sil>`, `sp`, ...) between
    them are passed over. An event that holds the phrase among other words (a subtitle) doesn't
    tell when the phrase is said: it is left out, and counted in a warning.

    Args:
        events: Iterable of `Event`, of any number of recordings.
        phrase: The word or words to be found, for example `"hey robot"`.
        max_pause_s: Longest pause between two words of the phrase, in seconds. At least 0.
            Defaults to 1.

    Returns:
        `Events`, one for each time that the phrase is said, sorted by recording and time.

    Raises:
        ValueError: If `phrase` has no words, or `max_pause_s` is negative.

    Example:
        >>> words = [Event(0.2, 0.5, "Smart"), Event(0.6, 1.1, "mirror."), Event(1.3, 1.4, "on")]
        >>> find_events(words, "smart mirror")
        [Event(onset_s=0.2, offset_s=1.1, text='smart mirror', recording='')]
    """
    require(
        max_pause_s >= 0,
        "`max_pause_s` must be at least 0; it is a length in seconds. Received: "
        f"max_pause_s={max_pause_s}. Leave it at its default.",
    )
    wanted = words_of(phrase)
    require(
        bool(wanted),
        "`phrase` must have at least one word; it is looked for in the events. Received: "
        f"phrase={phrase!r}. Give the wake word as it is written in the file.",
    )
    found, unclear = [], []
    for recording, own in Events(events).by_recording().items():
        audible = sorted(event for event in own if event.text.strip().lower() not in SILENCE)
        for start, first in enumerate(audible):
            words = words_of(first.text)
            if len(words) > len(wanted) and _contains(words, wanted):
                place = f"{recording or 'event'} at {first.onset_s:g} s"
                unclear.append((place, f"other words are in the same event: {first.text!r}"))
            last = _end_of_phrase(audible[start:], wanted, max_pause_s)
            if last:
                text = " ".join(wanted)
                found.append(Event(first.onset_s, last.offset_s, text, recording))
    found.sort(key=lambda event: (event.recording, event))
    if unclear:
        warnings.warn(
            f"{len(unclear)} events were left out. {summarize_skipped(unclear)}", stacklevel=2
        )
    return Events(found, unclear)


def words_of(text: str) -> list[str]:
    r"""Split a text into words, in lower case, without punctuation, in normalised Unicode.

    Args:
        text: Any text.

    Returns:
        The list of its words.

    Example:
        >>> words_of("Hey, Robot: it's 5 o'clock!")
        ['hey', 'robot', "it's", '5', "o'clock"]
        >>> words_of("u\u0308ber") == words_of("\u00dcBER")
        True
    """
    text = unicodedata.normalize("NFC", text.casefold()).replace("’", "'")  # noqa: RUF001
    words = "".join(c if _is_in_words(c) else " " for c in text).split()
    return [word.strip("'") for word in words if word.strip("'")]


def summarize_skipped(skipped: Sequence[tuple[str, str]]) -> str:
    """Format the first few places and reasons of `Events.skipped` as one line.

    Args:
        skipped: Pairs `(place, reason)` of strings.

    Returns:
        One line of text.
    """
    lines = [f"{place}: {reason}" for place, reason in skipped[:MAX_LISTED]]
    more = len(skipped) - len(lines)
    return " | ".join(lines) + (f" | and {more} more" if more else "")


def _is_in_words(character):
    """Whether it is a letter, a digit, a mark on one (vowels of Hindi), or stands between them."""
    return character.isalnum() or character in "_'" or unicodedata.category(character)[0] == "M"


def _end_of_phrase(events, wanted, max_pause_s):
    """Return the event that ends the phrase, if these events begin with it."""
    said, previous = [], None
    for event in events:
        if previous and not -TOLERANCE_S <= event.onset_s - previous.offset_s <= max_pause_s:
            return None
        said += words_of(event.text)
        if said == wanted:
            return event
        if said != wanted[: len(said)] or not words_of(event.text):
            return None
        previous = event
    return None


def _contains(words, wanted):
    return any(words[i : i + len(wanted)] == wanted for i in range(len(words)))
