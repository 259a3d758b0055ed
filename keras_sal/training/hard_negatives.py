"""Hard negatives: batches that cover the false alarms of the model under training.

A detector soon learns nothing more from most of what it is trained on; the sounds that it still
fires on are rare. So it is run over the training streams between epochs, and its false alarms are
collected. From then on a share of the crops of each batch covers these moments. The next round
searches with the model as it is by then: false alarms that were unlearned leave, new ones come in.

    batches = StreamBatches(streams, targets, focus_share=0.25)
    hard_negatives = HardNegatives(batches)
    model.fit(batches, epochs=10, shuffle=False, callbacks=[hard_negatives])
    for recording in hard_negatives.by_recording()[:10]:
        print(recording.path, recording.alarms, recording.top_score)  # listen to these

Listen to the recordings with the most false alarms: one that leads the list in each round may hold
the word. A round over 8 hours of streams takes `gru_detector` 5 s on JAX on one core, and 300 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_sal.checks import require
from keras_sal.data import Stream, StreamBatches
from keras_sal.detection import detect, match_events
from keras_sal.runtime import open_runner, predict
from keras_sal.targets import AnchorTargets
from keras_sal.training.epoch_rounds import EpochRounds
from keras_sal.typing import Array, ArrayLike

_STREAMS_AT_ONCE = 32


class FalseAlarm(NamedTuple):
    """A detection in a stream that belongs to no event.

    Attributes:
        stream: Index of the stream.
        time_s: Time of the detection in the stream, in seconds.
        score: Posterior of the detection, in `[0, 1]`.
        path: Path of the recording that is heard then, or was heard last; `None` before the first
            recording of the stream.
    """

    stream: int
    time_s: float
    score: float
    path: Path | None


class RecordingFalseAlarms(NamedTuple):
    """The false alarms in one recording.

    Attributes:
        path: Path of the recording, or `None` for those before the first of a stream.
        alarms: Number of false alarms.
        top_score: Greatest score among them, in `[0, 1]`.
    """

    path: Path | None
    alarms: int
    top_score: float


def find_false_alarms(
    model: Any,
    streams: Sequence[Stream],
    targets: AnchorTargets,
    *,
    threshold: float = 0.5,
    **scoring: Any,
) -> list[FalseAlarm]:
    """Find the detections of a model that belong to no event.

    Where labels last from onset to offset, a detection while an event lasts belongs to it.

    Memory does not grow with the hours: 32 streams at once are predicted in chunks.

    Args:
        model: A causal Keras model whose outputs are posteriors, or a runner of one from
            `keras_sal.runtime.open_runner`.
        streams: Streams with features.
        targets: The `AnchorTargets` that the model is trained on. They give frame times, anchor
            and classes.
        threshold: Threshold of a detection, in `[0, 1]`. Defaults to 0.5.
        **scoring: Fields of `keras_sal.detection.Scoring` other than the frame times.

    Returns:
        The `FalseAlarm`s, highest score first.

    Raises:
        ValueError: If the model can't be run over streams, or its outputs are no posteriors.

    Example:
        >>> import keras, numpy as np
        >>> from keras_sal import AnchorTargets
        >>> from keras_sal.data import PlacedRecording, Recording, Stream
        >>> hum = PlacedRecording(Recording(Path("hum.wav"), "train", "", 3.0), start_s=2.0)
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
    delay_frames = getattr(runner, "delay_frames", 0)
    background = targets.classes > 1 and targets.encoding != "multi_hot"
    found = []
    for first in range(0, len(streams), _STREAMS_AT_ONCE):
        some = streams[first : first + _STREAMS_AT_ONCE]
        predictions = predict(runner, [_step_inputs(stream.features) for stream in some])
        for index, posteriors in enumerate(predictions, first):
            posteriors = posteriors[delay_frames:].copy()
            if background:
                posteriors[:, 0] = 0
            found += _false_alarms(index, streams[index], posteriors, targets, threshold, scoring)
    return sorted(found, key=lambda alarm: -alarm.score)


def _false_alarms(
    index: int,
    stream: Stream,
    posteriors: Array,
    targets: AnchorTargets,
    threshold: float,
    scoring: dict[str, Any],
) -> list[FalseAlarm]:
    times = {"frame_step_s": targets.frame_step_s, "frame_offset_s": targets.frame_offset_s}
    windows = {name: scoring[name] for name in ("early_s", "max_delay_s") if name in scoring}
    onsets_s, offsets_s, classes = stream.events.T
    anchors_s = onsets_s if targets.anchor == "onset" else offsets_s
    lasting = targets.before_frames is None and targets.after_frames is None
    matches = match_events(
        detect(posteriors, threshold, **times, **scoring),
        anchors_s,
        anchor_classes=classes.astype(int),
        event_ends_s=offsets_s if lasting else None,
        **windows,
    )
    found = []
    for alarm in matches.false_alarms:
        placed = stream.placed_at(alarm.time_s)
        path = None if placed is None else placed.recording.path
        found.append(FalseAlarm(index, alarm.time_s, alarm.score, path))
    return found


