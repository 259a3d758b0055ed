"""Train steps of a GRU and an LSTM detector by the way their loop over frames runs.

    python benchmarks/recurrent_speed.py [--case every_frame recipe] [--rounds 9]

A process for each backend holds the same detector, with equal weights, once for each way. Rounds go
through all ways of all backends in turn, so that a busy machine slows all of them. A round is a
`fit` of a dozen steps. The figures are medians of processor time for a step, the ratios medians
over rounds. Each way is compared with the plain loop on the same backend: posteriors after three
train steps of SGD on one batch.

Writes `benchmarks/results/recurrent_speed.json`, in which a case replaces its earlier figures.
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

from keras_sal import files, provenance

RESULT = Path(__file__).parent / "results" / "recurrent_speed.json"
BACKENDS = ("tensorflow", "jax", "torch")
BATCH_SIZE, CROP_FRAMES, UNITS, STEPS = 32, 400, 48, 12
CASES = {"every_frame": (32, 1), "recipe": (22, 3)}  # dense units, frames an output
LOOP = "loop of Keras, use_cudnn=False"
DEFAULT = "default of Keras"
COMPILED = "default of Keras, jit_compile=True"
KERNEL = "kernel of PyTorch, TorchModuleWrapper"
NONE = "a dense layer instead"
WAYS = {
    "tensorflow": (LOOP, COMPILED, NONE),
    "jax": (LOOP, DEFAULT, NONE),
    "torch": (LOOP, DEFAULT, KERNEL, NONE),
}


def batch(case):
    """Return clips and packed targets."""
    from keras_sal import AnchorTargets

    rng = np.random.default_rng(0)
    clips = rng.uniform(0, 26, (BATCH_SIZE, CROP_FRAMES, 40)).astype("float32")
    onset = rng.integers(5, 30, (BATCH_SIZE, 1, 1))
    targets = AnchorTargets(frames=CROP_FRAMES // CASES[case][1])
    return clips, targets(np.concatenate([onset, onset + 9], axis=-1))


def recurrent_layer(kind, way):
    """Return the recurrent layer, or what stands in for it."""
    from keras import layers

    if way == NONE:
        return layers.Dense(UNITS)
    if way == KERNEL:
        import torch

        class Outputs(torch.nn.Module):
            def __init__(self, features):
                super().__init__()
                module = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind]
                self.module = module(features, UNITS, batch_first=True)

            def forward(self, clips):
                return self.module(clips)[0]

        return lambda x: layers.TorchModuleWrapper(
            Outputs(x.shape[-1]), output_shape=(None, x.shape[1], UNITS)
        )(x)
    options = {} if way in (DEFAULT, COMPILED) else {"use_cudnn": False}
    return {"gru": layers.GRU, "lstm": layers.LSTM}[kind](UNITS, return_sequences=True, **options)


def detector(kind, case, way):
    """Return a detector with the weights of all others of this kind and case."""
    import keras
    from keras import layers

    dense, every = CASES[case]
    clips = keras.Input((CROP_FRAMES, 40))
    x = layers.Rescaling(1 / 26)(clips)
    x = layers.Conv1D(dense, every, strides=every, activation="relu")(x)
    x = recurrent_layer(kind, way)(x)
    model = keras.Model(clips, layers.Dense(1, activation="sigmoid")(x))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.15, w.shape) for w in model.get_weights()])
    return model


def step_of(kind, case, way):
    """Return a train step with the optimizer of the recipe, and what it takes to begin."""
    import keras

    from keras_sal import StreamingAnchorLoss

    model = detector(kind, case, way)
    jit = True if way == COMPILED else "auto"
    clips, targets = batch(case)
    started = time.process_time()
    loss = StreamingAnchorLoss("sa+fl")
    model.compile(keras.optimizers.SGD(0.1), loss=loss, jit_compile=jit)
    model.fit(clips, targets, batch_size=BATCH_SIZE, epochs=3, verbose=0)
    posteriors = keras.ops.convert_to_numpy(model(clips[:4]))
    first = {"first_steps_s": time.process_time() - started, "posteriors": posteriors.tolist()}
    optimizer = keras.optimizers.AdamW(4e-3, weight_decay=0.01, clipnorm=1.0)
    model.compile(optimizer, loss=loss, jit_compile=jit)
    clips, targets = (np.tile(x, (STEPS, 1, 1)) for x in (clips, targets))

    def step():
        model.fit(clips, targets, batch_size=BATCH_SIZE, verbose=0)

    step()
    return step, first


def work(kind, case):
    """Answer each line, the name of a way, with JSON: how it begins, then times of train steps."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what frameworks print
    steps = {}
    for line in sys.stdin:
        way = line.strip()
        if way not in steps:
            steps[way], answer = step_of(kind, case, way)
        else:
            started = time.process_time()
            steps[way]()
            answer = (time.process_time() - started) / STEPS
        print(json.dumps(answer), file=answers, flush=True)


