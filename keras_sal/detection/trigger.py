"""The trigger: how a stream of posteriors becomes detections on a device.

`Scoring` holds the rule, `Trigger` runs it live, `detect` over a whole stream at once. See
`keras_sal.detection` for the conventions.
"""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

TIME_TOLERANCE_S = 1e-6  # window ends are included whatever binary fractions make of them


class Detection(NamedTuple):
    """A moment at which a trigger fired: seconds, smoothed posterior, class, its name if known."""

    time_s: float
    score: float
    class_index: int = 0
    class_name: str | None = None

    def __repr__(self):
        known = {name: x for name, x in self._asdict().items() if x is not None}
        return f"Detection({', '.join(f'{name}={x!r}' for name, x in known.items())})"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scoring:
    """How posteriors become detections, and detections hits and false alarms.

    The functions of this module take these as keywords; a `DetCurve` keeps them in `.scoring`,
    so that a test set is scored as the development set was:
    `operating_point(posteriors, anchors_s, threshold, **vars(curve.scoring))`.

    Args:
        frame_step_s: float, seconds, > 0. From one frame to the next.
        frame_offset_s: float, seconds, >= 0. When frame 0 is answered, e.g. the length of the
            front-end's first window. Defaults to 0.0.
        smooth_frames: int >= 1. The score is the mean posterior of that many frames; before
            the stream begins posteriors are 0. Defaults to 1, no smoothing.
        on_frames: int >= 1. The score must have reached the threshold for that many frames in
            a row. Defaults to 1.
        hysteresis: float in [0, 1), or `None`. If given, the trigger is armed again only after
            the score has fallen below `threshold - hysteresis`, so that one long alarm is one
            detection. Defaults to `None`.
        refractory_s: float, seconds, >= 0. No second detection within it. Defaults to 1.0.
        early_s: float, seconds, >= 0. How long before its anchor a hit may come. Defaults to
            0.5.
        max_delay_s: float, seconds, >= 0. How long after its anchor a hit may come. Defaults
            to 1.0.

    Raises:
        ValueError: if a value is out of range.

    Example:

    >>> Scoring(frame_step_s=0.01, refractory_s=0.255).refractory_frames
    26
    """

    frame_step_s: float
    frame_offset_s: float = 0.0
    smooth_frames: int = 1
    on_frames: int = 1
    hysteresis: float | None = None
    refractory_s: float = 1.0
    early_s: float = 0.5
    max_delay_s: float = 1.0

    def __post_init__(self):
        if not 0 < self.frame_step_s < math.inf:
            raise ValueError(
                "`frame_step_s` must be a positive number of seconds; it is the time from one "
                f"frame to the next. Received: frame_step_s={self.frame_step_s}. "
                "A 10 ms step is 0.01."
            )
        for name in ("frame_offset_s", "refractory_s", "early_s", "max_delay_s"):
            check_seconds(name, getattr(self, name))
        for name in ("smooth_frames", "on_frames"):
            value = getattr(self, name)
            if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
                raise ValueError(
                    f"`{name}` must be an integer >= 1; it counts frames. "
                    f"Received: {name}={value}. 1 switches it off."
                )
        if self.hysteresis is not None and not 0 <= self.hysteresis < 1:
            raise ValueError(
                "`hysteresis` must be in [0, 1) or None; it is a distance between posteriors. "
                f"Received: hysteresis={self.hysteresis}. None switches it off."
            )

    @property
    def refractory_frames(self) -> int:
        """The least number of frames from one detection to the next."""
        return max(1, math.ceil(self.refractory_s / self.frame_step_s - 1e-6))

    def time_s(self, frame):
        """When a frame (or an array of them) is answered."""
        return self.frame_offset_s + frame * self.frame_step_s

    def scores(self, posterior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The smoothed posterior, and its minimum over the last `on_frames` frames.

        A trigger is on exactly where the second reaches the threshold. Frames before which
        there were not `on_frames` of them are -inf. Classes may be columns.
        """
        smoothed = posterior
        if self.smooth_frames > 1:
            smoothed = posterior.copy()
            for lag in range(1, min(self.smooth_frames, len(posterior))):
                smoothed[lag:] += posterior[:-lag]
            smoothed /= self.smooth_frames
        lasting = smoothed
        if self.on_frames > 1:
            lasting = smoothed.copy()
            for lag in range(1, min(self.on_frames, len(posterior))):
                np.minimum(lasting[lag:], smoothed[:-lag], out=lasting[lag:])
            lasting[: self.on_frames - 1] = -np.inf
        return smoothed, lasting

    def windows(self, anchors_s: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """First and last frame of the hit windows of sorted anchors, inside the stream."""
        slack = TIME_TOLERANCE_S / self.frame_step_s
        anchors = (anchors_s - self.frame_offset_s) / self.frame_step_s
        first = np.ceil(anchors - self.early_s / self.frame_step_s - slack)
        last = np.floor(anchors + self.max_delay_s / self.frame_step_s + slack)
        return (
            np.clip(first, 0, frames).astype("int64"),
            np.clip(last, -1, frames - 1).astype("int64"),
        )


class Trigger:
    """Turns posteriors into detections as they come, in chunks of any size.

    Use it behind a model that runs live; `keras_sal.StreamingDetector` is both in one. Whatever
    the chunks, it finds what `detect` finds in the whole stream, to the bit: it keeps the last
    `smooth_frames + on_frames - 2` posteriors and what fired last. Use `detect` for a stream that
    is there already.

    Args:
        threshold: float in [0, 1], or `inf` (never fires); with classes, one for all or one for
            each.
        classes: int >= 1. Columns of the posteriors; each has a trigger of its own, which knows
            nothing of the others. Defaults to 1.
        **scoring: the trigger's fields of `Scoring`; `frame_step_s` is required.

    Attributes:
        rule: the `Scoring`.
        thresholds: array `(classes,)`.
        classes: int.

    Raises:
        ValueError: if the threshold or a field of the rule is out of range.

    Example:

    >>> trigger = Trigger(0.75, frame_step_s=0.5)
    >>> trigger.feed([0.1, 0.7])
    []
    >>> trigger.feed([0.9, 0.8, 0.2])
    [Detection(time_s=1.0, score=0.9, class_index=0)]
    """

    def __init__(self, threshold, *, classes: int = 1, **scoring):
        if isinstance(classes, bool) or not hasattr(classes, "__index__") or classes < 1:
            raise ValueError(
                "`classes` must be an integer >= 1; it counts the columns of the posteriors. "
                f"Received: classes={classes}. A detector of one word has 1."
            )
        self.rule = Scoring(**scoring)
        self.classes = classes
        self.thresholds = np.broadcast_to(as_thresholds(threshold, classes), classes)
        self.reset()

    def reset(self):
        """Start a new stream: nothing heard, time 0, ready to fire."""
        self._past = np.empty((0, self.classes), "float32")
        self._frames = 0
        self._firings = [_Firing() for _ in range(self.classes)]

    def feed(self, posteriors) -> list[Detection]:
        """Find the detections in the next posteriors of the stream.

        Args:
            posteriors: array `(frames,)` or `(frames, classes)` in [0, 1]; no frame is fine.

        Returns:
            List of `Detection(time_s, score, class_index)` in order of time, counted from the
            start of the stream.

        Raises:
            ValueError: if the posteriors are not an array of numbers in [0, 1] with a column for
                each class.
        """
        if not np.size(posteriors):
            return []
        columns = _columns(as_posterior(posteriors, "posteriors", classes=True))
        if columns.shape[1] != self.classes:
            raise ValueError(
                f"`posteriors` must have a column for each of the {self.classes} classes. "
                f"Received: posteriors of shape {np.shape(posteriors)}. Give the trigger the "
                "number of columns as `classes`."
            )
        return self._feed(columns)

    def _feed(self, columns: np.ndarray) -> list[Detection]:
        known = len(self._past)
        heard = np.concatenate([self._past, columns]) if known else columns
        memory = self.rule.smooth_frames + self.rule.on_frames - 2
        self._past = heard[max(0, len(heard) - memory) :].copy()
        smoothed, lasting = (scores[known:] for scores in self.rule.scores(heard))
        found = [
            Detection(
                float(self.rule.time_s(self._frames + frame)),
                float(smoothed[frame, class_index]),
                class_index,
            )
            for class_index, firing in enumerate(self._firings)
            for frame in firing.fired(
                lasting[:, class_index],
                float(self.thresholds[class_index]),
                self.rule,
                self._frames,
            )
        ]
        self._frames += len(columns)
        return sorted(found, key=lambda detection: (detection.time_s, detection.class_index))


def detect(posterior, threshold: float, **scoring) -> list[Detection]:
    """Run the trigger over one stream, as a device would.

    Args:
        posterior: array `(frames,)` or `(frames, classes)` in [0, 1]. Each class has a trigger
            of its own, which knows nothing of the others.
        threshold: float in [0, 1], or `inf` (never fires); with classes, one for all or one
            for each.
        **scoring: the trigger's fields of `Scoring`; `frame_step_s` is required.

    Returns:
        List of `Detection(time_s, score, class_index)` in order of time.

    Raises:
        ValueError: if the posterior is not an array of numbers in [0, 1], or the threshold is
            out of range.

    Example:

    >>> detect([0.1, 0.7, 0.9, 0.8, 0.2], threshold=0.75, frame_step_s=0.5)
    [Detection(time_s=1.0, score=0.9, class_index=0)]
    """
    columns = _columns(as_posterior(posterior, "posterior", classes=True))
    return Trigger(threshold, classes=columns.shape[1], **scoring)._feed(columns)


@dataclasses.dataclass
class _Firing:
    """What the trigger of one class remembers of its detections."""

    armed_at: int = 0
    latched: bool = False

    def fired(self, lasting: np.ndarray, threshold: float, rule: Scoring, start: int) -> list[int]:
        """The frames of a chunk at which the trigger fires.

        Args:
            lasting: The second of `Scoring.scores`, of the chunk.
            threshold: That of the class.
            rule: The rule.
            start: Frame of the stream at which the chunk starts.
        """
        lasting = lasting.astype("float64", copy=False)  # a float64 threshold must not be rounded
        on = lasting >= threshold
        released = False
        if rule.hysteresis is not None:
            released = lasting + rule.hysteresis < threshold
        fired = []
        for frame in np.flatnonzero(on | released).tolist():
            if not on[frame]:
                self.latched = False
            elif start + frame >= self.armed_at and not self.latched:
                fired.append(frame)
                self.armed_at = start + frame + rule.refractory_frames
                self.latched = rule.hysteresis is not None
        return fired


def _columns(posterior: np.ndarray) -> np.ndarray:
    return posterior[:, None] if posterior.ndim == 1 else posterior


def check_delay(delay_frames):
    """Refuse what is not a number of answers."""
    if isinstance(delay_frames, bool) or not hasattr(delay_frames, "__index__") or delay_frames < 0:
        raise ValueError(
            "`delay_frames` must be an integer >= 0; it counts answers. "
            f"Received: delay_frames={delay_frames}. A causal model has 0."
        )
    return delay_frames


def check_seconds(name: str, value: float):
    """Refuse what is not a length of time."""
    if not 0 <= value < math.inf:
        raise ValueError(
            f"`{name}` must be a number of seconds, 0 or more. Received: {name}={value}."
        )


def as_thresholds(threshold, classes: int) -> np.ndarray:
    """Check one threshold, or one for each class; shape `(1,)` or `(classes,)`."""
    levels = np.atleast_1d(np.asarray(threshold, dtype="float64"))
    if levels.shape not in ((1,), (classes,)):
        raise ValueError(
            f"`threshold` must be one number, or one for each of the {classes} classes. "
            f"Received: threshold of shape {levels.shape}."
        )
    if not np.all((levels >= 0) & ((levels <= 1) | (levels == np.inf))):
        raise ValueError(
            "`threshold` must be in [0, 1], as posteriors are, or inf. "
            f"Received: threshold={threshold}. Is it a logit or a percentage?"
        )
    return levels


def as_posterior(posterior, name: str, *, classes: bool = False) -> np.ndarray:
    """Check one stream; `(frames, 1)`, as a model gives it, is the same as `(frames,)`."""
    posterior = np.asarray(posterior)
    if posterior.dtype not in ("float32", "float64"):
        posterior = posterior.astype("float64")
    if posterior.ndim == 2 and posterior.shape[1] == 1:
        posterior = posterior[:, 0]
    if posterior.ndim != 1 and not (classes and posterior.ndim == 2):
        shapes = "(frames,) or (frames, classes)" if classes else "(frames,)"
        raise ValueError(
            f"`{name}` must have shape {shapes}. Received: {name} of shape {posterior.shape}. "
            "Give a list with one array for each stream, and one class at a time."
        )
    if len(posterior) == 0:
        raise ValueError(f"`{name}` must have at least one frame. Received: {name} of length 0.")
    low, high = float(posterior.min()), float(posterior.max())
    if math.isnan(low):
        bad = int(np.argmax(np.isnan(posterior).reshape(len(posterior), -1).any(axis=1)))
        raise ValueError(
            f"`{name}` must not hold nan; a frame without an answer can't be scored. "
            f"Received: {name}[{bad}]=nan. Was the exported model run with its state?"
        )
    if low < 0 or high > 1:
        raise ValueError(
            f"`{name}` must lie in [0, 1]; it is a posterior. Received: values from {low:.6g} to "
            f"{high:.6g}. Apply the sigmoid or softmax to logits, dequantise int8 outputs."
        )
    return posterior
