"""From posteriors to detections, matched events, DET curves and latency.

Works on posteriors from anywhere: it needs numpy and nothing else.

Conventions
-----------

- A *posterior* is in [0, 1]. Frame `t` is answered at `frame_offset_s + t * frame_step_s`
  seconds. All times are seconds from the start of their stream; an *anchor* is the time an
  event is judged by.
- A *trigger* turns posteriors into detections. It is meant for a device, where it reads

      ring[t % smooth_frames] = posterior;              // zeros at the start
      score = sum(ring) / smooth_frames;
      on = score >= threshold ? on + 1 : 0;
      if (score + hysteresis < threshold) latched = false;
      if (dead > 0) --dead;
      if (on >= on_frames && dead == 0 && !latched) {
        detection(t, score);
        dead = refractory_frames;                       // ceil(refractory_s / frame_step_s)
        latched = use_hysteresis;
      }
      ++t;

  So detections are at least `refractory_s` apart, and a posterior that stays high fires again
  each `refractory_s` unless `hysteresis` is given.
- A *hit* is the first detection inside `[anchor - early_s, anchor + max_delay_s]`, both ends
  included. Detections are matched one to one, in order of time, each to the earliest anchor
  that is still free, which matches as many events as any one-to-one matching could. A further
  detection inside windows that are all matched is ignored. Everything outside the windows is a
  *false alarm*.
- *FRR* = missed events / events. *FA/h* = false alarms / hours of audio outside the hit
  windows. *Latency* = detection - anchor in seconds, late is positive; its quantiles are
  observed values ("at least 90 % of the hits came within P90") and stand beside the FRR.
- What is undefined is `nan`, never 0: the FRR without events, FA/h without negative audio.
- With no false alarm in H hours the claim is at most 3/H an hour (95 %): see
  `keras_sal.uncertainty`.

A DET curve holds every threshold at which the detections change, so nothing is sampled on a
grid and nothing is interpolated.

What holds when the threshold rises
-----------------------------------

- Without hysteresis the number of detections never grows.
- The number of hits never grows where the refractory time is at most one frame. A longer one
  has one exception, because a device that has just fired is deaf: an event that is hit at a
  threshold may be missed at a *lower* one only if the lower one detects something outside the
  event's window less than `refractory_s` before a frame of that window. Such a false alarm
  costs the user the event, and the figures here say so.

How other scorers differ, and which way it moves their numbers
--------------------------------------------------------------

- microWakeWord (training and test scripts): a positive clip counts as detected whenever its
  largest five-frame mean reaches the cutoff, without a time limit, so FRR is lower than here;
  the first 25 slices of a clip are ignored, so both FRR and FA/h can move; FRR between cutoffs
  comes from an interpolation that uses the left value twice, so the area under it is higher; in
  training, the test FA/h is divided by the duration of the validation set, wrong either way.
- openWakeWord: clip scores, so FRR is lower; grouping of false positives has no effect, so one
  alarm of 40 frames counts 40 times and FA/h is much higher.
- wekws: the same refractory rule as here (50 frames); the maximum over a whole utterance
  counts as a hit at any time, so FRR is lower; every utterance starts from a fresh state, so
  FA/h misses what a long stream does to the state; thresholds lie on a grid of 0.01, so FRR at
  a budget is higher or equal.
- MLPerf Tiny, streaming wake word: hits up to 0.5 s (training script) or 2.0 s (runner) after
  the end of the word: FRR lower in the second; alarms up to 1 s after the end are not counted,
  so FA/h is lower.
- Picovoice wake word benchmark: only a detection inside `[start, end]` of the word is a hit, so
  a late one counts as a miss and as a false alarm: FRR and FA/h higher; a second detection
  inside the word counts as another hit, so FRR is lower.
- sed_eval: detections are intervals with onset and offset; by default the onset must be within
  0.2 s, so late detections count twice, as a miss and as a false alarm, and F1 is lower.
  `keras_sal.event_f1` computes that figure where it is what is wanted.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from keras_sal import sweep

TIME_TOLERANCE_S = 1e-6  # window ends are included whatever binary fractions make of them
_ROUNDING = 1 + 1e-9  # so that 3 false alarms in 3 hours are within a budget of 1 an hour


class Detection(NamedTuple):
    """A moment at which a trigger fired: seconds, smoothed posterior, class."""

    time_s: float
    score: float
    class_index: int = 0


class Latency(NamedTuple):
    """Detection time - anchor time over the hits, in seconds, with the misses beside it."""

    p50_s: float
    p90_s: float
    p95_s: float
    mean_s: float
    hits: int
    frr: float


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
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(
                    f"`{name}` must be a number of seconds, 0 or more. Received: {name}={value}."
                )
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
        there were not `on_frames` of them are -inf.
        """
        smoothed = posterior
        if self.smooth_frames > 1:
            smoothed = np.array(posterior, dtype="float64")
            for lag in range(1, min(self.smooth_frames, len(posterior))):
                smoothed[lag:] += posterior[:-lag]
            smoothed /= self.smooth_frames
        lasting = smoothed
        if self.on_frames > 1:
            lasting = np.array(smoothed, dtype="float64")
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
    rule = Scoring(**scoring)
    posterior = _as_posterior(posterior, "posterior", classes=True)
    columns = posterior[:, None] if posterior.ndim == 1 else posterior
    thresholds = np.broadcast_to(_as_thresholds(threshold, columns.shape[1]), columns.shape[1])
    found = []
    for class_index, (column, level) in enumerate(zip(columns.T, thresholds, strict=True)):
        smoothed, lasting = rule.scores(column)
        found += [
            Detection(float(rule.time_s(frame)), float(smoothed[frame]), class_index)
            for frame in _fired(lasting, float(level), rule)
        ]
    return sorted(found, key=lambda detection: (detection.time_s, detection.class_index))


