"""Anchors from clip labels alone, found by the model under training and refined over epochs.

Where it is only known that a clip holds the event, first anchors come from the sound
(`energy_events`: `keras_sal.data.recordings.select` does so for recordings without times). Each is off
by an amount of its own. A model trained on them can't learn these amounts, so it answers at the
same place of each event, and that tells where the anchors should have been. They are moved there,
and training goes on: an expectation-maximisation in its "hard" form, as speech recognisers are
trained.

What clip labels can't tell is where, within the event, all anchors together belong: a causal model
answers a little late, and anchors that followed it would drift later and later. So what all have in
common is taken out of each move, and the place on average stays that of the first anchors.

How far it moves them, on the 219 training recordings of "computer", their anchors compared with
forced alignment (`benchmarks/anchor_refinement.py`): anchors that were off by up to 400 ms either
way (standard deviation 241 ms) are off by 68 ms afterwards, nearly all of it gained in the first
move. The aligner's own anchors, refined, are 60 ms from where they were, and those of the energy
stay 67 and 66 ms off. Which are right? A detector misses fewer words when trained on refined
anchors, the aligner's as well (`benchmarks/anchor_cost.py`): what matters to it is less where
anchors are than that they are at the same place of each word. `keras_sal.training.recipe` refines them
always.

From a folder for each word, and no times at all:

    recordings = load_recordings("my_recordings", layout="words")
    streams = training_streams(recordings, "computer")  # first anchors by energy
    batches = RefinedBatches(streams, keras_sal.training.recipe.word_targets())
    model.compile("adam", loss=keras_sal.StreamingAnchorLoss())
    model.fit(batches, epochs=10, shuffle=False, callbacks=[AnchorRefinement(batches)])
"""

from collections import defaultdict
from dataclasses import replace

import keras
import numpy as np

from keras_sal.checks import require
from keras_sal.data import StreamBatches

SURE = 8.0  # logits beyond this count as this
LEAD_S = 1.0
PREDICT_BATCH = 256


