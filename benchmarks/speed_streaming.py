"""CPU time of a frame in every runtime, live and when hours are scored.

    python benchmarks/speed_streaming.py [files] [jax] [tensorflow] [torch]

The GRU detector (`keras_sal.models.gru_detector`, 100 frames a second) on one core. *Live* is one
frame per call, *scored* the same stream in one call, *side by side* 32 streams in one call, if the
runtime supports that. Every figure is CPU time, the median of several runs, so that other load on
the machine matters little. Each Keras backend runs in a process of its own. Writes
`benchmarks/results/speed_streaming.json`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RESULT = Path(__file__).parent / "results" / "speed_streaming.json"
BACKENDS = ("jax", "tensorflow", "torch")
PARTS = ("files", *BACKENDS)
FRAMES_PER_SECOND = 100
HOUR_FRAMES = 3600 * FRAMES_PER_SECOND
BUDGET_S = 2.0  # for one measurement
ROUNDS = 5
CORE = 0


def per_frame_us(run, frames):
    """Return the median microseconds per frame, over as many frames as fit the budget.

    Args:
        run: Function that predicts as many frames as it is given.
        frames: Greatest number of frames.
    """
    tried = 1
    run(tried)
    while True:
        started = time.process_time()
        run(tried)
        taken = time.process_time() - started
        fitting = min(frames, int(tried * BUDGET_S / ROUNDS / taken))
        if fitting < 4 * tried:
            break
        tried = min(fitting, 8 * tried)
        run(tried)  # compiles
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        run(tried)
        times.append(time.process_time() - started)
    return {"us": 1e6 * statistics.median(times) / tried, "frames": tried}


def features(frames):
    return np.random.default_rng(0).uniform(0, 26, (frames, 40)).astype("float32")


def live(runner):
    """Measure one frame per call."""
    frame = features(1)

    def run(frames):
        for _ in range(frames):
            runner.stream(frame)

    return per_frame_us(run, 10_000)


def scored(runner):
    """Measure a long stream per call."""
    hour = features(HOUR_FRAMES)
    return per_frame_us(lambda frames: runner.stream(hour[:frames]), HOUR_FRAMES)


def side_by_side(runner, streams=32):
    """Measure several streams per call, per frame of one of them."""
    from keras_sal.runtime import predict

    minutes = features(HOUR_FRAMES // 10)
    found = per_frame_us(
        lambda frames: predict(runner, [minutes[:frames]] * streams), HOUR_FRAMES // 10
    )
    return {"us": found["us"] / streams, "frames": streams * found["frames"]}


def row(runtime, live=None, scored=None, side_by_side=None):
    return {"runtime": runtime, "live": live, "scored": scored, "side_by_side": side_by_side}


def keras_rows():
    """Measure Keras on the active backend: the step model called in three ways, and the runner."""
    import keras

    from keras_sal import models
    from keras_sal.runtime import open_runner
    from keras_sal.streaming import initial_state, step_model

    backend = keras.backend.backend()
    model = models.gru_detector()
    step = step_model(model)
    frame = {"frame": features(1)}

    def calling(call):
        def run(frames):
            state = initial_state(step)
            for _ in range(frames):
                outputs = call(frame | state)
                state = {name: outputs[f"{name}_next"] for name in state}
            np.asarray(keras.ops.convert_to_numpy(outputs["posterior"]))

        return per_frame_us(run, 10_000)

    rows = [
        row(
            f"Keras on {backend}, eager: step(...)",
            calling(lambda x: step(keras.tree.map_structure(keras.ops.convert_to_tensor, x))),
        ),
        row(f"Keras on {backend}: step.predict_on_batch(...)", calling(step.predict_on_batch)),
    ]
    if jitted := compiled(step, backend):
        rows.append(row(f"Keras on {backend}, compiled by hand", calling(jitted)))
    runner = open_runner(model)
    measured = (live(runner), scored(runner), side_by_side(runner))
    rows.append(row(f"Keras on {backend}: open_runner(model)", *measured))
    if backend == "tensorflow":
        runner = open_runner(model, jit_compile=True)
        measured = (live(runner), scored(runner), side_by_side(runner))
        rows.append(row(f"Keras on {backend}: open_runner(model, jit_compile=True)", *measured))
    return rows


def compiled(step, backend):
    """Return the step model compiled by the backend itself, without the overhead of Keras."""
    if backend == "jax":
        import jax

        weights = (
            [v.value for v in step.trainable_variables],
            [v.value for v in step.non_trainable_variables],
        )
        jitted = jax.jit(lambda weights, x: step.stateless_call(*weights, x)[0])
        return lambda x: jitted(weights, x)
    if backend == "tensorflow":
        import tensorflow as tf

        traced = tf.function(lambda x: step(x, training=False), jit_compile=True)
        return lambda x: traced({name: tf.convert_to_tensor(array) for name, array in x.items()})
    return None


def file_rows():
    """Measure the converted files in their runtimes, and NumPy."""
    from keras_sal.export import litert, micro, onnx
    from keras_sal.models import gru_detector

    model = gru_detector()
    numpy_step = NumpyGru(model)
    check = features(50)
    whole_clip = np.asarray(model.predict(check[None], verbose=0))[0]
    np.testing.assert_allclose(numpy_step.stream(check), whole_clip, atol=1e-5)
    with tempfile.TemporaryDirectory() as folder:
        calibration = {"calibration": [features(2000)], "min_posterior": 0.0}
        runners = {
            "LiteRT, float32": litert.convert(model, f"{folder}/float32.tflite"),
            "TensorFlow Lite Micro, int8": micro.convert(
                model, f"{folder}/int8.tflite", **calibration
            ),
            "TensorFlow Lite Micro, float32": micro.convert(
                model, f"{folder}/micro32.tflite", quantization="float32"
            ),
            "ONNX Runtime, float32": onnx.convert(model, f"{folder}/step.onnx"),
            "NumPy, float32": numpy_step,
        }
        return [row(name, live(runner), scored(runner)) for name, runner in runners.items()]


class NumpyGru:
    """The GRU detector in plain NumPy, the least work per frame in Python."""

    def __init__(self, model):
        self.feature_max = 26.0
        *self.dense, self.kernel, self.recurrent, self.bias, self.out, self.out_bias = (
            np.asarray(w) for w in model.get_weights()
        )
        self.reset()

    def reset(self):
        self.state = np.zeros(len(self.recurrent), "float32")

    def stream(self, frames):
        posteriors = np.empty((len(frames), 1), "float32")
        weights, bias = self.dense
        for t, frame in enumerate(frames):
            x = np.maximum(frame / self.feature_max @ weights + bias, 0)
            from_input = np.split(x @ self.kernel + self.bias[0], 3)
            from_state = np.split(self.state @ self.recurrent + self.bias[1], 3)
            update, reset = (
                sigmoid(i + s) for i, s in zip(from_input[:2], from_state[:2], strict=True)
            )
            candidate = np.tanh(from_input[2] + reset * from_state[2])
            self.state = update * self.state + (1 - update) * candidate
            posteriors[t] = sigmoid(self.state @ self.out + self.out_bias)
        return posteriors


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def measure(part):
    """Measure a part in a process of its own, on one core."""
    backend = part if part in BACKENDS else "tensorflow"
    env = os.environ | {
        "KERAS_BACKEND": backend,
        "OMP_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, __file__, "--here", part]
    run = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE)
    return json.loads(run.stdout.splitlines()[-1])


def table(rows):
    """Format the figures: microseconds per frame, and the speed relative to real time."""
    lines = [f"{'':56} {'live':>9} {'scored':>9} {'side by side':>13} {'x real time':>12}"]
    for found in rows:
        cells = [found[name] and found[name]["us"] for name in ("live", "scored", "side_by_side")]
        best = min(cell for cell in cells if cell)
        text = [f"{cell:.3g} us" if cell else "" for cell in cells]
        faster = 1e6 / FRAMES_PER_SECOND / best
        lines.append(
            f"{found['runtime']:56} {text[0]:>9} {text[1]:>9} {text[2]:>13} {faster:12,.0f}"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"what to measure: {', '.join(PARTS)} (all)")
    parser.add_argument("--here", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if arguments.here:
        os.sched_setaffinity(0, {CORE})
        print(json.dumps(file_rows() if arguments.here == "files" else keras_rows()))
        return
    from keras_sal import files, provenance

    found = json.loads(RESULT.read_text()) if RESULT.exists() else {"rows": {}}
    found |= {
        "versions": provenance.versions(),
        "machine": f"{provenance.machine()}; one core used",
        "frames_per_second": FRAMES_PER_SECOND,
        "unit": "microseconds of CPU time a frame of one stream, median of runs",
    }
    for part in arguments.parts or PARTS:
        load = os.getloadavg()[0]
        found["rows"][part] = [measured | {"load_average": load} for measured in measure(part)]
        print(table(found["rows"][part]), flush=True)
        files.write_json(RESULT, found)
    print(f"Written to {RESULT}")


if __name__ == "__main__":
    main()
