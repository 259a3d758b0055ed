"""Ship a trained detector, from any backend: microcontrollers, phones, ONNX.

- `micro.convert`: TensorFlow Lite Micro; integer files, gated, measured, run frame by frame.
- `litert.convert`: LiteRT for phones and desktops.
- `onnx.convert`: ONNX, one frame at a time or whole clips.
- `verify.verify`: all of these against the float model, over the same streams.
- `footprint.footprint`: flash, arena and operators of a file.
- `bundle.write`: the folder a firmware engineer gets, with C++ that answers as Python does.
- `internal.convert`: a file that keeps its state itself; `esphome.write`: for micro_wake_word.

Nothing heavy is imported before it is used, and a missing package says which extra brings it.
"""

from keras_sal.export import bundle, esphome, footprint, internal_state, litert, micro, onnx, verify
from keras_sal.export.worker import ExportError

__all__ = [
    "ExportError",
    "bundle",
    "esphome",
    "footprint",
    "internal_state",
    "litert",
    "micro",
    "onnx",
    "verify",
]
