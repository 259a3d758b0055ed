"""What a verification found: a table to read and JSON to keep."""

import dataclasses
import json
import math

from keras_sal.detection import OperatingPoint
from keras_sal.export.footprint import Footprint
from keras_sal.export.worker import ExportError
from keras_sal.files import check_path, write_atomically


class VerificationError(ExportError):
    """An exported file that differs from the float model by more than its bound.

    Attributes:
        report: The whole `Report`.
    """

    def __init__(self, message, report):
        super().__init__(message)
        self.report = report


@dataclasses.dataclass(frozen=True)
class Row:
    """One file in one runtime.

    Attributes:
        file: Name of the file.
        runtime: What ran it.
        quantization: `"float32"`, `"float16"`, `"int16x8"` or `"int8"`.
        mean_error: Mean absolute difference of the posteriors from those of the Keras model.
        max_error: The largest one.
        footprint: `Footprint`, None for ONNX.
        detections: `keras_sal.detection.OperatingPoint`, None where no anchors were given.
        failures: What is out of bounds, in words.
    """

    file: str
    runtime: str
    quantization: str
    mean_error: float
    max_error: float
    footprint: Footprint | None
    detections: OperatingPoint | None
    failures: tuple


@dataclasses.dataclass(frozen=True)
class Report:
    """The outcome of `verify`; `str` gives it as a table.

    Attributes:
        streams: Number of streams.
        frames: Number of frames of all streams.
        detections: Those of the Keras model, None where no anchors were given.
        rows: A `Row` for each file and runtime.
    """

    streams: int
    frames: int
    detections: OperatingPoint | None
    rows: tuple

    @property
    def failures(self):
        """What is out of bounds, in words; empty when all is well."""
        return tuple(
            f"{row.file} in {row.runtime}: {text}" for row in self.rows for text in row.failures
        )

    def to_json(self):
        """All figures as JSON text; undefined ones are `null`."""
        return json.dumps(_plain(dataclasses.asdict(self)), indent=2)

    def write_json(self, path):
        """Writes `to_json()` to a file, which appears complete or not at all."""
        write_atomically(check_path(path), (self.to_json() + "\n").encode())

    def __str__(self):
        table = [["file", "runtime", "type", "mean error", "max error"]]
        table += [["", "Keras", "float32", "", ""]] if self.detections else []
        table += [
            [r.file, r.runtime, r.quantization, f"{r.mean_error:.1e}", f"{r.max_error:.1e}"]
            for r in self.rows
        ]
        if self.detections:
            figures = [_figures(point) for point in (self.detections, *self._points())]
            head = ["FRR %", "FA/h", "P50 ms", "P90 ms"]
            table = [row + more for row, more in zip(table, [head, *figures], strict=True)]
        footprints = {row.file: row.footprint for row in self.rows if row.footprint}
        return "\n".join(
            [
                f"{self.frames:,} frames in {self.streams} streams",
                *_aligned(table),
                *(f"\n{file}\n{footprint}" for file, footprint in footprints.items()),
                *(["", *(f"FAILED {failure}" for failure in self.failures)]),
            ]
        )

    def _points(self):
        return [row.detections for row in self.rows]


def _figures(point):
    return [
        f"{100 * point.frr:.1f}",
        f"{point.fa_per_hour:.2f}",
        f"{1000 * point.latency_p50_s:.0f}",
        f"{1000 * point.latency_p90_s:.0f}",
    ]


def _aligned(table):
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def _plain(value):
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
