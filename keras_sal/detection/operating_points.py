"""Operating points: all figures of a detector at one threshold."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_sal.detection.hit_rule import event_spans, match_events, negative_hours
from keras_sal.detection.scoring import Scoring
from keras_sal.detection.trigger import detect
from keras_sal.detection.validation import validate_streams, validate_thresholds
from keras_sal.typing import ArrayLike


class Latency(NamedTuple):
    """Detection time - anchor over the hits, in seconds, with the FRR beside it.

    Args:
        p50_s: float, median.
        p90_s: float, 90 % of the hits came within it.
        p95_s: float, 95 % of the hits came within it.
        mean_s: float.
        hits: int, number of hits.
        frr: float, misses / events.
    """

    p50_s: float
    p90_s: float
    p95_s: float
    mean_s: float
    hits: int
    frr: float


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """All figures at one threshold.

    Attributes:
        threshold: float.
        frr: float, misses / events; `nan` without events.
        fa_per_hour: float, false alarms / hours; `nan` without negative audio.
        misses: int, number of events without a hit.
        hits: int, number of events with a hit.
        false_alarms: int, number of detections outside the hit windows, and while no event lasts.
        repeats: int, number of further detections of events: inside windows whose events are all
            hit, or while an event lasts. They are neither hits nor false alarms.
        latency_p50_s: float, median of detection time - anchor over the hits, in seconds; `nan`
            without hits.
        latency_p90_s: float, its 90 % quantile.
        latency_p95_s: float, its 95 % quantile.
        latency_mean_s: float, its mean.
        hours: float, hours of audio outside the hit windows, and while no event lasts.
        events: int, number of events.
    """

    threshold: float
    frr: float
    fa_per_hour: float
    misses: int
    hits: int
    false_alarms: int
    repeats: int
    latency_p50_s: float
    latency_p90_s: float
    latency_p95_s: float
    latency_mean_s: float
    hours: float
    events: int

    @classmethod
    def from_counts(
        cls,
        threshold: float,
        *,
        latencies_s: ArrayLike,
        false_alarms: int,
        hours: float,
        events: int,
        repeats: int = 0,
    ) -> OperatingPoint:
        """Compute the rates and quantiles from counts.

        Args:
            threshold: float.
            latencies_s: array `(hits,)`, detection time - anchor in seconds.
            false_alarms: int, number of false alarms.
            hours: float, hours of negative audio.
            events: int, number of events.
            repeats: int, number of further detections of events. Defaults to 0.

        Returns:
            `OperatingPoint`. The quantiles are observed latencies.

        Example:

        >>> point = OperatingPoint.from_counts(
        ...     0.5, latencies_s=[0.3, 0.1], false_alarms=1, hours=4.0, events=5
        ... )
        >>> point.frr, point.fa_per_hour, point.latency_p50_s, point.latency_p90_s
        (0.6, 0.25, 0.1, 0.3)
        """
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
            repeats=repeats,
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


def operating_point(
    posteriors: Sequence[ArrayLike],
    anchors_s: Sequence[ArrayLike],
    threshold: float,
    *,
    event_ends_s: Sequence[ArrayLike] | None = None,
    **scoring: Any,
) -> OperatingPoint:
    """Score a detector at one threshold, e.g. one that was chosen on other data.

    Args:
        posteriors: list of arrays `(frames,)` in [0, 1], one for each stream.
        anchors_s: list of arrays `(events,)`, seconds from the start of the stream, one for
            each stream; empty where it has no event.
        threshold: float in [0, 1], or `inf`.
        event_ends_s: list of arrays `(events,)`, seconds, aligned with `anchors_s`: the time until
            which each event lasts. A further detection until then is a repeat and no false alarm,
            and this audio isn't negative. Defaults to `None`: no event lasts beyond its hit window.
        **scoring: fields of `Scoring`; `frame_step_s` is required.

    Returns:
        `OperatingPoint`.

    Raises:
        ValueError: If the streams do not fit the anchors, or an argument is out of range.

    Example:

    >>> posterior = np.zeros(3600)
    >>> posterior[[1001, 3000]] = 0.9
    >>> point = operating_point([posterior], [[1000.0, 2000.0]], 0.5, frame_step_s=1.0)
    >>> point.hits, point.misses, point.false_alarms, point.latency_p50_s
    (1, 1, 1, 1.0)
    >>> point = operating_point(
    ...     [posterior], [[1000.0, 2000.0]], 0.5, event_ends_s=[[1005.0, 3000.0]], frame_step_s=1.0
    ... )
    >>> point.false_alarms, point.repeats
    (0, 1)
    """
    rule = Scoring(**scoring)
    level = float(validate_thresholds(threshold, 1)[0])
    false_alarms, repeats, hours, events = 0, 0, 0.0, 0
    latencies: list[float] = []
    for posterior, anchors, ends in validate_streams(posteriors, anchors_s, rule, event_ends_s):
        matches = match_events(
            detect(posterior, level, **vars(rule)),
            anchors,
            event_ends_s=ends,
            early_s=rule.early_s,
            max_delay_s=rule.max_delay_s,
        )
        false_alarms += len(matches.false_alarms)
        repeats += len(matches.ignored)
        latencies += matches.latencies_s.tolist()
        spans = event_spans(anchors, ends, len(posterior), rule)
        hours += negative_hours(*spans, len(posterior), rule, np.empty(0)).item()
        events += len(anchors)
    return OperatingPoint.from_counts(
        level,
        latencies_s=latencies,
        false_alarms=false_alarms,
        hours=hours,
        events=events,
        repeats=repeats,
    )
