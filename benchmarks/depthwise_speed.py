"""Train steps of the convolutional detector by the way its depthwise convolutions are computed.

    python benchmarks/depthwise_speed.py [--rounds 9]

The same detector, with the same weights, trains with the operator of Keras, and with a sum over
shifted clips instead. On each backend, rounds go through both ways in turn, so that a busy machine
slows both. A round is a `fit` of a dozen steps on one core. The figures are medians of processor
time for a step, the ratios medians over rounds, the difference that of posteriors after three
steps of SGD.

Writes `benchmarks/results/depthwise_speed.json`, with what it was measured on.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from recurrent_speed import BACKENDS, BATCH_SIZE, CASES, CROP_FRAMES, STEPS, batch, ratio

from keras_sal import files, provenance

RESULT = Path(__file__).parent / "results" / "depthwise_speed.json"
_, FRAMES_PER_OUTPUT = CASES["recipe"]


def detectors():
    """Return a detector by its way, with equal weights."""
    import keras
    from keras import layers, ops

    from keras_sal.models import conv_detector

    class Shifted(layers.DepthwiseConv1D):
        def call(self, clips):
            (taps,), (dilation,) = self.kernel_size, self.dilation_rate
            frames = clips.shape[1] - (taps - 1) * dilation
            return sum(
                clips[:, i * dilation : i * dilation + frames] * ops.ravel(self.kernel[i])
                for i in range(taps)
            )

    def shifted(layer):
        kind = Shifted if isinstance(layer, layers.DepthwiseConv1D) else type(layer)
        return kind.from_config(layer.get_config())

    clips = keras.Input((CROP_FRAMES, 40))
    detector = conv_detector(frames_per_output=FRAMES_PER_OUTPUT)
    ways = {
        "operator of Keras": detector,
        "sum over shifted clips": keras.models.clone_model(detector, clone_function=shifted),
    }
    for model in ways.values():
        model(clips)
        model.set_weights(detector.get_weights())
    return ways


def measure(rounds, jit_compile):
    """Return the figures of both ways on the backend of this process."""
    import keras

    from keras_sal import StreamingAnchorLoss

    batches = [np.tile(x, (STEPS, 1, 1)) for x in batch("recipe")]
    clips, targets = (x[: 3 * BATCH_SIZE] for x in batches)
    options = {"batch_size": BATCH_SIZE, "shuffle": False, "verbose": 0}
    posteriors, times = {}, {}
    ways = detectors()
    for way, model in ways.items():
        model.compile(keras.optimizers.SGD(0.1), StreamingAnchorLoss(), jit_compile=jit_compile)
        model.fit(clips, targets, **options)
        posteriors[way] = keras.ops.convert_to_numpy(model(clips[:4]))
        optimizer = keras.optimizers.AdamW(4e-3, weight_decay=0.01, clipnorm=1.0)
        model.compile(optimizer, StreamingAnchorLoss(), jit_compile=jit_compile)
        model.fit(*batches, **options)
        times[way] = []
    for _ in range(rounds):
        for way, model in ways.items():
            started = time.process_time()
            model.fit(*batches, **options)
            times[way].append((time.process_time() - started) / STEPS)
    operator, shifted = times.values()
    return {
        "cpu_ms": {way: 1000 * statistics.median(taken) for way, taken in times.items()},
        "operator_by_sum": ratio(operator, shifted),
        "difference": float(np.abs(np.subtract(*posteriors.values())).max()),
    }


def in_a_process(backend, jit_compile, rounds):
    """Return the figures of a backend, from a process of its own."""
    environment = os.environ | {"KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--work", jit_compile, "--rounds", str(rounds)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9, help="fits of a way (%(default)s)")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        print(json.dumps(measure(options.rounds, json.loads(options.work))))
        return
    found = {
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "batch": [BATCH_SIZE, CROP_FRAMES, 40],
        "frames_per_output": FRAMES_PER_OUTPUT,
        "cores": 1,
        "rounds": options.rounds,
        "steps": STEPS,
        "load_average": os.getloadavg()[0],
    }
    cases = [(backend, '"auto"') for backend in BACKENDS] + [("tensorflow", "false")]
    for backend, jit_compile in cases:
        name = f"{backend}, jit_compile={json.loads(jit_compile)!r}"
        found[name] = in_a_process(backend, jit_compile, options.rounds)
        print(name, json.dumps(found[name]), flush=True)
    files.write_json(RESULT, found)
    print(f"Written to {RESULT}")


if __name__ == "__main__":
    main()
