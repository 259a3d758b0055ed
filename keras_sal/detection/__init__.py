"""Detection from posteriors: triggers, hits and false alarms, DET curves, latency, intervals.

It scores posteriors from anywhere; it needs NumPy and nothing else. In the order in which a stream
meets it:

- `keras_sal.detection.scoring`: `Scoring`, the settings of the trigger and of the hit window.
- `keras_sal.detection.trigger`: `detect` and `Trigger`, from posteriors to detections.
- `keras_sal.detection.hit_rule`: `match_events`, from detections to hits, misses, false alarms.
- `keras_sal.detection.operating_points`: `operating_point`, all figures at one threshold.
- `keras_sal.detection.curve_builder`: `det_curve`, all thresholds at once; `DetCurveBuilder`, the
  same for more hours than fit into memory, and for shards.
- `keras_sal.detection.curve`: `DetCurve`, the figures that can be read off the curve.
- `keras_sal.detection.false_alarm_budget`: how a threshold is chosen for allowed false alarms.
- `keras_sal.detection.tuning`: `tune` and `threshold_record`, the trigger for a budget.
- `keras_sal.detection.exact_intervals`, `keras_sal.detection.resampling`: confidence intervals.
- `keras_sal.detection.multiclass`: detectors of several classes.
- `keras_sal.detection.event_based_f1`: `event_f1`, for events with onset and offset.

>>> import numpy as np
>>> from keras_sal.detection import det_curve
>>> posterior = np.zeros(36000)  # ten hours of one frame a second
>>> posterior[[1001, 5000, 20000]] = 0.9, 0.7, 0.4  # the second is a false alarm
>>> curve = det_curve([posterior], [[1000.0, 20000.0]], frame_step_s=1.0)
>>> curve.frr_at(0.0), curve.frr_at(0.5), curve.threshold_at(0.5)
(0.5, 0.0, 0.4)

Conventions
-----------

- A *posterior* is in [0, 1]. The time of frame `t` is `frame_offset_s + t * frame_step_s`
  seconds. All times are seconds from the start of their stream; an *anchor* is the time an
  event is judged by.
- A *trigger* turns posteriors into detections. On a device it reads

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
  included. Detections are matched one to one, in order of time, each to the earliest event
  that has no hit yet; this matches as many events as any one-to-one matching could. A further
  detection inside windows whose events are all hit is a *repeat* and ignored. Everything outside
  the windows is a *false alarm*.
- Where an event lasts longer than its hit window, as a sentence whose onset is to be detected,
  `event_ends_s` says until when. Firing again within `[anchor - early_s, end]` is then a repeat,
  no false alarm, and this audio isn't negative. Hits stay as they are.
- *FRR* = missed events / events. *FA/h* = false alarms / hours of audio outside the hit windows
  and of what `event_ends_s` adds. *Latency* = detection time - anchor in seconds, late is
  positive; its quantiles are observed values ("at least 90 % of the hits came within P90") and
  stand beside the FRR.
- What is undefined is `nan`, never 0: the FRR without events, FA/h without negative audio.
- With no false alarm in H hours the claim is at most 3/H an hour (95 %): see `poisson_upper`.
  `bootstrap` resamples recordings and speakers. Where a stream is many recordings one after
  another, `det_curve(..., boundaries_s=...)` says where they begin.

A DET curve holds every threshold at which a hit or a false alarm changes, so nothing is sampled
on a grid and nothing is interpolated.

What holds when the threshold rises
-----------------------------------

- Without hysteresis the number of detections never grows.
- The number of hits never grows where the refractory time is at most one frame. With a longer
  one there is an exception, because a device that has just fired is deaf: an event that is hit at
  a threshold may be missed at a *lower* one only if the lower one detects something outside the
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

from keras_sal.detection.curve import DetCurve
from keras_sal.detection.curve_builder import DetCurveBuilder, det_curve
from keras_sal.detection.event_based_f1 import EventScore, active_intervals, event_f1
from keras_sal.detection.exact_intervals import (
    Interval,
    binomial_interval,
    poisson_interval,
    poisson_upper,
)
from keras_sal.detection.false_alarm_budget import (
    NegativeHoursWarning,
    choose_budget,
    describe_support,
    negative_hours,
    supported_fa_per_hour,
)
from keras_sal.detection.hit_rule import Matches, match_events
from keras_sal.detection.multiclass import ClassReport, class_curves, class_report
from keras_sal.detection.operating_points import Latency, OperatingPoint, operating_point
from keras_sal.detection.resampling import bootstrap, paired_bootstrap
from keras_sal.detection.scoring import Scoring
from keras_sal.detection.trigger import Detection, Trigger, detect
from keras_sal.detection.tuning import Tuning, join_threshold_records, threshold_record, tune

__all__ = [
    "ClassReport",
    "DetCurve",
    "DetCurveBuilder",
    "Detection",
    "EventScore",
    "Interval",
    "Latency",
    "Matches",
    "NegativeHoursWarning",
    "OperatingPoint",
    "Scoring",
    "Trigger",
    "Tuning",
    "active_intervals",
    "binomial_interval",
    "bootstrap",
    "choose_budget",
    "class_curves",
    "class_report",
    "describe_support",
    "det_curve",
    "detect",
    "event_f1",
    "join_threshold_records",
    "match_events",
    "negative_hours",
    "operating_point",
    "paired_bootstrap",
    "poisson_interval",
    "poisson_upper",
    "supported_fa_per_hour",
    "threshold_record",
    "tune",
]
