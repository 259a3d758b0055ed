"""Annotations of streams: which recordings and events a stream holds, and when.

They hold what scoring needs to know of a `keras_sal.data.Stream`. They are stored beside the
posteriors, so that scoring needs neither the sound nor the recordings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_sal.detection.scoring import TIME_TOLERANCE_S
from keras_sal.typing import PathLike

if TYPE_CHECKING:
    from keras_sal.data import Stream


@dataclass(frozen=True)
class RecordingAnnotation:
    """A recording in a stream.

    Args:
        file: str, path of the sound file relative to the folder of the recordings.
        start_s: float, start of the recording in seconds from the start of the stream.
        end_s: float, end of the recording in seconds from the start of the stream.
        text: str, the words that are spoken; `""` (default) if there are none or they are unknown.
        speaker: str, name of the speaker; `""` (default) if unknown.
        corpus: str, name of the corpus that the recording belongs to. Defaults to `""`.
        noise: bool, whether the recording is noise. Defaults to `False`.
    """

    file: str
    start_s: float
    end_s: float
    text: str = ""
    speaker: str = ""
    corpus: str = ""
    noise: bool = False

    @property
    def speaker_group(self) -> tuple[str, str]:
        """Corpus and speaker; a recording of an unknown speaker is a group of its own."""
        return (self.corpus, self.speaker) if self.speaker else ("", self.file)


@dataclass(frozen=True)
class StreamAnnotation:
    """The recordings and events of one stream, without its sound.

    Args:
        name: str, name of the stream in reports.
        duration_s: float, length in seconds.
        anchors_s: tuple of floats, anchors of the events in seconds from the start of the stream.
        recordings: tuple of `RecordingAnnotation`, in order of time.

    Example:

    >>> recordings = (
    ...     RecordingAnnotation("a.wav", 0.5, 2.0, "computer"),
    ...     RecordingAnnotation("b.wav", 3.0, 5.0, "alexa"),
    ... )
    >>> stream = StreamAnnotation("two words", 6.0, (1.8,), recordings)
    >>> stream.boundaries_s, stream.recording_at(2.5).text
    ([3.0], 'computer')
    """

    name: str
    duration_s: float
    anchors_s: tuple[float, ...]
    recordings: tuple[RecordingAnnotation, ...]

    @classmethod
    def from_stream(cls, stream: Stream, root: PathLike = "") -> StreamAnnotation:
        """Annotate a stream; an event is judged by its offset.

        Args:
            stream: `keras_sal.data.Stream`.
            root: Folder of the recordings; file names become relative to it. Defaults to `""`,
                which keeps them.

        Returns:
            `StreamAnnotation`.
        """
        recordings = [
            RecordingAnnotation(
                Path(
                    relpath(clip.recording.path, root) if root else clip.recording.path
                ).as_posix(),
                clip.start_s,
                clip.end_s,
                clip.recording.text,
                clip.recording.speaker,
                clip.recording.corpus,
                clip.recording.noise,
            )
            for clip in stream.placed
        ]
        anchors_s = tuple(stream.events[:, 1].tolist())
        return cls(stream.name, stream.duration_s, anchors_s, tuple(recordings))

    @property
    def boundaries_s(self) -> list[float]:
        """Start times of all recordings but the first, in seconds."""
        return [recording.start_s for recording in self.recordings[1:]]

    def recording_at(self, time_s: float) -> RecordingAnnotation:
        """Find the recording that plays at a time, or the last one that played before it.

        Args:
            time_s: float, seconds from the start of the stream.

        Returns:
            `RecordingAnnotation`; the first one for times before it.
        """
        started = np.searchsorted(self.boundaries_s, time_s + TIME_TOLERANCE_S, side="right")
        return self.recordings[int(started)]


@dataclass(frozen=True)
class StreamSet:
    """The streams of one split under one condition.

    Args:
        split: str, `"dev"` (thresholds are chosen on it) or `"test"` (figures come from it).
        condition: str, what is done to the recordings: `"clean"`, or `"10 dB"` of noise.
        streams: tuple of `StreamAnnotation`.
    """

    split: str
    condition: str
    streams: tuple[StreamAnnotation, ...]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StreamSet:
        """Restore a set from the dict that `dataclasses.asdict` makes of it.

        Args:
            values: The dict, possibly after a round trip through JSON.

        Returns:
            `StreamSet`.
        """
        streams = tuple(
            StreamAnnotation(
                stream["name"],
                stream["duration_s"],
                tuple(stream["anchors_s"]),
                tuple(RecordingAnnotation(**recording) for recording in stream["recordings"]),
            )
            for stream in values["streams"]
        )
        return cls(values["split"], values["condition"], streams)
