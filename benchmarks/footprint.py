"""Flash, arena and multiply-adds of the reference detectors and of other detectors.

    python benchmarks/footprint.py --recordings DIR

Trains each detector of each size briefly on the recordings, long enough for a realistic range of
logits (`losses_bakeoff.py` measures accuracy), exports it for TensorFlow Lite Micro and measures
the file: flash, the smallest arena in the 64-bit interpreter, multiply-adds, state, and the
difference of its posteriors to those of float Keras on test streams. "recipe_..." are the detectors
of `keras_sal.training.recipe` with one output for 30 ms. `--models FILE.keras ...` measures trained
models instead. Writes `benchmarks/results/footprint.json` after every model, and keeps the rows of
other models in it.
"""

import json
import math
import shlex
import sys
import tempfile
from functools import partial
from pathlib import Path

import keras
import numpy as np
import recipe_study
from runs import RESULTS

from keras_sal import files, provenance
from keras_sal.export import micro
from keras_sal.losses import StreamingAnchorLoss
from keras_sal.models import conv_detector, conv_gru_detector, gru_detector
from keras_sal.runtime import drop_remainder, open_runner
from keras_sal.streaming import costs
from keras_sal.training import calibration_sequences, recipe

DETECTORS = {"gru": gru_detector, "conv": conv_detector, "conv_gru": conv_gru_detector}
DETECTORS |= {f"recipe_{kind}": partial(recipe.detector, kind) for kind in ("gru", "conv")}
SIZES = ("nano", "micro", "small")
QUANTIZATIONS = ("int8", "int16x8")
TARGETS = {  # flash, arena: bytes
    ("gru micro", "int8"): (21_000, 6_656),
    ("conv micro", "int8"): (27_000, 11_264),
    ("recipe_gru micro", "int8"): (21_000, math.inf),
    ("recipe_conv micro", "int8"): (27_000, math.inf),
}
TEST_FRAMES = 6_000

# Bytes of the model file and of the tensor arena on a 64-bit computer, or as their makers declare.
PEERS = [
    {
        "name": "MLPerf Tiny keyword spotting, DS-CNN int8",
        "flash_bytes": 53_936,
        "arena_bytes": 24_300,
        "macs_per_second": 2.66e6,
        "source": "https://github.com/mlcommons/tiny, kws_ref_model.tflite; arena by bisection",
    },
    {
        "name": "microWakeWord v2, alexa",
        "flash_bytes": 55_856,
        "arena_bytes": 22_348,
        "macs_per_second": 24e3 / 0.03,
        "source": "https://github.com/esphome/micro-wake-word-models, alexa.json",
    },
    {
        "name": "openWakeWord v0.1, alexa",
        "flash_bytes": 3_270_307,
        "arena_bytes": None,
        "macs_per_second": None,
        "source": "https://github.com/dscripka/openWakeWord, its three files together",
    },
]


def footprint(model, name, quantization, calibration, streams):
    """Export a model, and measure the file and its posteriors on the streams."""
    expected, runner = costs(model), open_runner(model)
    calibration, streams = drop_remainder(runner, calibration), drop_remainder(runner, streams)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        file = micro.convert(model, path, calibration, quantization=quantization, min_posterior=0.1)
        errors = []
        for features in streams:
            file.reset()
            exact = model.predict(features[None], verbose=0)[0]
            errors.append(abs(file.stream(features) - exact))
    errors = np.concatenate(errors)
    reach = expected.receptive_field_frames
    flash_bytes, arena_bytes = TARGETS.get((name, quantization), (None, None))
    return {
        "name": name,
        "quantization": quantization,
        "parameters": expected.parameters,
        "flash_bytes": file.flash_bytes,
        "estimated_flash_bytes": expected.flash_bytes,
        "arena_bytes": file.arena_bytes,
        "macs_per_answer": file.macs,
        "macs_per_second": expected.macs_per_second,
        "state_bytes": expected.state_values * (1 if quantization == "int8" else 2),
        "receptive_field_frames": None if reach == math.inf else reach,
        "operators": list(file.operators),
        "posterior_error_mean": float(errors.mean()),
        "posterior_error_max": float(errors.max()),
        "frames_compared": len(errors),
        "target_flash_bytes": flash_bytes,
        "target_arena_bytes": arena_bytes,
        "within_target": flash_bytes is None
        or (file.flash_bytes <= flash_bytes and file.arena_bytes <= arena_bytes),
    }


