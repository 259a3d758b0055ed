"""The DET curve: misses against false alarms at every threshold, and the figures read off it.

Made by `keras_sal.detection.det_curve`; see there for the conventions.
"""

import dataclasses
import math
import warnings
from functools import cached_property

import numpy as np

from keras_sal.detection import threshold_sweep
from keras_sal.detection.matching import Latency, OperatingPoint
from keras_sal.detection.trigger import TIME_TOLERANCE_S, Scoring
from keras_sal.detection.uncertainty import NegativeHoursWarning, poisson_upper

ROUNDING = 1 + 1e-9  # so that 3 false alarms in 3 hours are within a budget of 1 an hour


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
        piece_events: array `(pieces,)`, the events of each piece; a piece is what resampling
            draws, a stream or a part of one.
        piece_hours: array `(pieces,)`, the negative hours of each piece.
        piece_weights: array `(pieces,)`, how many times each piece counts.
    """

    scoring: Scoring
    max_fa_per_hour: float
    floor: float
    hit_rows: threshold_sweep.Rows
    alarm_rows: threshold_sweep.Rows
    piece_events: np.ndarray
    piece_hours: np.ndarray
    piece_weights: np.ndarray

    def __repr__(self):
        return (
            f"<DetCurve: {len(self.threshold)} operating points up to {self.max_fa_per_hour:g} "
            f"false alarms an hour, {self.events} events, {self.hours:.4g} negative hours>"
        )

    @cached_property
    def events(self) -> int:
        """Number of events."""
        return int(self.piece_weights @ self.piece_events)

    @cached_property
    def hours(self) -> float:
        """Hours of audio outside the hit windows."""
        return float(self.piece_weights @ self.piece_hours)

    @cached_property
    def _kept(self) -> np.ndarray:
        alarms = self.alarm_rows.count(self.piece_weights[self.alarm_rows.piece])
        if not self.hours:
            return np.arange(len(alarms))
        return np.flatnonzero(alarms <= self.max_fa_per_hour * self.hours * ROUNDING)

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
        return self.alarm_rows.count(self.piece_weights[self.alarm_rows.piece])[self._kept]

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

    def frr_over(self, fa_per_hour: np.ndarray) -> np.ndarray:
        """`frr_at` for many budgets at once, as a line to draw; without a warning.

        Args:
            fa_per_hour: array of budgets, each 0 <= budget <= max_fa_per_hour.
        """
        budgets = np.asarray(fa_per_hour, dtype="float64")
        if not self.hours or not self.events:
            return np.full(budgets.shape, math.nan)
        order = np.argsort(self.fa_per_hour, kind="stable")
        lowest = np.minimum.accumulate(self.frr[order])
        within = np.searchsorted(self.fa_per_hour[order], budgets * ROUNDING, side="right")
        return lowest[within - 1]

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
        alarms = self.alarm_rows.at(threshold)
        return OperatingPoint.from_counts(
            threshold,
            latencies_s=self.latencies_at(threshold),
            false_alarms=int(self.piece_weights[self.alarm_rows.piece[alarms]].sum()),
            hours=self.hours,
            events=0 if math.isnan(threshold) else self.events,
        )

    def latencies_at(self, threshold: float) -> np.ndarray:
        """Detection - anchor in seconds of each hit at a threshold above `floor`, rising."""
        hits = self.hit_rows.at(threshold)
        times = self.piece_weights[self.hit_rows.piece[hits]]
        return np.sort(np.repeat(self.hit_rows.latency_s[hits], times))

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
        """The curve of a set in which piece `i` occurs `times[i]` times (0 or more)."""
        return dataclasses.replace(self, piece_weights=self.piece_weights * times)

    def _hits_within(self, latency_budget_s: float) -> np.ndarray:
        in_time = self.hit_rows.latency_s <= latency_budget_s + TIME_TOLERANCE_S
        times = self.piece_weights[self.hit_rows.piece] * in_time
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
        within = np.flatnonzero(self.fa_per_hour <= fa_per_hour * ROUNDING)
        if not self.events:
            return int(within[-1])
        best = within[hits[within] == hits[within].max()]
        best = best[self.false_alarms[best] == self.false_alarms[best].min()]
        return int(best[len(best) // 2])
