"""The report of a verification: a table to read, and JSON to keep."""

from __future__ import annotations

import dataclasses
import json

from keras_sal.detection import OperatingPoint
from keras_sal.export.errors import ExportError
from keras_sal.export.footprint import Footprint
from keras_sal.files import check_path, json_ready, write_atomically
from keras_sal.typing import PathLike


class VerificationError(ExportError):
    """An exported file that differs from the float model by more than its bound.

    Args:
        message: The error message.
        report: The whole report.

    Attributes:
        report: The whole report.
    """

    def __init__(self, message: str, report: VerificationReport) -> None:
        super().__init__(message)
        self.report = report


@dataclasses.dataclass(frozen=True)
class VerificationRow:
    """The result of one file in one runtime.

    Attributes:
        file: Name of the file.
        runtime: Name of the runtime.
        quantization: `"float32"`, `"float16"`, `"int16x8"` or `"int8"`.
        mean_error: Mean absolute difference of the posteriors from those of the Keras model.
        max_error: The largest absolute difference.
        footprint: What the file takes on a device, `None` for ONNX.
        detections: The operating point at the false-alarm budget, `None` without anchors.
        failures: What is out of bounds, in words.
    """

    file: str
    runtime: str
    quantization: str
    mean_error: float
    max_error: float
    footprint: Footprint | None
    detections: OperatingPoint | None
    failures: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class VerificationReport:
    """The result of `verify`; `str` gives it as a table.

    Attributes:
        streams: Number of streams.
        frames: Number of frames of all streams.
        detections: The operating point of the Keras model, `None` without anchors.
        rows: A row for each file in each runtime.
    """

    streams: int
    frames: int
    detections: OperatingPoint | None
    rows: tuple[VerificationRow, ...]

    @property
    def failures(self) -> tuple[str, ...]:
        """What is out of bounds, in words; empty if nothing is."""
        return tuple(
            f"{row.file} in {row.runtime}: {text}" for row in self.rows for text in row.failures
        )

    def to_json(self) -> str:
        """Return all figures as JSON text; undefined ones are `null`."""
        return json.dumps(json_ready(dataclasses.asdict(self)), indent=2)

    def write_json(self, path: PathLike) -> None:
        """Write `to_json()` to a file, which appears complete or not at all.

        Args:
            path: Path of the file.
        """
        write_atomically(check_path(path), self.to_json() + "\n")

    def __str__(self) -> str:
        footprints = {row.file: row.footprint for row in self.rows if row.footprint}
        return "\n".join(
            [
                f"{self.frames:,} frames in {self.streams} streams",
                *_aligned(self._table()),
                *(f"\n{file}\n{footprint}" for file, footprint in footprints.items()),
                "",
                *(f"FAILED {failure}" for failure in self.failures),
            ]
        )

    def _table(self) -> list[list[str]]:
        table = [["file", "runtime", "type", "mean error", "max error"]]
        table += [["", "Keras", "float32", "", ""]] if self.detections else []
        table += [
            [r.file, r.runtime, r.quantization, f"{r.mean_error:.1e}", f"{r.max_error:.1e}"]
            for r in self.rows
        ]
        if not self.detections:
            return table
        points = [self.detections, *(row.detections for row in self.rows)]
        columns = [["FRR %", "FA/h", "P50 ms", "P90 ms"], *(_figures(p) for p in points if p)]
        return [row + more for row, more in zip(table, columns, strict=True)]


def _figures(point: OperatingPoint) -> list[str]:
    return [
        f"{100 * point.frr:.1f}",
        f"{point.fa_per_hour:.2f}",
        f"{1000 * point.latency_p50_s:.0f}",
        f"{1000 * point.latency_p90_s:.0f}",
    ]


def _aligned(table: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
