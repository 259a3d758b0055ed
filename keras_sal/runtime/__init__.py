"""Detectors at work: from audio or features to detections, in any runtime.

- `StreamingDetector` runs a detector on a live stream: front-end, model and trigger in one.
- `open_runner` opens a model in Keras, LiteRT, TensorFlow Lite Micro or ONNX Runtime as a `Runner`.
- `predict` runs a runner over whole recordings.
- `frames_per_output`, `drop_remainder` and `split_remainder` are for models with strides, which
  take several frames in a step.

    detector = StreamingDetector("detector.tflite", threshold=0.8, frontend=MicroFrontend())
    posteriors, detections = detector.process(samples)
"""

from keras_sal.runtime.runner import Runner
from keras_sal.runtime.runner_steps import drop_remainder, frames_per_output, split_remainder
from keras_sal.runtime.runners import RUNTIMES, open_runner, predict
from keras_sal.runtime.streaming_detector import StreamingDetector, StreamOutput

__all__ = [
    "RUNTIMES",
    "Runner",
    "StreamOutput",
    "StreamingDetector",
    "drop_remainder",
    "frames_per_output",
    "open_runner",
    "predict",
    "split_remainder",
]
