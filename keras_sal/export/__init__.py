"""Export of a trained detector, from any backend, to microcontrollers, phones, ONNX and browsers.

    >>> from keras_sal.export import micro, bundle
    >>> detector = micro.convert(model, "detector.tflite", calibration)  # doctest: +SKIP
    >>> detector.stream(features)  # as the device computes it  # doctest: +SKIP
    >>> bundle.write(detector, "firmware", threshold=0.8, frame_step_s=0.01)  # doctest: +SKIP

A reader meets, in this order:

- `micro`, `litert`, `onnx`: `convert` writes a file, and a runner (`MicroModel`, `LiteModel`,
  `OnnxModel`) streams features through it, frame by frame. They share `step_runner` (the loop),
  `signature` (which tensors are frames, states, posteriors) and `sequences` (checks of features).
- `verify`: compares these files with the float model, over the same streams;
  `verification_report` holds the result.
- `footprint`: flash, arena and operators of a file; `arena` finds its smallest arena,
  `scratch` what optimised kernels want beyond it.
- `frontend`: the front-end in a LiteRT or ONNX file, which then takes sound; `detector_file`: the
  description beside such a file, by which it is opened again.
- `bundle`: the folder that a firmware engineer gets, with C++ that computes the same as Python.
- `android`: a project for Android Studio, with an app that listens.
- `internal_state`: files that keep their state themselves; `esphome` writes one for
  micro_wake_word.
- `web`: the folder of a page that runs a detector in the browser.
- `shared_converter`: makes the conversion of many models several times faster.
- `detector_settings`, `manifest`: what bundles and descriptions have in common.
- `conversion/`: the converter process; `worker` and `fork_server` run it. `tflite/`: the `.tflite`
  file format. `firmware/`: the C++ of a bundle, and the packages of it.

Every failed export is an `ExportError`. Nothing heavy is imported before it is used, and the error
about a missing package names the extra to install.
"""

from keras_sal.export import (
    android,
    bundle,
    detector_file,
    esphome,
    footprint,
    internal_state,
    litert,
    micro,
    onnx,
    verify,
    web,
)
from keras_sal.export.conversion.converter_process import shared_converter
from keras_sal.export.errors import ExportError

__all__ = [
    "ExportError",
    "android",
    "bundle",
    "detector_file",
    "esphome",
    "footprint",
    "internal_state",
    "litert",
    "micro",
    "onnx",
    "shared_converter",
    "verify",
    "web",
]
