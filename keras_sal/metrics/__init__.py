"""Keras metrics over packed targets: frame metrics and detection metrics."""

from keras_sal.metrics.keras_metrics import (
    FalseAlarmsPerHour,
    FrameAccuracy,
    FrameAUC,
    FramePrecision,
    FrameRecall,
    FRRAtFalseAlarms,
    LatencyAtFalseAlarms,
    StreamingFRR,
)

__all__ = [
    "FRRAtFalseAlarms",
    "FalseAlarmsPerHour",
    "FrameAUC",
    "FrameAccuracy",
    "FramePrecision",
    "FrameRecall",
    "LatencyAtFalseAlarms",
    "StreamingFRR",
]
