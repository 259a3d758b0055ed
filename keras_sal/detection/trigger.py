"""The trigger: posteriors become detections, on a live stream or on a whole one."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from keras_sal.checks import require
from keras_sal.detection.scoring import Scoring
from keras_sal.detection.validation import validate_posterior, validate_thresholds
from keras_sal.typing import Array, ArrayLike


class Detection(NamedTuple):
    """A moment at which a trigger fired.

    Args:
        time_s: float, seconds from the start of the stream.
        score: float, the smoothed posterior at that time.
        class_index: int, index of the class. Defaults to 0.
        class_name: str, name of the class, or `None` (default) if unknown.
    """

    time_s: float
    score: float
    class_index: int = 0
    class_name: str | None = None

    def __repr__(self) -> str:
        known = {name: x for name, x in self._asdict().items() if x is not None}
        return f"Detection({', '.join(f'{name}={x!r}' for name, x in known.items())})"


class Trigger:
    """A trigger that finds detections in posteriors as they come, in chunks of any size.

    Use it behind a model that runs live; `keras_sal.StreamingDetector` is both in one. Whatever
    the chunks, it finds what `detect` finds in the whole stream, to the bit: it keeps the last
    `smooth_frames + on_frames - 2` posteriors and the last detection. Use `detect` for a stream
    that is complete.

    Args:
        threshold: float in [0, 1], or `inf` (never fires); for several classes one for all, or an
            array `(classes,)`.
        classes: int >= 1, number of columns of the posteriors. Each class has an independent
            trigger. Defaults to 1.
        **scoring: the trigger's fields of `Scoring`; `frame_step_s` is required.

    Attributes:
        rule: the `Scoring`.
        thresholds: array `(classes,)`.
        classes: int.

    Raises:
        ValueError: If the threshold or a field of the rule is out of range.

    Example:

    >>> trigger = Trigger(0.75, frame_step_s=0.5)
    >>> trigger.feed([0.1, 0.7])
    []
    >>> trigger.feed([0.9, 0.8, 0.2])
    [Detection(time_s=1.0, score=0.9, class_index=0)]
    """

    def __init__(self, threshold: ArrayLike, *, classes: int = 1, **scoring: Any) -> None:
        require(
            not isinstance(classes, bool) and hasattr(classes, "__index__") and classes >= 1,
            "`classes` must be an integer >= 1; it counts the columns of the posteriors. "
            f"Received: classes={classes}. A detector of one word has 1.",
        )
        self.rule = Scoring(**scoring)
        self.classes = classes
        self.thresholds = np.broadcast_to(validate_thresholds(threshold, classes), classes)
        self.reset()

    def reset(self) -> None:
        """Start a new stream at time 0, without a detection so far."""
        self._past = np.empty((0, self.classes), "float32")
        self._frames = 0
        self._states = [_ClassState() for _ in range(self.classes)]

    def feed(self, posteriors: ArrayLike) -> list[Detection]:
        """Find the detections in the next posteriors of the stream.

        Args:
            posteriors: array `(frames,)` or `(frames, classes)` in [0, 1]; may be empty.

        Returns:
            List of `Detection(time_s, score, class_index)` in order of time, counted from the
            start of the stream.

        Raises:
            ValueError: If the posteriors are not an array of numbers in [0, 1] with a column for
                each class.
        """
        if not np.size(posteriors):
            return []
        columns = _columns(validate_posterior(posteriors, "posteriors", classes=True))
        require(
            columns.shape[1] == self.classes,
            f"`posteriors` must have a column for each of the {self.classes} classes. "
            f"Received: posteriors of shape {np.shape(posteriors)}. Give the trigger the "
            "number of columns as `classes`.",
        )
        return self._feed(columns)

    def _feed(self, columns: Array) -> list[Detection]:
        known = len(self._past)
        recent = np.concatenate([self._past, columns]) if known else columns
        memory = self.rule.smooth_frames + self.rule.on_frames - 2
        self._past = recent[max(0, len(recent) - memory) :].copy()
        smoothed, lasting = (scores[known:] for scores in self.rule.scores(recent))
        found = [
            Detection(
                float(self.rule.time_s(self._frames + frame)),
                float(smoothed[frame, class_index]),
                class_index,
            )
            for class_index, state in enumerate(self._states)
            for frame in state.detect(
                lasting[:, class_index],
                float(self.thresholds[class_index]),
                self.rule,
                self._frames,
            )
        ]
        self._frames += len(columns)
        return sorted(found, key=lambda detection: (detection.time_s, detection.class_index))


def detect(posterior: ArrayLike, threshold: ArrayLike, **scoring: Any) -> list[Detection]:
    """Run the trigger over one stream, as a device would.

    Args:
        posterior: array `(frames,)` or `(frames, classes)` in [0, 1]. Each class has an independent
            trigger.
        threshold: float in [0, 1], or `inf` (never fires); for several classes one for all, or an
            array `(classes,)`.
        **scoring: the trigger's fields of `Scoring`; `frame_step_s` is required.

    Returns:
        List of `Detection(time_s, score, class_index)` in order of time.

    Raises:
        ValueError: If the posterior is not an array of numbers in [0, 1], or the threshold is
            out of range.

    Example:

    >>> detect([0.1, 0.7, 0.9, 0.8, 0.2], threshold=0.75, frame_step_s=0.5)
    [Detection(time_s=1.0, score=0.9, class_index=0)]
    """
    columns = _columns(validate_posterior(posterior, "posterior", classes=True))
    return Trigger(threshold, classes=columns.shape[1], **scoring)._feed(columns)


@dataclasses.dataclass
class _ClassState:
    """What the trigger of one class remembers of its last detection."""

    armed_at: int = 0
    latched: bool = False

    def detect(self, lasting: Array, threshold: float, rule: Scoring, start: int) -> list[int]:
        """Find the frames of a chunk at which the trigger fires.

        Args:
            lasting: The second array of `Scoring.scores` for the chunk, `(frames,)`.
            threshold: The threshold of the class.
            rule: The rule.
            start: Frame of the stream at which the chunk starts.
        """
        lasting = lasting.astype("float64", copy=False)  # a float64 threshold must not be rounded
        on = lasting >= threshold
        released: Any = False
        if rule.hysteresis is not None:
            released = lasting + rule.hysteresis < threshold
        detections = []
        for frame in np.flatnonzero(on | released).tolist():
            if not on[frame]:
                self.latched = False
            elif start + frame >= self.armed_at and not self.latched:
                detections.append(frame)
                self.armed_at = start + frame + rule.refractory_frames
                self.latched = rule.hysteresis is not None
        return detections


def _columns(posterior: Array) -> Array:
    return posterior[:, None] if posterior.ndim == 1 else posterior
