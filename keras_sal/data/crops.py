"""Crops: stretches of streams, and the targets that belong to them.

A stream has one row of features for each answer of the detector, or several for a detector that
answers less often; or, with several inputs, a dict of arrays of which each has a whole number of
rows for an answer, as sound at 100 Hz has four for one of motion at 25 Hz. A crop is named by its
stream and the first answer in it, counted from 0.
"""

import functools
import math

import keras
import numpy as np

from keras_sal import audio
from keras_sal.audio import FRAME_STEP_S
from keras_sal.checks import require
from keras_sal.targets import pad_events

REACH_S = 2.0
HEARD_S = 1.0
SLACK_ROWS = 10


class Crops:
    """Cuts crops of one length from streams.

    Events up to 2 s outside a crop still count in its distances. What lies beyond the end of a
    stream is zeros with label -1.

    Args:
        streams: A sequence of `keras_sal.data.Stream` with features: arrays `(frames, ...)`, or
            dicts of arrays, the shortest of which has one row for each answer and the others a
            multiple of it (but for a few rows at the end).
        targets: An `AnchorTargets` with `frames` (the length of a crop, in answers) that counts
            answers as the features do: `frame_step_s=0.01` and `frame_offset_s=0.03` for sound; or
            n frames at a time, with the time of the last: 0.03 and 0.05 for three.

    Raises:
        ValueError: If a stream has no features, or `targets` counts other frames than they do.

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

    def __init__(self, streams, targets):
        if any(stream.features is None for stream in streams):
            raise ValueError(
                "`streams` must have features; crops are cut from them. Received: a stream without "
                "features. Use `keras_sal.data.streams.compute_features(streams)`."
            )
        self.streams, self.targets = list(streams), targets
        every = max(1, round((targets.frame_step_s or 0) / FRAME_STEP_S))
        self.answers = [_answers(stream.features, every) for stream in self.streams]
        _check_targets(targets, self.streams, self.answers, every)
        self._events = [stream.events for stream in self.streams]
        self._hops = [
            keras.tree.map_structure(lambda x, n=n: len(x) // max(n, 1), stream.features)
            for stream, n in zip(self.streams, self.answers, strict=True)
        ]

    def cut(self, rows):
        """Cuts crops and makes their targets.

        Args:
            rows: Integers `(crops, 2)`: the stream and the first answer of each crop.

        Returns:
            `(features, targets)`: arrays of shapes `(crops, frames, ...)` (a dict of them for
            several inputs) and `(crops, answers, channels + 1)`.
        """
        frames = self.targets.frames

        def cut_one(stream, start):
            def stretch(x, hop):
                piece = x[start * hop : (start + frames) * hop]
                missing = frames * hop - len(piece)
                return np.pad(piece, [(0, missing)] + [(0, 0)] * (x.ndim - 1)) if missing else piece

            return keras.tree.map_structure(
                stretch, self.streams[stream].features, self._hops[stream]
            )

        crops = [cut_one(stream, start) for stream, start in rows]
        features = keras.tree.map_structure(lambda *x: np.stack(x), *crops)
        events = pad_events([self._events_near(stream, start) for stream, start in rows])
        left = np.array([self.answers[stream] - start for stream, start in rows])
        within = {} if (left >= frames).all() else {"lengths": np.clip(left, 0, frames)}
        return features, self.targets(events, **within)

    @functools.cached_property
    def starts(self):
        """Every crop in which nothing is cut off at its begin, as rows `(stream, first answer)`.

        None begins inside an event or its positive frames, for a detector can't answer for what
        it did not hear, and none reaches beyond the end of its stream.
        """
        step_s = self.targets.frame_step_s
        after_s = (self.targets.after_frames or 0) * step_s
        rows = [np.empty((0, 2), int)]
        for index, (answers, events) in enumerate(zip(self.answers, self._events, strict=True)):
            time_s = np.arange(max(0, answers - self.targets.frames + 1)) * step_s
            whole = np.ones(len(time_s), bool)
            first = np.searchsorted(time_s, events[:, 0], side="right")
            beyond = np.searchsorted(time_s, events[:, 1] + after_s, side="left")
            for a, b in zip(first, beyond, strict=True):
                whole[a:b] = False
            starts = np.flatnonzero(whole)
            rows.append(np.stack([np.full_like(starts, index), starts], axis=1))
        return np.concatenate(rows)

    def covering(self, moments):
        """Which of `starts` cover moments, with what led to them.

        A crop has the second before the moment in it (half of a crop that is shorter than two), so
        that a detector hears what it is asked about; less only where no crop has as much.

        Args:
            moments: A sequence of rows `(stream, time_s)`.

        Returns:
            Integers `(covered moments, 2)`: the first place in `starts`, and the one beyond the
            last. Moments that no crop covers are left out.
        """
        step_s, offset_s = self.targets.frame_step_s, self.targets.frame_offset_s
        frames = self.targets.frames
        lead = min(round(HEARD_S / step_s), frames // 2)
        edges = np.searchsorted(self.starts[:, 0], np.arange(len(self.streams) + 1))
        ranges = []
        for stream, time_s in moments:
            answer = round((time_s - offset_s) / step_s)
            own = self.starts[edges[stream] : edges[stream + 1], 1]
            for latest in (answer - lead, answer):
                found = np.searchsorted(own, [answer - frames + 1, latest + 1])
                if found[0] < found[1]:
                    ranges.append(found + edges[stream])
                    break
        return np.array(ranges, int).reshape(-1, 2)

    def _events_near(self, stream, start):
        step_s = self.targets.frame_step_s
        events = self._events[stream] - [start * step_s, start * step_s, 0]
        end_s = self.targets.frames * step_s
        return events[(events[:, 1] > -REACH_S) & (events[:, 0] < end_s + REACH_S)]


def _answers(features, every):
    """How many answers there are to features: one for `every` rows of a single input.

    Of several inputs each has as many rows as there are answers, or a multiple.
    """
    if not isinstance(features, dict):
        return len(features) // every
    lengths = [len(x) for x in keras.tree.flatten(features)]
    answers = min(lengths)
    for length in lengths:
        hop = length // max(answers, 1)
        require(
            length - hop * answers <= SLACK_ROWS * hop,
            "`streams` must have the same number of frames in all inputs, or a multiple of it; "
            f"they are cut together. Received: inputs of {sorted(lengths)} frames. Cut them to "
            "the same time.",
        )
    return answers


def _check_targets(targets, streams, answers, every):
    step_s, offset_s = targets.frame_step_s, targets.frame_offset_s
    if any(isinstance(stream.features, dict) for stream in streams):
        fits = step_s is not None and all(
            math.isclose(n * step_s, stream.duration_s, abs_tol=offset_s + SLACK_ROWS * step_s)
            for stream, n in zip(streams, answers, strict=True)
        )
    else:
        fits = np.allclose((step_s or 0, offset_s), [*audio.answer_times(every).values()])
    if not targets.frames or not fits:
        raise ValueError(
            f"`targets` must have `frames` and count the frames of the features; else events fall "
            f"on wrong frames. Received: frames={targets.frames}, frame_step_s={step_s}, "
            f"frame_offset_s={offset_s}. Use AnchorTargets(frames=..., "
            f"frame_step_s={FRAME_STEP_S}, frame_offset_s={audio.FRAME_OFFSET_S}), or for several "
            "inputs those of the slowest."
        )
