import math
from dataclasses import replace
from pathlib import Path

import pytest

from keras_sal.data import Recording, check_splits, split_by_speaker
from keras_sal.data.splits import SHARES, only_speaker

pytestmark = pytest.mark.any_backend


def said(text, speaker, take=0, split="train", corpus=""):
    path = Path(f"{corpus}{speaker}-{text}-{take}.wav")
    return Recording(path, split, text, 1.0, speaker=speaker, corpus=corpus)


def of_split(recordings, split, text):
    return [r for r in recordings if r.split == split and r.text == text]


def test_shares_of_equal_speakers():
    """Twenty speakers who say the word 5 times each: 12, 4 and 4 of them."""
    found = [said("computer", f"s{s}", take) for s in range(20) for take in range(5)]
    parted = split_by_speaker(found, "computer")
    assert [len(of_split(parted, s, "computer")) for s in ("train", "dev", "test")] == [60, 20, 20]


def test_no_speaker_is_in_two_splits():
    found = [
        said(text, f"s{s}", take)
        for s in range(17)
        for take in range(1 + s % 4)
        for text in ("computer", "alexa")
    ]
    homes = {(r.speaker, r.split) for r in split_by_speaker(found, "computer")}
    assert len(homes) == len({speaker for speaker, _ in homes}) == 17


def test_speakers_of_the_word_and_others_reach_every_split():
    """Three who say it, and three who don't: each split needs one of either kind."""
    found = [said("computer", f"p{s}", take) for s in range(3) for take in range(9)]
    found += [said("alexa", f"n{s}", take) for s in range(3) for take in range(2)]
    parted = split_by_speaker(found, "computer")
    for split in SHARES:
        assert of_split(parted, split, "computer")
        assert of_split(parted, split, "alexa")


def test_one_speaker_of_the_word_is_split_by_recording():
    """Ten of ann's, her other recordings one by one too; bob stays in one split."""
    found = [said("computer", "ann", take) for take in range(20)]
    found += [said("alexa", speaker, take) for speaker in ("ann", "bob") for take in range(5)]
    assert only_speaker(found, "computer") == ("", "ann")
    parted = split_by_speaker(found, "computer")
    assert [len(of_split(parted, s, "computer")) for s in SHARES] == [12, 4, 4]
    assert len({r.split for r in parted if r.speaker == "bob"}) == 1


@pytest.mark.parametrize("speakers", [("ann", "bob"), ("",), ("ann", "")])
def test_several_or_unknown_speakers_are_not_one(speakers):
    found = [said("computer", speaker, take) for speaker in speakers for take in range(3)]
    assert only_speaker(found, "computer") is None


def test_the_same_whatever_the_order():
    found = [said("computer", f"s{s}", take) for s in range(11) for take in range(3)]
    one = {r.path: r.split for r in split_by_speaker(found, "computer")}
    other = {r.path: r.split for r in split_by_speaker(found[::-1], "computer")}
    assert one == other


def test_the_same_whatever_the_order_of_durations():
    """Of two speakers who talk as long, floats add up to less for one of them."""
    found = [said("computer", f"s{s}", take) for s in range(11) for take in range(3)]
    others = [
        replace(said("alexa", f"n{s}", take), duration_s=duration_s)
        for s in range(4)
        for take, duration_s in enumerate((0.1, 0.2, 0.3))
    ]
    one = {r.path: r.split for r in split_by_speaker([*found, *others], "computer")}
    for turned in range(4):
        turn = [r for r in others if r.speaker == f"n{turned}"][::-1]
        order = [*found, *turn, *(r for r in others if r.speaker != f"n{turned}")]
        assert {r.path: r.split for r in split_by_speaker(order, "computer")} == one


def test_the_same_wherever_the_recordings_are():
    def parted(root):
        recordings = [
            replace(said("computer", "", take), path=Path(root) / f"a/{take}.wav")
            for take in range(20)
        ]
        return [recording.split for recording in split_by_speaker(recordings, "computer")]

    assert parted("data") == parted(Path("data").absolute()) == parted("/elsewhere/data")


def test_unknown_speakers_are_dealt_out_one_by_one_and_equal_names_of_two_corpora_are_two():
    found = [said("computer", "", take) for take in range(20)]
    found += [said("alexa", "ann", take, corpus=corpus) for take in range(2) for corpus in "abc"]
    parted = split_by_speaker(found, "computer")
    assert len(of_split(parted, "train", "computer")) == math.ceil(20 * SHARES["train"])
    assert {r.split for r in parted if r.speaker == "ann"} == set(SHARES)


def splits(train, dev, test, negatives=("train", "dev", "test")):
    counts = {"train": train, "dev": dev, "test": test}
    found = [
        said("computer", split, take, split) for split, n in counts.items() for take in range(n)
    ]
    return found + [said("alexa", split, 0, split) for split in negatives]


def test_counts():
    pytest.importorskip("soundfile")
    positives, negatives = check_splits(splits(12, 3, 4), "computer")
    assert positives == {"train": 12, "dev": 3, "test": 4}
    assert negatives == {"train": 1, "dev": 1, "test": 1}


@pytest.mark.parametrize(
    ("recordings", "message"),
    [
        (
            splits(9, 3, 4),
            r"at least 10 times 'computer' in train; .*Received: 9 in train, 3 in.*--resplit",
        ),
        (splits(12, 0, 4), r"at least 1 times 'computer' in dev; its threshold.*2 speaker"),
        (splits(12, 3, 0), r"at least 1 times 'computer' in test; it is tested on them"),
        (splits(12, 3, 4, ("dev", "test")), r"at least 1 recordings without it in train"),
        (splits(12, 3, 4, ("train", "test")), r"at least 1 recordings without it in dev"),
    ],
)
def test_rejects_recordings_that_cannot_be_trained_on(recordings, message):
    with pytest.raises(ValueError, match=message):
        check_splits(recordings, "computer")


@pytest.mark.parametrize("speakers", [["rec", "take"], ["ann", "bob"]])
def test_says_that_there_are_too_few_speakers_to_deal_out(speakers):
    """`rec-1.wav`, `rec-2.wav`: what stands before the dash is no speaker, but is taken for one."""
    found = [said("computer", speaker, take) for speaker in speakers for take in range(20)]
    found += [said("alexa", f"s{s}") for s in range(3)]
    expected = (
        rf"of {len(speakers)} speaker\(s\), {', '.join(speakers)}, and none .*before the dash"
    )
    with pytest.raises(ValueError, match=expected):
        check_splits(split_by_speaker(found, "computer"), "computer")
