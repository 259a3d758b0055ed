"""The footprint of a `.tflite` file on a device: flash, arena, multiply-accumulates, operators.

    print(footprint("detector.tflite"))

The arena is that of the TensorFlow Lite Micro interpreter on this 64-bit machine, with reference
kernels. It is an upper bound for a 32-bit device with such kernels, where the interpreter's own
structures take half the space; optimised kernels may need more (`keras_sal.export.scratch`). What a
whole firmware takes is in the manifest of a bundle (`keras_sal.export.firmware.costs`).
"""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from keras_sal.export import arena
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.typing import PathLike

VELA_TIMEOUT_S = 120


@dataclasses.dataclass(frozen=True)
class EthosU55:
    """The estimate of `ethos-u-vela` for an Arm Ethos-U55 with 128 multipliers.

    Attributes:
        cycles: Cycles of a step.
        time_us: Microseconds of a step at the clock of Vela's default system, 500 MHz.
        sram_bytes: Memory for tensors.
        flash_bytes: Memory for weights and commands.
    """

    cycles: int
    time_us: float
    sram_bytes: int
    flash_bytes: int


@dataclasses.dataclass(frozen=True)
class Footprint:
    """What a model takes on a device; `str` gives it as a table.

    Attributes:
        flash_bytes: Size of the file, which is the sum of the next three.
        weights_bytes: Constants of two dimensions and more: dense layers and convolutions.
        constants_bytes: Biases and other constants.
        graph_bytes: Operators, tensors, names and padding.
        arena_bytes: Smallest tensor arena, `None` if TensorFlow Lite Micro does not run the file.
        macs: Multiply-accumulates of one step in dense layers and convolutions.
        operators: Names of the operators, sorted.
        ethos_u55: Estimate for an Ethos-U55, `None` if `ethos-u-vela` is not installed or refuses
            the file.
    """

    flash_bytes: int
    weights_bytes: int
    constants_bytes: int
    graph_bytes: int
    arena_bytes: int | None
    macs: int
    operators: tuple[str, ...]
    ethos_u55: EthosU55 | None

    def __str__(self) -> str:
        arena_text = "none: TensorFlow Lite Micro does not run this file"
        if self.arena_bytes is not None:
            arena_text = f"{self.arena_bytes:,} bytes (64-bit host; less on a 32-bit device)"
        lines = [
            f"flash        {self.flash_bytes:,} bytes ({self.weights_bytes:,} weights, "
            f"{self.constants_bytes:,} constants, {self.graph_bytes:,} graph)",
            f"arena        {arena_text}",
            f"MACs a frame {self.macs:,}",
            f"operators    {' '.join(self.operators)}",
        ]
        if self.ethos_u55:
            npu = self.ethos_u55
            lines.append(
                f"Ethos-U55    {npu.cycles:,} cycles, {npu.time_us:.1f} us a frame, "
                f"{npu.sram_bytes:,} bytes SRAM, {npu.flash_bytes:,} bytes flash (Vela's estimate)"
            )
        return "\n".join(lines)


def footprint(path: PathLike) -> Footprint:
    """Measure a `.tflite` file.

    Args:
        path: A file written by `keras_sal.export.micro` or `keras_sal.export.litert`.

    Returns:
        Its footprint.

    Raises:
        ImportError: If a package of the `export` extra is missing.
        ValueError: If `path` is not such a file.
    """
    file = Flatbuffer.from_file(path)
    content = Path(path).read_bytes()
    weights = {
        tensor.buffer
        for index, tensor in enumerate(file.graph.tensors)
        if len(file.shape(index)) > 1
    }
    sizes = {
        number: len(buffer.data)
        for number, buffer in enumerate(file.tree.buffers)
        if buffer.data is not None
    }
    weights_bytes = sum(size for number, size in sizes.items() if number in weights)
    return Footprint(
        flash_bytes=len(content),
        weights_bytes=weights_bytes,
        constants_bytes=sum(sizes.values()) - weights_bytes,
        graph_bytes=len(content) - sum(sizes.values()),
        arena_bytes=arena.measure(content).get("arena_bytes"),
        macs=file.macs(),
        operators=file.operator_names(),
        ethos_u55=_ethos_u55(path) if _is_integer(file) else None,
    )


def _is_integer(file: Flatbuffer) -> bool:
    return all(file.dtype(index).startswith("int") for index in file.inputs.values())


def _ethos_u55(path: PathLike) -> EthosU55 | None:
    if importlib.util.find_spec("ethosu") is None:
        return None
    with tempfile.TemporaryDirectory(prefix="keras_sal_vela_") as folder:
        command = [sys.executable, "-m", "ethosu.vela", str(path)]
        options = ["--accelerator-config", "ethos-u55-128", "--output-dir", folder]
        done = subprocess.run(
            [*command, *options], capture_output=True, timeout=VELA_TIMEOUT_S, check=False
        )
        summaries = list(Path(folder).glob("*_summary_*.csv"))
        if done.returncode or len(summaries) != 1:
            return None
        with summaries[0].open(newline="") as stream:
            (summary,) = csv.DictReader(stream)
    return EthosU55(
        cycles=round(float(summary["cycles_total"])),
        time_us=1e6 * float(summary["inference_time"]),
        sram_bytes=round(1024 * float(summary["sram_memory_used"])),
        flash_bytes=round(1024 * float(summary["off_chip_flash_memory_used"])),
    )
