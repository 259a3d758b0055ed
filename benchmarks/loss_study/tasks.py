"""The three tasks of the study: their streams, targets and scoring."""

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_sal.audio import FEATURES, output_times
from keras_sal.data import (
    evaluation_streams,
    load_recordings,
    load_word_recordings,
    training_streams,
)
from keras_sal.detection import det_curve, detect, match_events
from keras_sal.targets import AnchorTargets
from keras_sal.typing import Array

FRAMES_PER_OUTPUT = 3
TIMES = output_times(FRAMES_PER_OUTPUT)
CROP_FRAMES = 399  # 4 s
SPLITS = ("dev", "test")


@dataclass(frozen=True)
class EventStream:
    """A stream of features with the events of a task.

    Args:
        name: Name.
        features: `float32 (frames, features)` at 100 frames a second.
        events: `float64 (events, 3)`, rows `(onset_s, offset_s, class)`.
        speakers: The speaker of each event.
        duration_s: Length in seconds.
    """

    name: str
    features: Array
    events: Array
    speakers: tuple[str, ...]
    duration_s: float

    @classmethod
    def of(cls, stream: Any) -> "EventStream":
        """Take the features and the events of a `keras_sal.data.Stream`."""
        speakers = tuple(p.recording.speaker for p in stream.placed if p.class_index is not None)
        return cls(stream.name, stream.features, stream.events, speakers, stream.duration_s)


@dataclass(frozen=True)
class Streams:
    """The streams of a task: to train on, and to score by `(split, condition)`."""

    train: list[EventStream]
    held_out: dict[tuple[str, str], list[EventStream]]