def detectors(streams, arguments, console):
    """Yield the detectors by name, each trained when it is due."""
    for path in arguments.models:
        yield Path(path).stem, keras.models.load_model(path, compile=False)
    for detector, size in [] if arguments.models else arguments.detectors:
        model, _ = recipe_study.train(
            f"Train {detector} {size}",
            partial(DETECTORS[detector], size=size),
            StreamingAnchorLoss("sa+fl"),
            streams.train,
            console,
            recipe.TrainingOptions(steps=arguments.steps),
        )
        yield f"{detector} {size}", model


def key(row):
    """Return the key of a row."""
    return row["name"], row["quantization"]


def kilobytes(count):
    """Format thousands of bytes, or nothing if they are not known."""
    return "" if count is None else f"{count / 1000:.1f}"


def table(rows):
    """Return the cells of a table: the detectors, then their peers."""
    cells = [
        [
            row["name"],
            row["quantization"],
            f"{row['parameters']:,}",
            kilobytes(row["flash_bytes"]),
            kilobytes(row["arena_bytes"]),
            f"{row['macs_per_second'] / 1e6:.2f}",
            f"{row['state_bytes']:,}",
            f"{row['posterior_error_mean']:.1e} / {row['posterior_error_max']:.2f}",
        ]
        for row in rows
    ]
    for peer in PEERS:
        macs = peer["macs_per_second"]
        macs = "" if macs is None else f"{macs / 1e6:.2f}"
        sizes = kilobytes(peer["flash_bytes"]), kilobytes(peer["arena_bytes"])
        cells.append([peer["name"], "", "", *sizes, macs, "", ""])
    return cells


def main():
    every = [f"{detector}:{size}" for detector in DETECTORS for size in SIZES]
    parser = recipe_study.parser(__doc__, word="computer", hours=4.0, steps=300)
    parser.add_argument("--detectors", nargs="+", choices=every, default=every, metavar="D:SIZE")
    parser.add_argument("--quantizations", nargs="+", choices=QUANTIZATIONS, default=QUANTIZATIONS)
    parser.add_argument("--models", nargs="+", default=[], help="trained .keras files instead")
    parser.add_argument("--output", default=RESULTS / "footprint.json", help="(%(default)s)")
    arguments = parser.parse_args()
    arguments.detectors = [name.split(":") for name in arguments.detectors]

    console, _, recordings = recipe_study.load(arguments)
    splits = recipe_study.streams_of(
        arguments.word, recordings, console, hours=arguments.hours, cache=arguments.cache
    )
    calibration = calibration_sequences(splits.train)
    streams = [stream.features[:TEST_FRAMES] for stream in splits.test["clean"][:2]]

    output = Path(arguments.output)
    rows = json.loads(output.read_text())["detectors"] if output.exists() else []
    for name, model in detectors(splits, arguments, console):
        for quantization in arguments.quantizations:
            with console.stage(f"Export and measure {name}, {quantization}"):
                row = footprint(model, name, quantization, calibration, streams)
            row["train_steps"] = None if arguments.models else arguments.steps
            row["command"] = shlex.join(["python", "benchmarks/footprint.py", *sys.argv[1:]])
            row["backend"] = keras.backend.backend()
            rows = [*(other for other in rows if key(other) != key(row)), row]
            results = {
                "versions": provenance.versions(),
                "machine": provenance.machine(),
                "detectors": rows,
                "peers": PEERS,
            }
            files.write_json(output, results)
    console.table(
        "TensorFlow Lite Micro: KB of flash and of arena (64-bit host)",
        [
            "detector",
            "numbers",
            "parameters",
            "flash",
            "arena",
            "M MAC/s",
            "state bytes",
            "error mean / max",
        ],
        table(rows),
    )
    console.say(f"Written to {output}")
    return 0 if all(row["within_target"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
