"""Annotations of streams: recordings by time, and by whom."""

import numpy as np
import pytest

from keras_sal.evaluation import RecordingAnnotation, StreamAnnotation

pytestmark = pytest.mark.any_backend


def test_speakers_of_two_corpora_are_two_and_unknown_speakers_are_apart():
    known = [RecordingAnnotation("a", 0.0, 1.0, speaker="s1", corpus=c) for c in ("x", "y", "x")]
    unknown = [RecordingAnnotation(file, 0.0, 1.0, corpus="x") for file in ("a", "b", "a")]
    assert len({each.speaker_group for each in known}) == 2
    assert len({each.speaker_group for each in unknown}) == 2
    assert len({each.speaker_group for each in known + unknown}) == 4


@pytest.mark.parametrize(
    ("time_s", "file"),
    [(0.0, "a"), (1.99, "a"), (2.08, "b"), (np.nextafter(2.08, 0), "b"), (2.5, "b"), (9.0, "c")],
)
def test_a_time_at_a_boundary_is_in_the_recording_that_begins(time_s, file):
    starts = {"a": 0.5, "b": 2.08, "c": 4.0}
    recordings = tuple(RecordingAnnotation(each, starts[each], 9.0) for each in starts)
    stream = StreamAnnotation("three", 9.0, (), recordings)
    assert stream.boundaries_s == [2.08, 4.0]
    assert stream.recording_at(time_s).file == file
