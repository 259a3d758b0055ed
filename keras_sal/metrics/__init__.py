"""Keras metrics over packed targets: frame metrics and detection metrics.

Keras' own metrics can't read packed targets: `metrics=["accuracy"]` compares the distance channel
as if it were a label and reports a meaningless number, and `keras.metrics.AUC` fails. Use these:

* frame metrics: `FrameAccuracy`, `FrameAUC`, `FramePrecision`, `FrameRecall`;
* detection metrics: `StreamingFRR` and `FalseAlarmsPerHour` at one threshold, `FRRAtFalseAlarms`
  and `LatencyAtFalseAlarms` at the threshold that keeps a false-alarm budget. `DetectionMetric`,
  their base class, documents the arguments that they share;
* `MeanFRR`, the mean FRR over all budgets up to a rate, to stop a training or to keep its best
  model: `keras.callbacks.EarlyStopping("val_mean_frr", mode="min", patience=5)`.

>>> import keras_sal
>>> from keras_sal import metrics
>>> model = keras_sal.models.gru_detector(features=3, feature_max=1)
>>> loss = keras_sal.StreamingAnchorLoss()
>>> model.compile("adam", loss, metrics=[metrics.FrameAUC(), metrics.FRRAtFalseAlarms(1.0)])
"""

from keras_sal.metrics.detection_metrics import (
    DetectionMetric,
    FalseAlarmsPerHour,
    FRRAtFalseAlarms,
    LatencyAtFalseAlarms,
    MeanFRR,
    StreamingFRR,
)
from keras_sal.metrics.frame_metrics import FrameAccuracy, FrameAUC, FramePrecision, FrameRecall

__all__ = [
    "DetectionMetric",
    "FRRAtFalseAlarms",
    "FalseAlarmsPerHour",
    "FrameAUC",
    "FrameAccuracy",
    "FramePrecision",
    "FrameRecall",
    "LatencyAtFalseAlarms",
    "MeanFRR",
    "StreamingFRR",
]
