"""Events as people and tools write them down: times, what is heard, and in which recording."""

import unicodedata
import warnings
from collections import defaultdict
from typing import NamedTuple

SILENCE = frozenset({"", "<eps>", "<s>", "</s>", "<sil>", "sil", "sp", "<p:>", "#"})
SLACK_S = 0.05
NAMED_IN_WARNING = 5


class Event(NamedTuple):
    """Something heard, and when.

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


class Events(list):
    """A list of `Event` that also knows what was left out of it, and why.

    Args:
        events: The events.
        skipped: Pairs `(place, reason)`, strings: what was left out.

    Example:
        >>> events = Events([Event(0.5, 1.1, "computer")], [("row 3", "the onset is no number")])
        >>> len(events), events.skipped[0][0]
        (1, 'row 3')
    """

    def __init__(self, events=(), skipped=()):
        super().__init__(events)
        self.skipped = list(skipped)

    def by_recording(self):
        """The events of each recording, in a dict from its name to a list."""
        recordings = defaultdict(list)
        for event in self:
            recordings[event.recording].append(event)
        return dict(recordings)


def find_events(events, phrase, *, max_pause_s=1.0):
    """When a word or phrase is said, whether it was written down as one event or word by word.

    Words are compared without case and punctuation; silences (empty, `<sil>`, `sp`, ...) between
    them are passed over. An event that holds the phrase among other words (a subtitle) doesn't
    say when the phrase is said: it is left out and counted in a warning.

    Args:
        events: A sequence of `Event`, of any number of recordings.
        phrase: The word or words wanted, for example `"hey robot"`.
        max_pause_s: Words further apart than this, in seconds, are no phrase. At least 0,
            default 1.

    Returns:
        `Events`, one for each time that the phrase is said, sorted by recording and time.

    Raises:
        ValueError: If `phrase` has no words, or `max_pause_s` is negative.

    Example:
        >>> words = [Event(0.2, 0.5, "Smart"), Event(0.6, 1.1, "mirror."), Event(1.3, 1.4, "on")]
        >>> find_events(words, "smart mirror")
        [Event(onset_s=0.2, offset_s=1.1, text='smart mirror', recording='')]
    """
    if not max_pause_s >= 0:
        raise ValueError(
            "`max_pause_s` must be at least 0; it is a length in seconds. Received: "
            f"max_pause_s={max_pause_s}. Leave it at its default."
        )
    wanted = words_of(phrase)
    if not wanted:
        raise ValueError(
            "`phrase` must have at least one word; it is looked for in the events. Received: "
            f"phrase={phrase!r}. Give the wake word as it is written in the file."
        )
    found, unclear = [], []
    for recording, heard in Events(events).by_recording().items():
        heard = sorted(event for event in heard if event.text.strip().lower() not in SILENCE)
        for start, first in enumerate(heard):
            tokens = words_of(first.text)
            if len(tokens) > len(wanted) and _holds(tokens, wanted):
                place = f"{recording or 'event'} at {first.onset_s:g} s"
                unclear.append((place, f"other words are in the same event: {first.text!r}"))
            last = _match(heard[start:], wanted, max_pause_s)
            if last:
                text = " ".join(wanted)
                found.append(Event(first.onset_s, last.offset_s, text, recording))
    found.sort(key=lambda event: (event.recording, event))
    events = Events(found, unclear)
    if unclear:
        warnings.warn(f"{len(unclear)} events were left out. {named(unclear)}", stacklevel=2)
    return events


def words_of(text):
    r"""The words of a text, in lower case, without punctuation, each letter written in one way.

    Example:
        >>> words_of("Hey, Robot: it's 5 o'clock!")
        ['hey', 'robot', "it's", '5', "o'clock"]
        >>> words_of("u\u0308ber") == words_of("\u00dcBER")
        True
    """
    text = unicodedata.normalize("NFC", text.casefold()).replace("’", "'")  # noqa: RUF001
    words = "".join(c if _is_in_words(c) else " " for c in text).split()
    return [word.strip("'") for word in words if word.strip("'")]


def _is_in_words(character):
    """Whether it is a letter, a digit, a mark on one (vowels of Hindi), or stands between them."""
    return character.isalnum() or character in "_'" or unicodedata.category(character)[0] == "M"


def _match(events, wanted, max_pause_s):
    """The event that ends the phrase, if these events begin with it."""
    said, previous = [], None
    for event in events:
        if previous and not -SLACK_S <= event.onset_s - previous.offset_s <= max_pause_s:
            return None
        said += words_of(event.text)
        if said == wanted:
            return event
        if said != wanted[: len(said)] or not words_of(event.text):
            return None
        previous = event
    return None


def _holds(tokens, wanted):
    return any(tokens[i : i + len(wanted)] == wanted for i in range(len(tokens)))


def named(skipped):
    """The first few of these places and reasons, as one line."""
    lines = [f"{place}: {reason}" for place, reason in skipped[:NAMED_IN_WARNING]]
    more = len(skipped) - len(lines)
    return " | ".join(lines) + (f" | and {more} more" if more else "")