def likeliest_anchors(posteriors, *, before_frames, after_frames, allowed=None):
    """The anchor under which a clip's labels are the most likely, given its posteriors.

    With labels 1 from `before_frames` before the anchor to `after_frames` after it and 0 elsewhere,
    the log-likelihood of the labels is, up to what doesn't depend on the anchor,

        score[a] = sum of logit(p_t) over t from a - before_frames to a + after_frames

    Args:
        posteriors: Array `(clips, time)`, in `[0, 1]`.
        before_frames: Positive frames before the anchor, at least 0.
        after_frames: Positive frames after it, at least 0.
        allowed: Booleans `(clips, time)`: where the anchor may be. Default anywhere.

    Returns:
        Frames, an integer array `(clips,)`; the earliest where several are as likely, -1 for a
        clip without an allowed frame.

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
        logits = np.clip(np.log(posteriors) - np.log1p(-posteriors), -SURE, SURE)
    clips, time = logits.shape
    total = np.concatenate([np.zeros((clips, 1)), np.cumsum(logits, axis=1)], axis=1)
    frames = np.arange(time)
    first = np.maximum(frames - before_frames, 0)
    last = np.minimum(frames + after_frames, time - 1)
    scores = total[:, last + 1] - total[:, first]
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    found = np.argmax(scores, axis=1)
    return np.where(np.isfinite(scores.max(axis=1)), found, -1)


def anchors_s(streams, anchor="offset"):
    """The anchor of each positive recording, in seconds, in a dict from its path.

    Args:
        streams: A sequence of `keras_sal.data.Stream`.
        anchor: `"onset"` or `"offset"` (default) of the event.

    Returns:
        A dict.

    Example:

    >>> from keras_sal.data import Recording
    >>> from keras_sal.data import Stream
    >>> from keras_sal.data.streams import Clip
    >>> word = Recording("a.wav", "train", "computer", 2.0, onset_s=0.5, offset_s=1.0)
    >>> anchors_s([Stream("one", (Clip(word, 3.0, class_index=0),), 10.0)])
    {'a.wav': 1.0}
    """
    return {
        clip.recording.path: _anchor_s(clip.recording, anchor)
        for stream in streams
        for clip in stream.clips
        if clip.class_index is not None
    }


class RefinedBatches(keras.utils.PyDataset):
    """`StreamBatches` whose anchors move to where the model finds them.

    Args:
        streams: A sequence of `keras_sal.data.Stream` with features; the times of their
            positives are the first anchors.
        targets: An `AnchorTargets` as for `StreamBatches`, with `before_frames` or `after_frames`.
        reach_s: How far an anchor may move from where it was first, in seconds. Default 0.5.
        step: How much of the way it goes each time, in `(0, 1]`. Default 1.
        hold_mean: Take out of each move what all have in common. Default `True`.
        **batching: `batch_size`, `batches`, `seed`, `workers` and what else `StreamBatches` takes.

    Attributes:
        streams: The streams with their present anchors.
        moves: A dict for each refinement: `common_s`, the median of all moves (what `hold_mean`
            takes out), and `spread_s`, the median distance from it.

    Raises:
        ValueError: If an argument doesn't fit, or there are no positives in the streams.

    Example:

    >>> from keras_sal import AnchorTargets
    >>> from keras_sal.data import Recording
    >>> from keras_sal.data import Stream
    >>> from keras_sal.data.streams import Clip
    >>> word = Recording("a.wav", "train", "computer", 2.0, onset_s=0.5, offset_s=1.0)
    >>> features = np.zeros((998, 40), "float32")
    >>> stream = Stream("one", (Clip(word, 3.0, class_index=0),), 10.0, features=features)
    >>> targets = AnchorTargets(
    ...     400, "offset", after_frames=25, frame_step_s=0.01, frame_offset_s=0.03
    ... )
    >>> RefinedBatches([stream], targets).anchors_s()
    {'a.wav': 1.0}
    """

    def __init__(self, streams, targets, *, reach_s=0.5, step=1.0, hold_mean=True, **batching):
        super().__init__()  # of one worker: those of `StreamBatches` know of epochs and anchors
        require(
            targets.before_frames is not None or targets.after_frames is not None,
            "`targets` must have `before_frames` or `after_frames`; the model is asked where "
            "labels around an anchor fit. Received: both None. Give one.",
        )
        require(
            reach_s > 0 and 0 < step <= 1,
            "`reach_s` must be greater than 0 and `step` in (0, 1]; anchors move by a part of the "
            f"way. Received: reach_s={reach_s}, step={step}. Use the defaults, 0.5 and 1.",
        )
        self.targets, self.reach_s, self.step, self.hold_mean = targets, reach_s, step, hold_mean
        self._batching = batching
        self._batches = StreamBatches(streams, targets, **batching)
        self.moves = []
        self._first_s = anchors_s(streams, targets.anchor)
        require(
            self._first_s,
            "`streams` must hold positives; their anchors are refined. Received: none in "
            f"{len(streams)} streams. Check the word.",
        )

    def __len__(self):
        return len(self._batches)

    def __getitem__(self, index):
        return self._batches[index]

    def on_epoch_end(self):
        """Moves on to the next epoch's crops."""
        self._batches.on_epoch_end()

    @property
    def streams(self):
        """The streams with their present anchors."""
        return self._batches.streams

    def anchors_s(self):
        """The present anchor of each positive recording, in seconds, in a dict from its path."""
        return anchors_s(self.streams, self.targets.anchor)

    def refine(self, model):
        """Moves the anchors to where `model` finds them.

        A recording that is in the streams several times, altered each time, is moved by the median
        of what is found.

        Args:
            model: A causal detector `(batch, time, features)` to `(batch, time, classes)`.

        Returns:
            The dict that was added to `moves`.
        """
        found_s, present_s = self._find(model), self.anchors_s()
        moves_s = {path: np.median(found) - present_s[path] for path, found in found_s.items()}
        common_s = float(np.median(list(moves_s.values()))) if moves_s else 0.0
        spread_s = float(np.median(np.abs(np.array(list(moves_s.values())) - common_s)))
        held_s = common_s if self.hold_mean else 0.0
        moved = {
            path: self._within_reach(path, present_s[path] + self.step * (move_s - held_s))
            for path, move_s in moves_s.items()
        }
        streams = [
            replace(stream, clips=tuple(self._moved(clip, moved) for clip in stream.clips))
            for stream in self.streams
        ]
        epoch = self._batches.epoch
        self._batches = StreamBatches(streams, self.targets, **self._batching)
        self._batches.epoch = epoch
        self.moves.append({"common_s": common_s, "spread_s": spread_s})
        return self.moves[-1]

    def _find(self, model):
        """Where the model finds the anchor of each positive recording, once for each clip."""
        step_s, offset_s = self.targets.frame_step_s, self.targets.frame_offset_s
        clips, windows, allowed, starts = [], [], [], []
        frames = self._window_frames()
        for stream in self.streams:
            for clip in stream.clips:
                if clip.class_index is None:
                    continue
                start = max(0, round((clip.start_s - LEAD_S) / step_s))
                window = stream.features[start : start + frames]
                time_s = (start + np.arange(frames)) * step_s + offset_s
                place_s = _in_recording(clip, time_s)
                away_s = np.abs(place_s - self._first_s[clip.recording.path])
                heard = np.arange(frames) < len(window)
                inside = (time_s >= clip.start_s) & (time_s <= clip.end_s)
                allowed.append(heard & inside & (away_s <= self.reach_s))
                windows.append(np.pad(window, ((0, frames - len(window)), (0, 0))))
                clips.append(clip)
                starts.append(start)
        answers = model.predict(np.stack(windows), batch_size=PREDICT_BATCH, verbose=0)
        classes = [clip.class_index for clip in clips]
        posteriors = np.stack([answer[:, c] for answer, c in zip(answers, classes, strict=True)])
        anchors = likeliest_anchors(
            posteriors,
            before_frames=self.targets.before_frames or 0,
            after_frames=self.targets.after_frames or 0,
            allowed=np.stack(allowed),
        )
        found_s = defaultdict(list)
        for clip, start, anchor in zip(clips, starts, anchors, strict=True):
            if anchor >= 0:
                time_s = (start + anchor) * step_s + offset_s
                found_s[clip.recording.path].append(_in_recording(clip, time_s))
        return found_s

    def _window_frames(self):
        """Enough for any positive, so that the model is compiled once."""
        longest_s = max(
            clip.end_s - clip.start_s
            for stream in self.streams
            for clip in stream.clips
            if clip.class_index is not None
        )
        after = self.targets.after_frames or 0
        return round((LEAD_S + longest_s) / self.targets.frame_step_s) + after + 1

    def _within_reach(self, path, anchor_s):
        first_s = self._first_s[path]
        return float(np.clip(anchor_s, first_s - self.reach_s, first_s + self.reach_s))

    def _moved(self, clip, moved):
        """The clip with its event shifted as a whole, kept inside the recording."""
        recording = clip.recording
        if clip.class_index is None or recording.path not in moved:
            return clip
        shift_s = moved[recording.path] - _anchor_s(recording, self.targets.anchor)
        most_s = recording.duration_s - recording.offset_s
        shift_s = float(np.clip(shift_s, -recording.onset_s, max(most_s, -recording.onset_s)))
        times_s = recording.onset_s + shift_s, recording.offset_s + shift_s
        return replace(clip, recording=replace(recording, onset_s=times_s[0], offset_s=times_s[1]))


