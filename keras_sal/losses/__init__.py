"""Streaming Anchor Loss, the losses it is compared with, and the schedule of its parameters."""

from keras_sal.losses.anchor_loss import StreamingAnchorLoss, streaming_anchor_loss
from keras_sal.losses.baselines import (
    FrameCrossEntropy,
    FrameFocalLoss,
    MaxPoolingLoss,
    TemporalLabelSmoothing,
    frame_cross_entropy,
    frame_focal_loss,
    max_pooling_loss,
    temporal_label_smoothing,
)
from keras_sal.losses.schedule import AnchorSchedule

__all__ = [
    "AnchorSchedule",
    "FrameCrossEntropy",
    "FrameFocalLoss",
    "MaxPoolingLoss",
    "StreamingAnchorLoss",
    "TemporalLabelSmoothing",
    "frame_cross_entropy",
    "frame_focal_loss",
    "max_pooling_loss",
    "streaming_anchor_loss",
    "temporal_label_smoothing",
]
