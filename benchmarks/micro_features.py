"""`MicroFeatures` beside the integer front-end, on an hour of sound, and its speed.

    python benchmarks/micro_features.py [jax] [tensorflow] [torch] [--minutes 60]

The sound is real: speech, environmental noise, speech at a hundredth of its loudness, clipped
speech of forty times its loudness, and a minute each of digital silence and of full-scale noise.
Each minute is a stream of its own. For each kind it stores how many features are equal, how many
differ by at most one step (0.0390625), the mean and the largest difference; and fails if less than
99.9 % are within one step or the mean difference is 0.005 or more. Speed is CPU time of a compiled
call with clips of 4 s, 32 at a time, as in training. Each backend runs in a process of its own and
puts its part into `benchmarks/results/micro_features.json`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

RESULT = Path(__file__).parent / "results" / "micro_features.json"
BACKENDS = ("jax", "tensorflow", "torch")
RECORDINGS = Path(
    os.environ.get("KERAS_SAL_RECORDINGS") or Path(__file__).parents[2] / "shared" / "recordings"
)
RATE = 16_000
MINUTE = 60 * RATE
STEP = 0.0390625
SHARES = {"speech": 34, "noise": 12, "faint speech": 6, "clipped speech": 6}  # of 60 minutes
LEAST_WITHIN, MOST_MEAN = 0.999, 0.005


def minutes_of(pattern, count, gain=1.0):
    """Yield minutes of the recordings of a pattern, joined.

    Args:
        pattern: Glob pattern under the recordings.
        count: Number of minutes.
        gain: What the samples are multiplied with before they are clipped.
    """
    from keras_sal.audio import read_audio

    paths = sorted(RECORDINGS.glob(pattern))
    np.random.default_rng(0).shuffle(paths)
    rest = np.zeros(0, "float32")
    for path in paths:
        rest = np.concatenate([rest, read_audio(path)])
        while len(rest) >= MINUTE and count:
            yield (gain * rest[:MINUTE]).clip(-1, 1)
            rest, count = rest[MINUTE:], count - 1
        if not count:
            return
    raise SystemExit(f"{RECORDINGS}/{pattern} is {count} minutes too short")


def sounds(minutes):
    """Return iterators over minutes of sound, by their kind.

    Args:
        minutes: Minutes altogether.
    """
    share = {kind: max(1, round(part * minutes / 60)) for kind, part in SHARES.items()}
    full_scale = np.sign(np.random.default_rng(0).standard_normal(MINUTE)).astype("float32")
    return {
        "speech": minutes_of("[kcs]*/**/*.flac", share["speech"]),
        "noise": minutes_of("noise/*/*.flac", share["noise"]),
        "faint speech": minutes_of("sentences/**/*.flac", share["faint speech"], 0.01),
        "clipped speech": minutes_of("sentences/**/*.flac", share["clipped speech"], 40.0),
        "silence": [np.zeros(MINUTE, "float32")],
        "full scale": [full_scale],
    }


def compare(layer, clips):
    """Return how the features of a layer differ from those of the integer front-end.

    Args:
        layer: Function from samples `(1, samples)` to features.
        clips: Iterable of samples.
    """
    from keras_sal.audio import features

    total, equal, within, difference, largest = 0, 0, 0, 0.0, 0.0
    for clip in clips:
        apart = np.abs(layer(clip[None])[0] - features(clip))
        total += apart.size
        equal += int((apart < STEP / 2).sum())
        within += int((apart < 1.5 * STEP).sum())
        difference += float(apart.sum())
        largest = max(largest, float(apart.max()))
    return {
        "minutes": total / 40 / (60 * 100 - 2),
        "features": total,
        "equal": equal / total,
        "within_one_step": within / total,
        "mean_difference": difference / total,
        "greatest_difference": largest,
    }


def us_per_frame(layer, clips=32, seconds=4.0, rounds=5):
    """Return the CPU time of a frame in microseconds, the median of some calls."""
    samples = np.random.default_rng(0).normal(0, 0.1, (clips, round(seconds * RATE)))
    samples = samples.astype("float32").clip(-1, 1)
    frames = layer(samples).shape[1] * clips
    times = []
    for _ in range(rounds):
        started = time.process_time()
        layer(samples)
        times.append(time.process_time() - started)
    return 1e6 * float(np.median(times)) / frames


def measure(minutes):
    """Return the figures of the active backend."""
    import keras

    from keras_sal.audio import MicroFeatures

    model = keras.Sequential([keras.Input((None,)), MicroFeatures()])
    kinds = {
        kind: compare(model.predict_on_batch, clips) for kind, clips in sounds(minutes).items()
    }
    for kind, found in kinds.items():
        print(f"{keras.backend.backend()}, {kind}: {found}", flush=True)
        assert found["within_one_step"] >= LEAST_WITHIN, kind
        assert found["mean_difference"] < MOST_MEAN, kind
    return {"sounds": kinds, "us_per_frame": us_per_frame(model.predict_on_batch)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backends", nargs="*", default=BACKENDS, help="jax, tensorflow, torch")
    parser.add_argument("--minutes", type=int, default=60, help="minutes of sound (60)")
    parser.add_argument("--here", action="store_true", help="measure in this process")
    arguments = parser.parse_args()
    if not arguments.here:
        for backend in arguments.backends:
            command = [
                sys.executable,
                __file__,
                "--here",
                f"--minutes={arguments.minutes}",
                backend,
            ]
            subprocess.run(command, check=True, env=os.environ | {"KERAS_BACKEND": backend})
        return
    from keras_sal import files, provenance

    [backend] = arguments.backends
    result = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    result[backend] = measure(arguments.minutes) | {
        "versions": provenance.versions(),
        "machine": provenance.machine(),
    }
    files.write_atomically(RESULT, json.dumps(result, indent=1).encode() + b"\n")


if __name__ == "__main__":
    main()
