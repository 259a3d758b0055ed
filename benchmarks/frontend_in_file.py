"""What the micro front-end costs in a file for LiteRT, and whether it gives the same features.

    python benchmarks/frontend_in_file.py [--minutes 60]

Converts a detector of one output every 10 ms, and one of every 30 ms, with and without the
front-end, and runs their steps on one core. The weights are random, which neither size nor time
depends on. Time is CPU time of setting the inputs and of a step, the least of some rounds by turns,
so that other work on the machine disturbs all files alike.

Then the front-end alone, as a file for LiteRT, reads the hour of `micro_features.py` a frame at a
time, and its features are compared with those of the integer front-end. Stores
`benchmarks/results/frontend_in_file.json`.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from micro_features import compare, sounds

from keras_sal import audio, files, provenance
from keras_sal.export import litert
from keras_sal.export.frontend import STEP_SAMPLES, frontend_alone
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.models import gru_detector

RESULT = Path(__file__).parent / "results" / "frontend_in_file.json"
ROUNDS, STEPS = 40, 300
TARGETS = {"us_per_10_ms": 60.0, "added_bytes": 15_000}


def convert(folder, every, quantization):
    """Return a detector with and without its front-end, in LiteRT."""
    sound = 0.1 * np.random.default_rng(0).standard_normal(30 * audio.SAMPLE_RATE // 10)
    calibration = [audio.features(sound)[:297]]
    return [
        litert.convert(
            gru_detector(frames_per_output=every),
            folder / f"{every}_{quantization}_{frontend}.tflite",
            calibration,
            quantization=quantization,
            frontend=frontend,
            min_posterior=0.0,
        )
        for frontend in ("micro", None)
    ]


def us_per_step(model):
    """Return the time of a step over noise, in microseconds."""
    frames = 0.1 * np.random.default_rng(0).standard_normal((STEPS, *model.inputs[0].shape[1:]))
    inputs = frames.astype("float32")[:, None]
    states = {info.name: np.zeros(info.shape, info.dtype) for info in model.inputs[1:]}
    started = time.process_time()
    for frame in inputs:
        model._step({"frame": frame, **states})
    return 1e6 * (time.process_time() - started) / STEPS


def features_of_the_file(folder, minutes):
    """Return how the features of a file differ from those of the integer front-end, by sound."""
    path = folder / "frontend.tflite"
    file = litert.convert(frontend_alone(1), path, min_posterior=0.0)
    before = 2 * STEP_SAMPLES  # of silence, which the state of a stream holds at first

    def read(clip):
        file.reset()
        whole = len(clip[0]) // STEP_SAMPLES * STEP_SAMPLES
        return file.stream(clip[0, :whole].reshape(-1, STEP_SAMPLES))[None]

    def with_silence(clips):
        return (np.concatenate([np.zeros(before, "float32"), clip]) for clip in clips)

    return {
        kind: compare(lambda clip: read(clip[:, before:]), with_silence(clips))
        for kind, clips in sounds(minutes).items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=60, help="minutes of sound (60)")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for every in (1, 3):
            for quantization in ("float32", "int8"):
                models = convert(Path(name), every, quantization)
                rounds = [[us_per_step(model) for model in models] for _ in range(ROUNDS)]
                whole, alone = (float(best) / every for best in np.min(rounds, axis=0))
                operators = [len(Flatbuffer.from_file(m.path).operators()) for m in models]
                rows.append(
                    {
                        "frames_per_output": every,
                        "quantization": quantization,
                        "bytes": models[0].flash_bytes,
                        "added_bytes": models[0].flash_bytes - models[1].flash_bytes,
                        "operators": operators[0],
                        "added_operators": operators[0] - operators[1],
                        "clock": "cpu",
                        "us_per_10_ms": whole,
                        "us_per_10_ms_without": alone,
                    }
                )
                print(rows[-1], flush=True)
        kinds = features_of_the_file(Path(name), options.minutes)
    for kind, found in kinds.items():
        print(f"{kind}: {found}")
    result = {
        "rows": rows,
        "sounds": kinds,
        "targets": TARGETS,
        "versions": provenance.versions(),
        "machine": provenance.machine(),
    }
    files.write_json(RESULT, result)


if __name__ == "__main__":
    main()
