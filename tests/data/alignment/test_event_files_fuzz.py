"""Event files with anything in them: events with possible times or a `ValueError`, and soon.

`KERAS_SAL_FUZZ_EXAMPLES=1000000 pytest tests/data/alignment/test_event_files_fuzz.py` runs a big
trial; with `KERAS_SAL_FUZZ_SEED`, it tries other files.
"""

import math
import os
import warnings
from datetime import timedelta

import pytest
from event_texts import JUNK, WHOLE
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from keras_sal.data.alignment import FORMATS, find_events, read_events

pytestmark = pytest.mark.any_backend
EXAMPLES = int(os.environ.get("KERAS_SAL_FUZZ_EXAMPLES", "40"))
SEED = int(os.environ.get("KERAS_SAL_FUZZ_SEED", "0"))
LONGEST = timedelta(seconds=5)
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
