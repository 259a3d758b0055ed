"""Subtitles as in the tests of the WebVTT standard, and as SubRip is found in the field."""

import time

import pytest

from keras_sal.data.alignment import find_events, read_events

pytestmark = pytest.mark.any_backend
pytest.importorskip("webvtt")
CUE = "00:01.000 --> 00:02.000"


@pytest.fixture
def read(tmp_path):
    def read(text, name="a.vtt"):
        path = tmp_path / name
        path.write_bytes(text.encode())
        return [tuple(event[:3]) for event in read_events(path, unit="s", overlaps="keep")]

    return read


def test_only_the_text_of_a_cue_is_its_text(read):
    text = f"""WEBVTT - title
Kind: captions

NOTE before all

STYLE
::cue {{ color: red }}

REGION
id:fred

id-1
{CUE} align:start
hey
computer

NOTE one line

NOTE
many
lines

id-2
00:03.000 --> 00:04.000
on
00:05.000 --> 00:06.000
off

id-3
"""
    assert read(text) == [(1, 2, "hey computer"), (3, 4, "on"), (5, 6, "off")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["a.vtt", "a.srt"])
def test_line_ends(read, name, end):
    lines = ["WEBVTT", "", "id", CUE, "hey", "you", "", "00:03.000 --> 00:04.000", "on", ""]
    if name == "a.srt":
        lines = ["1", f"00:{CUE.replace('> ', '> 00:').replace('.', ',')}", "hey", "you", "", "2"]
        lines += ["00:00:03,000 --> 00:00:04,000", "on", ""]
    assert read(end.join(lines), name) == [(1, 2, "hey you"), (3, 4, "on")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hey&nbsp;computer", "hey computer"),
        ("it&#39;s &#x6e;ow", "it's now"),
        ("a &amp; b &lt;c&gt; &amp;lt;", "a & b <c> &lt;"),
        ("&copy; & &; &1;", "© & &; &1;"),
        ("<v.loud Ann Lee>hey <i>you</i></v><v Bob>yes</v>", "hey you yes"),
        ("<c.yellow.bg>hey</c> <lang en>you</lang>", "hey you"),
        ("{hey} 5 you", "{hey} 5 you"),
        ("hey\u2028you\x0b \u0085 1", "hey you 1"),
        ("call\n911", "call 911"),
        ("open < tag", "open"),
        ("", ""),
    ],
)
def test_tags_and_references_in_the_text(read, text, said):
    assert read(f"WEBVTT\n\n{CUE}\n{text}\n") == [(1, 2, said)]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ("\t\f00:01.000-->00:02.000\t", (1, 2)),
        ("0:00:01.000 --> 000:00:02.000", (1, 2)),
        ("100:00:01.000 --> 100:00:02.000", (360_001, 360_002)),
        ("00:01.000 --> 00:02.0001", None),
        ("00:01.0000 --> 00:02.000", None),
        ("00:01.00 --> 00:02.000", None),
        ("0:01.000 --> 00:02.000", None),
        ("00:60.000 --> 01:02.000", None),
        ("00:01,000 --> 00:02,000", None),
        ("\v00:01.000 --> 00:02.000", None),
        ("x00:01.000 --> 00:02.000", None),
        ("00::01.000 --> 00:02.000", None),
        ("-00:01.000 --> 00:02.000", None),
        ("00:01.000 --> -00:02.000", None),
        ("\u0660\u0660:\u0660\u0661.\u0660\u0660\u0660 --> 00:02.000", None),
        ("-->", None),
        ("00:01.000 --", ()),
    ],
)
def test_times_of_cues(read, times, expected):
    """Times that can't be read are named with their line, and their text is no event."""
    text = f"WEBVTT\n\n00:00.000 --> 00:00.500\nbefore\n\nid\n{times}\nhey\n"
    before = (0, 0.5, "before")
    if expected is None:
        with pytest.warns(UserWarning, match=r"1 of 2 entries .*line 7: its times can't be read"):
            assert read(text) == [before]
    else:
        assert read(text) == [before, *[(*expected, "hey")] * bool(expected)]


def test_lines_with_arrows_end_a_cue(read):
    text = f"WEBVTT\n\n-->\n{CUE}\nhey\nfoo-->\n{CUE}\nyou\n{CUE}\nthere\n"
    with pytest.warns(UserWarning, match="2 of 5 entries .*line 3: .*line 6: "):
        assert [event[2] for event in read(text)] == ["hey", "there", "you"]


