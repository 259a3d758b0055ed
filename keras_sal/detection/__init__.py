"""Detection from posteriors: trigger, matching, DET curves, latency and their uncertainty."""

from keras_sal.detection.curve import DetCurve
from keras_sal.detection.event_f1 import EventScore, active_intervals, event_f1
from keras_sal.detection.matching import (
    Latency,
    Matches,
    OperatingPoint,
    match_events,
    negative_hours,
    operating_point,
)
from keras_sal.detection.multiclass import ClassReport, class_curves, class_report
from keras_sal.detection.scoring import det_curve
from keras_sal.detection.threshold_sweep import Interval
from keras_sal.detection.trigger import Detection, Scoring, Trigger, detect
from keras_sal.detection.tuning import Tuning, threshold_record, tune
from keras_sal.detection.uncertainty import (
    NegativeHoursWarning,
    binomial_interval,
    bootstrap,
    paired_bootstrap,
    poisson_interval,
    poisson_upper,
)

__all__ = [
    "ClassReport",
    "DetCurve",
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
    "class_curves",
    "class_report",
    "det_curve",
    "detect",
    "event_f1",
    "match_events",
    "negative_hours",
    "operating_point",
    "paired_bootstrap",
    "poisson_interval",
    "poisson_upper",
    "threshold_record",
    "tune",
]
