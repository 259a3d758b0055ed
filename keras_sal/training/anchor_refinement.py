"""Refinement of anchors: the model under training moves them to where it finds them.

If only the word of each recording is known, the first anchors come from its energy
(`keras_sal.data.selection.select_split` does so for recordings without times). Each is off by an
amount of its own. A model trained on them can't learn these amounts, so it fires at the same place
of each event. The anchors are moved to that place, and the training goes on: expectation
maximisation in its "hard" form, as in the training of speech recognisers.

The labels do not determine a common shift of all anchors. A causal model
fires a little late, and anchors that followed it would drift later and later. So the common part of
all moves is taken out, and the mean place stays that of the first anchors.

Measured on the 219 training recordings of "computer" against forced alignment
(`benchmarks/anchor_refinement.py`): anchors that were off by up to 400 ms (standard deviation
241 ms) are off by 68 ms afterwards, nearly all of it gained in the first move. Anchors from the
aligner, refined, are 60 ms from where they were; anchors from the energy stay 67 and 66 ms off.
A detector misses fewer words if trained on refined anchors, even those of the aligner
(`benchmarks/anchor_cost.py`): it matters less to it where anchors are than that they are at the
same place of each word. `keras_sal.training.recipe` always refines them.

From a folder for each word, without any times:

    recordings = load_recordings("my_recordings", layout="words")
    streams = training_streams(recordings, "computer")  # first anchors by energy
    batches = RefinedBatches(streams, keras_sal.training.recipe.word_targets())
    model.compile("adam", loss=keras_sal.StreamingAnchorLoss())
    model.fit(batches, epochs=10, shuffle=False, callbacks=[AnchorRefinement(batches)])
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np

from keras_sal.checks import require
from keras_sal.data import PlacedRecording, Recording, Stream, StreamBatches
from keras_sal.targets import AnchorTargets
from keras_sal.training.epoch_rounds import EpochRounds
from keras_sal.typing import Array, ArrayLike

_MAX_LOGIT = 8.0
_DECIMALS = 9  # of a score; what differs by less is rounding
_CONTEXT_S = 1.0  # that a model hears before a recording begins
_WINDOWS_AT_ONCE = 1024  # a multiple of what is predicted at once
_PREDICT_BATCH = 256


def likeliest_anchors(
    posteriors: ArrayLike,
    *,
    before_frames: int,
    after_frames: int,
    allowed: ArrayLike | None = None,
) -> Array:
    """Find the anchor under which the labels of a clip are the most likely.

    With labels 1 from `before_frames` before the anchor to `after_frames` after it and 0 elsewhere,
    the log-likelihood of the labels is, up to a term that doesn't depend on the anchor,

        score[a] = sum of logit(p_t) over t from a - before_frames to a + after_frames

    Args:
        posteriors: Array `(clips, time)`, in `[0, 1]`.
        before_frames: Positive frames before the anchor, >= 0.
        after_frames: Positive frames after the anchor, >= 0.
        allowed: Booleans `(clips, time)`: where the anchor may be. Defaults to `None`, for
            everywhere.

    Returns:
        Frame of each anchor, an integer array `(clips,)`: the earliest of equally likely ones, -1
        for a clip without an allowed frame.

    Raises:
        ValueError: If shapes or ranges don't fit.

    Example:

    >>> posterior = [[0.1, 0.2, 0.9, 0.8, 0.3, 0.1]]
    >>> likeliest_anchors(posterior, before_frames=0, after_frames=1).tolist()
    [2]
    """
    posteriors = np.asarray(posteriors, "float64")
    require(
        posteriors.ndim == 2 and np.isfinite(posteriors).all() and before_frames >= 0,
        "`posteriors` must be finite and of shape (clips, time), `before_frames` at least 0; each "
        f"clip has one anchor. Received: shape {posteriors.shape}, before_frames={before_frames}. "
        "Choose the event's class from several.",
    )
    with np.errstate(divide="ignore"):
        logits = np.clip(np.log(posteriors) - np.log1p(-posteriors), -_MAX_LOGIT, _MAX_LOGIT)
    clips, time = logits.shape
    total = np.concatenate([np.zeros((clips, 1)), np.cumsum(logits, axis=1)], axis=1)
    frames = np.arange(time)
    first = np.maximum(frames - before_frames, 0)
    last = np.minimum(frames + after_frames, time - 1)
    scores = np.round(total[:, last + 1] - total[:, first], _DECIMALS)
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    found = np.argmax(scores, axis=1)
    return np.where(np.isfinite(scores.max(axis=1)), found, -1)


def anchors_s(streams: Sequence[Stream], anchor: str = "offset") -> dict[Path, float]:
    """Return the anchor of each positive recording.

    Args:
        streams: A sequence of `keras_sal.data.Stream`.
        anchor: `"onset"` or `"offset"` of the event. Defaults to `"offset"`.

    Returns:
        Seconds from the start of the recording, by its path.

    Example:

    >>> from keras_sal.data import PlacedRecording, Recording, Stream
    >>> word = Recording("a.wav", "train", "computer", 2.0, onset_s=0.5, offset_s=1.0)
    >>> anchors_s([Stream("one", (PlacedRecording(word, 3.0, class_index=0),), 10.0)])
    {'a.wav': 1.0}
    """
    return {
        placed.recording.path: _anchor_s(placed.recording, anchor)
        for stream in streams
        for placed in _positives(stream)
    }


class RefinedBatches(keras.utils.PyDataset):
    """`StreamBatches` whose anchors move to where the model finds them.

    Args:
        streams: A sequence of `keras_sal.data.Stream` with features. The times of their positive
            recordings are the first anchors.
        targets: An `AnchorTargets` as for `StreamBatches`, with `before_frames` or `after_frames`.
        max_shift_s: Greatest distance from an anchor to its first place, in seconds, > 0. Defaults
            to 0.5.
        step_size: Part of the way that an anchor goes each time, in `(0, 1]`. Defaults to 1.
        keep_mean: Whether the common part of all moves of a class is taken out. Defaults to `True`.
        **batching: `batch_size`, `batches`, `seed`, `workers` and other arguments of
            `StreamBatches`.

    Attributes:
        streams: The streams with their present anchors.
        moves: A dict for each refinement: `common_s`, the median of all moves (what `keep_mean`
            takes out; of several classes, of each its own), and `spread_s`, the median distance
            from it.

    Raises:
        ValueError: If an argument doesn't fit, or there are no positives in the streams.

    Example:

    >>> from keras_sal import AnchorTargets
    >>> from keras_sal.data import PlacedRecording, Recording, Stream
    >>> word = Recording("a.wav", "train", "computer", 2.0, onset_s=0.5, offset_s=1.0)
    >>> placed = PlacedRecording(word, 3.0, class_index=0)
    >>> stream = Stream("one", (placed,), 10.0, features=np.zeros((998, 40), "float32"))
    >>> targets = AnchorTargets(
    ...     400, "offset", after_frames=25, frame_step_s=0.01, frame_offset_s=0.03
    ... )
    >>> RefinedBatches([stream], targets).anchors_s()
    {'a.wav': 1.0}
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        targets: AnchorTargets,
        *,
        max_shift_s: float = 0.5,
        step_size: float = 1.0,
        keep_mean: bool = True,
        **batching: Any,
    ):
        require(
            targets.before_frames is not None or targets.after_frames is not None,
            "`targets` must have `before_frames` or `after_frames`; the anchor is searched for "
            "by the labels around it. Received: both None. Give one.",
        )
        require(
            max_shift_s > 0 and 0 < step_size <= 1,
            "`max_shift_s` must be greater than 0 and `step_size` in (0, 1]; anchors move a part "
            f"of the way. Received: max_shift_s={max_shift_s}, step_size={step_size}. Use the "
            "defaults, 0.5 and 1.",
        )
        self.targets = targets
        self.max_shift_s, self.step_size, self.keep_mean = max_shift_s, step_size, keep_mean
        self._batching = batching
        self._batches = StreamBatches(streams, targets, **batching)
        super().__init__(self._batches.workers)
        self._frame_step_s = cast(float, targets.frame_step_s)  # checked by StreamBatches
        self.moves: list[dict[str, float]] = []
        self._first_s = anchors_s(streams, targets.anchor)
        require(
            bool(self._first_s),
            "`streams` must hold positives; their anchors are refined. Received: none in "
            f"{len(streams)} streams. Check the word.",
        )

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Any:
        return self._batches[index]

    def on_epoch_end(self) -> None:
        """Go on to the crops of the next epoch."""
        self._batches.on_epoch_end()

    @property
    def streams(self) -> list[Stream]:
        """The streams with their present anchors."""
        return self._batches.streams

    def anchors_s(self) -> dict[Path, float]:
        """Return the present anchor of each positive recording.

        Returns:
            Seconds from the start of the recording, by its path.
        """
        return anchors_s(self.streams, self.targets.anchor)

    def refine(self, model: keras.Model) -> dict[str, float]:
        """Move the anchors to where `model` finds them.

        A recording that is in the streams several times, each time altered, is moved by the median
        of its finds.

        Args:
            model: A causal detector `(batch, time, features)` to `(batch, time, classes)`.

        Returns:
            The dict that was added to `moves`.
        """
        found_s, present_s = self._find(model), self.anchors_s()
        moves_s = {path: np.median(found) - present_s[path] for path, found in found_s.items()}
        common_s = float(np.median(list(moves_s.values()))) if moves_s else 0.0
        own_s = self._without_common(moves_s)
        spread_s = float(np.median(np.abs(list(own_s.values()))))
        moved_s = {
            path: self._within_reach(path, present_s[path] + self.step_size * move_s)
            for path, move_s in (own_s if self.keep_mean else moves_s).items()
        }
        streams = [
            replace(stream, placed=tuple(self._moved(each, moved_s) for each in stream.placed))
            for stream in self.streams
        ]
        epoch = self._batches.epoch
        self._batches = StreamBatches(streams, self.targets, **self._batching)
        self._batches.epoch = epoch
        self.moves.append({"common_s": common_s, "spread_s": spread_s})
        return self.moves[-1]

    def _without_common(self, moves_s: Mapping[Path, float]) -> dict[Path, float]:
        """Return the moves without the part that is common to those of a class."""
        classes = {
            placed.recording.path: placed.class_index
            for stream in self.streams
            for placed in _positives(stream)
        }
        by_class = defaultdict(list)
        for path, move_s in moves_s.items():
            by_class[classes[path]].append(move_s)
        common_s = {each: float(np.median(moves)) for each, moves in by_class.items()}
        return {path: move_s - common_s[classes[path]] for path, move_s in moves_s.items()}

    def _find(self, model: keras.Model) -> dict[Path, list[float]]:
        """Find the anchor of each positive recording once for each time it is in a stream.

        Returns:
            Seconds from the start of the recording, by its path.
        """
        frames, found_s = self._window_frames(), defaultdict(list)
        positives = [(stream, each) for stream in self.streams for each in _positives(stream)]
        for first in range(0, len(positives), _WINDOWS_AT_ONCE):
            some = positives[first : first + _WINDOWS_AT_ONCE]
            for placed, time_s in self._find_some(model, some, frames):
                found_s[placed.recording.path].append(time_s)
        return found_s

    def _find_some(
        self, model: keras.Model, positives: Sequence[tuple[Stream, PlacedRecording]], frames: int
    ) -> list[tuple[PlacedRecording, float]]:
        """Find anchors in windows of `frames`, in seconds from the start of the recording."""
        windows = [self._window(stream, placed, frames) for stream, placed in positives]
        placed, starts, features, allowed = zip(*windows, strict=True)
        predictions = model.predict(np.stack(features), batch_size=_PREDICT_BATCH, verbose=0)
        classes = [each.class_index for each in placed]
        anchors = likeliest_anchors(
            np.stack([p[:, c] for p, c in zip(predictions, classes, strict=True)]),
            before_frames=self.targets.before_frames or 0,
            after_frames=self.targets.after_frames or 0,
            allowed=np.stack(allowed),
        )
        return [
            (each, _in_recording(each, self._time_s(start + anchor)))
            for each, start, anchor in zip(placed, starts, anchors, strict=True)
            if anchor >= 0
        ]

    def _window(
        self, stream: Stream, placed: PlacedRecording, frames: int
    ) -> tuple[PlacedRecording, int, Array, Array]:
        """Cut the window around a recording.

        Returns:
            The placed recording, first frame, features `(frames, features)`, and booleans
            `(frames,)`: where its anchor may be.
        """
        start = max(0, round((placed.start_s - _CONTEXT_S) / self._frame_step_s))
        window = stream.features[start : start + frames]
        time_s = self._time_s(start + np.arange(frames))
        shift_s = np.abs(_in_recording(placed, time_s) - self._first_s[placed.recording.path])
        heard = np.arange(frames) < len(window)
        inside = (time_s >= placed.start_s) & (time_s <= placed.end_s)
        padded = np.pad(window, ((0, frames - len(window)), (0, 0)))
        return placed, start, padded, heard & inside & (shift_s <= self.max_shift_s)

    def _window_frames(self) -> int:
        """Return the length that fits any positive, so that the model is compiled once."""
        longest_s = max(
            placed.end_s - placed.start_s
            for stream in self.streams
            for placed in _positives(stream)
        )
        after = self.targets.after_frames or 0
        return round((_CONTEXT_S + longest_s) / self._frame_step_s) + after + 1

    def _time_s(self, frame: Any) -> Any:
        return frame * self._frame_step_s + self.targets.frame_offset_s

    def _within_reach(self, path: Path, anchor_s: float) -> float:
        first_s = self._first_s[path]
        return float(np.clip(anchor_s, first_s - self.max_shift_s, first_s + self.max_shift_s))

    def _moved(self, placed: PlacedRecording, moved_s: Mapping[Path, float]) -> PlacedRecording:
        """Shift the event of a recording as a whole, kept inside the recording."""
        recording = placed.recording
        if placed.class_index is None or recording.path not in moved_s:
            return placed
        shift_s = moved_s[recording.path] - _anchor_s(recording, self.targets.anchor)
        most_s = recording.duration_s - recording.offset_s
        shift_s = float(np.clip(shift_s, -recording.onset_s, max(most_s, -recording.onset_s)))
        times_s = recording.onset_s + shift_s, recording.offset_s + shift_s
        return replace(
            placed, recording=replace(recording, onset_s=times_s[0], offset_s=times_s[1])
        )