@pytest.mark.parametrize("first", ["WEBVTTX", "webvtt", " WEBVTT", "1"])
def test_refuses_what_is_no_webvtt(read, first):
    with pytest.raises(ValueError, match=r"`path` must be subtitles; WebVTT begins with.*a\.vtt"):
        read(f"{first}\n\n{CUE}\nhey\n")


def test_times_of_words_are_read(read, tmp_path):
    text = f"WEBVTT\n\n{CUE}\nhey<00:00:01.300><c> computer</c><00:01.750> <b>on\nnow</b>\n"
    expected = [(1, 1.3, "hey"), (1.3, 1.75, "computer"), (1.75, 2, "on now")]
    assert read(text) == expected
    found = find_events(read_events(tmp_path / "a.vtt"), "hey computer")
    assert [event[:2] for event in found] == [(1.0, 1.75)]
    assert read(f"WEBVTT\n\n{CUE}\n<00:01.300>hey<00:01.500>\n") == [(1.3, 1.5, "hey")]


@pytest.mark.parametrize("word_time", ["00:00.900", "00:02.100", "00:01.600><00:01.500"])
def test_times_of_words_out_of_order_are_left_out(read, word_time):
    text = f"WEBVTT\n\n{CUE}\nhey<{word_time}> you\n\n00:03.000 --> 00:04.000\non\n"
    with pytest.warns(UserWarning, match="line 3: the times of its words are not in order"):
        assert read(text) == [(3, 4, "on")]


def test_live_captions_are_read_once(read):
    """Each cue repeats the line before it, and short cues repeat it alone."""
    text = """WEBVTT

00:00.160 --> 00:02.389 align:start position:0%
\x20
hey<00:00.320><c> computer</c>

00:02.389 --> 00:02.399 align:start position:0%
hey computer
\x20

00:02.399 --> 00:04.000 align:start position:0%
hey computer
stop<00:03.000><c> now</c>

00:04.000 --> 00:05.000 align:start position:0%
yes

00:05.000 --> 00:06.000 align:start position:0%
yes
"""
    assert read(text) == [
        *[(0.16, 0.32, "hey"), (0.32, 2.389, "computer"), (2.399, 3, "stop"), (3, 4, "now")],
        *[(4, 5, "yes"), (5, 6, "yes")],
    ]


def test_subrip_as_it_is_found(read):
    text = (
        "\n\n1\n00:00:01,000 --> 00:00:02,000  X1:40 X2:600\n<font color=red>hey</font>\n\n{\\an8}"
        "you &amp; I <3\n\n2\n100:00:03.000 --> 100:00:04.000\ncall\n911\n3\n"
        "100:00:05,000 --> 100:00:06,000\n\n4\n100:00:07,000 --> 100:00:08,000\n{on}"
    )
    times = [(1, 2), *((360_000 + t, 360_001 + t) for t in (3, 5, 7))]
    said = ["hey you & I <3", "call 911", "", "{on}"]
    expected = [(*time, text) for time, text in zip(times, said, strict=True)]
    assert read(text, "a.srt") == expected
    unnumbered = "00:00:01,000 --> 00:00:02,000\n5\n00:00:03,000 --> 00:00:04,000\n6\n"
    assert read(unnumbered, "a.srt") == [(1, 2, "5"), (3, 4, "6")]


@pytest.mark.parametrize("time", ["00:00:01,5000", "00:00:01,5", "00:00:01", "00:61:01,000"])
def test_subrip_without_three_digits_of_milliseconds_is_left_out(read, time):
    text = f"1\n00:00:00,000 --> {time}\nhey\n\n2\n00:00:03,000 --> 00:00:04,000\non\n"
    with pytest.warns(UserWarning, match=r"line 2: its times can't be read: write 00:01:02,500"):
        assert read(text, "a.srt") == [(3, 4, "on")]


@pytest.mark.parametrize(
    "text",
    [
        "WEBVTT\n" + "\n" * 100_000,
        f"WEBVTT\n\n{CUE}\n" + "<" * 100_000,
        f"WEBVTT\n\n{CUE}\n" + "{\\" * 50_000 + "<a" * 50_000,
        "WEBVTT\n" + " " * 100_000 + "-->" + " " * 100_000,
    ],
    ids=["blank lines", "open tags", "open braces", "spaces"],
)
def test_takes_no_time_that_grows_with_the_square(read, text):
    started = time.process_time()
    for name in ("a.vtt", "a.srt"):
        try:
            read(text.replace("WEBVTT", "1") if name == "a.srt" else text, name)
        except ValueError as error:
            assert "`path` must" in str(error)  # noqa: PT017
    assert time.process_time() - started < 5
