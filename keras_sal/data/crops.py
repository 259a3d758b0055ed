"""Crops: clips of one length cut from streams, and the targets that belong to them.

The features of a stream have one row for each output frame of the detector, or several for a
detector that gives one output for several frames. With several inputs they are a dict of arrays,
each of which has a whole number of rows for an output frame: sound at 100 Hz has four rows for one
of motion at 25 Hz. A crop is identified by its stream and its first output frame, counted from 0.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_sal import audio
from keras_sal.audio import FRAME_STEP_S
from keras_sal.checks import require
from keras_sal.data.crop_starts import CropStarts
from keras_sal.data.streams import Stream
from keras_sal.targets import AnchorTargets, pad_events
from keras_sal.typing import Array, ArrayLike

REACH_S = 2.0  # events up to this far outside a crop count in its distances
LEAD_S = 1.0  # what is heard before a moment that a crop covers
SLACK_ROWS = 10  # rows that inputs may differ by at the end of a stream


class Crops:
    """Cuts crops of one length from streams.

    Events up to 2 s outside a crop still count in its distances. Frames beyond the end of a stream
    are zeros with label -1.

    Args:
        streams: A sequence of `keras_sal.data.Stream` with features: arrays `(frames, ...)`, or
            dicts of arrays, the shortest of which has one row for each output frame and the others
            a multiple of it (except for a few rows at the end).
        targets: An `AnchorTargets` with `frames` (the length of a crop, in output frames) whose
            frames are the output frames: `frame_step_s=0.01` and `frame_offset_s=0.03` for sound;
            or n frames at a time, with the time of the last: 0.03 and 0.05 for three.

    Attributes:
        streams: The streams, a list.
        targets: The `AnchorTargets`.
        frames: Length of a crop in output frames.
        output_frames: Number of output frames of each stream, a list.

    Raises:
        ValueError: If a stream has no features, or the frames of `targets` are not its output
            frames.

    Example:
        >>> from keras_sal import AnchorTargets
        >>> from keras_sal.data import Stream
        >>> stream = Stream("quiet", (), 5.0, features=np.zeros((498, 40), "float32"))
        >>> crops = Crops([stream], AnchorTargets(400, frame_step_s=0.01, frame_offset_s=0.03))
        >>> len(crops.starts)
        99
        >>> features, packed = crops.cut([(0, 98), (0, 200)])
        >>> features.shape, packed[:, :, 0].sum(axis=1).tolist()
        ((2, 400, 40), [0.0, -102.0])
    """

    def __init__(self, streams: Sequence[Stream], targets: AnchorTargets) -> None:
        if any(stream.features is None for stream in streams):
            raise ValueError(
                "`streams` must have features; crops are cut from them. Received: a stream without "
                "features. Use `keras_sal.data.compute_features(streams)`."
            )
        self.streams, self.targets = list(streams), targets
        frames_per_output = max(1, round((targets.frame_step_s or 0) / FRAME_STEP_S))
        self.output_frames = [_output_frames(s.features, frames_per_output) for s in self.streams]
        self.frames, self._step_s = self._checked_times(frames_per_output)
        self._events = [stream.events for stream in self.streams]
        self._rows_per_output = [
            keras.tree.map_structure(lambda x, n=n: len(x) // max(n, 1), stream.features)
            for stream, n in zip(self.streams, self.output_frames, strict=True)
        ]

    def cut(self, places: ArrayLike) -> tuple[Any, Array]:
        """Cut crops and make their targets.

        Args:
            places: Integers `(crops, 2)`: stream and first output frame of each crop.

        Returns:
            `(features, targets)`: arrays of shapes `(crops, frames, ...)` (a dict of them for
            several inputs) and `(crops, output frames, channels + 1)`.
        """
        crops = [self._features(stream, start) for stream, start in places]
        features = keras.tree.map_structure(lambda *x: np.stack(x), *crops)
        events = pad_events([self._events_near(stream, start) for stream, start in places])
        left = np.array([self.output_frames[stream] - start for stream, start in places])
        whole = bool((left >= self.frames).all())
        lengths = {} if whole else {"lengths": np.clip(left, 0, self.frames)}
        return features, self.targets(events, cropped=True, **lengths)

    @functools.cached_property
    def starts(self) -> CropStarts:
        """All crops with a complete begin: rows `(stream, first output frame)`.

        None begins inside an event or its positive frames: the detector could not know of what came
        before. None reaches beyond the end of its stream.
        """
        after_s = (self.targets.after_frames or 0) * self._step_s
        allowed = []
        for count, events in zip(self.output_frames, self._events, strict=True):
            time_s = np.arange(max(0, count - self.frames + 1)) * self._step_s
            outside = np.ones(len(time_s), bool)
            first = np.searchsorted(time_s, events[:, 0], side="right")
            beyond = np.searchsorted(time_s, events[:, 1] + after_s, side="left")
            for a, b in zip(first, beyond, strict=True):
                outside[a:b] = False
            allowed.append(outside)
        return CropStarts(allowed)

    def covering(self, moments: Sequence[tuple[int, float]]) -> Array:
        """Find the crops in `starts` that cover moments and what led to them.

        A crop holds the second before the moment (or half of itself, if it is shorter than two
        seconds). It holds less only where no crop holds as much.

        Args:
            moments: A sequence of rows `(stream, time_s)`.

        Returns:
            Integers `(covered moments, 2)`: the first place in `starts`, and the one after the
            last. Moments that no crop covers are left out.
        """
        lead = min(round(LEAD_S / self._step_s), self.frames // 2)
        ranges = []
        for stream, time_s in moments:
            moment = round((time_s - self.targets.frame_offset_s) / self._step_s)
            for latest in (moment - lead, moment):
                found = [
                    self.starts.count_before(stream, frame)
                    for frame in (moment - self.frames + 1, latest + 1)
                ]
                if found[0] < found[1]:
                    ranges.append(found)
                    break
        return np.array(ranges, int).reshape(-1, 2)

    def _features(self, stream: int, start: int) -> Any:
        """The features of one crop, filled up with zeros."""

        def cut(x: Array, rows: int) -> Array:
            piece = x[start * rows : (start + self.frames) * rows]
            missing = self.frames * rows - len(piece)
            return np.pad(piece, [(0, missing)] + [(0, 0)] * (x.ndim - 1)) if missing else piece

        features, rows = self.streams[stream].features, self._rows_per_output[stream]
        return keras.tree.map_structure(cut, features, rows)

    def _events_near(self, stream: int, start: int) -> Array:
        """The events that count in the distances of one crop, in seconds from its start."""
        start_s, end_s = start * self._step_s, self.frames * self._step_s
        events = self._events[stream] - np.array([start_s, start_s, 0])
        return events[(events[:, 1] > -REACH_S) & (events[:, 0] < end_s + REACH_S)]

    def _checked_times(self, frames_per_output: int) -> tuple[int, float]:
        """The frames of a crop and their step, if the frames of the targets are output frames."""
        frames, step_s = self.targets.frames, self.targets.frame_step_s
        offset_s = self.targets.frame_offset_s
        fits = step_s is not None and all(
            math.isclose(n * step_s, stream.duration_s, abs_tol=offset_s + SLACK_ROWS * step_s)
            for stream, n in zip(self.streams, self.output_frames, strict=True)
        )
        if not any(isinstance(stream.features, dict) for stream in self.streams):
            times = [*audio.output_times(frames_per_output).values()]
            fits = fits and np.allclose((step_s or 0, offset_s), times)
        if not frames or step_s is None or not fits:
            raise ValueError(
                "`targets` must have `frames` and count the frames of the features; else events "
                f"fall on wrong frames. Received: frames={frames}, "
                f"frame_step_s={step_s}, frame_offset_s={offset_s}. Use AnchorTargets(frames=..., "
                f"frame_step_s={FRAME_STEP_S}, frame_offset_s={audio.FRAME_OFFSET_S}) for features "
                "of the front-end. Give others as a dict of inputs, with the times of the slowest."
            )
        return frames, step_s


def _output_frames(features: Any, frames_per_output: int) -> int:
    """The number of output frames: one for `frames_per_output` rows of a single input.

    Of several inputs each has as many rows as there are output frames, or a multiple.
    """
    if not isinstance(features, dict):
        return len(features) // frames_per_output
    lengths = [len(x) for x in keras.tree.flatten(features)]
    count = min(lengths)
    for length in lengths:
        rows = length // max(count, 1)
        require(
            length - rows * count <= SLACK_ROWS * rows,
            "`streams` must have the same number of frames in all inputs, or a multiple of it; "
            f"they are cut together. Received: inputs of {sorted(lengths)} frames. Cut them to "
            "the same time.",
        )
    return count
