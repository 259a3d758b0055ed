"""Speed of losses, targets and scoring, relative to functions of Keras and SciPy.

    KERAS_BACKEND=jax python benchmarks/speed.py [losses] [train_step] [targets] [scoring]

Every figure is the median of the ratios of runs that alternate between the two sides, so that a
busy machine slows both. Writes `benchmarks/results/speed_<backend>.json`, in which each part has
the versions it was measured with. Run it once per backend; on TensorFlow and JAX the losses are
compiled (XLA), on PyTorch they run eagerly, as Keras runs them.

`speed_streaming.py` measures a frame of a stream in every runtime.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import keras
import numpy as np
from runs import RESULTS

import keras_sal
from keras_sal import files, provenance

ROUNDS = 31


def paired(first, second, rounds=ROUNDS):
    """Return the median time of each, and the median ratio of neighbouring runs."""
    for run in (first, second, first, second):
        run()
    times = []
    for round_ in range(rounds):
        order = (first, second) if round_ % 2 else (second, first)
        taken = {}
        for run in order:
            started = time.perf_counter()
            run()
            taken[run] = time.perf_counter() - started
        times.append((taken[first], taken[second]))
    ratios = sorted(a / b for a, b in times)
    return {
        "first_ms": 1000 * statistics.median(a for a, _ in times),
        "second_ms": 1000 * statistics.median(b for _, b in times),
        "ratio": statistics.median(ratios),
        "ratio_quartiles": [ratios[rounds // 4], ratios[3 * rounds // 4]],
    }


def value_and_gradient(loss, y_true, logits):
    """Return a function that computes both, compiled if the backend compiles."""
    y_true = keras.ops.convert_to_tensor(y_true)
    logits = keras.ops.convert_to_tensor(logits)
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            @tf.function(jit_compile=True)
            def compute(y_true, logits):
                with tf.GradientTape() as tape:
                    tape.watch(logits)
                    value = loss(y_true, logits)
                return value, tape.gradient(value, logits)

            return lambda: compute(y_true, logits)[1].numpy()
        case "jax":
            import jax

            compute = jax.jit(jax.value_and_grad(lambda logits, y_true: loss(y_true, logits)))
            return lambda: jax.block_until_ready(compute(logits, y_true))
        case "torch":

            def compute():
                variable = logits.detach().requires_grad_()
                loss(y_true, variable).backward()
                return variable.grad

            return compute


def sals(**arguments):
    for variant in ("sal", "sa+fl", "safl"):
        yield variant, keras_sal.StreamingAnchorLoss(variant, from_logits=True, **arguments)


def losses():
    """Measure each variant against the losses of Keras on the same logits."""
    rng = np.random.default_rng(0)
    rows = []
    for batch, frames, classes in ((32, 500, 1), (256, 1000, 1), (32, 500, 12)):
        logits = rng.normal(size=(batch, frames, classes)).astype("float32")
        start = rng.integers(0, frames - 60, (batch, 1))
        label = rng.integers(1, max(classes, 2), (batch, 1))
        events = np.stack([start, start + 50, label], axis=-1)
        packed = keras_sal.AnchorTargets(frames=frames, classes=classes)(events)
        ids = packed[..., :1]
        if classes == 1:
            stock = {
                "BinaryCrossentropy": (keras.losses.BinaryCrossentropy, ids),
                "BinaryFocalCrossentropy": (keras.losses.BinaryFocalCrossentropy, ids),
            }
        else:
            one_hot = np.eye(classes, dtype="float32")[ids[..., 0].astype(int)]
            stock = {
                "SparseCategoricalCrossentropy": (keras.losses.SparseCategoricalCrossentropy, ids),
                "CategoricalFocalCrossentropy": (
                    keras.losses.CategoricalFocalCrossentropy,
                    one_hot,
                ),
            }
        for variant, loss in sals():
            ours = value_and_gradient(loss, packed, logits)
            for name, (kind, y_true) in stock.items():
                theirs = value_and_gradient(kind(from_logits=True), y_true, logits)
                found = paired(ours, theirs)
                shape = [batch, frames] + [classes] * (classes > 1)
                rows.append({"shape": shape, "loss": variant, "against": name, **found})
                print(
                    f"{shape!s:15} {variant:6} against {name:30} {found['ratio']:.2f} "
                    f"({found['first_ms']:.2f} ms)",
                    flush=True,
                )
    return rows


def train_step():
    """Measure a train step of the GRU detector, each variant against cross entropy of Keras."""
    batch, frames = (32, 500) if keras.backend.backend() != "torch" else (32, 50)
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 26, (batch, frames, 40)).astype("float32")
    onset = rng.integers(5, 30, (batch, 1, 1))
    packed = keras_sal.AnchorTargets(frames=frames)(np.concatenate([onset, onset + 9], axis=-1))

    def step(loss, y):
        keras.utils.set_random_seed(0)
        model = keras_sal.models.gru_detector()
        model.compile("adam", loss=loss)
        return lambda: model.train_on_batch(x, y)

    stock = step(keras.losses.BinaryCrossentropy(), packed[..., :1])
    rows = []
    for variant in ("sal", "sa+fl", "safl"):
        found = paired(step(keras_sal.StreamingAnchorLoss(variant), packed), stock, rounds=15)
        rows.append({"shape": [batch, frames], "loss": variant, **found})
        print(
            f"train step, {variant:6} {found['ratio']:.3f} ({found['first_ms']:.0f} ms)", flush=True
        )
    return rows


def targets():
    """Measure target frames per second, against the distance transform of SciPy on NumPy."""
    from scipy.ndimage import distance_transform_edt

    rng = np.random.default_rng(0)
    rows = []
    for batch, frames, events in ((256, 1000, 2), (32, 500, 3), (1, 60_000, 1000)):
        onset = rng.integers(0, frames - 20, (batch, events, 1))
        rows_of_events = np.concatenate([onset, onset + 15], axis=-1)
        away = np.ones((batch, frames), bool)
        np.put_along_axis(away, onset[..., 0], False, axis=1)
        layer = keras_sal.AnchorTargets(frames=frames)
        found = paired(
            lambda layer=layer, e=rows_of_events: layer(e),
            lambda away=away: [distance_transform_edt(clip) for clip in away],
        )
        rate = batch * frames / found["first_ms"] * 1000
        rows.append(
            {"clips": batch, "frames": frames, "events": events, "frames_per_s": rate, **found}
        )
        print(
            f"targets {batch} x {frames}, {events} events: {rate:.3g} frames/s, time "
            f"{found['ratio']:.2f} of SciPy's distance transform alone",
            flush=True,
        )
    return {"speed": rows, "memory": target_memory()}


def target_memory():
    """Measure the peak memory of making targets of up to 20 minutes, with `tracemalloc`."""
    import tracemalloc

    rows = []
    for frames, events in ((60_000, 10), (60_000, 1000), (120_000, 1000)):
        onset = np.random.default_rng(0).integers(0, frames - 20, (1, events, 1))
        layer = keras_sal.AnchorTargets(frames=frames)
        rows_of_events = np.concatenate([onset, onset + 15], axis=-1)
        tracemalloc.start()
        layer(rows_of_events)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        rows.append({"frames": frames, "events": events, "bytes_per_frame": peak / frames})
        print(f"targets of {frames} frames, {events} events: {peak / frames:.0f} bytes a frame")
    return rows


def scoring():
    """Measure the scoring of 25, 50 and 100 hours at all thresholds, in separate processes."""
    rows = []
    for hours in (25, 50, 100):
        program = [sys.executable, __file__, "--score-hours", str(hours)]
        rows.append(json.loads(subprocess.run(program, check=True, capture_output=True).stdout))
        print("scored {hours} h: {seconds:.1f} s, {peak_bytes:.3g} bytes".format(**rows[-1]))
    return rows


def score_hours(hours):
    """Score hours of 10 ms posteriors, and return CPU seconds and peak bytes of this process."""
    from keras_sal.detection import det_curve

    rng = np.random.default_rng(0)
    frames, step = 360_000, 0.01
    posteriors, anchors = [], []
    for _ in range(hours):
        posterior = rng.random(frames, dtype="float32") ** 8 * 0.6
        for start in rng.integers(0, frames - 41, 200):  # 200 bursts of 0.4 s an hour
            burst = posterior[start : start + 41]
            np.maximum(burst, np.hanning(41) * rng.random(), out=burst, casting="same_kind")
        times = np.sort(rng.uniform(5, 3595, 60))  # and 60 events
        for start in np.round(times / step).astype(int) - 10:
            event = posterior[start : start + 61]
            level = 1 - 0.9 * rng.random() ** 4
            np.maximum(event, np.hanning(61) * level, out=event, casting="same_kind")
        posteriors.append(posterior)
        anchors.append(times)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    started = time.process_time()
    curve = det_curve(posteriors, anchors, frame_step_s=step, smooth_frames=5)
    curve.frr_at(1.0)
    return {
        "hours": hours,
        "operating_points": len(curve.threshold),
        "seconds": time.process_time() - started,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "peak_bytes_before": before,  # imports and posteriors
    }


BENCHMARKS = {f.__name__: f for f in (losses, train_step, targets, scoring)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"what to measure: {', '.join(BENCHMARKS)} (all)")
    parser.add_argument("--score-hours", type=int, metavar="H", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(BENCHMARKS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if arguments.score_hours:
        print(json.dumps(score_hours(arguments.score_hours)))
        return
    backend = keras.backend.backend()
    path = RESULTS / f"speed_{backend}.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    for name in arguments.parts or BENCHMARKS:
        found[name] = {
            "versions": provenance.versions(),
            "machine": provenance.machine(),
            "backend": backend,
            "figures": BENCHMARKS[name](),
        }
        RESULTS.mkdir(exist_ok=True)
        files.write_json(path, found)
    print(f"Written to {path}")


if __name__ == "__main__":
    main()
