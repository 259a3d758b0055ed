"""Hard negatives: the false alarms of the model under training go back into its batches.

Most of what a detector hears teaches it nothing any more; what it still fires on is rare. So it is
run over the training streams between epochs, its detections that belong to no event are collected,
and from then on a share of the crops of each batch covers such moments. The next round finds those
of the model as it is by then: what was learned leaves, what was forgotten comes back.

    batches = StreamBatches(streams, targets, focus_share=0.25)
    hard = HardNegatives(batches)
    model.fit(batches, epochs=10, shuffle=False, callbacks=[hard])
    for culprit in hard.culprits[:10]:
        print(culprit.path, culprit.count, culprit.top_score)  # listen to these

Look at the culprits: a recording that leads the list round after round may well hold the word. A
round over 8 hours takes `gru_detector` 5 s on JAX, on one core, and 300 MB.
"""

from pathlib import Path
from typing import NamedTuple

import keras

from keras_sal.checks import require
from keras_sal.detection import detect, match_events
from keras_sal.runtime import open_runner, predict

TOGETHER = 32  # streams that a model answers side by side


class FalseAlarm(NamedTuple):
    """A detection that belongs to no event: in which stream, when, how sure, heard in what.

    `path` is that of the recording heard then or last, `None` before the first of the stream.
    """

    stream: int
    time_s: float
    score: float
    path: Path | None


class Culprit(NamedTuple):
    """A recording that a model fires on: how often, and how sure it was at most."""

    path: Path | None
    count: int
    top_score: float


def find_false_alarms(model, streams, targets, *, threshold=0.5, **scoring):
    """The detections of a model that belong to no event, those it is surest of first.

    Memory does not grow with the hours: 32 streams at a time are answered in chunks.

    Args:
        model: A causal Keras model that answers with posteriors, or a runner of one, from
            `keras_sal.runtime.open_runner`.
        streams: A sequence of `keras_sal.data.Stream` with features.
        targets: The `AnchorTargets` that the model is trained on: its frame times, its anchor, its
            classes.
        threshold: Posterior from which on it fires, in `[0, 1]`. Default 0.5.
        **scoring: Fields of `keras_sal.detection.Scoring` other than the frame times.

    Returns:
        A list of `FalseAlarm`; `path` is that of the recording that is heard, or was heard last.

    Raises:
        ValueError: If the model can't be run over streams, or does not answer with posteriors.

    Example:
        >>> import keras, numpy as np
        >>> from keras_sal import AnchorTargets
        >>> from keras_sal.data import Recording
        >>> from keras_sal.data import Stream
        >>> from keras_sal.data.streams import Clip
        >>> hum = Clip(Recording(Path("hum.wav"), "train", "", 3.0), start_s=2.0)
        >>> features = np.zeros((498, 1), "float32")
        >>> features[300] = 9.0  # 3.03 s
        >>> stream = Stream("one", (hum,), 5.0, features=features)
        >>> loud = keras.layers.Rescaling(0.1)
        >>> model = keras.Sequential([keras.Input((None, 1)), loud])
        >>> targets = AnchorTargets(100, frame_step_s=0.01, frame_offset_s=0.03)
        >>> [alarm] = find_false_alarms(model, [stream], targets)
        >>> alarm.stream, round(alarm.time_s, 2), round(alarm.score, 2), alarm.path.name
        (0, 3.03, 0.9, 'hum.wav')
    """
    runner = open_runner(model)
    times = {"frame_step_s": targets.frame_step_s, "frame_offset_s": targets.frame_offset_s}
    windows = {name: scoring[name] for name in ("early_s", "max_delay_s") if name in scoring}
    background = targets.classes > 1 and targets.encoding != "multi_hot"
    column = 0 if targets.anchor == "onset" else 1
    late = getattr(runner, "delay_frames", 0)
    found = []
    for first in range(0, len(streams), TOGETHER):
        answers = predict(runner, [_frames(s.features) for s in streams[first : first + TOGETHER]])
        for index, posteriors in enumerate(answers, first):
            stream = streams[index]
            posteriors = posteriors[late:].copy()
            if background:
                posteriors[:, 0] = 0
            events = stream.events
            matches = match_events(
                detect(posteriors, threshold, **times, **scoring),
                events[:, column],
                anchor_classes=events[:, 2].astype(int),
                **windows,
            )
            for alarm in matches.false_alarms:
                clip = stream.clip_at(alarm.time_s)
                path = None if clip is None else clip.recording.path
                found.append(FalseAlarm(index, alarm.time_s, alarm.score, path))
    return sorted(found, key=lambda alarm: -alarm.score)