def _fired(lasting: np.ndarray, threshold: float, rule: Scoring) -> list[int]:
    """The frames at which one trigger fires; `lasting` is the second of `Scoring.scores`."""
    on = lasting >= threshold
    released = False
    if rule.hysteresis is not None:
        released = lasting + rule.hysteresis < threshold
    fired, armed_at, latched = [], 0, False
    for frame in np.flatnonzero(on | released).tolist():
        if not on[frame]:
            latched = False
        elif frame >= armed_at and not latched:
            fired.append(frame)
            armed_at = frame + rule.refractory_frames
            latched = rule.hysteresis is not None
    return fired


@dataclasses.dataclass(frozen=True)
class Matches:
    """What became of the detections and the events of one stream.

    Attributes:
        hits: list of `(detection, event)`, `event` being the index into the anchors given.
        misses: list of the indices of the events that were not hit.
        false_alarms: list of the detections outside all hit windows of their class.
        ignored: list of the further detections inside windows already matched.
        latencies_s: array, detection time - anchor time of the hits.
    """

    hits: list[tuple[Detection, int]]
    misses: list[int]
    false_alarms: list[Detection]
    ignored: list[Detection]
    latencies_s: np.ndarray


def match_events(
    detections: Iterable[Detection],
    anchors_s,
    *,
    anchor_classes=None,
    early_s: float = 0.5,
    max_delay_s: float = 1.0,
) -> Matches:
    """Match detections with events one to one.

    In order of time, each detection is matched with the earliest free anchor of its class in
    whose window `[anchor - early_s, anchor + max_delay_s]` it lies.

    Args:
        detections: iterable of `Detection`, of one stream.
        anchors_s: array `(events,)`, seconds, in any order.
        anchor_classes: integers `(events,)`, the class of each event. Defaults to class 0.
        early_s: float, seconds, >= 0. Defaults to 0.5.
        max_delay_s: float, seconds, >= 0. Defaults to 1.0.

    Returns:
        `Matches`.

    Raises:
        ValueError: if the anchors are not a row of finite, non-negative seconds.

    Example:

    >>> found = [Detection(2.3, 0.9), Detection(2.8, 0.8), Detection(7.0, 0.7)]
    >>> matches = match_events(found, [2.0, 12.0])
    >>> matches.hits, matches.misses
    ([(Detection(time_s=2.3, score=0.9, class_index=0), 0)], [1])
    >>> len(matches.ignored), len(matches.false_alarms)
    (1, 1)
    """
    anchors = _as_anchors(anchors_s, "anchors_s")
    classes = np.zeros(len(anchors), int) if anchor_classes is None else np.asarray(anchor_classes)
    if classes.shape != anchors.shape:
        raise ValueError(
            "`anchor_classes` must hold one class for each anchor. Received: "
            f"anchor_classes of shape {classes.shape}, anchors_s of shape {anchors.shape}."
        )
    order = np.argsort(anchors, kind="stable")
    begin, end = anchors[order] - early_s, anchors[order] + max_delay_s
    hits: dict[int, Detection] = {}
    false_alarms, ignored = [], []
    for detection in sorted(detections, key=lambda detection: detection.time_s):
        nearby = order[
            np.searchsorted(
                end, detection.time_s - TIME_TOLERANCE_S, side="left"
            ) : np.searchsorted(begin, detection.time_s + TIME_TOLERANCE_S, side="right")
        ]
        nearby = nearby[classes[nearby] == detection.class_index].tolist()
        free = [event for event in nearby if event not in hits]
        if free:
            hits[free[0]] = detection
        elif nearby:
            ignored.append(detection)
        else:
            false_alarms.append(detection)
    return Matches(
        hits=[(detection, event) for event, detection in hits.items()],
        misses=[event for event in range(len(anchors)) if event not in hits],
        false_alarms=false_alarms,
        ignored=ignored,
        latencies_s=np.array([hit.time_s - anchors[event] for event, hit in hits.items()]),
    )


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """All figures at one threshold.

    Attributes:
        threshold: the threshold.
        frr: misses / events; `nan` without events.
        fa_per_hour: false alarms / hours; `nan` without negative audio.
        misses, hits, events: counts of events.
        false_alarms: detections outside the hit windows.
        hours: hours of audio outside the hit windows.
        latency_p50_s, latency_p90_s, latency_p95_s, latency_mean_s: detection - anchor over
            the hits; `nan` without hits.
    """

    threshold: float
    frr: float
    fa_per_hour: float
    misses: int
    hits: int
    false_alarms: int
    latency_p50_s: float
    latency_p90_s: float
    latency_p95_s: float
    latency_mean_s: float
    hours: float
    events: int

    @classmethod
    def from_counts(
        cls, threshold: float, *, latencies_s, false_alarms: int, hours: float, events: int
    ) -> "OperatingPoint":
        """Work the rates and quantiles out from the counts."""
        latencies = np.sort(np.asarray(latencies_s, dtype="float64"))
        hits = len(latencies)

        def quantile(share: float) -> float:
            return float(latencies[math.ceil(share * hits - 1e-9) - 1]) if hits else math.nan

        return cls(
            threshold=float(threshold),
            frr=(events - hits) / events if events else math.nan,
            fa_per_hour=false_alarms / hours if hours else math.nan,
            misses=events - hits,
            hits=hits,
            false_alarms=false_alarms,
            latency_p50_s=quantile(0.5),
            latency_p90_s=quantile(0.9),
            latency_p95_s=quantile(0.95),
            latency_mean_s=float(latencies.mean()) if hits else math.nan,
            hours=hours,
            events=events,
        )

    @property
    def latency(self) -> Latency:
        """The latencies with the number of hits and the FRR beside them."""
        return Latency(
            self.latency_p50_s,
            self.latency_p90_s,
            self.latency_p95_s,
            self.latency_mean_s,
            self.hits,
            self.frr,
        )


