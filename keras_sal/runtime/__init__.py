"""Detectors at work: audio in, detections out, in Keras, LiteRT, TensorFlow Lite Micro or ONNX."""

from keras_sal.runtime.runners import RUNTIMES, answer, open_runner, whole_steps, whole_streams
from keras_sal.runtime.streaming_detector import StreamingDetector

__all__ = ["RUNTIMES", "StreamingDetector", "answer", "open_runner", "whole_steps", "whole_streams"]