class HardNegatives(keras.callbacks.Callback):
    """Finds the model's false alarms at the end of epochs and has batches cover them.

    Which they are follows from the model alone, and which crops cover them from the seed of the
    batches: the same whatever the number of workers. `logs` gets `false_alarms_per_hour`.

    Args:
        batches: The `keras_sal.data.StreamBatches` that the model is fitted to; its
            `focus_share` says how much of a batch covers false alarms.
        pool: Streams with features to look for false alarms in, or `None` (default) for those of
            `batches`. For hours of negatives that hold little to learn from.
        first: The epoch after which to look for the first time, counted from 1. Default 2: an
            untrained model fires on everything.
        every: After how many epochs to look again, at least 1. Default 1.
        last: The last epoch after which to look, or `None` (default).
        threshold: Posterior from which on the model fires, in `[0, 1]`. Default 0.5.
        most: How many false alarms to keep, those that the model is surest of; at least 1. Default
            1000.
        max_delay_frames: For models that answer late, as in `keras_sal.streaming.step_model`.
        detector: The model to run, or `None` (default) for the one that is fitted. The student, if
            that is a `keras_sal.training.distillation.Distiller`.
        **scoring: Fields of `keras_sal.detection.Scoring` other than the frame times.

    Attributes:
        alarms: The `FalseAlarm`s of the last round, all of them, the surest first.
        rounds: A dict for each round: `false_alarms` found, `per_hour` of the streams searched,
            and `covered`: how many of those kept there are crops for.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self,
        batches,
        pool=None,
        *,
        first=2,
        every=1,
        last=None,
        threshold=0.5,
        most=1000,
        max_delay_frames=0,
        detector=None,
        **scoring,
    ):
        super().__init__()
        require(
            first >= 1 and every >= 1 and (last is None or last >= 1) and most >= 1,
            "`first`, `every`, `last` and `most` must be at least 1; they count epochs and alarms. "
            f"Received: first={first}, every={every}, last={last}, most={most}. Use the defaults.",
        )
        require(
            0 <= threshold <= 1,
            "`threshold` must lie in [0, 1]; posteriors do. Received: "
            f"threshold={threshold}. Use the default, 0.5.",
        )
        self.batches, self.pool = batches, pool
        self.first, self.every, self.last = first, every, last
        self.threshold, self.most, self.scoring = threshold, most, scoring
        self.max_delay_frames, self.detector = max_delay_frames, detector
        self.alarms, self.rounds = [], []
        self._runner = None

    def on_train_begin(self, logs=None):
        """Forgets the model of the last training."""
        self._runner = None

    def on_epoch_end(self, epoch, logs=None):
        """Looks for false alarms if it is time."""
        done = epoch + 1 - self.first
        if done >= 0 and done % self.every == 0 and (self.last is None or epoch < self.last):
            found = self.mine()
            if logs is not None:
                logs["false_alarms_per_hour"] = found["per_hour"]

    def mine(self):
        """Looks for the false alarms of the model as it is now, and has the batches cover them.

        Returns:
            The dict that was added to `rounds`.
        """
        streams = self.batches.streams if self.pool is None else self.pool
        self._runner = self._runner or open_runner(
            self.detector or self.model, max_delay_frames=self.max_delay_frames
        )
        self.alarms = find_false_alarms(
            self._runner,
            streams,
            self.batches.targets,
            threshold=self.threshold,
            **self.scoring,
        )
        hours = sum(stream.hours for stream in streams)
        self.rounds.append(
            {
                "false_alarms": len(self.alarms),
                "per_hour": len(self.alarms) / hours,
                "covered": self.batches.focus(self.alarms[: self.most], self.pool),
            }
        )
        return self.rounds[-1]

    @property
    def culprits(self):
        """The recordings that the model fired on in the last round, the worst first.

        A list of `Culprit`, those with the most false alarms before those with fewer, and among
        them those that the model was surest of.
        """
        scores = {}
        for alarm in self.alarms:
            scores.setdefault(alarm.path, []).append(alarm.score)
        culprits = [Culprit(path, len(of), max(of)) for path, of in scores.items()]
        return sorted(culprits, key=lambda c: (-c.count, -c.top_score, str(c.path)))


def _frames(features):
    """Features by the input of the step model, which are named after those of the model."""
    if not isinstance(features, dict):
        return features
    return {f"frame_{name}": x for name, x in features.items()}
