"""Streaming Anchor Loss for Keras 3: train streaming detectors and export them to small devices.

A streaming detector has a posterior on every frame, but only the frames around an *anchor* (the end
of a wake word, the onset of speech, the end of a gesture) decide whether it is any good.

>>> import keras_sal
>>> import numpy as np
>>> targets = keras_sal.AnchorTargets(frames=100, anchor="offset", before_frames=3, after_frames=25)
>>> y = targets(np.array([[[20, 60]], [[10, 40]]]))  # one event in each of two clips, in frames
>>> model = keras_sal.models.gru_detector(features=40)
>>> model.compile("adam", loss=keras_sal.StreamingAnchorLoss())
>>> history = model.fit(np.zeros((2, 100, 40)), y, verbose=0)

The packages, in the order in which a recording passes through them:

* `keras_sal.data`: recordings, their event times, streams and batches made of them.
* `keras_sal.audio` and `keras_sal.augmentation`: sound files, features, and their variation.
* `keras_sal.anchors` and `keras_sal.targets`: the convention of packed targets, and the layer that
  makes them.
* `keras_sal.losses` and `keras_sal.metrics`: the loss family, its baselines, and what to watch.
* `keras_sal.models` and `keras_sal.layers`: detectors to start from.
* `keras_sal.training`: the recipe behind `keras-sal train`, hard negatives, stateful training.
* `keras_sal.streaming`: the same model one frame at a time, with explicit state.
* `keras_sal.export`: TensorFlow Lite Micro, LiteRT, ONNX, firmware, ESPHome, verification.
* `keras_sal.runtime`: `StreamingDetector`, audio in and detections out, in any of these formats.
* `keras_sal.pretrained`: detectors of wake words, ready to run.
* `keras_sal.detection`: trigger, hit rule, DET curves, latency and their uncertainty.
* `keras_sal.evaluation`: systems scored on the same streams, their comparison, and a report.
* `keras_sal.cli`: the command line, `keras-sal --help`.
"""

import importlib
from typing import TYPE_CHECKING, Any

try:
    import keras
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("tensorflow", "jax", "torch"):
        raise
    raise ImportError(
        "Keras must have a backend; it computes with TensorFlow, JAX or PyTorch. Received: the "
        f"backend of `KERAS_BACKEND` or ~/.keras/keras.json, where the default is tensorflow, and "
        f"no package {error.name!r}. Set the environment variable KERAS_BACKEND to one that is "
        'installed, such as KERAS_BACKEND="jax", or install tensorflow. `keras-sal doctor` lists '
        "what is missing."
    ) from error

from keras_sal import anchors, layers, losses, metrics, models, streaming, targets
from keras_sal.audio import LogMel, MicroFeatures  # registers the layers, so that models load
from keras_sal.losses import (
    AnchorSchedule,
    FrameCrossEntropy,
    FrameFocalLoss,
    MaxPoolingLoss,
    StreamingAnchorLoss,
    TemporalLabelSmoothing,
)
from keras_sal.targets import AnchorTargets, pad_events

if TYPE_CHECKING:
    from keras_sal.runtime import StreamingDetector

__version__ = "0.1.0"

_PACKAGES = (
    *("anchors", "audio", "augmentation", "cli", "data", "detection", "evaluation", "export"),
    *("layers", "losses", "metrics", "models", "pretrained", "runtime", "streaming", "targets"),
    "training",
)

__all__ = [
    *("AnchorSchedule", "AnchorTargets", "FrameCrossEntropy", "FrameFocalLoss", "MaxPoolingLoss"),
    *("StreamingAnchorLoss", "StreamingDetector", "TemporalLabelSmoothing", "pad_events"),
    *_PACKAGES,
]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"keras_sal.{name}")
    if name == "StreamingDetector":
        from keras_sal.runtime import StreamingDetector

        return StreamingDetector
    raise AttributeError(f"module 'keras_sal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