def _positives(stream: Stream) -> list[PlacedRecording]:
    return [placed for placed in stream.placed if placed.class_index is not None]


def _anchor_s(recording: Recording, anchor: str) -> float:
    return recording.onset_s if anchor == "onset" else recording.offset_s


def _in_recording(placed: PlacedRecording, time_s: Any) -> Any:
    """Convert a time in the stream to a time in the recording of a positive."""
    onset_s, _, _ = cast(tuple[float, float, float], placed.event)
    return placed.recording.onset_s + (time_s - onset_s) * placed.rate


class AnchorRefinement(EpochRounds):
    """Callback that refines the anchors of `RefinedBatches` after epochs.

    `logs` gets `anchor_spread_s`.

    Args:
        batches: The `RefinedBatches` that the model is fitted to.
        first: The epoch after which anchors move for the first time, counted from 1. Defaults to 2,
            because the model must have learned something.
        every: Epochs from one move to the next, >= 1. Defaults to 1.
        last: The last epoch after which anchors may move. Defaults to `None`, for no limit.

    Raises:
        ValueError: If a number is less than 1.
    """

    def __init__(
        self, batches: RefinedBatches, first: int = 2, every: int = 1, last: int | None = None
    ):
        super().__init__(first, every, last)
        self.batches = batches

    def run(self) -> dict[str, float]:
        """Refine the anchors, and name their spread for `logs`."""
        return {"anchor_spread_s": self.batches.refine(self.model)["spread_s"]}
