"""Exported models with changed bytes: refused, or run in TensorFlow Lite Micro and in LiteRT."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import keras
import numpy as np
from damaged_tflite import damage, open_and_run

from keras_sal.export import litert, micro
from keras_sal.files import temporary_sibling
from keras_sal.models import gru_detector

NAMES = ("int8", "float32", "litert")


def prepare():
    """Convert a small detector, once for all processes."""
    keras.utils.set_random_seed(0)
    model = gru_detector(dense_units=8, gru_units=8)
    calibration = list(20 * np.random.default_rng(0).random((4, 50, 40), "float32"))
    for name in NAMES:
        path = _path(name)
        if path.exists():
            continue
        with temporary_sibling(path) as made:
            if name == "litert":
                litert.convert(model, made)
            else:
                micro.convert(model, made, calibration, quantization=name, min_posterior=0.0)
            made.replace(path)


def attempt(random, folder):
    """Open and run a damaged copy of one of the models."""
    name = random.choice(NAMES)
    copy = folder / "damaged.tflite"
    copy.write_bytes(damage(_path(name).read_bytes(), str(random.getrandbits(64))))
    outcome = open_and_run(copy)
    if outcome.startswith("raised"):
        raise RuntimeError(f"{name}: {outcome}")
    return Counter(refused=1) if outcome.startswith("refused") else Counter(agreed=1)


def _path(name):
    return Path(tempfile.gettempdir()) / f"keras_sal_fuzz_{name}.tflite"
