"""Streaming Anchor Loss, the losses it is compared with, and the schedule of its parameters.

All read packed targets (`keras_sal.AnchorTargets`), so that a comparison is one line:

| loss                     | emphasises                           | needs           |
|--------------------------|--------------------------------------|-----------------|
| `StreamingAnchorLoss`    | frames near anchors, and hard frames | event times     |
| `FrameCrossEntropy`      | every frame alike, or by class       | frame labels    |
| `FrameFocalLoss`         | hard frames                          | frame labels    |
| `MaxPoolingLoss`         | the best frame of each clip          | clip labels     |
| `TemporalLabelSmoothing` | (softens labels for another loss)    | event times     |

`StreamingAnchorLoss(variant="sal")` with a fixed kernel is cross entropy with frame weights
`1 + strength * k`. Its focal variants `"sa+fl"` and `"safl"` also weight a frame by how wrong the
model is there, which no fixed `sample_weight` can. With clip labels only, begin with
`MaxPoolingLoss`; with a sequence model over phones, consider CTC.

Anchors help where labels span whole events: there anchor losses missed far fewer wake words than
cross entropy. With labels in a window around the anchor (`AnchorTargets(before_frames=...,
after_frames=...)`), which is better still, the two did equally well; `docs/results/losses.md` has
the figures. `AnchorSchedule` changes strength, gamma and reach during training.
"""

from keras_sal.losses.anchor_loss import StreamingAnchorLoss, streaming_anchor_loss
from keras_sal.losses.cross_entropy import FrameCrossEntropy, frame_cross_entropy
from keras_sal.losses.focal import FrameFocalLoss, frame_focal_loss
from keras_sal.losses.label_smoothing import TemporalLabelSmoothing, temporal_label_smoothing
from keras_sal.losses.max_pooling import MaxPoolingLoss, max_pooling_loss
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
