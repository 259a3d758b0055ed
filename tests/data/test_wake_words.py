from pathlib import Path

import pytest

from keras_sal.data import Recording, check_splits, partition, split_by_speaker
from keras_sal.data.wake_words import compared_words

pytestmark = pytest.mark.any_backend


def said(*texts, split="train"):
    return [Recording(Path(f"{n}.wav"), split, text, 1.0) for n, text in enumerate(texts)]


def texts(recordings):
    return [recording.text for recording in recordings]


def test_partition():
    """A recording with a word among others is neither, whichever word it is."""
    found = said("on", "off", "alexa", "turn it off", "", "On!")
    positives, negatives = partition(found, ["On", "off"])
    assert texts(positives) == ["on", "off", "On!"]
    assert texts(negatives) == ["alexa", ""]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["on", "stop"], "`word` must be the whole text of some .* word='stop'"),
        (["on", "On"], "`word` must name words of which none is said in another"),
        (["on", "on top"], "'on' and 'on top'"),
        ([], "`word` must name at least one"),
    ],
)
def test_rejects(words, message):
    with pytest.raises(ValueError, match=message):
        partition(said("on", "on top"), words)


def test_parts_of_words_are_no_words():
    assert compared_words(["on", "salon"]) == ("on", "salon")


def test_each_word_is_needed_in_each_split():
    found = said(*["on"] * 20, *["off"] * 20, *["alexa"] * 20)
    parted = split_by_speaker(found, ["on", "off"])
    positives, negatives = check_splits(parted, ["on", "off"])
    assert sum(positives.values()) == 40
    assert sum(negatives.values()) == 20
    lacking = [r for r in parted if (r.text, r.split) != ("off", "dev")]
    with pytest.raises(ValueError, match="at least 1 times 'off' in dev"):
        check_splits(lacking, ["on", "off"])