def start(backend, kind, case):
    """Start the process of a backend, and return a function that asks it."""
    environment = os.environ | {"KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"}
    worker = subprocess.Popen(
        [sys.executable, __file__, "--work", kind, case],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask(way):
        print(way, file=worker.stdin, flush=True)
        if not (answer := worker.stdout.readline()):
            raise SystemExit(f"The process of {backend} ended at {way!r}; see its error above.")
        return json.loads(answer)

    return worker, ask


def measure(kind, case, rounds):
    """Return the figures of all ways of all backends."""
    workers = {backend: start(backend, kind, case) for backend in BACKENDS}
    ways = [(backend, way) for backend in BACKENDS for way in WAYS[backend]]
    first = {(backend, way): workers[backend][1](way) for backend, way in ways}
    times = {each: [] for each in ways}
    for _ in range(rounds):
        for backend, way in ways:
            times[backend, way].append(workers[backend][1](way))
    for worker, _ in workers.values():
        worker.stdin.close()
        worker.wait()
    rows = []
    for backend, way in ways:
        begun, loop = first[backend, way], first[backend, LOOP]
        row = {"layer": kind, "backend": backend, "way": way}
        row["cpu_ms"] = 1000 * statistics.median(times[backend, way])
        row["first_steps_s"] = begun["first_steps_s"]
        row["of_the_loop"] = ratio(times[backend, way], times[backend, LOOP])
        row["of_the_loop_on_jax"] = ratio(times[backend, way], times["jax", LOOP])
        if way not in (KERNEL, NONE):
            difference = np.subtract(begun["posteriors"], loop["posteriors"])
            row["difference"] = float(np.abs(difference).max())
        rows.append(row)
        print(
            f"{case} {kind:4} {backend:10} {way:38} {row['cpu_ms']:6.1f} ms, "
            f"{row['of_the_loop']:.2f} of the loop, {row['of_the_loop_on_jax']:.2f} of JAX, "
            f"differs by {row.get('difference', float('nan')):.1g}",
            flush=True,
        )
    return rows


def ratio(times, others):
    """Return the median ratio of neighbouring runs."""
    return statistics.median(a / b for a, b in zip(times, others, strict=True))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES), help="(all)")
    parser.add_argument("--layer", nargs="+", choices=("gru", "lstm"), default=["gru", "lstm"])
    parser.add_argument("--rounds", type=int, default=5, help="fits of a way (%(default)s)")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(*options.work)
        return
    found = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    for case in options.case:
        for kind in options.layer:
            found[f"{case}, {kind}"] = {
                "versions": provenance.versions(),
                "machine": provenance.machine(),
                "batch": [BATCH_SIZE, CROP_FRAMES, 40],
                "frames_per_output": CASES[case][1],
                "threads": 1,
                "rounds": options.rounds,
                "steps": STEPS,
                "load_average": os.getloadavg()[0],
                "ways": measure(kind, case, options.rounds),
            }
            files.write_json(RESULT, found)
    print(f"Written to {RESULT}")


if __name__ == "__main__":
    main()
