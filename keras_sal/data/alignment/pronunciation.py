"""Pronunciations of words by their letters, in the phones of the CMU dictionary.

They are for names and brands that no dictionary has. The longest group of letters that fits is
pronounced first. English spelling has no rules that always hold; for an alignment it is enough that
the phones resemble what is said, and a better pronunciation can always be given by hand.
"""

import re
import unicodedata

from keras_sal.checks import require

SPELLINGS = {
    "tion": "SH AH N",
    "sion": "ZH AH N",
    "eigh": "EY",
    "ough": "AO",
    "augh": "AO",
    "igh": "AY",
    "tch": "CH",
    "dge": "JH",
    "sch": "SH",
    "ch": "CH",
    "sh": "SH",
    "th": "TH",
    "ph": "F",
    "wh": "W",
    "ck": "K",
    "ng": "NG",
    "qu": "K W",
    "ee": "IY",
    "ea": "IY",
    "ie": "IY",
    "ey": "IY",
    "oo": "UW",
    "ue": "UW",
    "ew": "UW",
    "ou": "AW",
    "ow": "OW",
    "oa": "OW",
    "oi": "OY",
    "oy": "OY",
    "ai": "EY",
    "ay": "EY",
    "ei": "EY",
    "au": "AO",
    "aw": "AO",
    "er": "ER",
    "ir": "ER",
    "ur": "ER",
    "ar": "AA R",
    "or": "AO R",
    "rr": "R",
    "a": "AE",
    "b": "B",
    "c": "K",
    "d": "D",
    "e": "EH",
    "f": "F",
    "g": "G",
    "h": "HH",
    "i": "IH",
    "j": "JH",
    "k": "K",
    "l": "L",
    "m": "M",
    "n": "N",
    "o": "AA",
    "p": "P",
    "q": "K",
    "r": "R",
    "s": "S",
    "t": "T",
    "u": "AH",
    "v": "V",
    "w": "W",
    "x": "K S",
    "y": "IY",
    "z": "Z",
}
CONTEXT_RULES = (  # regular expression of the letters in their context, phones
    (r"^kn", "N"),
    (r"^wr", "R"),
    (r"^x", "Z"),
    (r"^y", "Y"),
    (r"or$", "ER"),
    (r"a(?=rr)", "AE"),
    (r"e(?=rr)", "EH"),
    (r"i(?=rr)", "IH"),
    (r"o(?=rr)", "AA"),
    (r"u(?=rr)", "AH"),
    (r"a$", "AH"),
    (r"o$", "OW"),
    (r"i$", "IY"),
    (r"u$", "UW"),
    (r"(?<=[^aeiouy])e$", ""),
    (r"c(?=[eiy])", "S"),
    (r"g(?=[eiy])", "JH"),
    (r"a(?=[^aeiouywxr]e$)", "EY"),
    (r"i(?=[^aeiouywxr]e$)", "AY"),
    (r"o(?=[^aeiouywxr]e$)", "OW"),
    (r"u(?=[^aeiouywxr]e$)", "UW"),
)
LONGEST_FIRST = sorted(SPELLINGS, key=len, reverse=True)


def pronounce(word: str) -> str:
    """Guess the pronunciation of an English word from its letters.

    Args:
        word: A word in Latin letters; accents don't matter.

    Returns:
        A string of phones of the CMU dictionary, separated by spaces.

    Raises:
        ValueError: If the word has no letters, or others than Latin ones.

    Example:
        >>> pronounce("Zorbex"), pronounce("kite")
        ('Z AO R B EH K S', 'K AY T')
    """
    plain = unicodedata.normalize("NFKD", word.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c) and c not in "'’-")  # noqa: RUF001
    require(
        bool(re.fullmatch("[a-z]+", plain)),
        "`word` must be in Latin letters; digits and other scripts can't be pronounced by letter. "
        f"Received: word={word!r}. Write numbers in words, or give its pronunciation: "
        f"pronunciations={{{word!r}: 'W AH N'}}.",
    )
    plain = re.sub(r"([bcdfghjklmnpqstvwxyz])\1+", r"\1", plain)
    plain = re.sub("rr+", "rr", plain)
    phones, position = [], 0
    while position < len(plain):
        letters, sounds = _next_letters(plain, position)
        phones.append(sounds)
        position += len(letters)
    return " ".join(filter(None, phones))


def _next_letters(word, position):
    """Return the letters at a position that are pronounced together, and their phones."""
    for pattern, phones in CONTEXT_RULES:
        if pattern[0] == "^" and position > 0:
            continue
        found = re.compile(pattern).match(word, position)
        if found:
            return found[0], phones
    letters = next(letters for letters in LONGEST_FIRST if word.startswith(letters, position))
    return letters, SPELLINGS[letters]
