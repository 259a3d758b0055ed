"""Answers: what systems said about the same streams, and what was said in the streams.

Everything that can be scored, compared and shown afterwards, kept in one file, so that neither the
models nor the recordings are needed again. `collect` runs the systems, `keras_sal.evaluation`
scores what they said.

The file is an `.npz` of

- `index`: a JSON text `{"format": 1, "word", "systems": [{"name", "frame_step_s",
  "frame_offset_s"}], "parts": [{"split", "condition", "tracks": [track]}]}`, a *track* being one
  stream:
  `{"name", "duration_s", "anchors_s", "clips": [{"file", "start_s", "end_s", "text", "speaker",
  "corpus", "noise"}]}`;
- `posterior_<system>_<part>_<track>`: float32 `(frames,)`, the three being places in those lists.
"""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from keras_sal.audio import FRAME_OFFSET_S, FRAME_STEP_S, answer_times
from keras_sal.detection import DetCurve, det_curve
from keras_sal.evaluation.tracks import Part, Track
from keras_sal.files import write_atomically
from keras_sal.runtime import runners

FORMAT = 1
FILE = "posteriors.npz"


@dataclass(frozen=True)
class Answers:
    """What systems said about the same streams.

    Args:
        word: What they listen for.
        parts: The streams.
        posteriors: By system, a list of posteriors `(frames,)` for each part, one for each track.
        times: By system, the seconds from one frame to the next and when frame 0 is answered:
            `{"frame_step_s", "frame_offset_s"}`.
    """

    word: str
    parts: tuple[Part, ...]
    posteriors: Mapping[str, Sequence[Sequence[np.ndarray]]]
    times: Mapping[str, Mapping[str, float]]

    @property
    def systems(self) -> list[str]:
        """The names of the systems."""
        return list(self.posteriors)

    @property
    def conditions(self) -> list[str]:
        """The conditions of the test split."""
        return [part.condition for part in self.parts if part.split == "test"]

    def tracks(self, split: str, condition: str | None = None) -> list[Track]:
        """The tracks of a split; of all its conditions for `None`."""
        return [track for part in self._parts(split, condition) for track in part[1].tracks]

    def of(self, system: str, split: str, condition: str | None = None) -> list[np.ndarray]:
        """What a system said, one array for each of `tracks(split, condition)`."""
        parts = self._parts(split, condition)
        return [posterior for place, _ in parts for posterior in self.posteriors[system][place]]

    def curve(self, system: str, split: str, condition: str | None = None, **scoring) -> DetCurve:
        """The DET curve of a system; its pieces are the recordings.

        Args:
            system: Name of the system.
            split: The split.
            condition: The condition, or `None` for all.
            **scoring: `max_fa_per_hour`, and fields of `keras_sal.detection.Scoring` other than
                the frame times.
        """
        tracks = self.tracks(split, condition)
        return det_curve(
            self.of(system, split, condition),
            [track.anchors_s for track in tracks],
            cuts_s=[track.cuts_s for track in tracks],
            **self.times[system],
            **scoring,
        )

    def voices(self, split: str, condition: str | None = None) -> list[tuple[str, str]]:
        """Who speaks in each piece of `curve(system, split, condition)`."""
        return [clip.voice for track in self.tracks(split, condition) for clip in track.clips]

    def only(self, systems: Sequence[str]) -> "Answers":
        """The answers of some of the systems."""
        return replace(
            self,
            posteriors={name: self.posteriors[name] for name in systems},
            times={name: self.times[name] for name in systems},
        )

    def joined(self, other: "Answers") -> "Answers":
        """The answers of both; those of a name that both have are told apart by a number.

        Raises:
            ValueError: If the other systems heard other streams.
        """
        if (self.word, self.parts) != (other.word, other.parts):
            raise ValueError(
                "`other` must be answers to the same streams; else a difference between systems "
                f"may be one between streams. Received: {_described(other)} to be joined with "
                f"{_described(self)}. Evaluate both with the same recordings, word and package."
            )
        posteriors, times = dict(self.posteriors), dict(self.times)
        for name, answers in other.posteriors.items():
            free = unused_name(name, posteriors)
            posteriors[free], times[free] = answers, other.times[name]
        return Answers(self.word, self.parts, posteriors, times)

    def save(self, path):
        """Writes the file described in the module docstring."""
        arrays = {
            f"posterior_{i}_{j}_{k}": posterior
            for i, parts in enumerate(self.posteriors.values())
            for j, part in enumerate(parts)
            for k, posterior in enumerate(part)
        }
        index = {
            "format": FORMAT,
            "word": self.word,
            "systems": [{"name": name, **self.times[name]} for name in self.systems],
            "parts": [asdict(part) for part in self.parts],
        }
        text = np.array(json.dumps(index, ensure_ascii=False))
        write_atomically(Path(path), lambda path: np.savez_compressed(path, index=text, **arrays))

    @classmethod
    def load(cls, path) -> "Answers":
        """Reads such a file, or that of a folder that `keras-sal evaluate` wrote.

        Raises:
            FileNotFoundError: If there is none.
            ValueError: If it is something else, or of another format.
        """
        path = Path(path) / FILE if Path(path).is_dir() else Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"`path` must be a folder written by `keras-sal evaluate`, with its {FILE}. "
                f"Received: path={str(path)!r}, which is not there."
            )
        try:
            with np.load(path) as arrays:
                index = json.loads(str(arrays["index"]))
                if index["format"] != FORMAT:
                    raise ValueError(f"its format is {index['format']}, not {FORMAT}")
                parts = tuple(Part.of_json(part) for part in index["parts"])
                posteriors = {
                    system["name"]: [
                        [arrays[f"posterior_{i}_{j}_{k}"] for k in range(len(part.tracks))]
                        for j, part in enumerate(parts)
                    ]
                    for i, system in enumerate(index["systems"])
                }
                times = {system.pop("name"): system for system in index["systems"]}
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"`path` must be answers kept by this version of `keras-sal evaluate`. Received: "
                f"path={str(path)!r}: {error}. Evaluate again."
            ) from error
        return cls(index["word"], parts, posteriors, times)

    def _parts(self, split, condition):
        found = [
            (place, part)
            for place, part in enumerate(self.parts)
            if part.split == split and condition in (None, part.condition)
        ]
        if not found:
            known = ", ".join(f"{part.split} {part.condition}" for part in self.parts)
            raise ValueError(
                f"`split` and `condition` must name streams that were heard. Received: "
                f"split={split!r}, condition={condition!r}. Heard were: {known}."
            )
        return found