class HardNegatives(EpochRounds):
    """Callback that has batches cover the model's false alarms, searched for after epochs.

    The model alone decides which false alarms there are, and the seed of the batches which crops
    cover them: the same crops for any number of workers. `logs` gets `false_alarms_per_hour`.

    Args:
        batches: The `keras_sal.data.StreamBatches` that the model is fitted to. Their `focus_share`
            is the share of a batch that covers false alarms.
        pool: Streams with features to search, for example hours of negatives that hold little to
            learn from. Defaults to `None`, for the streams of `batches`.
        first: The epoch after which the first round takes place, counted from 1. Defaults to 2,
            because an untrained model fires on everything.
        every: Epochs from one round to the next, >= 1. Defaults to 1.
        last: The last epoch after which a round may take place. Defaults to `None`, for no limit.
        threshold: Threshold of a detection, in `[0, 1]`. Defaults to 0.5.
        most: Number of false alarms to cover, >= 1, those with the highest scores. Defaults to
            1000.
        max_delay_frames: Greatest delay of the model in frames, as in
            `keras_sal.streaming.step_model`. Defaults to 0.
        **scoring: Fields of `keras_sal.detection.Scoring` other than the frame times.

    Attributes:
        alarms: All `FalseAlarm`s of the last round, highest score first.
        rounds: A dict for each round: `false_alarms` (their number), `per_hour` (of the streams
            searched), `covered` (the number that crops cover).

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self,
        batches: StreamBatches,
        pool: Sequence[Stream] | None = None,
        *,
        first: int = 2,
        every: int = 1,
        last: int | None = None,
        threshold: float = 0.5,
        most: int = 1000,
        max_delay_frames: int = 0,
        **scoring: Any,
    ):
        super().__init__(first, every, last)
        require(
            most >= 1,
            "`most` must be at least 1; it counts the false alarms to cover. Received: "
            f"most={most}. Use the default, 1000.",
        )
        require(
            0 <= threshold <= 1,
            "`threshold` must lie in [0, 1]; posteriors do. Received: "
            f"threshold={threshold}. Use the default, 0.5.",
        )
        self.batches, self.pool = batches, pool
        self.threshold, self.most, self.scoring = threshold, most, scoring
        self.max_delay_frames = max_delay_frames
        self.alarms: list[FalseAlarm] = []
        self.rounds: list[dict[str, float]] = []
        self._runner: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the model of the last training."""
        self._runner = None

    def run(self) -> dict[str, float]:
        """Search with the model, and name the result for `logs`."""
        return {"false_alarms_per_hour": self.mine()["per_hour"]}

    def mine(self) -> dict[str, float]:
        """Find the false alarms of the model as it is now, and have the batches cover them.

        Returns:
            The dict that was added to `rounds`.
        """
        streams = self.batches.streams if self.pool is None else self.pool
        self._runner = self._runner or open_runner(
            self.model, max_delay_frames=self.max_delay_frames
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

    def restore(self, alarms: ArrayLike) -> None:
        """Have the batches cover the false alarms of an earlier round.

        Args:
            alarms: `(alarms, 3)`: number of the stream, seconds and score of each false alarm.
        """
        streams = self.batches.streams if self.pool is None else self.pool
        self.alarms = []
        for stream, time_s, score in np.asarray(alarms, "float64").tolist():
            placed = streams[int(stream)].placed_at(time_s)
            path = None if placed is None else placed.recording.path
            self.alarms.append(FalseAlarm(int(stream), time_s, score, path))
        if self.alarms:
            self.batches.focus(self.alarms[: self.most], self.pool)

    def by_recording(self) -> list[RecordingFalseAlarms]:
        """Return the false alarms of the last round by recording.

        Returns:
            A list of `RecordingFalseAlarms`, those with the most false alarms first; with as many,
            those with the higher score.
        """
        scores: dict[Path | None, list[float]] = {}
        for alarm in self.alarms:
            scores.setdefault(alarm.path, []).append(alarm.score)
        found = [RecordingFalseAlarms(path, len(of), max(of)) for path, of in scores.items()]
        return sorted(found, key=lambda each: (-each.alarms, -each.top_score, str(each.path)))


def _step_inputs(features: Any) -> Any:
    """Return features by the input of the step model, which is named after that of the model."""
    if not isinstance(features, dict):
        return features
    return {f"frame_{name}": x for name, x in features.items()}