@dataclass(frozen=True)
class Task:
    """A task of the study.

    Args:
        name: Name on the command line.
        variants: What is detected: words, or the one thing there is.
        load: Function `(folder, variant, split or None, condition, hours, cache)` that makes the
            training streams (`split` None) or those of a split and a condition.
        anchor: `"onset"` or `"offset"`.
        labels: Arguments of `AnchorTargets` by the name of a kind of labels.
        conditions: Signal-to-noise ratios in dB by name; `None` adds no noise.
        windows: Hit windows by name, the main one first.
        budgets: False alarms an hour, the main one first.
        criterion_fa_per_hour: The criterion on dev is the mean FRR up to this rate.
        trigger: Further fields of `Scoring`.
        features: Features of a frame.
        longer: How many times the steps of a trial a run of the test takes.
        lasting: Whether firing again while an event lasts is no false alarm.
    """

    name: str
    variants: tuple[str, ...]
    load: Callable[..., list[EventStream]]
    anchor: str
    labels: dict[str, dict[str, Any]]
    conditions: dict[str, float | None]
    windows: dict[str, dict[str, float]]
    budgets: tuple[float, ...]
    criterion_fa_per_hour: float
    trigger: dict[str, Any] = field(default_factory=dict)
    features: int = FEATURES
    longer: int = 1
    lasting: bool = False

    def streams(self, folder: Path, variant: str, *, hours: float, cache: str | None) -> Streams:
        """Make all streams of a variant."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of recordings that are left out
            load = self.load(folder, variant, hours, cache)
            held_out = itertools.product(SPLITS, self.conditions.items())
            return Streams(
                load(None, None),
                {(split, name): load(split, snr_db) for split, (name, snr_db) in held_out},
            )

    def targets(self, labels: str) -> AnchorTargets:
        """Return the targets of a crop."""
        return AnchorTargets(
            CROP_FRAMES // FRAMES_PER_OUTPUT, anchor=self.anchor, **self.labels[labels], **TIMES
        )

    def anchors(self, streams: list[EventStream]) -> list[Array]:
        """Return the anchors of the events of each stream, in seconds."""
        return [stream.events[:, int(self.anchor == "offset")] for stream in streams]

    def scoring(self, window: str) -> dict[str, Any]:
        """Return the fields of `Scoring` for a hit window."""
        return {**TIMES, **self.trigger, **self.windows[window]}

    def ends(self, streams: list[EventStream]) -> dict[str, Any]:
        """Return `event_ends_s` where firing again while an event lasts is no false alarm."""
        return {"event_ends_s": [s.events[:, 1] for s in streams]} if self.lasting else {}

    def curve(self, posteriors: list[Array], streams: list[EventStream], window: str) -> Any:
        """Score posteriors at all thresholds."""
        return det_curve(
            posteriors,
            self.anchors(streams),
            max_fa_per_hour=2 * self.criterion_fa_per_hour,
            **self.ends(streams),
            **self.scoring(window),
        )

    def latencies_ms(
        self, posteriors: list[Array], streams: list[EventStream], window: str, threshold: float
    ) -> list[int | None]:
        """Return the latency of each event at a threshold, `None` for a miss."""
        rule = self.scoring(window)
        found: list[int | None] = []
        for posterior, anchors in zip(posteriors, self.anchors(streams), strict=True):
            matches = match_events(
                detect(posterior, threshold, **rule), anchors, **self.windows[window]
            )
            latencies = dict(
                zip((event for _, event in matches.hits), matches.latencies_s, strict=True)
            )
            found += [
                round(1000 * latencies[event]) if event in latencies else None
                for event in range(len(anchors))
            ]
        return found


def load_words(folder: Path, word: str, hours: float, cache: str | None) -> Callable[..., Any]:
    """Return a loader of the streams of a word among other speech."""
    recordings = load_word_recordings(folder, word, say=lambda _: None)

    def load(split: str | None, snr_db: float | None) -> list[EventStream]:
        if split is None:
            streams = training_streams(recordings, word, hours=hours, cache=cache)
        else:
            streams = evaluation_streams(recordings, word, split, snr_db=snr_db, cache=cache)
        return [EventStream.of(stream) for stream in streams]

    return load


def load_speech(folder: Path, word: str, hours: float, cache: str | None) -> Callable[..., Any]:
    """Return a loader of streams of speech, whatever is said, among noise and pauses.

    Recordings of speech without times are left out: nobody knows where speech begins in them.
    """
    recordings = [
        recording if recording.noise else replace(recording, text=word)
        for recording in load_recordings(folder)
        if recording.noise or recording.onset_s is not None
    ]
    pauses = {"pause_s": (0.5, 3.0), "cache": cache}

    def load(split: str | None, snr_db: float | None) -> list[EventStream]:
        if split is None:
            streams = training_streams(
                recordings, word, hours=hours, events_per_minute=9.0, **pauses
            )
        else:
            streams = evaluation_streams(recordings, word, split, snr_db=snr_db, **pauses)
        return [EventStream.of(stream) for stream in streams]

    return load


SAMPLE_FRAMES = 4  # frames of sound for each sample of motion
PEOPLE = {None: 1, "dev": 0, "test": 2}  # whose strokes a split has
MOTION_G, FEATURE_MAX = 4.0, 26.0
TOGETHER_S = (0.0, 0.5)  # from the end of the word to that of the stroke, in an event
APART_S = (2.0, 3.0)  # the same, where both are no event
WORD_WITH_STROKE, WORD_APART, OTHER_WITH_STROKE = 0.5, 0.25, 0.1


def load_gestures(folder: Path, word: str, hours: float, cache: str | None) -> Callable[..., Any]:
    """Return a loader of streams of a word said together with a stroke of the hand.

    Each frame has three further features, the acceleration at 25 Hz in the range of the others.
    Half of the words come with a stroke that ends within half a second of the word, a quarter with
    one 2 to 3 s away; a tenth of the other recordings come with a stroke. Each split has the
    strokes of another person. The recordings of a split are heard twice, with other strokes.
    """
    recordings = load_word_recordings(folder, word, say=lambda _: None)

    def load(split: str | None, snr_db: float | None) -> list[EventStream]:
        if split is None:
            streams = training_streams(
                recordings, word, hours=hours, events_per_minute=14.0, cache=cache
            )
        else:
            streams = [
                stream
                for seed in range(2)
                for stream in evaluation_streams(
                    recordings, word, split, snr_db=snr_db, seed=seed, cache=cache
                )
            ]
        rng = np.random.default_rng([0 if split is None else 1 + SPLITS.index(split)])
        strokes, motion = _strokes(folder, PEOPLE[split]), _everyday_motion(folder, split)
        return [_with_motion(stream, strokes, motion, rng) for stream in streams]

    return load


def _pieces(file: Any) -> list[Array]:
    """The pieces of a file of motion, each `(samples, 3)` in g."""
    return np.split(file["acceleration_g"], file["start"][1:])


def _strokes(folder: Path, person: int) -> list[Array]:
    file = np.load(folder / "gesture" / "strokes.npz")
    return [x for x, whose in zip(_pieces(file), file["person"], strict=True) if whose == person]


def _everyday_motion(folder: Path, split: str | None) -> list[Array]:
    pieces = _pieces(
        np.load(folder / "gesture" / f"motion_{'test' if split == 'test' else 'train'}.npz")
    )
    if split == "test":
        return pieces
    return pieces[::2] if split is None else pieces[1::2]


def _with_motion(
    stream: Any, strokes: list[Array], motions: list[Array], rng: np.random.Generator
) -> EventStream:
    """Lay motion under a stream, with strokes at some of its recordings."""
    sample_s = SAMPLE_FRAMES * TIMES["frame_step_s"] / FRAMES_PER_OUTPUT
    samples = -(-len(stream.features) // SAMPLE_FRAMES)
    first = rng.integers(len(motions))
    motion = np.resize(np.concatenate(motions[first:] + motions[:first]), (samples, 3))
    events, speakers, free = [], [], 0
    for placed in stream.placed:
        word, kind, side = placed.event, rng.random(), rng.choice((-1, 1))
        end_s = word[1] if word else placed.end_s
        together = word is not None and kind < WORD_WITH_STROKE
        apart = word is not None and WORD_WITH_STROKE <= kind < WORD_WITH_STROKE + WORD_APART
        stroke = strokes[rng.integers(len(strokes))]
        stroke_end_s = end_s + side * rng.uniform(*(APART_S if apart else TOGETHER_S))
        end = round(stroke_end_s / sample_s)
        if not (together or apart or (word is None and kind < OTHER_WITH_STROKE)):
            continue
        if not free <= end - len(stroke) < end <= samples:
            continue
        motion[end - len(stroke) : end] = stroke
        free = end
        if together:
            events.append((word[0], max(end_s, stroke_end_s), 0))
            speakers.append(placed.recording.speaker)
    scaled = (motion / MOTION_G + 1) * FEATURE_MAX / 2
    held = np.repeat(scaled, SAMPLE_FRAMES, axis=0)[: len(stream.features)]
    return EventStream(
        stream.name,
        np.concatenate([stream.features, held], axis=1).astype("float32"),
        np.reshape(events, (-1, 3)).astype("float64"),
        tuple(speakers),
        stream.duration_s,
    )


SPAN: dict[str, Any] = {}
WINDOW = {"before_frames": 2, "after_frames": 8}
TASKS = {
    task.name: task
    for task in (
        Task(
            "keyword",
            variants=("computer", "jarvis", "alexa", "smart mirror"),
            load=load_words,
            anchor="offset",
            labels={"span": SPAN, "window": WINDOW},
            conditions={"clean": None, "10 dB": 10.0},
            windows={
                "half a second early": {"early_s": 0.5, "max_delay_s": 1.0},
                "a second early": {"early_s": 1.0, "max_delay_s": 1.0},
                "a word early": {"early_s": 1.5, "max_delay_s": 1.0},
            },
            budgets=(5.0, 1.0),
            criterion_fa_per_hour=10.0,
            longer=3,
        ),
        Task(
            "onset",
            variants=("speech",),
            load=load_speech,
            anchor="onset",
            labels={"span": SPAN},
            conditions={"clean": None, "10 dB": 10.0, "0 dB": 0.0},
            windows={
                "within 0.5 s": {"early_s": 0.05, "max_delay_s": 0.5},
                "within 1 s": {"early_s": 0.05, "max_delay_s": 1.0},
            },
            budgets=(100.0, 30.0),
            criterion_fa_per_hour=100.0,
            trigger={"hysteresis": 0.3, "refractory_s": 0.5},
            lasting=True,
        ),
        Task(
            "gesture",
            variants=("computer",),
            load=load_gestures,
            anchor="offset",
            labels={"span": SPAN},
            conditions={"clean": None, "10 dB": 10.0},
            windows={
                "half a second early": {"early_s": 0.5, "max_delay_s": 1.0},
                "a second early": {"early_s": 1.0, "max_delay_s": 1.0},
            },
            budgets=(5.0, 1.0),
            criterion_fa_per_hour=10.0,
            features=FEATURES + 3,
            longer=3,
        ),
    )
}