def _anchor_s(recording, anchor):
    return recording.onset_s if anchor == "onset" else recording.offset_s


def _in_recording(clip, time_s):
    """A time in the stream as a time in the recording of a positive."""
    onset_s, _, _ = clip.event
    return clip.recording.onset_s + (time_s - onset_s) * clip.rate


class AnchorRefinement(keras.callbacks.Callback):
    """Refines the anchors of `RefinedBatches` at the end of epochs.

    Args:
        batches: The `RefinedBatches` that the model is fitted to.
        first: The epoch after which anchors move for the first time, counted from 1: a model must
            have learned something. Default 2.
        every: After how many epochs they move again. Default 1.
        last: The last epoch after which they move, or `None` (default).

    Raises:
        ValueError: If a number is less than 1.
    """

    def __init__(self, batches, first=2, every=1, last=None):
        super().__init__()
        require(
            first >= 1 and every >= 1 and (last is None or last >= 1),
            "`first`, `every` and `last` must be at least 1; they count epochs. Received: "
            f"first={first}, every={every}, last={last}. Use the defaults.",
        )
        self.batches, self.first, self.every, self.last = batches, first, every, last

    def on_epoch_end(self, epoch, logs=None):
        """Moves the anchors if it is time."""
        done = epoch + 1 - self.first
        if done >= 0 and done % self.every == 0 and (self.last is None or epoch < self.last):
            move = self.batches.refine(self.model)
            if logs is not None:
                logs["anchor_spread_s"] = move["spread_s"]