def collect(
    systems: Mapping[str, object],
    word: str,
    material: Mapping[tuple[str, str], Sequence],
    *,
    class_index: int = 0,
    frame_step_s: float = FRAME_STEP_S,
    frame_offset_s: float = FRAME_OFFSET_S,
    root="",
    progress: Callable | None = None,
) -> Answers:
    """Lets every system hear every stream, each stream from a fresh state.

    Args:
        systems: By name, a function from a list of streams to a list of posteriors `(frames,)` or
            `(frames, classes)`, or an object with `stream(features)` and `reset()`, as
            `keras_sal.runtime.open_runner` returns them.
        word: What they listen for.
        material: By `(split, condition)`, a list of `keras_sal.data.Stream` with features.
        class_index: Which class of several is the word. Default 0.
        frame_step_s: Seconds from one frame of the features to the next. Default 0.01.
        frame_offset_s: When the first frame is complete. Default 0.03.
        root: The folder of the recordings, to which the names of files become relative.
        progress: Called as `progress(name of the system, done, total)`, in streams, or `None`.

    Returns:
        `Answers`.

    Raises:
        ValueError: If a system answers other frames than it heard, or lacks the class.

    Example:

    >>> from keras_sal.data import Recording
    >>> from keras_sal.data import Stream
    >>> from keras_sal.data.streams import Clip
    >>> recording = Recording(Path("a.flac"), "test", "computer", 2.0, 0.5, 1.0)
    >>> clips = (Clip(recording, start_s=1.0, class_index=0),)
    >>> stream = Stream("one word", clips, 4.0, features=np.zeros((398, 40), "float32"))
    >>> deaf = lambda streams: [np.zeros(len(stream.features)) for stream in streams]
    >>> answers = collect({"deaf": deaf}, "computer", {("test", "clean"): [stream]})
    >>> answers.systems, answers.tracks("test")[0].anchors_s
    (['deaf'], (2.0,))
    """
    parts = tuple(
        Part(split, condition, tuple(Track.of(stream, root) for stream in streams))
        for (split, condition), streams in material.items()
    )
    total = sum(len(streams) for streams in material.values())
    posteriors, times = {}, {}
    for name, system in systems.items():
        stride, late = runners.frames_per_output(system), getattr(system, "delay_frames", 0)
        times[name] = answer_times(
            stride, late=late, frame_step_s=frame_step_s, frame_offset_s=frame_offset_s
        )
        posteriors[name], done = [], 0
        for streams in material.values():
            posteriors[name].append([])
            for some in _together(system, streams):
                if progress:
                    progress(name, done, total)
                heard = [stream.features for stream in some]
                streamed = hasattr(system, "stream")
                answers = runners.predict(system, heard) if streamed else system(some)
                posteriors[name][-1] += [
                    _column(answer, stream, stride, name, class_index)[late:]
                    for answer, stream in zip(answers, some, strict=True)
                ]
                done += len(some)
        if progress:
            progress(name, total, total)
    return Answers(word, parts, posteriors, times)


def unused_name(name: str, taken) -> str:
    """`name`, or `name (2)` and so on, whatever is not taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free


def _together(system, streams) -> list:
    """The streams in lots that the system answers in one call."""
    alone = hasattr(system, "stream") and not hasattr(system, "answer")
    return [[stream] for stream in streams] if alone else [list(streams)]


def _column(answer, stream, stride, name, class_index):
    answer = np.asarray(answer, "float32")
    answer = answer[:, None] if answer.ndim == 1 else answer
    if answer.ndim != 2 or len(answer) != len(stream.features) // stride:
        raise ValueError(
            f"`systems` must answer every frame, (frames, classes); {name!r} does not. Received: "
            f"answers of shape {answer.shape} to {len(stream.features)} frames of {stream.name}."
        )
    if not 0 <= class_index < answer.shape[1]:
        raise ValueError(
            f"`class_index` must be one of the {answer.shape[1]} classes of {name!r}. "
            f"Received: class_index={class_index}."
        )
    return answer[:, class_index]


def _described(answers: Answers) -> str:
    parts = ", ".join(
        f"{part.split} {part.condition} ({len(part.tracks)} streams, "
        f"{sum(len(track.anchors_s) for track in part.tracks)} events)"
        for part in answers.parts
    )
    return f"{answers.word!r} in {parts}"
