"""Scored streams: the scores of one stream, its events, and the recordings that it is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_sal.detection.hit_rule import (
    event_spans,
    hit_windows,
    negative_hours,
    recording_at,
)
from keras_sal.detection.scoring import Scoring
from keras_sal.detection.threshold_sweep import (
    DetectionTable,
    block_peaks,
    find_detections,
    match_detections,
)
from keras_sal.detection.validation import validate_boundaries, validate_streams
from keras_sal.typing import Array, ArrayLike

ROW = np.dtype([("recording", "i8"), ("low", "f8"), ("high", "f8"), ("latency_s", "f8")])
"""A hit, false alarm or repeat, at the thresholds in `(low, high]`; see `ThresholdTable`."""

RECORDING = np.dtype([("events", "i8"), ("hours", "f8")])
"""Number of events of a recording, and its hours of negative audio."""


@dataclasses.dataclass(frozen=True)
class ScoredStream:
    """The scores of one stream with its events.

    Args:
        rule: `Scoring`.
        scores: array `(frames,)`, the second one of `Scoring.scores`.
        anchors_s: array `(events,)`, seconds, rising.
        first: int array `(events,)`, first frame of each hit window.
        last: int array `(events,)`, last frame of each hit window.
        until: int array `(events,)`, last frame of each event, as from `event_spans`.
        boundaries_s: rising array `(boundaries,)`, start times of all recordings but the first.
    """

    rule: Scoring
    scores: Array
    anchors_s: Array
    first: Array
    last: Array
    until: Array
    boundaries_s: Array

    def recordings(self) -> Array:
        """Count the events and measure the negative audio of each recording.

        Returns:
            array `(recordings,)` of dtype `RECORDING`.
        """
        hours = negative_hours(
            self.first, self.until, len(self.scores), self.rule, self.boundaries_s
        )
        found = np.empty(len(hours), RECORDING)
        found["hours"] = hours
        found["events"] = np.bincount(self._recording_of_event(), minlength=len(hours))
        return found

    def alarm_peaks(self) -> Array:
        """Find the peaks that half a false alarm each can be proved from.

        Returns:
            float64 array `(peaks,)`: the maxima of the blocks of one refractory time, without the
            frames of events and of one refractory time after each.
        """
        refractory_frames = self.rule.refractory_frames
        scores = self.scores.copy()
        for first, until in zip(self.first.tolist(), self.until.tolist(), strict=True):
            scores[first : until + refractory_frames] = -np.inf
        peaks = block_peaks(scores, refractory_frames).astype("float64")
        return peaks[peaks > -np.inf]

    def sweep(self, floor: float) -> tuple[Array, Array, Array]:
        """Find the hits, false alarms and repeats at all thresholds above a floor.

        Args:
            floor: float.

        Returns:
            Three arrays `(rows,)` of dtype `ROW`; the recordings are counted from 0.
        """
        detections = find_detections(
            self.scores, self.rule.refractory_frames, self.rule.hysteresis, floor
        )
        event, hits, alarms, repeats = match_detections(
            detections, self.first, self.last, self.until
        )
        return (
            _rows(
                hits,
                self._recording_of_event()[event],
                self.rule.time_s(hits.frame) - self.anchors_s[event],
            ),
            _rows(alarms, self._recording_of_frame(alarms.frame)),
            _rows(repeats, self._recording_of_frame(repeats.frame)),
        )

    def _recording_of_event(self) -> Array:
        return recording_at(self.anchors_s, self.boundaries_s)

    def _recording_of_frame(self, frame: Array) -> Array:
        return recording_at(self.rule.time_s(frame), self.boundaries_s)


def score_streams(
    posteriors: Sequence[ArrayLike],
    anchors_s: Sequence[ArrayLike],
    rule: Scoring,
    *,
    event_ends_s: Sequence[ArrayLike] | None = None,
    boundaries_s: Sequence[ArrayLike] | None = None,
) -> list[ScoredStream]:
    """Check streams and compute their scores.

    Args:
        posteriors: list of arrays `(frames,)` in [0, 1], one for each stream.
        anchors_s: list of arrays `(events,)`, seconds, one for each stream.
        rule: `Scoring`.
        event_ends_s: as for `det_curve`.
        boundaries_s: as for `det_curve`.

    Returns:
        List of `ScoredStream`.

    Raises:
        ValueError: If the lists differ in length or are empty, or a stream is not valid.
    """
    streams = validate_streams(posteriors, anchors_s, rule, event_ends_s)
    boundaries = validate_boundaries(boundaries_s, len(streams))
    scored = []
    for (posterior, anchors, ends), bounds in zip(streams, boundaries, strict=True):
        first, last = hit_windows(anchors, len(posterior), rule)
        _, until = event_spans(anchors, ends, len(posterior), rule)
        scores = rule.scores(posterior)[1]
        scored.append(ScoredStream(rule, scores, anchors, first, last, until, bounds))
    return scored


def _rows(detections: DetectionTable, recording: Array, latency_s: Array | float = np.nan) -> Array:
    rows = np.empty(len(detections.frame), ROW)
    rows["recording"] = recording
    rows["low"], rows["high"] = detections.low, detections.high
    rows["latency_s"] = latency_s
    return rows
