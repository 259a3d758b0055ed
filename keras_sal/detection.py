"""From posteriors to detections, matched events, DET curves and latency.

Works on posteriors from anywhere: it needs numpy and nothing else.

Conventions
-----------

- A *posterior* is in [0, 1]. Frame `t` is answered at `frame_offset_s + t * frame_step_s`
  seconds. All times are seconds from the start of their stream; an *anchor* is the time an
  event is judged by.
- A *trigger* turns posteriors into detections. It is meant for a device, where it reads

      ring[t % smooth_frames] = posterior;              // zeros at the start
      float score = sum(ring) / smooth_frames;
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

A DET curve holds every threshold at which a hit or a false alarm changes, so nothing is sampled
on a grid and nothing is interpolated.

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

- microWakeWord (training and test scripts): the same refractory rule as here (25 slices), but a
  positive clip counts as detected whenever its largest five-slice mean exceeds the cutoff,
  without a time limit, so FRR is lower; the first 25 slices of a clip are ignored, so FA/h is
  lower; FRR at the bound of 2 FA/h is that of a lower cutoff, which is beyond the bound, so it
  and the area under the curve are lower; in training, the false alarms of the test set are
  divided by the hours of the validation set, wrong either way.
- openWakeWord (`metrics.py`): clip scores, so FRR is lower; its grouping of false positives has
  no effect, so one alarm of 40 frames counts 40 times and FA/h is much higher.
- wekws (`compute_det.py`): the same refractory rule as here (50 frames); the maximum over a
  whole utterance counts as a hit at any time, so FRR is lower; every utterance starts from a
  fresh state, so FA/h misses what a long stream does to the state; thresholds lie on a grid of
  0.01, so FRR at a budget is higher or equal.
- MLPerf Tiny, streaming wake word: hits up to 0.5 s (training script) or 2.0 s (runner) after
  the end of the word: FRR lower in the second; alarms up to 1 s after the end are not counted,
  so FA/h is lower.
- Picovoice wake word benchmark: only a detection inside `[start, end]` of the word is a hit, so
  a late one counts as a miss and as a false alarm: FRR and FA/h higher; a second detection
  inside the word counts as another hit, so FRR is lower.
- sed_eval: detections are intervals with onset and offset; by default the onset must be within
  0.2 s, so late detections count twice, as a miss and as a false alarm, and F1 is lower.
  `keras_sal.event_metrics.event_f1` computes that figure where it is what is wanted.
"""

import dataclasses
import math
import warnings
from functools import cached_property
from typing import NamedTuple

import numpy as np

from keras_sal import sweep
from keras_sal.matching import (
    Latency,
    Matches,
    OperatingPoint,
    as_streams,
    match_events,
    negative_hours,
    operating_point,
)
from keras_sal.trigger import TIME_TOLERANCE_S, Detection, Scoring, detect
from keras_sal.uncertainty import NegativeHoursWarning, poisson_upper

__all__ = [
    "DetCurve",
    "Detection",
    "Latency",
    "Matches",
    "OperatingPoint",
    "Scoring",
    "det_curve",
    "detect",
    "match_events",
    "operating_point",
]

