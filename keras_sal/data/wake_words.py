"""Wake words: one, or several that one detector tells apart."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeAlias

from keras_sal.checks import require
from keras_sal.data.alignment.events import words_of
from keras_sal.data.recordings import Recording

Words: TypeAlias = str | Sequence[str]
"""A wake word, or several in the order of the classes of their detector."""


def list_words(word: Words) -> tuple[str, ...]:
    """Return the words as they were given, for one a tuple of it.

    Args:
        word: A wake word, or several.

    Example:
        >>> list_words("Computer"), list_words(["on", "off"])
        (('Computer',), ('on', 'off'))
    """
    return (word,) if isinstance(word, str) else tuple(word)


def compared_words(word: Words) -> tuple[str, ...]:
    """Return the words in the form in which texts are compared.

    Args:
        word: A wake word, or several.

    Returns:
        A tuple of words in lower case, without punctuation.

    Raises:
        ValueError: If there are none, or one is said in another.

    Example:
        >>> compared_words(["Lights on!", "lights-off"])
        ('lights on', 'lights off')
    """
    words = tuple(" ".join(words_of(each)) for each in list_words(word))
    require(bool(words), "`word` must name at least one; it is detected. Received: none. Name it.")
    for one, other in itertools.permutations(words, 2):
        require(
            not is_said(one, other),
            "`word` must name words of which none is said in another; a recording of one would "
            f"be an event of both. Received: {one!r} and {other!r}. Train a detector for each.",
        )
    return words


def is_said(word: str, text: str) -> bool:
    """Whether a word is said in a text, both in the form in which they are compared.

    Args:
        word: The word, or words.
        text: The text.

    Example:
        >>> is_said("robot", "the robot's arm"), is_said("robot", "robots")
        (True, False)
    """
    return _spaced(word) in _spaced(text)


def class_of(recording: Recording, words: Sequence[str]) -> int:
    """Return the class of a recording of one of several words.

    Args:
        recording: A `Recording` of one of them, as from `partition`.
        words: The words, as from `compared_words`.
    """
    return list(words).index(" ".join(words_of(recording.text)))


def quote(word: Words) -> str:
    """Name the words in a message.

    Args:
        word: A wake word, or several.

    Example:
        >>> quote("computer"), quote(["on", "off", "stop"])
        ("'computer'", "'on', 'off' or 'stop'")
    """
    *others, last = map(repr, list_words(word))
    return f"{', '.join(others)} or {last}" if others else last


def folder_name(word: str) -> str:
    """Return the name of a folder for a word.

    Args:
        word: The word.

    Example:
        >>> folder_name("Lights on!")
        'lights_on'
    """
    [compared] = compared_words(word)
    return compared.replace(" ", "_")


def _spaced(text: str) -> str:
    """The text with a space on both sides of each word; "robot's" holds the word "robot"."""
    return f" {text} ".replace("'", " ")
