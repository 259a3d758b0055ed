"""Event files with anything in them: events with possible times or a `ValueError`, and soon.

`KERAS_SAL_FUZZ_EXAMPLES=1000000 pytest tests/data/alignment/test_event_files_fuzz.py` runs a big
trial; with `KERAS_SAL_FUZZ_SEED`, it tries other files.
"""

import math
import os
import warnings
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from keras_sal.data.alignment import FORMATS, find_events, read_events

pytestmark = pytest.mark.any_backend
EXAMPLES = int(os.environ.get("KERAS_SAL_FUZZ_EXAMPLES", "40"))
SEED = int(os.environ.get("KERAS_SAL_FUZZ_SEED", "0"))
LONGEST = timedelta(seconds=5)
NA = "<NA>"
WHOLE = {
    "csv": 'file,text,onset_s,offset_s\na.wav,yes,0.5,1\n"b, c.wav",no,1,2\n',
    "tsv": "onset_s\toffset_s\ttext\n0.5\t1\tx\n2\t3\ty\n",
    "audacity": "0.5\t1\tx\n\\\t1\t2\n2\t3\ty\n",
    "textgrid": 'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 3\n'
    "tiers? <exists>\nsize = 1\nitem []:\nitem [1]:\n"
    'class = "IntervalTier"\nname = "words"\nxmin = 0\nxmax = 3\nintervals: size = 2\n'
    'intervals [1]:\nxmin = 0\nxmax = 1\ntext = "hey"\n'
    'intervals [2]:\nxmin = 1\nxmax = 3\ntext = "you"\n',
    "ctm": "r 1 0.5 0.25 x 0.9\nr 1 1 0.5 y\n",
    "rttm": f"SPEAKER r 1 0.5 0.25 {NA} {NA} ann {NA} {NA}\n"
    f"LEXEME r 1 1 0.5 hey lex ann 0.5 {NA}\n",
    "vtt": "WEBVTT\n\nid\n00:01.500 --> 00:02.250\nhey<00:01.750><c> you</c>\n\nNOTE x\n\n"
    "00:03.000 --> 00:04.000\n<v Ann>on &amp; off\n",
    "srt": "1\n00:00:01,500 --> 00:00:02,250\nhey\n\n2\n00:00:03,000 --> 00:00:04,000\n<i>on</i>\n",
}
JUNK = [
    *("nan", "-1", "inf", "1e400", "1_0", "9" * 30, '"', "'", "\n", "\n\n", "\r", "\t", " ", ","),
    *(
        "\ufeff",
        "-->",
        "\u2028",
        "\x85",
        "\x0b",
        "[",
        "!",
        "<",
        ">",
        "</",
        "{\\",
        "&",
        "&#x110000;",
    ),
    *("&#99999999999;", "<exists>", "#", ";;", "\\", "00:00.000", "<00:01.600>", "SPEAKER ", NA),
]
ANYTHING = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
EDITS = st.lists(
    st.tuples(
        st.integers(0, 500), st.integers(0, 30), st.one_of(st.sampled_from(["", *JUNK]), ANYTHING)
    ),
    max_size=6,
)


def read_or_refuse(path, name):
    """Read events; an error must name the file and what was received."""
    refused = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            events = read_events(path, format=name)
            find_events(events, "hey you")
        except ValueError as error:
            events, refused = [], str(error)
    assert not refused or (str(path) in refused and " Received: " in refused)
    return events


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_whole_files_are_read(tmp_path, name):
    if name in ("vtt", "srt"):
        pytest.importorskip("webvtt")
    path = tmp_path / "a.txt"
    path.write_text(WHOLE[name])
    assert len(read_events(path, format=name, strict=True)) >= 2


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_damaged_files_are_read_or_refused(tmp_path_factory, name):
    if name in ("vtt", "srt"):
        pytest.importorskip("webvtt")
    path = tmp_path_factory.mktemp("fuzz") / "a.txt"

    @settings(max_examples=EXAMPLES, deadline=LONGEST, suppress_health_check=[HealthCheck.too_slow])
    @seed(SEED)
    @given(EDITS)
    def check(edits):
        text = WHOLE[name]
        for at, cut, put in edits:
            at %= len(text) + 1
            text = text[:at] + put + text[at + cut :]
        path.write_bytes(text.encode())
        events = read_or_refuse(path, name)
        assert all(0 <= event.onset_s <= event.offset_s < math.inf for event in events)
        assert events == sorted(events, key=lambda event: (event.recording, event))

    check()


@settings(max_examples=EXAMPLES, deadline=LONGEST)
@seed(SEED)
@given(st.sampled_from(sorted(FORMATS)), st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory, name, data):
    path = tmp_path_factory.getbasetemp() / "bytes.txt"
    path.write_bytes(data)
    read_or_refuse(path, name)
