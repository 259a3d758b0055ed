"""Detectors at work: audio in, detections out, in Keras, LiteRT, TensorFlow Lite Micro or ONNX."""

from keras_sal.runtime.runners import (
    RUNTIMES,
    drop_remainder,
    open_runner,
    predict,
    split_remainder,
)
from keras_sal.runtime.streaming_detector import StreamingDetector

__all__ = ["RUNTIMES", "StreamingDetector", "predict", "open_runner", "split_remainder", "drop_remainder"]