_ROUNDING = 1 + 1e-9  # so that 3 false alarms in 3 hours are within a budget of 1 an hour


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DetCurve:
    """Misses against false alarms, at every threshold at which either changes.

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
        floor: thresholds at and below it were not looked at; `-inf` if all were.
        complete: whether no point was left out.
        stream_events: array `(streams,)`, the events of each stream.
        stream_hours: array `(streams,)`, the negative hours of each stream.
        stream_weights: array `(streams,)`, how many times each stream counts.
    """

    scoring: Scoring
    max_fa_per_hour: float
    floor: float
    hit_rows: sweep.Rows
    alarm_rows: sweep.Rows
    stream_events: np.ndarray
    stream_hours: np.ndarray
    stream_weights: np.ndarray

    def __repr__(self):
        return (
            f"<DetCurve: {len(self.threshold)} operating points up to {self.max_fa_per_hour:g} "
            f"false alarms an hour, {self.events} events, {self.hours:.4g} negative hours>"
        )

    @cached_property
    def events(self) -> int:
        """Number of events."""
        return int(self.stream_weights @ self.stream_events)

    @cached_property
    def hours(self) -> float:
        """Hours of audio outside the hit windows."""
        return float(self.stream_weights @ self.stream_hours)

    @cached_property
    def _kept(self) -> np.ndarray:
        alarms = self.alarm_rows.count(self.stream_weights[self.alarm_rows.stream])
        if not self.hours:
            return np.arange(len(alarms))
        return np.flatnonzero(alarms <= self.max_fa_per_hour * self.hours * _ROUNDING)

    @cached_property
    def threshold(self) -> np.ndarray:
        """Falling, from `inf`."""
        return self.alarm_rows.levels[self._kept]

    @cached_property
    def complete(self) -> bool:
        """Whether the curve holds every operating point there is."""
        return self.floor == -np.inf and len(self._kept) == len(self.alarm_rows.levels)

    @cached_property
    def hits(self) -> np.ndarray:
        """Events hit at each threshold."""
        return self._hits_within(np.inf)

    @cached_property
    def false_alarms(self) -> np.ndarray:
        """False alarms at each threshold."""
        return self.alarm_rows.count(self.stream_weights[self.alarm_rows.stream])[self._kept]

    @cached_property
    def frr(self) -> np.ndarray:
        """Misses / events at each threshold."""
        return (self.events - self.hits) / (self.events or np.nan)

    @cached_property
    def fa_per_hour(self) -> np.ndarray:
        """False alarms / hours at each threshold."""
        return self.false_alarms / (self.hours or np.nan)

    def frr_at(self, fa_per_hour: float) -> float:
        """The lowest FRR of all operating points within a false-alarm budget.

        Args:
            fa_per_hour: float, 0 <= fa_per_hour <= max_fa_per_hour. 0 allows no false alarm.
        """
        return self._frr(self._index_at(fa_per_hour, self.hits), self.hits)

    def frr_within(self, latency_budget_s: float, fa_per_hour: float) -> float:
        """The lowest FRR within both budgets: a hit later than `latency_budget_s` is a miss.

        The operating point is chosen for this figure, so its threshold may be lower than
        `threshold_at(fa_per_hour)`: a lower threshold is reached sooner.

        Args:
            latency_budget_s: float, seconds after the anchor.
            fa_per_hour: float, 0 <= fa_per_hour <= max_fa_per_hour.
        """
        hits = self._hits_within(latency_budget_s)
        return self._frr(self._index_at(fa_per_hour, hits), hits)

    def threshold_at(self, fa_per_hour: float, *, latency_budget_s: float = math.inf) -> float:
        """The threshold for a false-alarm budget.

        It has the fewest misses within the budget, then the fewest false alarms; of the
        operating points that share both, it is the middle one, away from where either changes.
        Without events it is the lowest within the budget. `inf` says that only a detector that
        never fires is within the budget, or that firing within it hits nothing.

        Args:
            fa_per_hour: float, 0 <= fa_per_hour <= max_fa_per_hour.
            latency_budget_s: float, seconds; later hits count as misses. Defaults to `inf`.
        """
        return self._threshold(self._index_at(fa_per_hour, self._hits_within(latency_budget_s)))

    def latency_at(self, fa_per_hour: float) -> Latency:
        """P50, P90, P95 and mean latency at `threshold_at(fa_per_hour)`, with the FRR."""
        return self.at(fa_per_hour).latency

    def at(self, fa_per_hour: float, *, latency_budget_s: float = math.inf) -> OperatingPoint:
        """All figures at `threshold_at(fa_per_hour)`."""
        index = self._index_at(fa_per_hour, self._hits_within(latency_budget_s))
        return self.point(self._threshold(index))

    def point(self, threshold: float) -> OperatingPoint:
        """All figures at a threshold, which must be above `floor`."""
        if threshold <= self.floor:
            raise ValueError(
                f"`threshold` must be above {self.floor}; the curve was computed up to "
                f"{self.max_fa_per_hour:g} false alarms an hour. Received: threshold={threshold}. "
                "Raise `max_fa_per_hour`, or use `operating_point`."
            )
        hits, alarms = self.hit_rows.at(threshold), self.alarm_rows.at(threshold)
        times = self.stream_weights[self.hit_rows.stream[hits]]
        return OperatingPoint.from_counts(
            threshold,
            latencies_s=np.repeat(self.hit_rows.latency_s[hits], times),
            false_alarms=int(self.stream_weights[self.alarm_rows.stream[alarms]].sum()),
            hours=self.hours,
            events=0 if math.isnan(threshold) else self.events,
        )

    def eer(self) -> float:
        """The equal error rate: the least `r` such that some operating point errs at most `r`.

        For events the error is the FRR. For negative audio it is the share of its slots that
        hold a false alarm, a slot being one refractory time (at least one frame), so that a
        detector that always fires errs in all of them.

        Raises:
            ValueError: if the curve ends before that point.
        """
        slot_hours = max(self.scoring.refractory_s, self.scoring.frame_step_s) / 3600
        worse = np.maximum(self.frr, self.fa_per_hour * slot_hours)
        rate = float(worse.min())
        if not self.complete and rate > self.max_fa_per_hour * slot_hours:
            raise ValueError(
                f"`max_fa_per_hour` must be at least {math.ceil(rate / slot_hours)} for an equal "
                f"error rate; the errors are not equal before. Received: max_fa_per_hour="
                f"{self.max_fa_per_hour:g}. Call `det_curve` again."
            )
        return rate

    def mean_frr(self, fa_per_hour: float) -> float:
        """The area under FRR over FA/h from 0 to a bound, divided by the bound.

        The mean of `frr_at(budget)` over all budgets up to `fa_per_hour`; exact, since it is a
        step function.

        Args:
            fa_per_hour: float, 0 < fa_per_hour <= max_fa_per_hour.
        """
        if fa_per_hour == 0 or self._index_at(fa_per_hour, self.hits) is None:
            return math.nan
        order = np.argsort(self.fa_per_hour, kind="stable")
        lowest = np.minimum.accumulate(self.frr[order])
        steps = np.minimum([*self.fa_per_hour[order], fa_per_hour], fa_per_hour)
        return float(np.diff(steps) @ lowest / fa_per_hour)

    def reweighted(self, times: np.ndarray) -> "DetCurve":
        """The curve of a set in which stream `i` occurs `times[i]` times (0 or more)."""
        return dataclasses.replace(self, stream_weights=self.stream_weights * times)

    def _hits_within(self, latency_budget_s: float) -> np.ndarray:
        in_time = self.hit_rows.latency_s <= latency_budget_s + TIME_TOLERANCE_S
        times = self.stream_weights[self.hit_rows.stream] * in_time
        return self.hit_rows.count(times)[self._kept]

    def _frr(self, index: int | None, hits: np.ndarray) -> float:
        undefined = index is None or not self.events
        return math.nan if undefined else float((self.events - hits[index]) / self.events)

    def _threshold(self, index: int | None) -> float:
        return math.nan if index is None else float(self.threshold[index])

    def _index_at(self, fa_per_hour: float, hits: np.ndarray) -> int | None:
        """The operating point for a budget, or None where false alarms have no rate."""
        if not 0 <= fa_per_hour <= self.max_fa_per_hour:
            raise ValueError(
                f"`fa_per_hour` must be between 0 and {self.max_fa_per_hour:g}, up to which the "
                f"curve was computed. Received: fa_per_hour={fa_per_hour}. "
                "Raise `max_fa_per_hour` of `det_curve` to see more of it."
            )
        if not self.hours:
            return None
        if (least := poisson_upper(0, self.hours)) > fa_per_hour > 0:
            warnings.warn(
                f"{self.hours:.3g} hours of negative audio can't support {fa_per_hour:g} false "
                f"alarms an hour: even none in all of them only says at most {least:.3g} an hour "
                f"(95 %). {3 / fa_per_hour:.3g} hours could.",
                NegativeHoursWarning,
                stacklevel=3,
            )
        within = np.flatnonzero(self.fa_per_hour <= fa_per_hour * _ROUNDING)
        if not self.events:
            return int(within[-1])
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
    streams = [
        _Stream(rule.scores(posterior)[1], anchors, *rule.windows(anchors, len(posterior)))
        for posterior, anchors in as_streams(posteriors, anchors_s, rule)
    ]
    hours = np.array([negative_hours(s.first, s.last, len(s.scores), rule) for s in streams])
    refractory = rule.refractory_frames
    inside = sum(int((-(-(s.last - s.first + 1) // refractory)).sum()) for s in streams)
    allowed = max_fa_per_hour * hours.sum() * _ROUNDING if hours.any() else np.inf
    floor = sweep.score_floor([s.scores for s in streams], refractory, allowed + inside)

    hits, alarms = [], []  # tables with the columns of `sweep.Rows`
    for index, stream in enumerate(streams):
        fired = sweep.firings(stream.scores, refractory, rule.hysteresis, floor)
        event, claimed, outside = sweep.claims(fired, stream.first, stream.last)
        latency_s = rule.time_s(claimed.frame) - stream.anchors_s[event]
        hits.append((np.full(len(event), index), claimed.low, claimed.high, latency_s))
        never = np.full(len(outside.frame), np.nan)
        alarms.append((np.full(len(never), index), outside.low, outside.high, never))
    hits, alarms = ([np.concatenate(c) for c in zip(*rows, strict=True)] for rows in (hits, alarms))
    bounds = np.unique(np.concatenate([*hits[1:3], *alarms[1:3]]))
    levels = np.concatenate([[np.inf], bounds[bounds > floor][::-1]])
    return DetCurve(
        scoring=rule,
        max_fa_per_hour=float(max_fa_per_hour),
        floor=floor,
        hit_rows=sweep.Rows(levels, *hits),
        alarm_rows=sweep.Rows(levels, *alarms),
        stream_events=np.array([len(stream.anchors_s) for stream in streams]),
        stream_hours=hours,
        stream_weights=np.ones(len(streams), "int64"),
    )


class _Stream(NamedTuple):
    scores: np.ndarray
    anchors_s: np.ndarray
    first: np.ndarray
    last: np.ndarray
