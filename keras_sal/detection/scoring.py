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
  `keras_sal.detection.uncertainty`, which also resamples recordings and speakers. Where a stream is many
  recordings one after another, `det_curve(..., cuts_s=...)` says where they begin.

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
  `keras_sal.detection.event_f1` computes that figure where it is what is wanted.
"""

from typing import NamedTuple

import numpy as np

from keras_sal.detection import threshold_sweep
from keras_sal.detection.curve import ROUNDING, DetCurve
from keras_sal.detection.matching import (
    Latency,
    Matches,
    OperatingPoint,
    as_cuts,
    as_streams,
    match_events,
    negative_hours,
    operating_point,
    piece_of,
)
from keras_sal.detection.trigger import Detection, Scoring, detect

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


def det_curve(
    posteriors, anchors_s, *, max_fa_per_hour: float = 100.0, cuts_s=None, **scoring
) -> DetCurve:
    """Score a trigger at all thresholds.

    Exact: at each threshold the counts are those of `operating_point`. Cost grows linearly
    with the hours; 100 hours of 10 ms frames take seconds.

    Args:
        posteriors: list of arrays `(frames,)` in [0, 1], one for each stream. A stream is what
            a device would hear without a break; keep the state of the model over all of it.
        anchors_s: list of arrays `(events,)`, seconds from the start of the stream, one for
            each stream; empty where it has no event.
        max_fa_per_hour: float > 0. Operating points with more false alarms an hour are left
            out, which is what makes long recordings cheap; `inf` keeps all, at some seconds for
            each hour. Defaults to 100.0.
        cuts_s: list of rising arrays `(cuts,)`, seconds from the start of the stream, one for
            each stream. They cut it into `cuts + 1` pieces, such as the recordings it is made
            of, from which `keras_sal.detection.bootstrap` draws; the figures stay the same.
            An event, a false alarm and a frame belong to the piece that the anchor, the
            detection and the frame lie in. Defaults to none: a piece is a stream.
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
    cuts = as_cuts(cuts_s, len(streams))
    hours = [
        negative_hours(s.first, s.last, len(s.scores), rule, c)
        for s, c in zip(streams, cuts, strict=True)
    ]
    pieces = np.cumsum([0, *map(len, hours)])
    hours = np.concatenate(hours)
    refractory = rule.refractory_frames
    inside = sum(int((-(-(s.last - s.first + 1) // refractory)).sum()) for s in streams)
    allowed = max_fa_per_hour * hours.sum() * ROUNDING if hours.any() else np.inf
    floor = threshold_sweep.score_floor([s.scores for s in streams], refractory, allowed + inside)

    events = np.zeros(pieces[-1], "int64")
    hits, alarms = [], []  # tables with the columns of `sweep.Rows`
    for index, stream in enumerate(streams):
        fired = threshold_sweep.firings(stream.scores, refractory, rule.hysteresis, floor)
        event, claimed, outside = threshold_sweep.claims(fired, stream.first, stream.last)
        hit_s, alarm_s = rule.time_s(claimed.frame), rule.time_s(outside.frame)
        of_event = pieces[index] + piece_of(stream.anchors_s, cuts[index])
        latency_s = hit_s - stream.anchors_s[event]
        hits.append((of_event[event], claimed.low, claimed.high, latency_s))
        of_alarm = pieces[index] + piece_of(alarm_s, cuts[index])
        alarms.append((of_alarm, outside.low, outside.high, np.full(len(alarm_s), np.nan)))
        events += np.bincount(of_event, minlength=len(events))
    hits, alarms = ([np.concatenate(c) for c in zip(*rows, strict=True)] for rows in (hits, alarms))
    bounds = np.unique(np.concatenate([*hits[1:3], *alarms[1:3]]))
    levels = np.concatenate([[np.inf], bounds[bounds > floor][::-1]])
    return DetCurve(
        scoring=rule,
        max_fa_per_hour=float(max_fa_per_hour),
        floor=floor,
        hit_rows=threshold_sweep.Rows(levels, *hits),
        alarm_rows=threshold_sweep.Rows(levels, *alarms),
        piece_events=events,
        piece_hours=hours,
        piece_weights=np.ones(len(events), "int64"),
    )


class _Stream(NamedTuple):
    scores: np.ndarray
    anchors_s: np.ndarray
    first: np.ndarray
    last: np.ndarray