def operating_point(posteriors, anchors_s, threshold: float, **scoring) -> OperatingPoint:
    """Score a trigger at one threshold, e.g. one that was chosen on other data.

    Args:
        posteriors: list of arrays `(frames,)` in [0, 1], one for each stream.
        anchors_s: list of arrays `(events,)`, seconds from the start of the stream, one for
            each stream; empty where it has no event.
        threshold: float in [0, 1], or `inf`.
        **scoring: fields of `Scoring`; `frame_step_s` is required.

    Returns:
        `OperatingPoint`.

    Raises:
        ValueError: if the streams do not fit the anchors, or are not what they should be.

    Example:

    >>> posterior = np.zeros(3600)
    >>> posterior[[1001, 3000]] = 0.9
    >>> point = operating_point([posterior], [[1000.0, 2000.0]], 0.5, frame_step_s=1.0)
    >>> point.hits, point.misses, point.false_alarms, point.latency_p50_s
    (1, 1, 1, 1.0)
    """
    rule = Scoring(**scoring)
    level = float(_as_thresholds(threshold, 1)[0])
    false_alarms, latencies, hours, events = 0, [], 0.0, 0
    for posterior, anchors in _as_streams(posteriors, anchors_s, rule):
        matches = match_events(
            detect(posterior, level, **vars(rule)),
            anchors,
            early_s=rule.early_s,
            max_delay_s=rule.max_delay_s,
        )
        false_alarms += len(matches.false_alarms)
        latencies += matches.latencies_s.tolist()
        hours += _negative_hours(*rule.windows(anchors, len(posterior)), len(posterior), rule)
        events += len(anchors)
    return OperatingPoint.from_counts(
        level, latencies_s=latencies, false_alarms=false_alarms, hours=hours, events=events
    )


