"""Sounds of the examples, cut from the streams."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from keras_sal.audio import SAMPLE_RATE
from keras_sal.evaluation.report.example_figure import AFTER_S, BEFORE_S
from keras_sal.evaluation.report.examples import Example
from keras_sal.extras import import_package

if TYPE_CHECKING:
    from keras_sal.data import Stream


def sounds(
    examples: Sequence[Example], streams: Mapping[str, Sequence[Stream]]
) -> list[bytes | None]:
    """Return the sound around each example as MP3, which every browser plays.

    The samples of each stream are made once.

    Args:
        examples: The examples.
        streams: By condition, the streams of the test split.

    Returns:
        For each example the content of an MP3 file, or `None` where its condition has no streams.

    Raises:
        ImportError: If soundfile is missing.
    """
    found: list[bytes | None] = [None] * len(examples)
    by_stream: dict[tuple[str, int], list[int]] = {}
    for index, example in enumerate(examples):
        if example.condition in streams:
            by_stream.setdefault((example.condition, example.stream), []).append(index)
    if by_stream:
        soundfile = import_package("soundfile", "let a report be heard", extra="audio")
    for (condition, stream), indices in by_stream.items():
        samples = streams[condition][stream].samples()
        for index in indices:
            time_s = examples[index].time_s
            begin = max(0, round((time_s - BEFORE_S) * SAMPLE_RATE))
            end = round((time_s + AFTER_S) * SAMPLE_RATE)
            file = io.BytesIO()
            soundfile.write(file, samples[begin:end], SAMPLE_RATE, "MPEG_LAYER_III", format="MP3")
            found[index] = file.getvalue()
    return found
