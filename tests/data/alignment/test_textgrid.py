"""TextGrids by the rules of Praat, with praatio for comparison where it reads them right."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_sal.data.alignment import read_events
from keras_sal.data.alignment.textgrid import parse_textgrid

pytestmark = pytest.mark.any_backend
HEAD = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
TIERS = "xmin = 0\nxmax = 3\ntiers? <exists>\nsize = 1\nitem []:\n    item [1]:\n"
LABELS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6)


def grid(entries, kind="IntervalTier", count=None):
    count = len(entries) if count is None else count
    name = "intervals" if kind == "IntervalTier" else "points"
    tier = f'class = "{kind}"\nname = "words"\nxmin = 0\nxmax = 3\n{name}: size = {count}\n'
    numbered = (f"{name} [{n}]:\n{entry}\n" for n, entry in enumerate(entries, 1))
    return HEAD + TIERS + tier + "".join(numbered)


@pytest.fixture
def read(tmp_path):
    def read(text, **options):
        path = tmp_path / "a.TextGrid"
        path.write_bytes(text.encode())
        return [tuple(event[:3]) for event in read_events(path, **options)]

    return read


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ('xmin = 9.5e-05\nxmax = 1\ntext = "a"', (9.5e-05, 1.0, "a")),
        ('0 0.5 "a"', (0.0, 0.5, "a")),
        ('xmin = 0 ! begins at once "so"\nxmax = 0.5\ntext = "a!b"', (0.0, 0.5, "a!b")),
        ('xmin = 0\nxmax = 0.5\ntext = "intervals [3]:"', (0.0, 0.5, "intervals [3]:")),
        ('xmin = -1.7e-17\nxmax = 0.5\ntext = "a"', (0.0, 0.5, "a")),
        ('xmin = 0\nxmax = 0.5\ntext = "item [2]:\nxmin = 4"', (0.0, 0.5, "item [2]:\nxmin = 4")),
        ('xmin = 0\nxmax = 0.5\ntext = "say ""a"" \u2028 <b> 5"', (0, 0.5, 'say "a" \u2028 <b> 5')),
        ('xmin = 0\nxmax = +.5\ntext = "a"', (0.0, 0.5, "a")),
    ],
)
def test_reads_what_praat_reads(read, entry, expected):
    assert read(grid([entry])) == [expected]


@pytest.mark.parametrize("key", ["number", "time", "mark_time"])
def test_points_of_any_key(read, key):
    entry = f'{key} = 1.5\nmark = "click"'
    assert read(grid([entry], "TextTier")) == [(1.5, 1.5, "click")]


def test_reads_the_short_form_on_one_line(read):
    text = '"ooTextFile" "TextGrid" 0 3 <exists> 1 "IntervalTier" "a" 0 3 2 0 1 "" 1 3 "x"'
    assert read(text) == [(1.0, 3.0, "x")]
    assert parse_textgrid('"ooTextFile" "TextGrid" 0 3 <absent>') == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (grid(['0 1 "a"'], count=2), "a number is missing at its end"),
        (grid(['0 1 "a"', '1 2 "b"'], count=1), "something follows its last tier"),
        (grid(['0 1 "a'], count=1), "has no end"),
        (grid(['0 "a"']), "where a number should be, there is 'a'"),
        (grid(['0 1_0 "a"']), "'1_0' is no number"),
        (grid(["0 1 2"]), "where a text in quotes should be, there is '2'"),
        (grid(['--undefined-- 1 "a"']), "'--undefined--' is no number"),
        (grid(['0 0:01.5 "a"']), "'0:01.5' is no number"),
        (grid([], count=-1), "-1 is no number of entries"),
        (grid([], count=1.5), "1.5 is no number of entries"),
        (grid([], "PitchTier"), "a tier is of the kind 'PitchTier'"),
        (HEAD.replace("TextGrid", "Pitch"), "it begins with"),
        (grid([]).replace("<exists>", "<what> 5"), "something follows its last tier"),
    ],
)
def test_refuses_what_is_torn(read, text, message):
    with pytest.raises(ValueError, match=rf"complete TextGrid.*a\.TextGrid.*{message}.*Praat"):
        read(text)


def test_a_negative_time_is_left_out(read):
    with pytest.warns(UserWarning, match="entry 1 of tier 'words': it begins before the recording"):
        assert read(grid(['-0.5 1 "a"', '1 2 "b"'])) == [(1.0, 2.0, "b")]


@settings(max_examples=10)
@given(st.lists(st.tuples(st.integers(1, 999), LABELS), min_size=1, max_size=5), st.booleans())
def test_reads_the_same_as_praatio(rows, short):
    textgrid_io = pytest.importorskip("praatio.utilities.textgrid_io")
    time_s, words = 0.0, []
    for length_ms, label in rows:
        words.append((time_s, time_s + length_ms / 1000, label.strip()))
        time_s += length_ms / 1000
    clicks = [(onset_s, label) for onset_s, _, label in words]
    ends = {"xmin": 0, "xmax": time_s}
    tiers = [
        {"class": "IntervalTier", "name": "words", "entries": words, **ends},
        {"class": "TextTier", "name": "clicks", "entries": clicks, **ends},
    ]
    form = "short_textgrid" if short else "long_textgrid"
    text = textgrid_io.getTextgridAsStr({"tiers": tiers, **ends}, form, True)
    found = [
        (tier.name, [(*map(float, times), label) for *times, label in tier.entries])
        for tier in parse_textgrid(text)
    ]
    assert found == [("words", words), ("clicks", clicks)]
    read = textgrid_io.parseTextgridStr(text, includeEmptyIntervals=True)["tiers"]
    theirs = [[(*map(float, times), label) for *times, label in tier["entries"]] for tier in read]
    if not any(character in label for _, label in rows for character in '"[]:='):
        assert [[(*t, label.strip()) for *t, label in entries] for _, entries in found] == theirs