class _Rows(NamedTuple):
    """Things that happen in a stream at the thresholds in `(low, high]` and no others."""

    stream: np.ndarray
    low: np.ndarray
    high: np.ndarray
    latency_s: np.ndarray

    def at(self, threshold: float) -> "_Rows":
        return self.where((self.low < threshold) & (threshold <= self.high))

    def where(self, mask: np.ndarray) -> "_Rows":
        return _Rows(*(column[mask] for column in self))

    def count(self, thresholds: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """How many there are at each threshold; `weights` says how often each stream counts."""
        total = np.zeros(len(thresholds), "int64")
        for sign, bound in ((1, self.high), (-1, self.low)):
            order = np.argsort(bound)
            below = np.searchsorted(bound[order], thresholds, side="left")
            weight = np.ones(len(bound), "int64") if weights is None else weights[self.stream]
            above = np.concatenate([np.cumsum(weight[order][::-1])[::-1], [0]])
            total = total + sign * above[below]
        return total


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DetCurve:
    """Misses against false alarms, at every threshold at which a detection changes.

    Made by `det_curve`. The arrays are aligned and run from the highest threshold, `inf`, to
    the lowest. A point stands for all thresholds down to the next one.

    Attributes:
        threshold: array `(points,)`, falling.
        hits: array `(points,)`, integers.
        false_alarms: array `(points,)`, integers.
        frr: array `(points,)`, misses / events; `nan` without events.
        fa_per_hour: array `(points,)`; `nan` without negative audio.
        events: int.
        hours: float, hours of audio outside the hit windows.
        scoring: the `Scoring` it was made with.
        max_fa_per_hour: points with more false alarms an hour were left out.
        complete: whether none was left out.
    """

    scoring: Scoring
    max_fa_per_hour: float
    floor: float
    hit_rows: _Rows
    alarm_rows: _Rows
    stream_events: np.ndarray
    stream_hours: np.ndarray

    def __repr__(self):
        return (
            f"<DetCurve: {len(self.threshold)} operating points up to {self.max_fa_per_hour} "
            f"false alarms an hour, {self.events} events, {self.hours:.4g} negative hours>"
        )

    @cached_property
    def events(self) -> int:
        """Number of events."""
        return int(self.stream_events.sum())

    @cached_property
    def hours(self) -> float:
        """Hours of audio outside the hit windows."""
        return float(self.stream_hours.sum())

    @cached_property
    def _all_thresholds(self) -> np.ndarray:
        rows = (self.hit_rows, self.alarm_rows)
        levels = np.unique(np.concatenate([bound for row in rows for bound in (row.low, row.high)]))
        return np.concatenate([[np.inf], levels[levels > self.floor][::-1]])

    @cached_property
    def threshold(self) -> np.ndarray:
        """Falling, from `inf`."""
        thresholds = self._all_thresholds
        if not self.hours:
            return thresholds
        allowed = self.max_fa_per_hour * self.hours * _ROUNDING
        return thresholds[self.alarm_rows.count(thresholds) <= allowed]

    @cached_property
    def complete(self) -> bool:
        """Whether the curve holds every operating point there is."""
        return self.floor == -np.inf and len(self.threshold) == len(self._all_thresholds)

    @cached_property
    def hits(self) -> np.ndarray:
        """Events hit at each threshold."""
        return self.hit_rows.count(self.threshold)

    @cached_property
    def false_alarms(self) -> np.ndarray:
        """False alarms at each threshold."""
        return self.alarm_rows.count(self.threshold)

    @cached_property
    def frr(self) -> np.ndarray:
        """Misses / events at each threshold."""
        if not self.events:
            return np.full(len(self.threshold), np.nan)
        return (self.events - self.hits) / self.events

    @cached_property
    def fa_per_hour(self) -> np.ndarray:
        """False alarms / hours at each threshold."""
        if not self.hours:
            return np.full(len(self.threshold), np.nan)
        return self.false_alarms / self.hours

    def frr_at(self, fa_per_hour: float) -> float:
        """The lowest FRR of all operating points within a false-alarm budget.

        Args:
            fa_per_hour: float, 0 <= fa_per_hour <= max_fa_per_hour. 0 allows no false alarm.
        """
        index = self._index_at(fa_per_hour)
        return math.nan if index is None else float(self.frr[index])

    def threshold_at(self, fa_per_hour: float) -> float:
        """The threshold for a false-alarm budget.

        It has the fewest misses within the budget, then the fewest false alarms; of the
        thresholds that share both, it is the middle one, furthest from where either changes.
        Without events it is the lowest within the budget. `inf` says that a detector within
        this budget never fires.
        """
        index = self._index_at(fa_per_hour)
        return math.nan if index is None else float(self.threshold[index])

    def latency_at(self, fa_per_hour: float) -> Latency:
        """P50, P90, P95 and mean latency at `threshold_at(fa_per_hour)`, with the FRR."""
        return self.at(fa_per_hour).latency

    def at(self, fa_per_hour: float) -> OperatingPoint:
        """All figures at `threshold_at(fa_per_hour)`."""
        return self.point(self.threshold_at(fa_per_hour))

    def point(self, threshold: float) -> OperatingPoint:
        """All figures at a threshold, which must be above the lowest one the curve holds."""
        if threshold <= self.floor:
            raise ValueError(
                f"`threshold` must be above {self.floor}; the curve was computed up to "
                f"{self.max_fa_per_hour} false alarms an hour. Received: threshold={threshold}. "
                "Raise `max_fa_per_hour`, or use `operating_point`."
            )
        undefined = math.isnan(threshold)
        return OperatingPoint.from_counts(
            threshold,
            latencies_s=self.hit_rows.at(threshold).latency_s,
            false_alarms=len(self.alarm_rows.at(threshold).low),
            hours=math.nan if undefined else self.hours,
            events=0 if undefined else self.events,
        )

    def _index_at(self, fa_per_hour: float, hits: np.ndarray | None = None) -> int | None:
        """The operating point for a budget; `hits` if another count of hits is wanted."""
        if not 0 <= fa_per_hour <= self.max_fa_per_hour:
            raise ValueError(
                f"`fa_per_hour` must be between 0 and {self.max_fa_per_hour}, up to which the "
                f"curve was computed. Received: fa_per_hour={fa_per_hour}. "
                "Raise `max_fa_per_hour` of `det_curve` to see more of it."
            )
        if not self.hours:
            return None
        within = np.flatnonzero(self.fa_per_hour <= fa_per_hour * _ROUNDING)
        if not self.events:
            return int(within[-1])
        hits = self.hits if hits is None else hits
        best = within[hits[within] == hits[within].max()]
        best = best[self.false_alarms[best] == self.false_alarms[best].min()]
        return int(best[len(best) // 2])


def det_curve(posteriors, anchors_s, *, max_fa_per_hour: float = 100.0, **scoring) -> DetCurve:
    """Score a trigger at all thresholds.

    Exact: at each threshold the counts are those of `operating_point`. Cost grows linearly
    with the hours; 100 hours of 10 ms frames take seconds.

    Args:
        posteriors: list of arrays `(frames,)` in [0, 1], one for each stream. A stream is what
            a device would hear without a break; keep the state of the model over all of it.
        anchors_s: list of arrays `(events,)`, seconds from the start of the stream, one for
            each stream; empty where it has no event.
        max_fa_per_hour: float > 0. Operating points with more false alarms an hour are left
            out, which is what makes long recordings cheap; `inf` keeps all. Defaults to 100.0.
        **scoring: fields of `Scoring`; `frame_step_s` is required.

    Returns:
        `DetCurve`. Without hysteresis it holds *every* operating point of at most
        `max_fa_per_hour`. With hysteresis (low thresholds may then fire less, because the
        score never falls low enough to release them) it holds those above `DetCurve.floor`.

    Raises:
        ValueError: if the streams do not fit the anchors, or are not what they should be.

    Example:

    >>> posterior = np.zeros(3600)
    >>> posterior[[1001, 2000, 3000]] = [0.9, 0.4, 0.6]
    >>> curve = det_curve([posterior], [[1000.0, 2000.0]], frame_step_s=1.0)
    >>> curve.threshold.tolist()[:4]
    [inf, 0.9, 0.6, 0.4]
    >>> curve.frr.tolist()[:4], curve.false_alarms.tolist()[:4]
    ([1.0, 0.5, 0.5, 0.0], [0, 0, 1, 1])
    >>> curve.frr_at(0.0)
    0.5
    """
    rule = Scoring(**scoring)
    if not max_fa_per_hour > 0:
        raise ValueError(
            "`max_fa_per_hour` must be a positive number; it bounds the curve. Received: "
            f"max_fa_per_hour={max_fa_per_hour}. Use inf for the whole curve."
        )
    streams, first, last, anchors = [], [], [], []
    for posterior, events in _as_streams(posteriors, anchors_s, rule):
        windows = rule.windows(events, len(posterior))
        streams.append(rule.scores(posterior)[1])
        anchors.append(events)
        first.append(windows[0])
        last.append(windows[1])
    stream_hours = np.array(
        [
            _negative_hours(*span, len(scores), rule)
            for *span, scores in zip(first, last, streams, strict=True)
        ]
    )
    refractory = rule.refractory_frames
    inside = sum(
        int(np.sum(-(-(b - a + 1) // refractory))) for a, b in zip(first, last, strict=True)
    )
    allowed = max_fa_per_hour * stream_hours.sum() * _ROUNDING if stream_hours.any() else np.inf
    floor = sweep.score_floor(streams, refractory, allowed + inside)

    hits, alarms = [], []
    for stream, (scores, events, a, b) in enumerate(
        zip(streams, anchors, first, last, strict=True)
    ):
        frames, low, high = sweep.firings(scores, refractory, rule.hysteresis, floor)
        claimed, outside = sweep.claims(frames, low, high, a, b)
        hits += [
            (stream, begin, end, rule.time_s(frame) - events[event])
            for event, frame, begin, end in claimed
        ]
        alarms.append((np.full(outside.sum(), stream), low[outside], high[outside]))
    stream, low, high = (np.concatenate(column) for column in zip(*alarms, strict=True))
    hit_columns = zip(*hits, strict=True) if hits else ([], [], [], [])
    hit_stream, *hit_rest = (np.array(column) for column in hit_columns)
    return DetCurve(
        scoring=rule,
        max_fa_per_hour=float(max_fa_per_hour),
        floor=floor,
        hit_rows=_Rows(hit_stream.astype("int64"), *hit_rest),
        alarm_rows=_Rows(stream, low, high, np.full(len(low), np.nan)),
        stream_events=np.array([len(events) for events in anchors]),
        stream_hours=stream_hours,
    )


def _negative_hours(first: np.ndarray, last: np.ndarray, frames: int, rule: Scoring) -> float:
    """Hours outside the windows; both arrays rise, so a window begins after the one before."""
    begin = first.copy()
    begin[1:] = np.maximum(first[1:], last[:-1] + 1)
    inside = int(np.maximum(last - begin + 1, 0).sum())
    return (frames - inside) * rule.frame_step_s / 3600


def _as_thresholds(threshold, classes: int) -> np.ndarray:
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


def _as_posterior(posterior, name: str, *, classes: bool = False) -> np.ndarray:
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


def _as_anchors(anchors_s, name: str) -> np.ndarray:
    anchors = np.asarray(anchors_s, dtype="float64")
    if anchors.ndim != 1:
        raise ValueError(
            f"`{name}` must have shape (events,). Received: {name} of shape {anchors.shape}. "
            "Of (onset, offset) pairs give the one the task is judged by."
        )
    if not np.all((anchors >= 0) & (anchors < np.inf)):
        raise ValueError(
            f"`{name}` must be finite seconds, 0 or more. Received: {name}={anchors.tolist()}. "
            "Leave events out that are not in the stream."
        )
    return anchors


def _as_streams(
    posteriors: Sequence, anchors_s: Sequence, rule: Scoring
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Check all streams and sort their anchors."""
    posteriors, anchors_s = list(posteriors), list(anchors_s)
    if len(posteriors) == 0 or len(posteriors) != len(anchors_s):
        raise ValueError(
            "`posteriors` and `anchors_s` must hold one array for each stream, and at least one. "
            f"Received: {len(posteriors)} posteriors, {len(anchors_s)} anchors_s. "
            "A stream without events has an empty array of anchors."
        )
    streams = []
    for index, (posterior, anchors) in enumerate(zip(posteriors, anchors_s, strict=True)):
        posterior = _as_posterior(posterior, f"posteriors[{index}]")
        anchors = np.sort(_as_anchors(anchors, f"anchors_s[{index}]"))
        end_s = rule.time_s(len(posterior) - 1)
        if len(anchors) and anchors[-1] - rule.early_s > end_s + TIME_TOLERANCE_S:
            raise ValueError(
                f"`anchors_s[{index}]` must lie inside its stream; no frame of it could be a hit. "
                f"Received: an anchor at {anchors[-1]:.6g} s in a stream of {len(posterior)} "
                f"frames that ends at {end_s:.6g} s. Did you give milliseconds, or frames?"
            )
        streams.append((posterior, anchors))
    return streams
