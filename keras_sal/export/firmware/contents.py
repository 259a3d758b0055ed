"""The contents of a bundle: its manifest and its C++ sources, from the same numbers."""

from __future__ import annotations

import dataclasses
from typing import Any

from keras_sal import audio, provenance
from keras_sal.export import scratch
from keras_sal.export.detector_settings import DetectorSettings
from keras_sal.export.firmware import golden, sources
from keras_sal.export.firmware.costs import MICRO_FRONTEND_COST, costs
from keras_sal.export.micro import MicroModel
from keras_sal.export.signature import NEXT_SUFFIX
from keras_sal.export.step_runner import TensorInfo
from keras_sal.export.tflite.flatbuffer import Flatbuffer

FORMAT = 1
MODEL = "model.tflite"
# The TensorFlow Lite Micro front-end as `keras_sal.audio.MicroFrontend` and `frontend.h` have it.
MICRO_FRONTEND = {
    "kind": "micro",
    "sample_rate": audio.SAMPLE_RATE,
    "window_ms": round(1000 * audio.FRAME_OFFSET_S),
    "step_ms": round(1000 * audio.FRAME_STEP_S),
    "features": audio.FEATURES,
    "lower_band_hz": audio.LOWEST_HZ,
    "upper_band_hz": audio.HIGHEST_HZ,
    "noise_smoothing_bits": 10,
    "noise_even_smoothing": 0.025,
    "noise_odd_smoothing": 0.06,
    "noise_min_signal_remaining": 0.05,
    "pcan_strength": 0.95,
    "pcan_offset": 80.0,
    "pcan_gain_bits": 21,
    "log_scale_shift": 6,
    "feature_scale": 0.0390625,
}
FRONTEND = ("frontend.h", "frontend_tables.h", "micro_frontend.cc", "micro_frontend.h")
FIXED = (
    "detector.cc",
    "detector.h",
    "self_test.cc",
    "self_test.h",
    "set_up.cc",
    "set_up.h",
    "tflm_interpreter.h",
)
FIXED_FOR_SOUND = ("listener.h",)
SHARED = ("interpreter.h", "log.h", "trigger.cc", "trigger.h")  # by all models of a firmware
SHARED_FOR_SOUND = (*FRONTEND, "ring_buffer.h")


@dataclasses.dataclass
class Contents:
    """The numbers of a bundle, and the manifest and C++ sources that hold them.

    Attributes:
        model: The model in its interpreter.
        name: Name of the model, from which its namespace in C++ is made.
        settings: Classes, thresholds, trigger and times.
        frontend: Parameters of the front-end, or `None` for features of one's own.
        content: Bytes of the `.tflite` file.
    """

    model: MicroModel
    _: dataclasses.KW_ONLY
    name: str
    settings: DetectorSettings
    frontend: dict[str, Any] | None

    def __post_init__(self) -> None:
        self.content = self.model.path.read_bytes()
        self.file = Flatbuffer(self.content)
        self.positions = self.file.positions()
        self.resource_variables = self.file.resource_variables()
        self.arenas = scratch.arenas(self.file, self.model.arena_bytes)
        self.namespace = sources.namespace_of(self.name)

    def manifest(self) -> dict[str, Any]:
        """Return the manifest, without the hashes of the files."""
        manifest = {
            "format": FORMAT,
            "model": MODEL,
            "quantization": self.file.quantization(),
            "state": "internal" if self.resource_variables else "explicit",
            "inputs": [self._entry(info) for info in self.model.inputs],
            "outputs": [self._entry(info) for info in self.model.outputs],
            "states": [[name, name + NEXT_SUFFIX] for name in self.model.signature.states],
            **self.settings.entries(),
            "frontend": self.frontend,
            "frontend_cost": dict(MICRO_FRONTEND_COST) if self.frontend else None,
            "flash_bytes": len(self.content),
            "arena_bytes": self.model.arena_bytes,
            "arenas": self.arenas,
            "namespace": f"keras_sal::{self.namespace}",
            "macs": self.model.macs,
            "operators": list(self.model.operators),
            "resource_variables": self.resource_variables,
            "versions": provenance.versions(),
        }
        return manifest | {"costs": costs(manifest)}

    def sources(self) -> dict[str, str]:
        """Return the C++ sources by file name."""
        model, settings = self.namespace, self.settings
        kind = "audio" if self.frontend else "frames"
        fixed = (*FIXED, *FIXED_FOR_SOUND) if self.frontend else FIXED
        shared = (*SHARED, *SHARED_FOR_SOUND) if self.frontend else SHARED
        return {
            **sources.model_data(self.content, model),
            "op_resolver.h": sources.op_resolver(
                self.model.operators, model, self.resource_variables
            ),
            **sources.detector_settings(
                self.model,
                self.positions,
                model=model,
                scoring=settings.scoring,
                thresholds=settings.thresholds,
                class_names=settings.class_names,
                arenas=self.arenas,
                delay_frames=settings.delay_frames,
            ),
            **{name: sources.fixed(name, model) for name in fixed},
            **{name: sources.fixed(name) for name in shared},
            **sources.self_test_data(self._golden(), model, settings.scoring),
            "main.cc": sources.fixed(f"main_{kind}.cc", model),
            "golden.cc": sources.fixed(f"golden_{kind}.cc", model),
        }

    def _golden(self) -> golden.Golden:
        runner = type(self.model)(self.model.path)  # another one, whose state may change
        return golden.golden(
            runner,
            hears_audio=self.frontend is not None,
            scoring=self.settings.scoring,
            thresholds=self.settings.thresholds,
            delay_frames=self.settings.delay_frames,
        )

    def _entry(self, info: TensorInfo) -> dict[str, Any]:
        return {"name": info.name, "index": self.positions[info.name]} | info._asdict()
