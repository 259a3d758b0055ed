"""Tracks: what is heard in a stream when, without its sound.

What scoring needs of a `keras_sal.data.Stream`: it can be kept beside the posteriors, and the
recordings are not needed again.
"""

from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

import numpy as np

from keras_sal.detection.trigger import TIME_TOLERANCE_S


@dataclass(frozen=True)
class Said:
    """A recording in a track.

    Args:
        file: The sound file, relative to the folder of the recordings.
        start_s: When it starts, in seconds from the start of the track.
        end_s: When it ends.
        text: What is said in it; `""` if unknown or nothing.
        speaker: Who speaks; `""` if unknown.
        corpus: Where it comes from.
        noise: Whether it is noise.
    """

    file: str
    start_s: float
    end_s: float
    text: str = ""
    speaker: str = ""
    corpus: str = ""
    noise: bool = False

    @property
    def voice(self) -> tuple[str, str]:
        """The speaker, or the recording itself where nobody knows who speaks."""
        return (self.corpus, self.speaker) if self.speaker else ("", self.file)


@dataclass(frozen=True)
class Track:
    """One stream as it is scored.

    Args:
        name: What reports call it.
        duration_s: Its length in seconds.
        anchors_s: The times its events are judged by.
        clips: What is heard in it, in the order of time.

    Example:

    >>> clips = (Said("a.wav", 0.5, 2.0, "computer"), Said("b.wav", 3.0, 5.0, "alexa"))
    >>> track = Track("two words", 6.0, (1.8,), clips)
    >>> track.cuts_s, track.clip_at(2.5).text
    ([3.0], 'computer')
    """

    name: str
    duration_s: float
    anchors_s: tuple[float, ...]
    clips: tuple[Said, ...]

    @classmethod
    def of(cls, stream, root="") -> "Track":
        """The track of a `keras_sal.data.Stream` of recordings below `root`."""
        clips = [
            Said(
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
            for clip in stream.clips
        ]
        anchors_s = tuple(stream.events[:, 1].tolist())
        return cls(stream.name, stream.duration_s, anchors_s, tuple(clips))

    @property
    def cuts_s(self) -> list[float]:
        """Where it is cut into recordings: at the start of each but the first."""
        return [clip.start_s for clip in self.clips[1:]]

    def clip_at(self, time_s: float) -> Said:
        """The recording that is heard, or was heard last, at a time."""
        started = np.searchsorted(self.cuts_s, time_s + TIME_TOLERANCE_S, side="right")
        return self.clips[int(started)]


@dataclass(frozen=True)
class Part:
    """The tracks of one split under one condition.

    Args:
        split: `"dev"`, to choose a threshold on, or `"test"`, to score on.
        condition: What is done to the recordings, such as `"10 dB"` of noise.
        tracks: The tracks.
    """

    split: str
    condition: str
    tracks: tuple[Track, ...]

    @classmethod
    def of_json(cls, part: dict) -> "Part":
        """The part whose `dataclasses.asdict` was kept as JSON."""
        tracks = tuple(
            Track(
                track["name"],
                track["duration_s"],
                tuple(track["anchors_s"]),
                tuple(Said(**clip) for clip in track["clips"]),
            )
            for track in part["tracks"]
        )
        return cls(part["split"], part["condition"], tracks)
