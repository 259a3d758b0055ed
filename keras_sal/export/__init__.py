"""Ship a trained detector, from any backend: microcontrollers, phones, ONNX.

- `micro.convert`: TensorFlow Lite Micro; integer files, gated, measured, run frame by frame.
- `litert.convert`: LiteRT for phones and desktops.
- `onnx.convert`: ONNX, one frame at a time or whole clips.
- `verify.verify`: all of these against the float model, over the same streams.
- `footprint.footprint`: flash, arena and operators of a file.

Nothing heavy is imported before it is used, and a missing package says which extra brings it.
"""

from keras_sal.export import footprint, litert, micro, onnx, verify
from keras_sal.export.worker import ExportError

__all__ = ["ExportError", "footprint", "litert", "micro", "onnx", "verify"]
