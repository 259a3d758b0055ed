"""Pronunciations of words by their letters."""

import pytest

from keras_sal.data.alignment.pronunciation import pronounce

pytestmark = pytest.mark.any_backend


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
