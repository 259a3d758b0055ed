"""Predictions of several systems for the same streams, and the annotations of these streams.

They are all that scoring, comparison and the report need, and they are stored in one file: neither
the models nor the recordings are needed again. `keras_sal.evaluation.collection` runs the systems.

The file is an `.npz` with two kinds of arrays:

- `index`: a JSON text `{"format": 2, "word", "systems": [{"name", "frame_step_s",
  "frame_offset_s"}], "stream_sets": [{"split", "condition", "streams": [{"name", "duration_s",
  "anchors_s", "recordings": [{"file", "start_s", "end_s", "text", "speaker", "corpus",
  "noise"}]}]}]}`.
- `posterior_<system>_<set>_<stream>`: float32 `(frames,)`; the three numbers are indices into
  those lists.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from keras_sal.array_files import opened_arrays, write_arrays
from keras_sal.checks import require
from keras_sal.detection import DetCurve, det_curve
from keras_sal.evaluation.annotations import StreamAnnotation, StreamSet
from keras_sal.typing import Array, PathLike

FORMAT = 2
FILE = "posteriors.npz"


@dataclass(frozen=True)
class Predictions:
    """Predictions of several systems for the same streams.

    Args:
        word: str, the wake word that they detect.
        stream_sets: tuple of `StreamSet`, the streams by split and condition.
        posteriors: dict, by system a list of lists of posteriors `(frames,)`: one list for each
            stream set, one array for each stream.
        times: dict, by system the frame times of its posteriors: `{"frame_step_s",
            "frame_offset_s"}`, in seconds.
    """

    word: str
    stream_sets: tuple[StreamSet, ...]
    posteriors: Mapping[str, Sequence[Sequence[Array]]]
    times: Mapping[str, Mapping[str, float]]

    @property
    def systems(self) -> list[str]:
        """Names of the systems."""
        return list(self.posteriors)

    @property
    def conditions(self) -> list[str]:
        """Conditions of the test split."""
        return [each.condition for each in self.stream_sets if each.split == "test"]

    def streams(self, split: str, condition: str | None = None) -> list[StreamAnnotation]:
        """Return the annotations of the streams of a split.

        Args:
            split: str, `"dev"` or `"test"`.
            condition: str, or `None` (default) for all conditions one after another.

        Returns:
            List of `StreamAnnotation`.

        Raises:
            ValueError: If there are no such streams.
        """
        return [stream for _, each in self._select(split, condition) for stream in each.streams]

    def posteriors_of(self, system: str, split: str, condition: str | None = None) -> list[Array]:
        """Return the posteriors of a system for `streams(split, condition)`.

        Args:
            system: str, name of the system.
            split: str, `"dev"` or `"test"`.
            condition: str, or `None` (default) for all conditions one after another.

        Returns:
            List of float32 arrays `(frames,)`.

        Raises:
            ValueError: If there are no such streams.
        """
        return [
            posterior
            for index, _ in self._select(split, condition)
            for posterior in self.posteriors[system][index]
        ]

    def curve(
        self, system: str, split: str, condition: str | None = None, **scoring: Any
    ) -> DetCurve:
        """Compute the DET curve of a system; resampling draws the recordings of the streams.

        Args:
            system: str, name of the system.
            split: str, `"dev"` or `"test"`.
            condition: str, or `None` (default) for all conditions together.
            **scoring: `max_fa_per_hour`, and fields of `keras_sal.detection.Scoring` other than
                the frame times.

        Returns:
            `keras_sal.detection.DetCurve`.

        Raises:
            ValueError: If there are no such streams, or a field is out of range.
        """
        streams = self.streams(split, condition)
        times: Mapping[str, Any] = self.times[system]
        return det_curve(
            self.posteriors_of(system, split, condition),
            [stream.anchors_s for stream in streams],
            boundaries_s=[stream.boundaries_s for stream in streams],
            **times,
            **scoring,
        )

    def speaker_groups(self, split: str, condition: str | None = None) -> list[tuple[str, str]]:
        """Return the speaker group of each recording of `curve(system, split, condition)`.

        Args:
            split: str, `"dev"` or `"test"`.
            condition: str, or `None` (default) for all conditions together.

        Returns:
            List of `(corpus, speaker)`; see `RecordingAnnotation.speaker_group`.
        """
        return [
            recording.speaker_group
            for stream in self.streams(split, condition)
            for recording in stream.recordings
        ]

    def select(self, systems: Sequence[str]) -> Predictions:
        """Keep the predictions of some of the systems.

        Args:
            systems: list of str, names of the systems to keep, in their new order.

        Returns:
            `Predictions`.
        """
        return replace(
            self,
            posteriors={name: self.posteriors[name] for name in systems},
            times={name: self.times[name] for name in systems},
        )

    def merge(self, other: Predictions) -> Predictions:
        """Add the predictions of other systems for the same streams.

        Args:
            other: `Predictions`. A system whose name is taken gets a number: `"name (2)"`.

        Returns:
            `Predictions` of both.

        Raises:
            ValueError: If the streams or the words differ.
        """
        require(
            (self.word, self.stream_sets) == (other.word, other.stream_sets),
            "`other` must be predictions for the same streams; else a difference between systems "
            f"may be one between streams. Received: {_describe(other)} to merge with "
            f"{_describe(self)}. Evaluate both with the same recordings, word and package.",
        )
        posteriors, times = dict(self.posteriors), dict(self.times)
        for name, predicted in other.posteriors.items():
            free = unused_name(name, posteriors)
            posteriors[free], times[free] = predicted, other.times[name]
        return replace(self, posteriors=posteriors, times=times)

    def save(self, path: PathLike) -> None:
        """Write the file that the module docstring describes.

        Args:
            path: Path of the file, ending in `.npz`.
        """
        arrays = {
            f"posterior_{i}_{j}_{k}": posterior
            for i, sets in enumerate(self.posteriors.values())
            for j, streams in enumerate(sets)
            for k, posterior in enumerate(streams)
        }
        index = {
            "format": FORMAT,
            "word": self.word,
            "systems": [{"name": name, **self.times[name]} for name in self.systems],
            "stream_sets": [asdict(each) for each in self.stream_sets],
        }
        write_arrays(path, index, arrays, compress=True)

    @classmethod
    def load(cls, path: PathLike) -> Predictions:
        """Read a file that `save` wrote.

        Args:
            path: Path of the file, or of a folder written by `keras-sal evaluate`.

        Returns:
            `Predictions`.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is no such file, or has another format.
        """
        path = Path(path) / FILE if Path(path).is_dir() else Path(path)
        expected = "predictions stored by this version of `keras-sal evaluate`"
        with opened_arrays(path, FORMAT, expected=expected, remedy="Evaluate again") as (
            index,
            arrays,
        ):
            stream_sets = tuple(StreamSet.from_dict(each) for each in index["stream_sets"])
            posteriors = {
                system["name"]: [
                    [arrays[f"posterior_{i}_{j}_{k}"] for k in range(len(each.streams))]
                    for j, each in enumerate(stream_sets)
                ]
                for i, system in enumerate(index["systems"])
            }
            times = {system.pop("name"): system for system in index["systems"]}
        return cls(index["word"], stream_sets, posteriors, times)

    def _select(self, split: str, condition: str | None) -> list[tuple[int, StreamSet]]:
        """The stream sets of a split and a condition, with their indices."""
        found = [
            (index, each)
            for index, each in enumerate(self.stream_sets)
            if each.split == split and condition in (None, each.condition)
        ]
        known = ", ".join(f"{each.split} {each.condition}" for each in self.stream_sets)
        require(
            bool(found),
            "`split` and `condition` must name streams that there are predictions for. Received: "
            f"split={split!r}, condition={condition!r}. There are: {known}.",
        )
        return found


def unused_name(name: str, taken: Collection[str]) -> str:
    """Return `name`, or the first of `name (2)`, `name (3)` and so on that is not taken.

    Args:
        name: str.
        taken: Names that are taken.

    Returns:
        str.
    """
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free


def _describe(predictions: Predictions) -> str:
    sets = ", ".join(
        f"{each.split} {each.condition} ({len(each.streams)} streams, "
        f"{sum(len(stream.anchors_s) for stream in each.streams)} events)"
        for each in predictions.stream_sets
    )
    return f"{predictions.word!r} in {sets}"
