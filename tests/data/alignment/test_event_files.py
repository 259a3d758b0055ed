"""Event files of every format, right, wrong and damaged."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_sal.data.alignment import Event, read_events

pytestmark = pytest.mark.any_backend

LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 2.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 1.25
            text = "he said ""go"""
        intervals [3]:
            xmin = 1.25
            xmax = 2.5
            text = "sp"
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 2.5
        points: size = 1
        points [1]:
            number = 1.75
            mark = "click"
'''
SHORT = '''File type = "ooTextFile"
Object class = "TextGrid"

0
2.5
<exists>
2
"IntervalTier"
"words"
0
2.5
3
0
0.5
""
0.5
1.25
"he said ""go"""
1.25
2.5
"sp"
"TextTier"
"clicks"
0
2.5
1
1.75
"click"
'''


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture(scope="module")
def webvtt():
    return pytest.importorskip("webvtt")


def spoken(path, **options):
    return [tuple(event) for event in read_events(path, **options)]


def test_reads_the_table_of_a_recordings_folder(write):
    path = write(
        "recordings.csv",
        'file,split,text,onset_s,offset_s\n"a, first.wav",train,computer,0.5,1.25\n'
        "b.wav,dev,,,\nc.wav,test,Alexa,0.25,0.75\n",
    )
    events = read_events(path)
    assert events == [Event(0.5, 1.25, "computer", "a, first.wav"), (0.25, 0.75, "Alexa", "c.wav")]
    assert events.skipped == []


@pytest.mark.parametrize(("name", "separator"), [("a.csv", ";"), ("a.csv", ","), ("a.tsv", "\t")])
def test_reads_columns_of_other_names(write, name, separator):
    rows = ["begin,end,word", '0.5,0.75,"smart"', "0.75,1.5,mirror"]
    path = write(name, "\n".join(row.replace(",", separator) for row in rows))
    columns = {"onset_s": "begin", "offset_s": "end", "text": "word"}
    found = spoken(path, columns=columns)
    assert found == [(0.5, 0.75, "smart", ""), (0.75, 1.5, "mirror", "")]


def test_reads_a_comma_inside_quotes_and_skips_one_without(write):
    path = write("a.csv", 'onset_s,offset_s,text\n0.5,1,"yes, sir"\n2,3,yes, sir\n4,5\n')
    with pytest.warns(UserWarning, match="2 of 3 entries .*left out. line 3: it has 4 fields, the"):
        events = read_events(path)
    assert events == [(0.5, 1.0, "yes, sir", "")]
    assert [place for place, _ in events.skipped] == ["line 3", "line 4"]
    assert events.skipped[1][1].startswith("it has 2 fields")


def test_reads_labels_of_audacity(write):
    path = write("labels.txt", "0.5\t1.25\thello there\n\\\t100.0\t4000.0\n2.0\t2.0\n")
    assert spoken(path) == [(0.5, 1.25, "hello there", ""), (2.0, 2.0, "", "")]


@pytest.mark.parametrize("text", [LONG, SHORT], ids=["long", "short"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_reads_textgrids(write, text, encoding):
    path = write("a.TextGrid", text.encode(encoding))
    assert spoken(path) == [(0.5, 1.25, 'he said "go"', ""), (1.25, 2.5, "sp", "")]
    assert spoken(path, tier="clicks") == [(1.75, 1.75, "click", "")]


@pytest.mark.parametrize("text", [LONG, SHORT], ids=["long", "short"])
def test_refuses_torn_textgrids_and_leaves_out_negative_times(write, text):
    negative = text.replace("xmax = 1.25", "xmax = -1.25", 1).replace("\n1.25\n", "\n-1.25\n", 1)
    with pytest.warns(UserWarning, match=r"entry 2 of tier 'words'.*offset -1.25 s"):
        assert spoken(write("a.TextGrid", negative)) == [(1.25, 2.5, "sp", "")]
    torn = text[: text.rindex("1.75" if text is SHORT else "intervals [3]")]
    with pytest.raises(
        ValueError, match=r"complete TextGrid.*is missing at its end.*Save it again"
    ):
        read_events(write("a.TextGrid", torn))
    with pytest.raises(ValueError, match=r"complete TextGrid.*can't be taken apart"):
        read_events(write("a.TextGrid", "not a grid"))


def test_a_hyphen_in_a_label_is_no_negative_number(write):
    path = write("a.TextGrid", LONG.replace('"click"', '"minus -5"'))
    assert spoken(path, tier="clicks") == [(1.75, 1.75, "minus -5", "")]


def test_asks_for_the_tier(write):
    path = write("a.TextGrid", LONG.replace('"words"', '"speaker"'))
    with pytest.raises(ValueError, match=r"`tier` must name one.*tier=None.*'speaker', 'clicks'"):
        read_events(path)


def test_reads_ctm_and_rttm(write):
    ctm = write("a.ctm", ";; made by hand\nrec1 1 0.5 0.25 smart 0.9\nrec1 1 0.75 0.5 mirror\n")
    assert spoken(ctm) == [(0.5, 0.75, "smart", "rec1"), (0.75, 1.25, "mirror", "rec1")]
    rttm = write(
        "a.rttm",
        "SPEAKER rec1 1 0.5 0.25 <NA> <NA> ann <NA> <NA>\n"
        "LEXEME rec1 1 1.5 0.25 hello lex ann <NA> <NA>\nNOSCORE rec1 1 3 1 <NA> <NA> <NA> <NA>\n",
    )
    assert spoken(rttm) == [(0.5, 0.75, "ann", "rec1"), (1.5, 1.75, "hello", "rec1")]


def test_asks_for_the_channel(write):
    path = write("a.ctm", "rec 1 0.5 0.25 yes\nrec 2 0.5 0.25 yes\n")
    with pytest.raises(ValueError, match=r"`channel` must be given.*'rec' has the channels 1, 2"):
        read_events(path)
    assert spoken(path, channel=2) == [(0.5, 0.75, "yes", "rec")]


@pytest.mark.usefixtures("webvtt")
def test_reads_subtitles(write):
    vtt = (
        "WEBVTT\n\n00:01.500 --> 00:02.250\n<v Ann>computer\n\n01:00:00.000 --> 01:00:01.000\non\n"
    )
    srt = "1\n00:00:01,500 --> 00:00:02,250\ncomputer\n\n2\n01:00:00,000 --> 01:00:01,000\non\n"
    expected = [(1.5, 2.25, "computer", ""), (3600.0, 3601.0, "on", "")]
    assert spoken(write("a.vtt", vtt)) == expected
    assert spoken(write("a.srt", srt)) == expected


@pytest.mark.usefixtures("webvtt")
def test_counts_subtitles_whose_times_are_unreadable(write):
    path = write("a.srt", "1\n00:00:01,500 --> 00:00:02,250\nyes\n\n2\n1.5s --> 2.5s\nno\n")
    with pytest.warns(UserWarning, match="1 of 2 entries.*line 6: its times can't be read"):
        assert len(read_events(path)) == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,0.5,x", "line 3: it ends before it begins: onset 1 s, offset 0.5 s"),
        ("-0.5,0.5,x", "line 3: it begins before the recording: onset -0.5 s"),
        ("nan,0.5,x", "line 3: its times are not finite: onset nan s"),
        ("0.5,inf,x", "line 3: its times are not finite.*offset inf s"),
        ("0.5,,x", "line 3: it has only one of onset and offset"),
        ('"0,5",1.5,x', "line 3: the onset, '0,5', is no number: write 1.5, not 1,5"),
        ("00:01.5,00:02,x", "line 3: the onset, '00:01.5', is no number"),
        ("2.4,2.6,x", "line 3: it ends at 2.6 s, the recording at 2.5 s"),
        ("2.52,2.54,x", "line 3: it ends at 2.54 s, the recording at 2.5 s"),
        ("0.75,1.5,yes", "2 of 2 .*line 3: 'yes', 0.75 to 1.5 s, overlaps the same, 0.5 to 1 s"),
        ("0.5,1,yes", "2 of 2 .*'yes', 0.5 to 1 s, overlaps the same, 0.5 to 1 s"),
    ],
)
def test_leaves_out_and_names_what_can_not_be_trusted(write, row, reason):
    path = write("a.csv", f"onset_s,offset_s,text\n0.5,1,yes\n{row}\n")
    if "overlaps" in reason:
        with pytest.raises(ValueError, match=f"(?s)must hold usable events.*{reason}"):
            read_events(path, duration_s=2.5)
        return
    with pytest.warns(UserWarning, match=reason):
        assert spoken(path, duration_s=2.5) == [(0.5, 1.0, "yes", "")]
    with pytest.raises(ValueError, match=f"must hold only usable events.*{reason}"):
        read_events(path, duration_s=2.5, strict=True)


def test_overlaps_are_kept_or_merged_on_request(write):
    path = write("a.csv", "onset_s,offset_s,text\n0.5,1,a\n0.75,1.5,a\n0.75,1.25,b\n1.5,2,a\n")
    a, b = [(0.5, 1.0), (0.75, 1.5), (1.5, 2.0)], (0.75, 1.25, "b", "")
    assert [e[:2] for e in spoken(path, overlaps="keep") if e[2] == "a"] == a
    assert spoken(path, overlaps="merge") == [(0.5, 1.5, "a", ""), b, (1.5, 2.0, "a", "")]
    with pytest.warns(UserWarning, match="2 of 4"):
        assert spoken(path) == [b, (1.5, 2.0, "a", "")]


def test_an_end_just_beyond_the_recording_is_its_end(write):
    path = write("a.csv", "onset_s,offset_s,text\n2,2.53,x\n")
    assert spoken(path, duration_s=2.5) == [(2.0, 2.5, "x", "")]


def test_recordings_have_their_own_lengths(write):
    path = write("a.ctm", "short 1 0.5 0.25 x\nshort 1 2 1 x\nlong 1 2 1 x\nother 1 9 1 x\n")
    with pytest.warns(UserWarning, match="line 2: it ends at 3 s, the recording at 1 s"):
        events = read_events(path, duration_s={"short": 1.0, "long": 4.0})
    assert [e.recording for e in events] == ["long", "other", "short"]
    assert events.by_recording()["long"] == [(2.0, 3.0, "x", "long")]


@pytest.mark.parametrize("duration_s", [None, 2.5, 3600.0])
def test_asks_whether_times_are_milliseconds(write, duration_s):
    path = write("a.csv", "onset_s,offset_s,text\n500,1250,a\n1500,2000,b\n")
    with pytest.raises(ValueError, match=r"(?s)times in seconds.*from 500 to 1250.*milliseconds\?"):
        read_events(path, duration_s=duration_s)
    assert spoken(path, unit="ms") == [(0.5, 1.25, "a", ""), (1.5, 2.0, "b", "")]
    assert spoken(path, unit="s")[0] == (500.0, 1250.0, "a", "")


def test_fractions_of_milliseconds_are_no_seconds(write):
    path = write("a.csv", "onset_s,offset_s,text\n500.5,1250.25,a\n1500,2000,b\n")
    with pytest.raises(ValueError, match=r"times in seconds.*from 500.5 to 1250.25.*milliseconds"):
        read_events(path)
    assert spoken(path, unit="ms")[1] == (1.5, 2.0, "b", "")


def test_whole_seconds_and_long_speech_are_no_milliseconds(write):
    path = write("a.csv", "onset_s,offset_s,text\n1,2,a\n300,301,b\n")
    assert len(read_events(path)) == 2
    assert len(read_events(write("b.csv", "onset_s,offset_s\n1.5,60.2\n70.5,165.1\n"))) == 2


def test_does_not_guess_encodings(write):
    row = "onset_s,offset_s,text\n0.5,1,café\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert spoken(write("a.csv", row.encode(encoding))) == [(0.5, 1.0, "café", "")]
    path = write("a.csv", row.encode("latin-1"))
    with pytest.raises(ValueError, match=r"must be UTF-8.*byte 0xe9 in line 2.*latin-1"):
        read_events(path)
    assert spoken(path, encoding="latin-1") == [(0.5, 1.0, "café", "")]
    with pytest.raises(
        ValueError, match=r"`path` must be text; it holds null characters.*utf-16-le"
    ):
        read_events(write("a.csv", row.replace("é", "e").encode("utf-16-le")))
    with pytest.raises(ValueError, match=r"`encoding` must be the name of an encoding.*'klingon'"):
        read_events(path, encoding="klingon")


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.xyz", "", {}, r"`path` must end in one of .txt, .csv.*a.xyz"),
        ("a.csv", "", {"format": "wav"}, "`format` must be one of 'csv', 'tsv'.*format='wav'"),
        ("a.csv", "", {"unit": "min"}, "`unit` must be one of None, 's', 'ms'.*unit='min'"),
        ("a.csv", "", {"overlaps": "no"}, "`overlaps` must be one of 'skip', 'keep', 'merge'"),
        ("a.csv", "", {"tier": "words"}, "`tier` must be left out.*tier='words'.*read as csv"),
        ("a.csv", "a,b\n1,2\n", {}, "must have the columns onset_s, offset_s.*the columns a, b"),
        ("a.csv", "onset_s,onset_s,offset_s\n", {}, "must have the columns.*each once"),
        ("a.csv", "a\n", {"columns": {"start": "a"}}, "`columns` must give names for.*start"),
        (
            "a.csv",
            'onset_s,offset_s,text\n1,2,"x\n',
            {},
            "must be a table.*line 2.*quotation mark",
        ),
        ("a.csv", 'onset_s,"offset_s\n1,2\n', {}, "must be a table.*quotation mark"),
        ("a.csv", "", {}, "must have the columns onset_s, offset_s.*the columns none"),
        ("a.vtt", "not subtitles", {}, "`path` must be subtitles; WebVTT begins with"),
        ("a.txt", "no tabs\n", {}, "line 1: it has no tabs"),
        ("a.ctm", "rec 1 0.5\n", {}, "line 1: it has 3 of 5 fields"),
        ("a.ctm", "rec 1 x 1 w\n", {}, "line 1: the onset, 'x', or the duration, '1', is no"),
        ("a.ctm", "my 2 1 0.5 0.25 yes\n", {}, "'yes' is no confidence: names must have no spaces"),
        (
            "a.srt",
            "1\n-00:00:01,500 --> 00:00:02,250\nyes\n",
            {},
            "line 2: its times can't be read",
        ),
        ("a.rttm", "SPEAKER rec 1 0.5\n", {}, "line 1: it has 4 of at least 8 fields"),
    ],
)
def test_rejects(write, request, name, content, options, message):
    if name.endswith((".vtt", ".srt")):
        request.getfixturevalue("webvtt")
    with pytest.raises(ValueError, match=f"(?s){message}"):
        read_events(write(name, content), **options)


def test_rejects_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="`path` must name a file; there is none"):
        read_events(tmp_path / "a.csv")


def test_says_which_extra_is_missing(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "webvtt", None)
    with pytest.raises(ImportError, match=r'`webvtt` is needed to read sub.*\[align\]"'):
        read_events(write("a.srt", ""))


def test_an_empty_file_has_no_events(write):
    assert read_events(write("a.ctm", "")) == []
    assert read_events(write("a.csv", "onset_s,offset_s\n")) == []


@given(
    st.lists(
        st.tuples(
            st.integers(0, 100_000),
            st.integers(1, 900),
            st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=8),
        ),
        min_size=1,
        max_size=7,
    )
)
def test_what_was_written_is_read_again(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "labels.txt"
    written = sorted({(a / 1000, (a + b) / 1000, f"{n}{c}") for n, (a, b, c) in enumerate(rows)})
    path.write_text("".join(f"{a}\t{b}\t{c}\n" for a, b, c in written), "utf-8")
    assert [event[:3] for event in read_events(path, unit="s")] == written
