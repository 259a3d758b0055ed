"""The DET curve: misses against false alarms at every threshold, and the figures read off it."""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property

import numpy as np

from keras_sal.checks import require
from keras_sal.detection.false_alarm_budget import (
    ROUNDING,
    best_within,
    require_budget,
    warn_of_few_hours,
)
from keras_sal.detection.operating_points import Latency, OperatingPoint
from keras_sal.detection.scoring import TIME_TOLERANCE_S, Scoring
from keras_sal.typing import Array, ArrayLike


@dataclasses.dataclass(frozen=True, eq=False)
class ThresholdTable:
    """Hits, false alarms or repeats of all streams, each with its range of thresholds.

    Args:
        levels: float64 array `(levels,)`, falling: the thresholds at which `count` counts.
        recording: int array `(rows,)`, index of the recording.
        low: float64 array `(rows,)`; the thresholds of a row are those in `(low, high]`.
        high: float64 array `(rows,)`.
        latency_s: float64 array `(rows,)`, detection time - anchor in seconds; `nan` for all
            but hits.
    """

    levels: Array
    recording: Array
    low: Array
    high: Array
    latency_s: Array

    @cached_property
    def _ends(self) -> list[tuple[int, Array, Array]]:
        """For each end of the ranges: its sign, its order, how many of it each level has passed."""
        ends = []
        for sign, bound in ((1, self.high), (-1, self.low)):
            order = np.argsort(-bound)
            reached = np.searchsorted(-bound[order], -self.levels, side="right")
            ends.append((sign, order, reached))
        return ends

    def count(self, weights: Array) -> Array:
        """Count the rows at each level.

        Args:
            weights: int array `(rows,)`, how many times each row counts.

        Returns:
            int64 array `(levels,)`.
        """
        total = np.zeros(len(self.levels), "int64")
        for sign, order, reached in self._ends:
            total += sign * np.concatenate([[0], np.cumsum(weights[order])])[reached]
        return total

    def at(self, threshold: float) -> Array:
        """Find the rows at a threshold.

        Args:
            threshold: float.

        Returns:
            int array, indices of rows.
        """
        return np.flatnonzero((self.low < threshold) & (threshold <= self.high))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DetCurve:
    """Misses against false alarms, at every threshold at which either changes.

    Made by `det_curve`. The arrays are aligned and run from the highest threshold, `inf`, to
    the lowest. A point stands for all thresholds down to the next one.

    Attributes:
        threshold: array `(points,)`, falling.
        hits: int array `(points,)`.
        false_alarms: int array `(points,)`.
        frr: array `(points,)`, misses / events; `nan` without events.
        fa_per_hour: array `(points,)`; `nan` without negative audio.
        events: int.
        hours: float, hours of audio outside the hit windows, and while no event lasts.
        scoring: the `Scoring` it was made with.
        max_fa_per_hour: float, points with more false alarms an hour were left out.
        floor: float, thresholds at and below it were not looked at; `-inf` if all were.
        complete: bool, whether no point was left out.
        hit_table: `ThresholdTable` of the hits.
        false_alarm_table: `ThresholdTable` of the false alarms.
        repeat_table: `ThresholdTable` of the repeats, further detections of events.
        recording_events: int array `(recordings,)`, events of each recording. Recordings are what
            resampling draws: a stream, or a part of one (`boundaries_s` of `det_curve`).
        recording_hours: array `(recordings,)`, negative hours of each recording.
        recording_weights: int array `(recordings,)`, how many times each recording counts.
    """

    scoring: Scoring
    max_fa_per_hour: float
    floor: float
    hit_table: ThresholdTable
    false_alarm_table: ThresholdTable
    repeat_table: ThresholdTable
    recording_events: Array
    recording_hours: Array
    recording_weights: Array

    def __repr__(self) -> str:
        return (
            f"<DetCurve: {len(self.threshold)} operating points up to {self.max_fa_per_hour:g} "
            f"false alarms an hour, {self.events} events, {self.hours:.4g} negative hours>"
        )

    @cached_property
    def events(self) -> int:
        """Number of events."""
        return int(self.recording_weights @ self.recording_events)

    @cached_property
    def hours(self) -> float:
        """Hours of audio outside the hit windows, and while no event lasts."""
        return float(self.recording_weights @ self.recording_hours)

    @cached_property
    def _kept(self) -> Array:
        alarms = self._counted_alarms
        if not self.hours:
            return np.arange(len(alarms))
        return np.flatnonzero(alarms <= self.max_fa_per_hour * self.hours * ROUNDING)

    @cached_property
    def _counted_alarms(self) -> Array:
        return self.false_alarm_table.count(
            self.recording_weights[self.false_alarm_table.recording]
        )

    @cached_property
    def threshold(self) -> Array:
        """Thresholds, falling from `inf`."""
        return self.false_alarm_table.levels[self._kept]

    @cached_property
    def complete(self) -> bool:
        """Whether the curve holds every operating point there is."""
        return self.floor == -np.inf and len(self._kept) == len(self.false_alarm_table.levels)

    @cached_property
    def hits(self) -> Array:
        """Events hit at each threshold."""
        return self._hits_within(np.inf)

    @cached_property
    def false_alarms(self) -> Array:
        """False alarms at each threshold."""
        return self._counted_alarms[self._kept]

    @cached_property
    def frr(self) -> Array:
        """Misses / events at each threshold."""
        return (self.events - self.hits) / (self.events or np.nan)

    @cached_property
    def fa_per_hour(self) -> Array:
        """False alarms / hours at each threshold."""
        return self.false_alarms / (self.hours or np.nan)

    def frr_at(self, fa_per_hour: float) -> float:
        """Find the lowest FRR of all operating points within a false-alarm budget.

        Args:
            fa_per_hour: float, 0 <= fa_per_hour <= max_fa_per_hour. 0 allows no false alarm.

        Returns:
            float; `nan` without events or without negative audio.
        """
        return self._frr(self._index_at(fa_per_hour, self.hits), self.hits)

    def frr_over(self, fa_per_hour: ArrayLike) -> Array:
        """Compute `frr_at` for many budgets, as a line to draw; without a warning.

        Args:
            fa_per_hour: array `(budgets,)`, each 0 <= budget <= max_fa_per_hour.

        Returns:
            float64 array `(budgets,)`.
        """
        budgets = np.asarray(fa_per_hour, dtype="float64")
        for budget in (budgets.min(), budgets.max()) if budgets.size else ():
            require_budget(budget, self.max_fa_per_hour)
        if not self.hours or not self.events:
            return np.full(budgets.shape, math.nan)
        order = np.argsort(self.fa_per_hour, kind="stable")
        lowest = np.minimum.accumulate(self.frr[order])
        within = np.searchsorted(self.fa_per_hour[order], budgets * ROUNDING, side="right")
        return lowest[within - 1]

    def frr_within(self, latency_budget_s: float, fa_per_hour: float) -> float:
        """Find the lowest FRR within both budgets: a hit later than `latency_budget_s` is a miss.

        The operating point is chosen for this figure, so its threshold may be lower than
        `threshold_at(fa_per_hour)`: a lower threshold is reached sooner.

        Args:
            latency_budget_s: float, seconds after the anchor.
            fa_per_hour: float, 0 <= fa_per_hour <= max_fa_per_hour.

        Returns:
            float; `nan` without events or without negative audio.
        """
        hits = self._hits_within(latency_budget_s)
        return self._frr(self._index_at(fa_per_hour, hits), hits)

    def threshold_at(self, fa_per_hour: float, *, latency_budget_s: float = math.inf) -> float:
        """Choose the threshold for a false-alarm budget.

        It has the fewest misses within the budget, then the fewest false alarms; of the
        operating points that share both, it is the middle one, away from where either changes.
        Without events it is the lowest within the budget. `inf` says that only a detector that
        never fires is within the budget, or that firing within it hits nothing.

        Args:
            fa_per_hour: float, 0 <= fa_per_hour <= max_fa_per_hour.
            latency_budget_s: float, seconds; later hits count as misses. Defaults to `inf`.

        Returns:
            float; `nan` without negative audio.
        """
        return self._threshold(self._index_at(fa_per_hour, self._hits_within(latency_budget_s)))

    def latency_at(self, fa_per_hour: float) -> Latency:
        """Compute the latencies at `threshold_at(fa_per_hour)`.

        Args:
            fa_per_hour: float, 0 <= fa_per_hour <= max_fa_per_hour.

        Returns:
            `Latency`: P50, P90, P95 and mean, with the FRR.
        """
        return self.at(fa_per_hour).latency

    def at(self, fa_per_hour: float, *, latency_budget_s: float = math.inf) -> OperatingPoint:
        """Compute all figures at `threshold_at(fa_per_hour)`.

        Args:
            fa_per_hour: float, 0 <= fa_per_hour <= max_fa_per_hour.
            latency_budget_s: float, seconds; later hits count as misses in the choice of the
                threshold. Defaults to `inf`.

        Returns:
            `OperatingPoint`.
        """
        index = self._index_at(fa_per_hour, self._hits_within(latency_budget_s))
        return self.point(self._threshold(index))

    def point(self, threshold: float) -> OperatingPoint:
        """Compute all figures at a threshold.

        Args:
            threshold: float, above `floor`; `nan`, for a threshold that could not be chosen, gives
                `nan` for every figure.

        Returns:
            `OperatingPoint`.

        Raises:
            ValueError: If the threshold is not above `floor`.
        """
        require(
            not threshold <= self.floor,
            f"`threshold` must be above {self.floor}; the curve was computed up to "
            f"{self.max_fa_per_hour:g} false alarms an hour. Received: threshold={threshold}. "
            "Raise `max_fa_per_hour`, or use `operating_point`.",
        )
        point = OperatingPoint.from_counts(
            threshold,
            latencies_s=self.latencies_at(threshold),
            false_alarms=self._count_at(self.false_alarm_table, threshold),
            hours=self.hours,
            events=0 if math.isnan(threshold) else self.events,
            repeats=self._count_at(self.repeat_table, threshold),
        )
        if math.isnan(threshold):
            return dataclasses.replace(point, fa_per_hour=math.nan)
        return point

    def latencies_at(self, threshold: float) -> Array:
        """Return the latency of each hit at a threshold.

        Args:
            threshold: float, above `floor`.

        Returns:
            float64 array `(hits,)`, detection time - anchor in seconds, rising.
        """
        hits = self.hit_table.at(threshold)
        weights = self.recording_weights[self.hit_table.recording[hits]]
        return np.sort(np.repeat(self.hit_table.latency_s[hits], weights))

    def eer(self) -> float:
        """Compute the equal error rate: the least `r` such that some point errs at most `r`.

        For events the error is the FRR. For negative audio it is the share of its slots that
        hold a false alarm, a slot being one refractory time (at least one frame), so that a
        detector that always fires errs in all of them.

        Returns:
            float in [0, 1]; `nan` without events or without negative audio.

        Raises:
            ValueError: If the curve ends before that point.
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
        """Compute the area under FRR over FA/h from 0 to a bound, divided by the bound.

        It is the mean of `frr_at(budget)` over all budgets up to `fa_per_hour`; exact, since that
        is a step function.

        Args:
            fa_per_hour: float, 0 < fa_per_hour <= max_fa_per_hour.

        Returns:
            float in [0, 1]; `nan` without events or without negative audio.
        """
        if fa_per_hour == 0 or self._index_at(fa_per_hour, self.hits) is None:
            return math.nan
        order = np.argsort(self.fa_per_hour, kind="stable")
        lowest = np.minimum.accumulate(self.frr[order])
        steps = np.minimum([*self.fa_per_hour[order], fa_per_hour], fa_per_hour)
        return float(np.diff(steps) @ lowest / fa_per_hour)

    def reweighted(self, times: Array) -> DetCurve:
        """Compute the curve of a data set in which recording `i` occurs `times[i]` times.

        Args:
            times: int array `(recordings,)`, each >= 0.

        Returns:
            `DetCurve`.
        """
        return dataclasses.replace(self, recording_weights=self.recording_weights * times)

    def _count_at(self, table: ThresholdTable, threshold: float) -> int:
        return int(self.recording_weights[table.recording[table.at(threshold)]].sum())

    def _hits_within(self, latency_budget_s: float) -> Array:
        in_time = self.hit_table.latency_s <= latency_budget_s + TIME_TOLERANCE_S
        weights = self.recording_weights[self.hit_table.recording] * in_time
        return self.hit_table.count(weights)[self._kept]

    def _frr(self, index: int | None, hits: Array) -> float:
        undefined = index is None or not self.events
        return math.nan if undefined else float((self.events - hits[index]) / self.events)

    def _threshold(self, index: int | None) -> float:
        return math.nan if index is None else float(self.threshold[index])

    def _index_at(self, budget: float, hits: Array) -> int | None:
        """The operating point for a budget, or None where false alarms have no rate."""
        require_budget(budget, self.max_fa_per_hour)
        if not self.hours:
            return None
        warn_of_few_hours(self.hours, budget, stacklevel=3)
        return best_within(budget, self.fa_per_hour, self.false_alarms, hits, self.events)
