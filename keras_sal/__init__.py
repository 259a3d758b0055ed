"""Streaming Anchor Loss for Keras 3: train streaming detectors and ship them on microcontrollers.

A streaming detector answers on every frame, but only the frames around an *anchor* (the end of a
wake word, the onset of speech, the moment a gesture completes) decide whether it is any good.

>>> import keras_sal
>>> import numpy as np
>>> targets = keras_sal.AnchorTargets(frames=100, anchor="offset", before_frames=3, after_frames=25)
>>> y = targets(np.array([[[20, 60]], [[10, 40]]]))  # one event in each of two clips, in frames
>>> model = keras_sal.models.gru_detector(features=40)
>>> model.compile("adam", loss=keras_sal.StreamingAnchorLoss())
>>> history = model.fit(np.zeros((2, 100, 40)), y, verbose=0)

From there:

* `keras_sal.losses`: the loss family and what it is compared with; `keras_sal.anchors` has the
  convention for targets and the kernels; `AnchorSchedule` changes them during training.
* `keras_sal.metrics`: frame and streaming figures for `compile`, over the same targets.
* `keras_sal.targets.clips`: crop, pad, stretch and join clips with their anchors on their frames.
* `keras_sal.models`: detectors to start from, in three sizes; `keras_sal.streaming.model_costs`: what they cost.
* `keras_sal.streaming.step_model(model)`: the same model, one frame at a time, explicit state.
* `StreamingDetector`: audio in, detections out, from a Keras model or an exported file.
* `keras_sal.export.micro.convert(...)`: TensorFlow Lite Micro, run in its interpreter; `bundle` for
  the firmware around it, `litert` and `onnx` beside it, `verify` to hold them to the float model.
* `keras_sal.detection`: misses at a false-alarm rate, and latency, from posteriors;
  `keras_sal.evaluation` and `keras_sal.evaluation.report`: systems side by side, and a page of it.
* `keras_sal.data.alignment`, `keras_sal.audio`, `keras_sal.data.recordings`, `keras_sal.data.datasets`: recordings
  to streams of events; `keras_sal.data.duplicates`: which of them are there twice.
* `keras_sal.training.recipe`: all of it in a few functions; `keras-sal --help` on the command line.
"""

import importlib

from keras_sal import anchors, layers, losses, metrics, models, streaming, targets
from keras_sal.audio import LogMel  # registers the layer, so that saved models load
from keras_sal.losses import (
    AnchorSchedule,
    FrameCrossEntropy,
    FrameFocalLoss,
    MaxPoolingLoss,
    StreamingAnchorLoss,
    TemporalLabelSmoothing,
)
from keras_sal.targets import AnchorTargets, pad_events

__version__ = "0.1.0"

_PACKAGES = (
    *("anchors", "audio", "augmentation", "cli", "data", "detection", "evaluation", "export"),
    *("layers", "losses", "metrics", "models", "runtime", "streaming", "targets", "training"),
)

__all__ = [
    *("AnchorSchedule", "AnchorTargets", "FrameCrossEntropy", "FrameFocalLoss", "MaxPoolingLoss"),
    *("StreamingAnchorLoss", "StreamingDetector", "TemporalLabelSmoothing", "pad_events"),
    *_PACKAGES,
]


def __getattr__(name):
    if name in _PACKAGES:
        return importlib.import_module(f"keras_sal.{name}")
    if name == "StreamingDetector":
        from keras_sal.runtime import StreamingDetector

        return StreamingDetector
    raise AttributeError(f"module 'keras_sal' has no attribute {name!r}")


def __dir__():
    return sorted([*__all__, "__version__"])
