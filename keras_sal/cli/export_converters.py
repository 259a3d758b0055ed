"""The converters of the targets of `keras-sal export`, all called in the same way.

Each takes the trained model, the path to write, feature streams to calibrate with or `None`, and
the parsed arguments, and returns the converted model. Those of files take a front-end, too.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from keras_sal.export.internal_state import InternalModel
    from keras_sal.export.micro import MicroModel
    from keras_sal.typing import Array


def to_micro(
    model: keras.Model, path: Path, calibration: list[Array] | None, options: argparse.Namespace
) -> MicroModel | InternalModel:
    """Convert for TensorFlow Lite Micro, with the state where `--state` says."""
    from keras_sal.export import internal_state, micro

    convert = internal_state.from_model if options.state == "internal" else micro.convert
    return convert(model, path, calibration, quantization=options.quantization)


def to_component(
    model: keras.Model, path: Path, calibration: list[Array] | None, options: argparse.Namespace
) -> InternalModel:
    """Convert for the component of ESPHome, which carries no state."""
    from keras_sal.export import esphome, micro

    explicit = path.with_name("explicit.tflite")
    converted = micro.convert(model, explicit, calibration, quantization=options.quantization)
    return esphome.component_file(converted, path)


def to_litert(
    model: keras.Model,
    path: Path,
    calibration: list[Array] | None,
    options: argparse.Namespace,
    frontend: str | None = None,
) -> Any:
    """Convert for LiteRT."""
    from keras_sal.export import litert

    return litert.convert(
        model, path, calibration, quantization=options.quantization, frontend=frontend
    )


def to_onnx(
    model: keras.Model,
    path: Path,
    calibration: list[Array] | None,
    options: argparse.Namespace,
    frontend: str | None = None,
) -> Any:
    """Convert for ONNX Runtime, in float32, which is not calibrated."""
    from keras_sal.export import onnx

    return onnx.convert(model, path, frontend=frontend)
