"""Hours of sound through `StreamingDetector`: memory that stays flat, and no drift.

    python benchmarks/long_stream.py                          # 24 hours, in every runtime
    python benchmarks/long_stream.py --hours 0.33 --runtimes keras

Synthetic sound is made block by block and goes through front-end, model and trigger in chunks of 80
ms. A second detector takes the same sound in chunks of a minute, as recordings are scored. Their
posteriors must be equal: to the bit where a runtime goes frame by frame, within 1e-5 in Keras,
whose programs differ with the length of a chunk. Detections and their times must be equal, too. The
memory of the process is read every hour of sound, or twenty times in a shorter stream. It goes up
and down by 30 MB, as the C library keeps freed memory for a while. So its growth is twice the
difference of the medians of the two halves that follow the first tenth; it must not be more than 16
MB. Puts each runtime into `benchmarks/results/long_stream.json`.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from keras_sal import files, provenance
from keras_sal.audio import SAMPLE_RATE, MicroFrontend
from keras_sal.models import gru_detector
from keras_sal.runtime import RUNTIMES, StreamingDetector

RESULT = Path(__file__).parent / "results" / "long_stream.json"
CHUNK_S = 0.08
SCORED_CHUNK_S = 60.0
MOST_GROWTH_BYTES = 16 << 20
TOLERANCE = 1e-5
PAGE_BYTES = 4096


def minute_of_sound(minute):
    """Return a minute of tones and noise that come and go; each minute is another.

    Args:
        minute: Its number, the seed.
    """
    rng = np.random.default_rng(minute)
    t = np.arange(round(SCORED_CHUNK_S * SAMPLE_RATE)) / SAMPLE_RATE
    gate = np.repeat(rng.random(120) < 0.3, len(t) // 120)
    tone = gate * np.sin(2 * np.pi * rng.uniform(200, 2000) * t)
    sound = 0.3 * tone + rng.uniform(0.001, 0.05) * rng.normal(size=len(t))
    return sound.clip(-1, 1).astype("float32")


def open_detectors(model, runtime, folder):
    """Return two detectors for the same model in a runtime.

    Args:
        model: The Keras model.
        runtime: Name of the runtime.
        folder: Where files are written.
    """
    source = model
    if runtime == "onnx":
        from keras_sal.export import onnx

        source = onnx.convert(model, folder / "model.onnx").path
    elif runtime != "keras":
        from keras_sal.export import litert, micro

        source = folder / f"{runtime}.tflite"
        if runtime == "micro":
            micro.convert(model, source, quantization="float32")
        else:
            litert.convert(model, source)
    options = {"runtime": runtime, "smooth_frames": 5}
    return [StreamingDetector(source, 0.55, frontend=MicroFrontend(), **options) for _ in range(2)]


def process(detector, sound, chunk_s):
    """Return the posteriors and detections of a minute of sound, cut into chunks."""
    size = round(chunk_s * SAMPLE_RATE)
    outputs = [detector.process(sound[at : at + size]) for at in range(0, len(sound), size)]
    posteriors = np.concatenate([output.posteriors for output in outputs])
    return posteriors, [found for output in outputs for found in output.detections]


def memory_bytes():
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def stream_hours(detectors, hours):
    """Run both detectors over the same sound; return what was measured.

    Args:
        detectors: The two detectors.
        hours: Hours of sound.
    """
    live, scored = detectors
    minutes = max(1, round(60 * hours))
    every = max(1, min(60, minutes // 20))
    memory, worst, frames, times, started = [], 0.0, 0, ([], []), time.process_time()
    for minute in range(minutes):
        sound = minute_of_sound(minute)
        posteriors, found = process(live, sound, CHUNK_S)
        expected, again = process(scored, sound, SCORED_CHUNK_S)
        worst = max(worst, float(np.abs(posteriors - expected).max()))
        frames += len(posteriors)
        for kept, detections in zip(times, (found, again), strict=True):
            kept.extend(each.time_s for each in detections)
        if minute % every == 0:
            memory.append(memory_bytes())
    return {
        "hours": minutes / 60,
        "frames": frames,
        "detections": len(times[0]),
        "same_detections": times[0] == times[1],
        "greatest_difference": worst,
        "memory_mb": [round(each / 2**20, 1) for each in memory],
        "growth_bytes": growth_bytes(memory),
        "cpu_s": time.process_time() - started,
    }


def growth_bytes(memory):
    """Return how much memory grew over a stream, from readings at equal distances."""
    settled = memory[len(memory) // 10 :]
    half = max(1, len(settled) // 2)
    return 2 * float(np.median(settled[-half:]) - np.median(settled[:half]))


def passes(measured, runtime):
    """Return whether a runtime's figures are as they must be."""
    tolerance = TOLERANCE if runtime == "keras" else 0.0
    return (
        measured["same_detections"]
        and measured["greatest_difference"] <= tolerance
        and measured["growth_bytes"] <= MOST_GROWTH_BYTES
    )


def stored_runtimes(path):
    """Return the figures of the runtimes in a file of results; none if there is no file."""
    return json.loads(path.read_text())["runtimes"] if path.exists() else {}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--runtimes", nargs="+", choices=RUNTIMES, default=RUNTIMES)
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    model = gru_detector()
    results = {
        "backend": keras.backend.backend(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "runtimes": stored_runtimes(options.output),
    }
    for runtime in options.runtimes:
        with tempfile.TemporaryDirectory() as folder:
            detectors = open_detectors(model, runtime, Path(folder))
            measured = stream_hours(detectors, options.hours)
        results["runtimes"][runtime] = measured | {"passed": passes(measured, runtime)}
        shown = {key: value for key, value in measured.items() if key != "memory_mb"}
        print(runtime, "passed" if passes(measured, runtime) else "FAILED", shown, flush=True)
        files.write_json(options.output, results)
    return 0 if all(results["runtimes"][name]["passed"] for name in options.runtimes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
